"""Fingerprints: a training of the same is equal, and what differs is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glueft.errors import TrainingError
from glueft.recipe import load_recipe
from glueft.runs.record import Record
from glueft.training.engine_choice import RunEngine
from glueft.training.fingerprints import LOCAL_PATH, differing, fingerprints, recorded_fingerprints, settings_in_numbers
from glueft.training.machine import describe_machine, processor
from glueft.training.progress import Progress
from glueft.training.session import Session, read_session


@pytest.fixture(scope="module")
def session(finished_run: Path) -> Session:
    return read_session(load_recipe(finished_run / "recipe.toml"), Progress())


@pytest.fixture(scope="module")
def now(session: Session) -> dict[str, Any]:
    return fingerprints(session)


@pytest.fixture
def record(finished_run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((finished_run / "run.json").read_text())
    return content


def names(record: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [str(found) for found in differing(recorded_fingerprints(Record.model_validate(record)), now)]


def test_the_same_training(record: dict[str, Any], now: dict[str, Any]) -> None:
    assert names(record, now) == []
    assert {*record["fingerprints"]["logits"]} == {"validation"}
    assert record["fingerprints"]["machine"]["device"] == "CPU"


def test_tokens_that_were_kept_are_the_same_training(
    record: dict[str, Any], finished_run: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(finished_run / "recipe.toml")
    for _ in range(2):
        assert names(record, fingerprints(read_session(recipe, Progress(), tmp_path / "tokens"))) == []
    assert len([*(tmp_path / "tokens").iterdir()]) == 2  # train and validation


def test_a_run_goes_on_with_what_auto_came_to_and_says_so(finished_run: Path, now: dict[str, Any]) -> None:
    recipe = load_recipe(finished_run / "recipe.toml", ["engine.precision=auto"])
    begun = RunEngine("tensorflow", "mixed_bfloat16", None, now["engine"]["training_widths"], goes_on=True)
    session = read_session(recipe, Progress(), run=begun)
    assert session.engine_text() == (
        "on tensorflow (the run was begun with it), in mixed_bfloat16 (the run was computed in it)"
    )
    described = fingerprints(session)
    assert described["engine"]["precision"] == "mixed_bfloat16"
    assert [str(each) for each in differing(described, now, ["engine"])] == [
        "precision: mixed_bfloat16 in the run, float32 now"
    ]
    assert "backend" not in described["recipe"]["engine"]
    with pytest.raises(TrainingError, match='was begun with the backend "jax", and Keras is imported already'):
        read_session(recipe, Progress(), run=RunEngine("jax", "float32", goes_on=True))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("fingerprints", "recipe", "training", "seed"), 7, "training.seed: 7 in the run, 42 now"),
        (("fingerprints", "recipe", "optimizer", "clipnorm"), 1.0, "optimizer.clipnorm: 1.0 in the run, none now"),
        (("engine", "backend"), "jax", "backend: jax in the run, tensorflow now"),
        (("versions", "keras"), "3.0", "version of keras: 3.0 in the run, "),
        (("host", "python"), "3.11.0", "version of python: 3.11.0 in the run, "),
        (("plugins", "packages", "task"), {"package": "mine", "version": "1"}, None),
        (("fingerprints", "machine", "processor"), "Abacus", "processor: Abacus in the run, "),
        (("fingerprints", "machine", "intra_op_threads"), 99, "intra_op_threads: 99 in the run, "),
        (
            ("fingerprints", "machine", "switches", "NVIDIA_TF32_OVERRIDE"),
            "1",
            "NVIDIA_TF32_OVERRIDE: 1 in the run, none now",
        ),
        (("data", "splits", "train", "rows"), 5, "rows of train: 5 rows, SHA-256 "),
        (("data", "splits", "validation", "sha256"), "a" * 64, ", SHA-256 aaaaaaaaaaaa... in the run, "),
        (("fingerprints", "tokens", "train"), "b" * 64, "tokens of train: bbbbbbbbbbbb... in the run, "),
        (("checkpoint", "sha256", "vocab.txt"), "c" * 64, "the checkpoint's vocab.txt: cccccccccccc... in the run, "),
        (("fingerprints", "batches", "train"), "d" * 64, "batches of train: dddddddddddd... in the run, "),
        # What no number depends on, or what only one of the two knows.
        (("fingerprints", "machine", "device"), None, None),
        (("versions", "abacus"), "1.0", None),
        (("data", "splits", "test"), {"rows": 3, "sha256": "0"}, None),
    ],
)
def test_what_differs_is_named(
    record: dict[str, Any], now: dict[str, Any], path: tuple[str, ...], value: Any, told: str | None
) -> None:
    table = record
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    found = names(record, now)
    assert found == [] if told is None else len(found) == 1 and told in found[0], found


def test_another_version_may_know_more_settings(record: dict[str, Any], now: dict[str, Any]) -> None:
    del record["fingerprints"]["recipe"]["training"]["evaluation_batch_size"]
    before = recorded_fingerprints(Record.model_validate(record))
    assert [each.kind for each in differing(before, now, ["recipe"])] == ["content"]
    before["versions"]["glueft"] = "0.0"
    assert [each.kind for each in differing(before, now, ["recipe"])] == ["version"]


def test_a_run_from_before_fingerprints_is_compared_in_the_rest(record: dict[str, Any], now: dict[str, Any]) -> None:
    del record["fingerprints"]
    for split in record["data"]["splits"].values():
        split.pop("tokens", None)
    assert names(record, now) == []
    record["data"]["splits"]["train"]["sha256"] = "e" * 64
    record["versions"]["numpy"] = "1.0"
    assert [found.split(":")[0] for found in names(record, now)] == ["version of numpy", "rows of train"]


def test_places_and_pushes_are_no_settings() -> None:
    recipe = load_recipe("mrpc", ["hub.push=anna/mrpc", "data.source=folder", "data.folder=/somewhere"], sample=False)
    settings = settings_in_numbers(recipe.tables() | {"task": {"plugin": "table", "train": "/home/anna/rows.csv"}})
    assert "hub" not in settings and "folder" not in settings["data"] and "checkpoint" not in settings["model"]
    assert settings["task"]["train"] == LOCAL_PATH
    assert settings["training"]["seed"] == 42


def test_a_setting_that_says_nothing_and_came_later_is_none() -> None:
    earlier = {"task": {"plugin": "table"}, "training": {"seed": 1}}
    later = {"task": {"plugin": "table", "multi_label": False}, "training": {"seed": 1, "sampler": "random"}}
    assert settings_in_numbers(later) == earlier
    assert settings_in_numbers({"task": {"multi_label": True}}) == {"task": {"multi_label": True}}


def test_other_tokens_and_another_order_of_rows(session: Session, now: dict[str, Any]) -> None:
    recipe = load_recipe(
        "mrpc", ["training.epochs=1", "training.batch_size=4"], sample=True, checkpoint=session.checkpoint.name
    )
    other = fingerprints(read_session(recipe, Progress()))
    assert [each.name for each in differing(now, other)] == [
        "training.batch_size",
        "training_widths",
        "batches of train",
    ]


def test_processors_by_their_cpuinfo(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nmodel name\t: Abacus 9\nflags\t\t: fpu avx2 avx\n\nprocessor\t: 1\nmodel name\t: no\n"
    )
    assert processor(file)["processor"] == "Abacus 9" and processor(file)["instructions"] == ["avx", "avx2"]
    file.write_text("processor\t: 0\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n\n")
    assert processor(file)["processor"] == "cpu implementer 0x41 cpu part 0xd40"
    assert processor(file)["instructions"] == ["asimd", "sve"]
    assert processor(tmp_path / "none")["instructions"] == []


def test_threads_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glueft.training.machine.keras_backend", lambda: "jax")
    monkeypatch.setenv("NPROC", "3")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    machine = describe_machine()
    assert machine["intra_op_threads"] == 3 and "inter_op_threads" not in machine
    assert machine["switches"] == {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
