"""A run folder is read back as it was written; one that is not whole is refused in a sentence."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glueft import files
from glueft.errors import RunFolderError
from glueft.recipe import RecipeError, load_recipe
from glueft.runs.checkpoints import checkpoint_folder
from glueft.runs.how_far import less_memory
from glueft.runs.record import RunPart
from glueft.runs.run import Run
from glueft.system.process_identity import process_identity
from run_folders import change_record, make_run


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(finished_run, tmp_path / "run")


def test_all_of_a_run_is_read_back(finished_run: Path) -> None:
    run = Run.open(finished_run)
    assert run.folder == finished_run
    assert run.record["status"] == "done"
    assert run.parts.training.epochs == 1
    assert run.task.name == "mrpc"
    assert run.labels == run.task.labels == ("not_equivalent", "equivalent")
    assert run.splits() == ("validation",)
    assert run.history()[-1]["metrics"] == run.record["metrics"]
    assert run.recipe_settings()["training"]["epochs"] == 1
    predictions = run.predictions("validation")
    rows = run.record["data"]["splits"]["validation"]["rows"]
    assert predictions.probabilities.shape == (rows, 2)
    right = sum(given == said for given, said in zip(predictions.labels, predictions.predictions, strict=True))
    assert right / rows == run.record["metrics"]["accuracy"]
    assert predictions.ids == [str(number) for number in range(rows)]


def test_what_a_killed_process_left_in_a_run_folder_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = folder / ".model.glueft-new-1-1-00000000-00000000-abcdef"  # of a machine that nobody knows
    left.mkdir()
    Run.open(folder)
    assert left.exists()
    os.utime(left, (0, 0))
    monkeypatch.setattr(files, "_swept", set())
    Run.open(folder)
    assert not left.exists()


def test_the_model_folder_stands_for_its_run(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Run.open(finished_run / "model").folder == finished_run
    monkeypatch.chdir(finished_run / "model")
    assert Run.open(".").folder == finished_run


def test_scores_are_read_back(finished_regression_run: Path) -> None:
    run = Run.open(finished_regression_run)
    assert run.labels == ()
    predictions = run.predictions("validation")
    assert predictions.probabilities.shape == (len(predictions.ids), 0)
    assert all(0 <= float(label) <= 5 for label in predictions.labels)
    float(predictions.predictions[0])


def test_labels_are_known_without_the_model(folder: Path) -> None:
    shutil.rmtree(folder / "model")
    assert Run.open(folder).labels == ("not_equivalent", "equivalent")


def edit(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(record | changes))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "run.json").unlink(), "this is not a run folder"),
        (lambda folder: (folder / "run.json").write_text(""), "run.json: it is cut off or broken"),
        (lambda folder: (folder / "run.json").write_text('{"status": "do'), "run.json: it is cut off or broken"),
        (lambda folder: (folder / "run.json").write_text("[" * 100_000), "run.json: it is cut off or broken"),
        (lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe\x00"), "run.json: it cannot be read"),
        (lambda folder: (folder / "run.json").write_text("[]"), "run.json: it is not the record of a run"),
        (lambda folder: (folder / "run.json").write_text("{}"), "run.json: it is not the record of a run"),
        (edit(metrics=None), "run.json: it is not the record of a run"),
        (edit(data={}), "run.json: it is not the record of a run"),
        (edit(data={"splits": {"validation": {}}, "validation_split": "validation"}), "it is not the record of a run"),
        (edit(other_metrics=["accuracy"]), "run.json: it is not the record of a run"),
        (edit(other_metrics_by_split={"validation": 1.0}), "run.json: it is not the record of a run"),
        (edit(status="running"), "the run is not done"),
        (edit(status="failed", error="no memory\nleft"), "the run is not done"),
    ],
)
def test_a_broken_record_is_refused(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(RunFolderError, match=message) as caught:
        Run.open(folder)
    assert all((caught.value.expected, caught.value.received, caught.value.fix))
    assert "\n" not in caught.value.received


def test_an_unfinished_run_opens_on_request(folder: Path) -> None:
    edit(status="interrupted")(folder)
    assert Run.open(folder, finished=False).record["status"] == "interrupted"


def test_what_is_no_run_folder_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError) as caught:
        Run.open(tmp_path / "nothing")
    assert caught.value.received == "nothing of that name"
    with pytest.raises(RunFolderError) as caught:
        Run.open(folder / "run.json")
    assert caught.value.received == "a file"
    with pytest.raises(RunFolderError) as caught:
        Run.open(tmp_path)
    assert caught.value.fix == "name one of the runs in it: run"
    study = tmp_path / "my study"
    study.mkdir()
    (study / "study.json").touch()
    with pytest.raises(RunFolderError) as caught:
        Run.open(study)
    assert caught.value.received == "the folder of a study"
    assert caught.value.fix == (
        f"name one of its runs, which glueft list-runs '{study}' lists; "
        f"the study goes on with: glueft study '{study}/study.toml' --output-dir {tmp_path}"
    )
    file = tmp_path / "glue.toml"
    file.touch()
    with pytest.raises(RunFolderError) as caught:
        Run.open(file)
    assert caught.value.fix.endswith(f"a study is run, and goes on, with: glueft study {file}")


def test_a_broken_history_is_told(folder: Path) -> None:
    path = folder / "history.jsonl"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RunFolderError, match=r"history.jsonl: line \d+ cannot be read"):
        Run.open(folder).history()
    path.unlink()
    with pytest.raises(RunFolderError, match="it cannot be read"):
        Run.open(folder).history()


def test_a_recipe_that_is_missing_cut_off_or_another_s_is_told(folder: Path) -> None:
    path = folder / "recipe.toml"
    text = path.read_text()
    path.write_text(text[: text.index("[engine]")])
    with pytest.raises(RunFolderError, match="it is not the whole recipe of a run") as caught:
        _ = Run.open(folder).parts
    assert caught.value.received == "no engine"
    path.write_text(text[: text.index("[optimizer]") + 5])
    with pytest.raises(RecipeError, match=r"recipe\.toml: 1 problem"):
        _ = Run.open(folder).parts
    path.write_text(text.replace('"mrpc"', '"wnli"'))
    with pytest.raises(RunFolderError, match="of different runs"):
        _ = Run.open(folder).parts
    path.unlink()
    with pytest.raises(RunFolderError, match="it cannot be read"):
        _ = Run.open(folder).parts


@pytest.mark.parametrize("names", [None, {}, {"0": "a", "2": "b"}, ["a", "b"], {"zero": "a"}])
def test_a_model_without_label_names_is_told(folder: Path, names: object) -> None:
    path = folder / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id2label": names}))
    with pytest.raises(RunFolderError, match="it does not name the labels"):
        _ = Run.open(folder).labels


@pytest.mark.parametrize(
    "names", [{"id2label": {"0": "no", "1": "no"}}, {"label2id": {"equivalent": 0, "not_equivalent": 1}}]
)
def test_a_model_whose_label_names_contradict_each_other_is_told(folder: Path, names: dict[str, object]) -> None:
    path = folder / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | names))
    with pytest.raises(RunFolderError, match="it contradicts itself about the labels"):
        _ = Run.open(folder).labels


def test_a_dead_run_is_called_dead(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    gone = process_identity() | {"start_ticks": 1}
    change_record(folder, status="running", process=gone)
    with pytest.raises(RunFolderError, match="the run has died") as caught:
        Run.open(folder)
    assert caught.value.received == (
        '"running", while its process is gone: it was killed, or memory ran out; it came to no step'
    )
    assert caught.value.fix == (
        f"begin it again with: glueft resume {folder}; if memory ran out, this takes less: glueft run "
        f"{folder}/recipe.toml --set training.batch_size=4 --set training.gradient_accumulation_steps=2"
    )
    change_record(folder, process=process_identity())
    with pytest.raises(RunFolderError, match="the run is not done") as caught:
        Run.open(folder)
    assert caught.value.fix == "wait until it is done" and caught.value.received == '"running"; it came to no step'
    change_record(folder, process={"boot_id": "of another machine"})
    with pytest.raises(RunFolderError) as caught:
        Run.open(folder)
    assert "cannot be known from here" in caught.value.received and "if it has died, begin it" in caught.value.fix


def test_a_run_that_is_not_done_says_how_far_it_came_and_how_it_goes_on(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "my run", [0, 1], [0, 1], overrides=["training.batch_size=15"])
    change_record(folder, status="interrupted", num_train_steps=1377)
    lines = [
        json.dumps({"kind": "step", "step": 812, "loss": 1.0, "learning_rate": 0.1}),
        '{"kind": "mine", "step": 5}',
    ]
    (folder / "history.jsonl").write_text("\n".join([*lines, '{"kind": "step", "st']))
    with pytest.raises(RunFolderError, match="the run is not done") as caught:
        Run.open(folder)
    assert caught.value.received == '"interrupted"; it came to step 812 of 1,377 and saved none'
    assert caught.value.fix == f"begin it again with: glueft resume '{folder}'"
    checkpoint_folder(folder, 820).mkdir(parents=True)
    change_record(folder, status="failed", error="the disk is full\n  expected: room")
    with pytest.raises(RunFolderError, match="the run is not done") as caught:
        Run.open(folder)
    assert caught.value.received == '"failed": the disk is full; it came to step 820 of 1,377 and saved step 820'
    assert caught.value.fix == f"once its cause is gone, go on with: glueft resume '{folder}'"
    (folder / "heartbeat").write_text(
        json.dumps(
            {"host": "harbour", "process": process_identity() | {"start_ticks": 1}}
            | {"peak_memory_bytes": 14 * 2**30, "memory_bytes": 16 * 2**30}
        )
    )
    change_record(folder, status="running", process=process_identity())
    with pytest.raises(RunFolderError, match="the run has died") as caught:
        Run.open(folder)
    assert "memory ran out (it had held 14.0 GiB of 16.0 GiB); it came to step 820 of 1,377" in caught.value.received
    assert "go on with" in caught.value.fix
    assert "--set training.batch_size=5 --set training.gradient_accumulation_steps=3" in caught.value.fix


def test_less_memory_than_one_row_takes_shorter_rows() -> None:
    assert less_memory({"training": {"batch_size": 1}}) == "--set data.max_length=64"
    assert less_memory({"training": {"batch_size": 1}, "data": {"max_length": 48}}) == "--set data.max_length=24"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"host": 5}, "host: a table"),
        ({"epochs": [{"epoch": 1}]}, "epochs.0.step: a value"),
        ({"seconds": {"total": 1e400}}, "seconds.total: a finite number"),
        ({"metrics": {"accuracy": "0.9"}}, "metrics.accuracy: a number"),
        ({"versions": None}, "versions: a table"),
        ({"task": "mrpc\n```"}, "task: match pattern"),
        ({"data": {"validation_split": "dev"}}, "data.validation_split: the name of one of data.splits"),
    ],
)
def test_a_record_that_no_reader_can_use_is_refused(tmp_path: Path, changes: dict[str, Any], wanted: str) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    change_record(folder, **changes)
    with pytest.raises(RunFolderError, match="it is not the record of a run") as caught:
        Run.open(folder)
    assert wanted in caught.value.expected


@pytest.mark.parametrize(
    ("line", "received"),
    [
        ('{"kind": "step", "step": {}, "loss": 1, "learning_rate": 0.1}', "step of entry 2"),
        ('{"kind": "step", "step": 1, "loss": NaN, "learning_rate": 0.1}', "loss of entry 2"),
        ('{"kind": "epoch", "epoch": 1, "step": 1}', "loss, validation_loss, metrics, seconds of entry 2"),
    ],
)
def test_an_entry_of_the_history_that_nobody_can_draw(tmp_path: Path, line: str, received: str) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    (folder / "history.jsonl").write_text('{"kind": "a plugin\'s", "step": "any"}\n' + line + "\n")
    with pytest.raises(RunFolderError, match="an entry is not one of a run") as caught:
        Run.open(folder).history()
    assert received in caught.value.received


def test_evaluations_have_the_same_metrics(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    entry = {"kind": "mid_epoch", "epoch": 0.5, "step": 1, "loss": 1.0, "validation_loss": 1.0, "seconds": 1.0}
    names = ["f1", "f1", "accuracy"]
    lines = [json.dumps(entry | {"metrics": {name: 0.5}}) for name in names]
    (folder / "history.jsonl").write_text("\n".join(lines))
    with pytest.raises(RunFolderError, match="an entry is not one of a run") as caught:
        Run.open(folder).history()
    assert caught.value.expected == "metrics: the metrics f1" and "metrics of entry 3" in caught.value.received


def test_a_metric_that_was_no_number_is_none_again(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [0, 1], [0, 1])
    epoch = {"kind": "epoch", "epoch": 1, "step": 1, "loss": 1.0, "validation_loss": 1.0, "seconds": 1.0}
    (folder / "history.jsonl").write_text(json.dumps(epoch | {"metrics": {"pearson": None}}) + "\n")
    assert math.isnan(Run.open(folder).history()[0]["metrics"]["pearson"])


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (None, "done", None),
        (KeyboardInterrupt(), "interrupted", None),
        (RunFolderError("it is gone", received="nothing"), "failed", "it is gone"),
        (ZeroDivisionError("no luck"), "failed", "ZeroDivisionError: no luck"),
    ],
)
def test_a_run_is_made_and_closed(tmp_path: Path, error: BaseException | None, status: str, told: str | None) -> None:
    run = Run.create(load_recipe("mrpc", sample=True), tmp_path / "runs")
    begun = json.loads((run.folder / "run.json").read_text())
    assert (begun["format"], begun["status"], begun["metrics"], begun["epochs"]) == (1, "running", {}, [])
    assert load_recipe(run.folder / "recipe.toml") == run.recipe and run.task is run.recipe.task
    run.close({"total": 1.5}, error)
    ended = json.loads((run.folder / "run.json").read_text())
    assert (ended["status"], ended["seconds"]) == (status, {"total": 1.5}) and ended["finished"]
    assert (ended.get("error") or "").startswith(told or "") and ("error" in ended) == (told is not None)


def test_a_run_is_reopened(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\na,0\nb,1\n")
    settings = [f'task.train="{tmp_path / "rows.csv"}"', 'task.text="text"', 'task.label="label"']
    run = Run.create(load_recipe("table", settings), tmp_path / "runs")
    run.close({}, KeyboardInterrupt())
    again = Run.reopen(run.folder)
    again.begin_anew()
    assert again.task is again.recipe.task  # its labels come with the rows
    again.record.parts = [RunPart(status="running", started=again.record.started)]
    again._note_interruption()
    part = Run.open(run.folder, finished=False).record.parts[-1]
    assert part.status == "interrupted"
    again.leave()


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("glueft.runs.run.write_text", full)
    with pytest.raises(RunFolderError, match=r"recipe\.toml cannot be written"):
        Run.create(load_recipe("mrpc", sample=True), tmp_path / "runs")
    assert not any((tmp_path / "runs").iterdir())
