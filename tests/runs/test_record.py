"""run.json as a typed record: what it reads, what it keeps, and what it refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.errors import PluginError, RunFolderError
from glueft.runs.record import Data, Epoch, Hub, Push, Record, parse_record, read_record
from glueft.runs.run import Run
from run_folders import bare_run, make_run, write_record

# What the first runs wrote: no name of the primary split, no process, warnings or description of the task.
FIRST = {
    "status": "done",
    "task": "mrpc",
    "seed": 1,
    "started": "2026-01-31T12:00:00+00:00",
    "run_dir": "/runs/mrpc-1",
    "plugins": {"task": "mrpc", "optimizer": "adam", "schedule": "linear", "callbacks": []},
    "metrics": {"accuracy": 1.0, "f1": 1},
    "epochs": [{"epoch": 1, "step": 9, "loss": 1, "validation_loss": 2, "metrics": {"accuracy": 1.0}, "seconds": 3.5}],
    "seconds": {"total": 4.0},
    "data": {"source": "sample", "max_length": 128, "splits": {"train": {"rows": 4}, "validation": {"rows": 2}}},
    "checkpoint": {"name": "bert", "revision": None, "sha256": {}, "head": "new", "new": [], "left_over": []},
    "engine": {"backend": "tensorflow", "precision": "float32", "jit_compile": False},
    "peak_memory_bytes": None,
}


def record_of(content: dict[str, Any]) -> Record:
    record, wrong = parse_record(content)
    assert record is not None, wrong
    return record


def test_the_first_records_are_read_and_written_back_as_they_were() -> None:
    record = record_of(FIRST)
    assert record.primary_split == "validation" and record.all_metrics() == {"validation": FIRST["metrics"]}
    assert (record.warnings, record.host.name, record.hub, record.published) == ([], None, None, [])
    again = json.loads(json.dumps(record.as_dict()))
    assert again.pop("format") == 1 and again["data"].pop("validation_split") == "validation"
    assert again == FIRST


def test_keys_of_others_are_kept(tmp_path: Path) -> None:
    theirs = {"early_stopping": {"best_epoch": 2}, "a key of later": [1], "as_dict": "of a plugin"}
    content = FIRST | theirs | {"host": {"name": "x", "gpu": "none"}}
    write_record(tmp_path, content)
    run = Run(tmp_path, read_record(tmp_path / "run.json"))
    run.record.hub = Hub(repository="alice/x", pushes=[])
    run.record.hub.pushes.append(Push(status="done", url="http://hub/x"))
    run.write_record()
    written = json.loads((tmp_path / "run.json").read_text())
    assert {key: written[key] for key in theirs} == theirs and written["host"]["gpu"] == "none"
    assert written["hub"] == {"repository": "alice/x", "pushes": [{"status": "done", "url": "http://hub/x"}]}


def test_it_reads_as_the_mapping_that_run_json_is() -> None:
    record = record_of(FIRST)
    assert record["status"] == "done" and {**record["metrics"]} == FIRST["metrics"]
    assert record["data"]["splits"]["train"]["rows"] == 4 and record["epochs"][0]["loss"] == 1
    assert json.dumps(record["data"]) and json.dumps(dict(record))
    assert record.get("metric_labels", {}) == {} and "metric_labels" not in record and "format" in record
    assert [*record] == [*record.as_dict()] and len(record) == len(record.as_dict())
    with pytest.raises(KeyError, match="finished"):
        record["finished"]
    assert record == record.as_dict() and record == copy.deepcopy(record) != FIRST


def test_a_callback_may_write_into_it(tmp_path: Path) -> None:
    run = bare_run(tmp_path)
    run.record.update(engine={}, data={})
    given = run.for_plugins
    given.record["samples"] = samples = {"kept": 3}
    samples["left"] = 1
    given.record.setdefault("mine", {})["seen"] = [np.float32(0.5), tmp_path]
    given.record["loss"] = np.float32(0.5)
    given.record["warnings"] = ["one"]
    given.record["warnings"].append("two")
    given.record["engine"]["gpu"] = np.arange(2)
    given.record["data"] |= {"revision": "abc", "mine": True}
    given.record |= {"more": 1}
    run.record.epochs.append(Epoch.model_validate(FIRST["epochs"][0]))  # type: ignore[index]
    given.record["epochs"][0].update(rate=2)
    given.record["splits seen"] = seen = []
    seen.append(object())
    run.write_record()
    written = json.loads((tmp_path / "run.json").read_text())
    assert written["samples"] == {"kept": 3, "left": 1} and written["warnings"] == ["one", "two"]
    assert len(written["mine"]["seen"]) == 2 and (written["loss"], written["more"]) == (0.5, 1)
    assert written["engine"] == {"gpu": [0, 1]} and written["data"] == {"revision": "abc", "mine": True}
    assert len(written["splits seen"]) == 1
    assert written["epochs"] == [FIRST["epochs"][0] | {"rate": 2}]  # type: ignore[index]
    assert given.record.pop("none", 3) == 3
    assert given.record.pop("samples") == samples and "samples" not in run.record


def test_a_plugin_is_given_the_record_as_a_dict(tmp_path: Path) -> None:
    run = bare_run(tmp_path)
    given = run.for_plugins
    run.record.data = Data(revision="abc")
    assert isinstance(given.record, dict) and json.loads(json.dumps(given.record)) == run.record.as_dict()
    assert (given.record | {"new": 1})["new"] == 1 and "new" not in run.record
    copied = copy.deepcopy(given.record)
    copied["new"], copied["data"]["revision"] = 1, "def"
    assert "new" not in run.record and run.record.data.revision == "abc"
    assert given.folder == tmp_path and "predict" in dir(given)
    held = given.record
    run.record.metrics = {"accuracy": 0.5}
    given.record["mine"] = 1
    assert (held["metrics"], held["mine"]) == ({"accuracy": 0.5}, 1) and len(held) == len(run.record.as_dict())
    assert json.loads(json.dumps(held, indent=2)) == dict(held) == {**held} == run.record.as_dict()


@pytest.mark.parametrize(
    ("key", "value", "expected", "received"),
    [
        ("data", {"splits": {}, "revision": 3}, "data.revision: a text", "3"),
        ("published", [{"model": "m", "metrics": {"f1": "0.9"}}], "published.0.metrics.f1: a number", "'0.9'"),
        ("warnings", "one", "warnings: a list", "'one'"),
    ],
)
def test_what_run_json_cannot_hold_is_refused_when_it_is_set(
    tmp_path: Path, key: str, value: Any, expected: str, received: str
) -> None:
    with pytest.raises(PluginError, match=f'run.json cannot hold this as "{key}"') as caught:
        bare_run(tmp_path).record[key] = value
    assert (caught.value.expected, caught.value.received) == (expected, received)


def test_what_has_no_form_in_json_is_refused_when_it_is_set(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r'"model\.layer" of run\.json has no form in JSON'):
        bare_run(tmp_path).for_plugins.record["model"] = {"layer": object()}


def test_a_record_of_a_later_format_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1], format=2)
    for tolerant in (False, True):
        with pytest.raises(RunFolderError, match=r"run\.json: it was written by a later glueft") as caught:
            Run.open(folder, tolerant=tolerant)
        assert (caught.value.expected, caught.value.received) == ('"format": 1', '"format": 2')


def test_a_tolerant_reader_leaves_out_what_it_cannot_use() -> None:
    content = FIRST | {
        "metrics": {"accuracy": "high", "f1": 0.5},
        "seconds": {"total": "long"},
        "checkpoint": {"name": 3, "revision": "abc"},
        "epochs": [{"epoch": 1}, *FIRST["epochs"]],  # type: ignore[misc]
        "host": [],
    }
    assert parse_record(content)[0] is None
    record, _ = parse_record(content, tolerant=True)
    assert record is not None
    assert (record.metrics, record.seconds, record.host.name) == ({"f1": 0.5}, {}, None)
    assert (record.checkpoint.name, record.checkpoint.revision, len(record.epochs)) == (None, "abc", 1)
    for needed in ({"task": 3}, {"metrics": []}, {"data": {"splits": {"validation": {"rows": "two"}}}}):
        assert parse_record(content | needed, tolerant=True)[0] is None
