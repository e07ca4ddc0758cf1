"""What a run, a plan and a prediction say where memory runs out. The account of XLA itself is in the last test."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.data.batches import EvaluationBatches
from glueft.data.encoding import Encoded
from glueft.errors import DataError, TrainingError
from glueft.plugin.attribution import AttributedError
from glueft.system.device_memory import DeviceMemory
from glueft.system.memory_errors import NoMemory
from glueft.training import out_of_memory, step_memory
from glueft.training.devices import Devices
from glueft.training.out_of_memory import memory_for_prediction, no_memory_in, out_of_training, refuse_too_large
from glueft.training.step_memory import Fit, StepMemory

MB = 2**20
SAID = NoMemory("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.")
MODEL: Any = SimpleNamespace(distribution=None)
HALF = "--set training.batch_size=4 --set training.gradient_accumulation_steps=4"


def step(rows: int, fixed: int = 40 * MB, per_row: int = 10 * MB) -> StepMemory:
    return StepMemory(rows, 128, fixed, 0, rows * per_row, 0)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes that were compiled, on JAX, where 100 MiB are to be had."""
    monkeypatch.setattr(step_memory, "keras_backend", lambda: "jax")
    monkeypatch.setattr(step_memory, "limit_of_step", lambda devices: 100 * MB)
    return []


def fit(tried: list[int], sizes: list[int], **memory: int) -> Fit | None:
    def memory_of(rows: int) -> StepMemory:
        tried.append(rows)
        return step(rows, **memory)

    return step_memory._fit(MODEL, sizes, memory_of)


def test_the_largest_batch_that_fits(tried: list[int]) -> None:
    assert fit(tried, [4, 2, 1]) == Fit(100 * MB, step(4), step(4))
    assert tried == [4]
    tried.clear()
    assert fit(tried, [64, 32, 16, 8, 4, 2, 1]) == Fit(100 * MB, step(64), step(4))
    assert len(tried) <= 3, "the first one is where a line through the first account says"
    assert fit(tried, [64, 32, 16], fixed=200 * MB) == Fit(100 * MB, step(64, fixed=200 * MB), None)
    assert fit(tried, [1], fixed=200 * MB) == Fit(100 * MB, step(1, fixed=200 * MB), None)


def test_memory_that_does_not_grow_as_a_line(tried: list[int]) -> None:
    def memory_of(rows: int) -> StepMemory:
        tried.append(rows)
        return StepMemory(rows, 128, 0, 0, 30 * MB + rows**2 * MB, 0)

    found = step_memory._fit(MODEL, [32, 16, 8, 4, 2, 1], memory_of)
    assert found is not None and found.best == StepMemory(8, 128, 0, 0, 94 * MB, 0)


def test_a_search_that_takes_too_long_tells_nothing_that_it_does_not_know(
    tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_memory, "SECONDS", 0.0)
    assert fit(tried, [64, 32, 16, 8, 4, 2, 1]) is None and tried == [64]


def test_no_account(tried: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_memory, "limit_of_step", lambda devices: None)
    assert fit(tried, [8, 4]) is None
    monkeypatch.setattr(step_memory, "keras_backend", lambda: "tensorflow")
    assert fit(tried, [8, 4]) is None and tried == []


def recipe() -> Any:
    training = {"batch_size": 8, "gradient_accumulation_steps": 2}
    tables = {"training": training, "engine": {"devices": "auto"}}
    return SimpleNamespace(**{name: SimpleNamespace(**table) for name, table in tables.items()}, tables=lambda: tables)


def session(devices: int = 1) -> Any:
    return SimpleNamespace(recipe=recipe(), devices=Devices("gpu", "NVIDIA H100", devices, available=8))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Fit(100 * MB, step(8), step(2)),
         "memory ran out\n"
         "  expected: at most 100 MiB in use at once\n"
         "  received: 120 MiB for 8 rows of 128 tokens at once, by the account of XLA's compiler; "
         f"{SAID.line}\n"
         "  to fix:   train with the largest batches that fit, 8 for each update, so that the updates stay the same: "
         "--set training.batch_size=2 --set training.gradient_accumulation_steps=8 (60 MiB)"),
        (Fit(20 * MB, step(8), None),
         "memory ran out\n"
         "  expected: at most 20 MiB in use at once\n"
         "  received: 120 MiB for 8 rows of 128 tokens at once, by the account of XLA's compiler; "
         f"{SAID.line}\n"
         "  to fix:   take shorter rows (data.max_length) or a smaller checkpoint, or train less of it (model.freeze, "
         "model.lora_rank)"),
        (Fit(200 * MB, (whole := step(8)), whole),
         "memory ran out\n"
         "  expected: at most 200 MiB in use at once\n"
         "  received: 120 MiB for 8 rows of 128 tokens at once, by the account of XLA's compiler; "
         f"{SAID.line}\n"
         "  to fix:   end other programs; or start the run anew in less, and in less again where that does not fit: "
         f"{HALF}"),
        (None,
         "memory ran out\n"
         "  expected: memory for the model, its optimizer and a batch\n"
         f"  received: {SAID.line}\n"
         f"  to fix:   start the run anew in less, and in less again where that does not fit: {HALF}"),
    ],
)  # fmt: skip
def test_a_training_without_memory(found: Fit | None, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session: found)
    assert str(out_of_training(recipe(), session(), SAID)) == message


