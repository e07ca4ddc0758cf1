"""Several devices share out each batch, and end with what one has, but for rounding. JAX makes them of the CPU."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.errors import TrainingError
from glueft.launch import run_recipe
from glueft.recipe import load_recipe
from glueft.training import devices
from glueft.training.devices import Devices, choose_devices, refuse_devices
from glueft.training.engine_choice import Choice
from glueft.training.session import Session
from python_process import run_python

# Two epochs of four updates, the last of 6 rows of 8; three devices fill up all of them.
CHANGES = (
    "training={epochs=2, batch_size=4, gradient_accumulation_steps=2, evaluate_every=0.5}",
    "schedule.initial_learning_rate=2e-3",
    "data={source='sample', limit_train=30, limit_validation=19, max_length=16}",
)
DEVICES = (1, 2, 3)
ODD_ROWS = '''
import glueft, keras, numpy

class Predicts(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        rows = numpy.ones((5, 8), "int32")
        inputs = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), rows)
        assert self.model.predict(inputs, verbose=0).shape == (5, 2)

class OddRows(glueft.Callback):
    """Predicts rows that devices cannot share out."""
    name = "odd_rows"
    def build(self, run):
        return Predicts()
'''


def trained(checkpoint: str, folder: str) -> list[Any]:
    """Return the record and the history of a run on each number of devices; one with a callback that predicts."""
    found: list[Any] = []
    plugin = Path(folder, "odd_rows.py")
    plugin.write_text(ODD_ROWS)
    for count in DEVICES:
        changes = [*CHANGES, f"engine.devices={count}"]
        if count == 3:
            changes += [f"plugins.files=['{plugin}']", "callbacks=[{plugin='odd_rows'}]"]
        recipe = load_recipe("mrpc", changes, sample=True, checkpoint=checkpoint)
        record = run_recipe(recipe, output_dir=f"{folder}/{count}").record
        found.append([record, Path(record["run_dir"], "history.jsonl").read_text()])
    return found


def failed(checkpoint: str, folder: str) -> list[str]:
    """Return the error of a run on too many devices, that of one whose third loss is no number, and what is left."""
    from glueft.training import engine

    @contextmanager
    def broken(batches: Any) -> Iterator[Any]:
        with feed(batches) as fed:
            yield (
                (inputs, rest[0], rest[1] * np.nan) if rest and number == 3 else (inputs, *rest)
                for number, (inputs, *rest) in enumerate(fed, 1)
            )

    feed, found = engine.feed, []
    for change, made in (("engine.devices=5", feed), ("training.evaluate_every=1.0", broken)):
        recipe = load_recipe("mrpc", [*CHANGES, change], sample=True, checkpoint=checkpoint)
        with pytest.MonkeyPatch.context() as patched, pytest.raises(TrainingError) as caught:
            patched.setattr(engine, "feed", made)
            run_recipe(recipe, output_dir=f"{folder}/{len(found)}")
        found.append(str(caught.value))
    return [*found, *(thread.name for thread in threading.enumerate() if thread.name == "glueft-feed")]


@pytest.mark.slow
def test_two_and_three_devices_end_as_one(tiny_bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    one, *others = in_jax("trained", tiny_bert, tmp_path)
    losses, logits = _losses(one[1]), _logits(one[0])
    assert len(losses) == 8 + 2 * 2 and one[0]["num_train_steps"] == 8
    assert one[0]["engine"]["devices"] == {"kind": "cpu", "name": None, "count": 1, "available": 4, "processes": 1}
    rates = [json.loads(line).get("learning_rate") for line in one[1].splitlines()]
    assert [rate for rate in rates if rate is not None] == pytest.approx([2e-3 * (1 - step / 8) for step in range(8)])
    for (record, history), count in zip(others, DEVICES[1:], strict=True):
        assert record["engine"]["devices"]["count"] == count
        np.testing.assert_allclose(_losses(history), losses, rtol=1e-5)
        np.testing.assert_allclose(_logits(record), logits, atol=1e-4)
        assert record["metrics"] == one[0]["metrics"]
        assert record["data"] == one[0]["data"] and record["engine"]["widths"] == one[0]["engine"]["widths"]


@pytest.mark.slow
def test_too_many_devices_and_a_loss_that_is_no_number_among_steps_ahead(tiny_bert: Path, tmp_path: Path) -> None:
    too_many, exploded = in_jax("failed", tiny_bert, tmp_path)
    assert "engine.devices = 5: these devices cannot be had" in too_many
    assert "expected: at most 4" in too_many and "XLA_FLAGS=--xla_force_host_platform_device_count" in too_many
    assert not [*(tmp_path / "0").glob("*")]
    assert "the loss is no longer a finite number at step 3 of 8" in exploded
    folder = next((tmp_path / "1").glob("*"))
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert [json.loads(line)["step"] for line in (folder / "history.jsonl").read_text().splitlines()] == [1, 2]


def in_jax(function: str, checkpoint: Path, folder: Path) -> Any:
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    code = f"import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_devices; "
    code += f"print(json.dumps(test_devices.{function}({str(checkpoint)!r}, {str(folder)!r})))"
    return run_python(code, KERAS_BACKEND="jax", XLA_FLAGS="--xla_force_host_platform_device_count=4")


def _losses(history: str) -> list[float]:
    entries = [json.loads(line) for line in history.splitlines()]
    return [entry[key] for entry in entries for key in ("loss", "validation_loss") if key in entry][: 8 + 2 * 2]


def _logits(record: dict[str, Any]) -> Any:
    lines = Path(record["run_dir"], "predictions", "validation.tsv").read_text().splitlines()[1:]
    return np.array([[float(value) for value in line.split("\t")[3:]] for line in lines])


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_the_other_backends_take_one(backend: str) -> None:
    refuse_devices("auto", backend)
    refuse_devices(1, backend)
    with pytest.raises(TrainingError) as caught:
        refuse_devices(2, backend)
    assert "engine.devices = 2: several devices are used on JAX alone" in str(caught.value)
    assert f'received: the backend "{backend}"' in str(caught.value)
    assert 'engine.backend = "jax"' in caught.value.fix and "engine.devices = 1" in caught.value.fix


@pytest.mark.parametrize(
    ("setting", "rows", "kind", "processes", "count"),
    [
        ("auto", 64, "cpu", 1, 1),
        ("auto", 8, "gpu", 1, 1),
        ("auto", 32, "gpu", 1, 2),
        ("auto", 1024, "gpu", 1, 8),
        ("auto", 8, "gpu", 2, 2),
        ("auto", 64, "gpu", 2, 4),
        (8, 8, "gpu", 2, 8),
        (3, 8, "gpu", 2, None),
        (9, 8, "gpu", 1, None),
    ],
)
def test_how_many_are_taken(
    setting: Any, rows: int, kind: str, processes: int, count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = SimpleNamespace(platform=kind, device_kind="NVIDIA H100")
    jax = SimpleNamespace(
        devices=lambda: [device] * 8, process_count=lambda: processes, process_index=lambda: processes - 1
    )
    monkeypatch.setitem(__import__("sys").modules, "jax", jax)
    monkeypatch.setattr(devices, "keras_backend", lambda: "jax")
    if count is None:
        with pytest.raises(TrainingError, match="these devices cannot be had") as caught:
            choose_devices(setting, rows)
        assert ("a multiple of the 2 processes" in caught.value.expected) == (processes == 2)
        assert "8 GPU devices" in caught.value.received
    else:
        name = None if kind == "cpu" else "NVIDIA H100"
        assert choose_devices(setting, rows) == Devices(kind, name, count, 8, processes, processes - 1)
    assert choose_devices(setting, rows, fewer=True).count == (count or min(setting, 8) // processes * processes)


def test_a_run_says_how_many_devices_share_out_its_batches() -> None:
    session: Any = SimpleNamespace(backend=Choice("jax", "asked for"), precision=Choice("float32", "the default"))
    for count, more in ((1, ""), (2, ", on 2 of 8 GPU devices")):
        session.devices = Devices("gpu", "NVIDIA H100", count, 8)
        assert Session.engine_text(session) == f"on jax (asked for), in float32 (the default){more}"