def test_a_run_with_a_saved_state_goes_on_where_others_are_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = step(8)
    for found in (None, Fit(200 * MB, whole, whole)):
        monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session, found=found: found)
        fix = out_of_training(recipe(), session(), SAID, "go on with: glueft resume runs/x").fix
        assert fix.startswith("end other programs, and go on with: glueft resume runs/x; or start the run anew in less")


def test_a_gpu_that_should_have_had_room(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = step(8)
    monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session: Fit(200 * MB, whole, whole))
    monkeypatch.setattr(out_of_memory, "device_memory", lambda backend: DeviceMemory("NVIDIA H100", 0, 1, 1))
    monkeypatch.setattr(out_of_memory, "keras_backend", lambda: "jax")
    fix = out_of_training(recipe(), session(), SAID).fix
    assert fix.startswith("end what else holds memory there (nvidia-smi lists it), or set XLA_PYTHON_CLIENT_PREALLOC")
    monkeypatch.setattr(out_of_memory, "keras_backend", lambda: "tensorflow")
    assert "XLA_PYTHON" not in out_of_training(recipe(), session(), SAID, "go on with: glueft resume runs/x").fix
    said = NoMemory("MemoryError", of_machine=True)
    assert "nvidia-smi" not in out_of_training(recipe(), session(), said, "go on with: glueft resume runs/x").fix


def test_where_xla_can_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(session: Any) -> Fit:
        raise RuntimeError("RESOURCE_EXHAUSTED: the compiler had no memory either")

    monkeypatch.setattr(out_of_memory, "fit_of_training", full)
    assert out_of_training(recipe(), session(), SAID).fix.endswith(HALF)
    assert refuse_too_large(session()) is None
    # The memory of the machine is not that of the device, which XLA tells of.
    monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session: Fit(1, step(8), None))
    assert out_of_training(recipe(), session(), NoMemory("MemoryError", of_machine=True)).fix.endswith(HALF)


def test_smaller_batches_are_shared_out_among_as_many_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, batch in ((Fit(100 * MB, step(8), step(2)), 2), (None, 4)):
        monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session, found=found: found)
        fix = out_of_training(recipe(), several := session(devices=4), SAID).fix
        assert f"batch_size={batch} --set" in fix and "--set engine.devices=4" in fix
        several.recipe.engine.devices = 4  # in the recipe already
        assert "engine.devices" not in out_of_training(several.recipe, several, SAID).fix


def test_memory_that_ran_out_before_the_training() -> None:
    error = out_of_training(recipe(), None, SAID)
    assert error.message == "memory ran out before the training began" and "data.limit_train" in error.fix


def test_a_plan_refuses_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = Fit(200 * MB, (whole := step(8)), whole)
    monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session: fits)
    assert refuse_too_large(session()) is fits
    monkeypatch.setattr(out_of_memory, "fit_of_training", lambda session: Fit(100 * MB, step(8), step(4)))
    with pytest.raises(TrainingError, match="the batches of the training do not fit into memory") as caught:
        refuse_too_large(session())
    assert caught.value.received.startswith("120 MiB for 8 rows of 128 tokens at once") and HALF in caught.value.fix


def predicted(
    rows: int, error: Exception, found: Fit | None, monkeypatch: pytest.MonkeyPatch, batch_size: int = 64
) -> TrainingError:
    monkeypatch.setattr(out_of_memory, "fit_of_prediction", lambda model, batches: found)
    tokens, labels = np.zeros(rows * 128, np.int32), np.zeros(rows, np.int32)
    encoded = Encoded(tokens, tokens.astype(np.uint8), np.arange(rows + 1) * 128, labels, pad_id=0, truncated=0)
    batches = EvaluationBatches(encoded, batch_size=batch_size).filled(1)
    model: Any = None
    with pytest.raises(TrainingError) as caught, memory_for_prediction(model, batches):
        raise error
    return caught.value


def test_a_prediction_without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    full = functools.partial(RuntimeError, SAID.line)
    error = predicted(64, full(), None, monkeypatch)
    assert (error.message, error.received) == ("memory ran out in a prediction", SAID.line)
    assert error.expected == "memory for 64 rows of 128 tokens at once"
    fewer = "predict fewer rows at once: --set training.evaluation_batch_size=32, or --batch-size 32 in glueft predict"
    assert error.fix == fewer
    error = predicted(64, full(), Fit(100 * MB, step(64), step(4)), monkeypatch)
    assert "--batch-size 4 in" in error.fix and error.received.startswith("680 MiB for 64 rows of 128 tokens")
    assert "shorter rows" in predicted(64, full(), Fit(100 * MB, step(64), None), monkeypatch).fix
    whole = step(64)
    error = predicted(64, full(), Fit(900 * MB, whole, whole), monkeypatch)
    assert error.fix == f"end other programs; or {fewer}"
    for found in (None, Fit(1, step(1), None)):
        assert "shorter rows" in predicted(1, full(), found, monkeypatch).fix
    # Half of the batch would be all of the rows again.
    assert "--batch-size 10 in" in predicted(20, full(), None, monkeypatch).fix
    assert "--batch-size 5 in" in predicted(20, full(), Fit(90 * MB, step(20), step(5)), monkeypatch).fix
    assert "--batch-size 4 in" in predicted(20, full(), None, monkeypatch, batch_size=8).fix


def test_the_batch_with_most_tokens() -> None:
    offsets = np.cumsum([0, 9, 9, 5, 5, 5, 5])
    ids, types, labels = (np.zeros(size, np.int32) for size in (38, 38, 6))
    batches = EvaluationBatches(Encoded(ids, types.astype(np.uint8), offsets, labels, 0, 0), batch_size=2)
    assert batches.largest().shapes().tolist() == [[2, 9]]
    batches.buckets = np.array([5, 9, 11])
    largest = batches.filled(1, by_tokens=True).largest()
    assert largest.shapes().tolist() == [[4, 5]] and next(iter(largest))["input_ids"].shape == (4, 5)


def test_a_prediction_that_fails_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: Any = SimpleNamespace()
    model: Any = None
    with pytest.raises(ZeroDivisionError), memory_for_prediction(model, batches):
        raise ZeroDivisionError


def test_whose_error_it_is() -> None:
    full = RuntimeError(SAID.line)
    assert no_memory_in(full) == SAID
    of_plugin = AttributedError("the callback failed")
    of_plugin.__context__ = full
    assert no_memory_in(of_plugin) == NoMemory("the callback failed")
    assert no_memory_in(AttributedError(SAID.line)) is None
    assert no_memory_in(DataError(SAID.line)) is None, "it says already what the user can do"
    assert no_memory_in(KeyboardInterrupt(SAID.line)) is None


# A plan, a plan and a run that do not fit, and a run whose predictions do not; each with a limit of bytes.
ON_JAX = """
import json, sys
import jax, keras
import glueft
from glueft.recipe import load_recipe
from glueft.training import engine, step_memory
from glueft.training.plan import plan_recipe

checkpoint, runs = sys.argv[1:]
small = ["training.epochs=1", "data.limit_train=64", "data.limit_validation=64", "data.max_length=32"]
recipe = load_recipe("mrpc", ["training.batch_size=32", *small], checkpoint=checkpoint, sample=True)
told = {"plan": plan_recipe(recipe)["estimate"]["device"]}

def refusal(work):
    try:
        work()
    except glueft.TrainingError as error:
        return [error.message, error.received, error.fix]

def full(*arguments, **named):
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes.")

held = jax.numpy.zeros(1_000_000)
step_memory.free_memory = lambda: 0
told["held"] = [step_memory.limit_of_step(devices) for devices in (1, 2)]
step_memory.limit_of_step = lambda devices: told["plan"]["step"]["total_bytes"] // 2
told["too large"] = refusal(lambda: plan_recipe(recipe))
begin, step = engine.train, engine._Fit._end_step
engine._Fit._end_step = full
told["run"] = refusal(lambda: glueft.run(recipe, output_dir=runs))
engine._Fit._end_step = step
keras.Model.predict = keras.Model.predict_on_batch = full  # many batches, and few
step_memory.limit_of_step = lambda devices: 800_000
told["prediction"] = refusal(lambda: glueft.run(recipe, output_dir=runs))
print(json.dumps(told))
"""


@pytest.mark.slow  # JAX is imported and compiles in a process of its own
def test_the_account_of_xla(tiny_bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tiny_bert), str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    planned, account = told["plan"], told["plan"]["step"]
    assert planned["name"] is planned["peak_memory_bytes"] is None and planned["limit_bytes"] > account["total_bytes"]
    assert (account["rows"], account["length"]) == (32, 32)
    # Weights and two numbers of AdamW for each, and less than that again in a step of so many rows.
    assert account["argument_bytes"] > 100_000 and account["temp_bytes"] > account["argument_bytes"]
    # What JAX holds already can hold the arguments of a step, and devices share main memory.
    assert told["held"][0] >= 3_800_000 and told["held"][1] == told["held"][0] // 2
    message, _, fix = told["too large"]
    assert message == "the batches of the training do not fit into memory"
    assert "--set training.batch_size=8 --set training.gradient_accumulation_steps=4" in fix
    message, _, fix = told["run"]
    assert message == "memory ran out"
    assert '{"training.batch_size": 8, "training.gradient_accumulation_steps": 4}' in fix
    assert "32 rows of 32 tokens at once" in told["run"][1] and "RESOURCE_EXHAUSTED" in told["run"][1]
    assert told["prediction"][0] == "memory ran out in a prediction"
    assert "64 rows of 32 tokens at once" in told["prediction"][1]
    assert '{"training.evaluation_batch_size": 16}, or' in told["prediction"][2]
