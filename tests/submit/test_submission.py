"""The upload to GLUE: which files, what is in them, and what is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from glue_files import DIAGNOSTIC_FULL, write_file
from glueft import launch
from glueft.data.rows import load_split
from glueft.data.sources import FolderSource, SampleSource
from glueft.errors import GlueftError, RunFolderError
from glueft.inference.predictor import load_saved_model
from glueft.inference.split_predictions import predict_split
from glueft.recipe import load_recipe
from glueft.runs.models import remove_model
from glueft.submit.files import UploadFile
from glueft.submit.submit import submit
from glueft_tasks.ax import AX
from glueft_tasks.qqp import QQP
from glueft_tasks.stsb import STSB
from submission_runs import OFFICIAL_ROWS, TASKS, make_run


def rows_of(archive: Path, name: str) -> list[list[str]]:
    """The lines of a file of the upload, header first."""
    with zipfile.ZipFile(archive) as files:
        return [line.split("\t") for line in files.read(name).decode().splitlines()]


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run of each task but QQP, whose 390,965 predictions take their time to be read."""
    folder = tmp_path_factory.mktemp("runs")
    return [make_run(folder, task) for task in (*TASKS, "ax")]


@pytest.fixture(scope="module")
def upload(all_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("upload") / "submission.zip"
    return path, submit(all_runs, path, fill_missing=True)


@pytest.fixture
def small_qqp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test that fills what is missing not fill 390,965 rows."""
    monkeypatch.setattr(QQP, "sizes", QQP.sizes | {"test": 100})


def test_the_eleven_files_have_official_names_and_rows(upload: tuple[Path, dict[str, Any]]) -> None:
    path, result = upload
    with zipfile.ZipFile(path) as files:
        assert files.testzip() is None
        assert files.namelist() == sorted(OFFICIAL_ROWS)
    assert {file["file"]: file["rows"] for file in result["files"]} == OFFICIAL_ROWS
    for name, count in OFFICIAL_ROWS.items():
        header, *rows = rows_of(path, name)
        assert header == ["index", "prediction"]
        assert [index for index, _ in rows] == [str(number) for number in range(count)]
    assert (result["filled"], result["benchmark"]) == (["QQP.tsv"], "GLUE")
    assert result["bytes"] == path.stat().st_size


def test_labels_are_written_as_glue_wants_them(upload: tuple[Path, dict[str, Any]]) -> None:
    first = {name: [text for _, text in rows_of(upload[0], name)[1:4]] for name in OFFICIAL_ROWS}
    for name in ("CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "WNLI.tsv"):
        assert first[name] == ["0", "1", "0"], name
    assert [UploadFile("QQP.tsv", QQP, "test").written(label) for label in QQP.labels] == ["0", "1"]
    for name in ("QNLI.tsv", "RTE.tsv"):
        assert first[name] == ["entailment", "not_entailment", "entailment"], name
    for name in ("MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"):
        assert first[name] == ["entailment", "neutral", "contradiction"], name


def test_scores_stay_from_0_to_5(upload: tuple[Path, dict[str, Any]]) -> None:
    scores = [text for _, text in rows_of(upload[0], "STS-B.tsv")[1:]]
    assert (scores[0], scores[-1]) == ("0.000", "5.000")
    assert all(0 <= float(score) <= 5 and len(score) == 5 for score in scores)
    (stsb,) = (file for file in upload[1]["files"] if file["file"] == "STS-B.tsv")
    assert stsb["moved_into_range"] == 230 and stsb["predicted"] == [0.0, 5.0]


def test_the_same_predictions_give_the_same_bytes(small_qqp: None, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, task) for task in ("wnli", "qqp", "stsb")]
    (one, first), (other, second) = (
        (tmp_path / name, submit(given, tmp_path / name, fill_missing=True))
        for name, given in (("one", runs), ("other", runs[::-1]))
    )
    assert first["sha256"] == second["sha256"] == hashlib.sha256(one.read_bytes()).hexdigest()
    assert one.read_bytes() == other.read_bytes()


def test_a_label_order_of_ones_own_writes_the_right_strings(small_qqp: None, tmp_path: Path) -> None:
    run = make_run(tmp_path, "rte")
    predictions = run / "predictions" / "test.tsv"
    lines = [line.split("\t") for line in predictions.read_text().splitlines()]
    # The model has "not_entailment" first: its column of probabilities, too.
    turned = [[*line[:3], line[4], line[3]] for line in lines]
    predictions.write_text("".join("\t".join(line) + "\n" for line in turned))
    model = run / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"id2label": {"0": "not_entailment", "1": "entailment"}}))
    submit([run], tmp_path / "zip", fill_missing=True)
    assert [text for _, text in rows_of(tmp_path / "zip", "RTE.tsv")[1:4]] == [
        "entailment", "not_entailment", "entailment",
    ]  # fmt: skip


def test_what_has_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(GlueftError) as error:
        submit([make_run(tmp_path, "mrpc")], tmp_path / "zip")
    assert "the upload to GLUE is not complete: 10 files have no run" in error.value.message
    assert error.value.expected == "a run for each of its 11 files"
    assert error.value.received == (
        "none for AX.tsv (ax), CoLA.tsv (cola), MNLI-m.tsv (mnli), MNLI-mm.tsv (mnli), QNLI.tsv (qnli), QQP.tsv (qqp), "
        "RTE.tsv (rte), SST-2.tsv (sst2), STS-B.tsv (stsb), WNLI.tsv (wnli)"
    )
    assert "--fill-missing" in error.value.fix
    assert not (tmp_path / "zip").exists()


def test_missing_files_are_filled_with_the_commonest_label_and_named(tmp_path: Path) -> None:
    result = submit([make_run(tmp_path, "mrpc")], tmp_path / "zip", fill_missing=True)
    assert result["filled"] == [name for name in sorted(OFFICIAL_ROWS) if name != "MRPC.tsv"]
    said = {name: {text for _, text in rows_of(tmp_path / "zip", name)[1:]} for name in result["filled"]}
    assert said == {
        "AX.tsv": {"entailment"},
        "CoLA.tsv": {"1"},
        "MNLI-m.tsv": {"entailment"},
        "MNLI-mm.tsv": {"entailment"},
        "QNLI.tsv": {"not_entailment"},
        "QQP.tsv": {"0"},
        "RTE.tsv": {"entailment"},
        "SST-2.tsv": {"1"},
        "STS-B.tsv": {"2.701"},
        "WNLI.tsv": {"0"},
    }
    by_name = {file["file"]: file for file in result["files"]}
    assert by_name["WNLI.tsv"]["run"] is None and by_name["WNLI.tsv"]["filled_with"] == "not_entailment"
    assert by_name["MRPC.tsv"]["filled_with"] is None
    (note,) = result["notes"]
    assert note.startswith("filled with the commonest label, for want of a run: AX.tsv (ax), CoLA.tsv (cola), MNLI-m")


@pytest.mark.parametrize("task", ["CoLA", "SST-2", "MRPC"])
def test_the_commonest_label_is_that_of_the_training_rows(task: str, glue_data: Path) -> None:
    from glueft.plugin.registry import load_registry

    name = task.lower().replace("-", "")
    cls: Any = load_registry().find("task", name).cls
    train = load_split(cls(), FolderSource(glue_data), "train")
    assert cls.submission.majority == cls.labels[int((train.labels == 1).mean() > 0.5)]


def test_two_runs_of_a_task_are_both_named(small_qqp: None, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, "wnli") for name in "ab"]
    with pytest.raises(GlueftError, match=r"WNLI.tsv would come from two runs") as error:
        submit(runs, tmp_path / "zip", fill_missing=True)
    assert all(str(run) in error.value.received for run in runs)


def test_a_run_of_the_diagnostic_set_comes_before_that_of_mnli(small_qqp: None, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "mnli"), make_run(tmp_path, "ax")]
    result = submit(runs, tmp_path / "zip", fill_missing=True)
    giver = {file["file"]: file["run"] for file in result["files"]}
    assert giver["AX.tsv"] == str(runs[1]) and giver["MNLI-m.tsv"] == giver["MNLI-mm.tsv"] == str(runs[0])


def test_a_run_of_no_benchmark_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, "wnli")
    record = json.loads((run / "run.json").read_text()) | {"task": "table"}
    (run / "run.json").write_text(json.dumps(record))
    for part in ("train", "validation"):
        (tmp_path / f"{part}.csv").write_text("text,label\na,x\nb,y\n")
    recipe = f'plugin = "table"\ntrain = "{tmp_path}/train.csv"\nvalidation = "{tmp_path}/validation.csv"\n'
    wnli = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(wnli.replace('plugin = "wnli"\n', recipe + 'text = "text"\nlabel = "label"\n', 1))
    shutil.move(run / "predictions" / "test.tsv", run / "predictions" / "other.tsv")
    with pytest.raises(GlueftError, match='the task "table" belongs to no benchmark') as error:
        submit([run], tmp_path / "zip")
    assert error.value.received == "Table.submission = None"


def test_predictions_of_another_number_of_rows_are_refused(small_qqp: None, tmp_path: Path) -> None:
    run = make_run(tmp_path, "wnli", {"test": 145})
    with pytest.raises(
        GlueftError, match=r"WNLI.tsv: the test split does not have the rows that GLUE expects"
    ) as error:
        submit([run], tmp_path / "zip", fill_missing=True)
    assert error.value.expected == "146 rows" and error.value.received.startswith("145 predictions in ")
    assert not (tmp_path / "zip").exists()


def test_a_truncated_predictions_file_is_refused(small_qqp: None, tmp_path: Path) -> None:
    run = make_run(tmp_path, "wnli")
    predictions = run / "predictions" / "test.tsv"
    predictions.write_text(predictions.read_text()[:-9])
    with pytest.raises(GlueftError, match="it is cut off") as caught:
        submit([run], tmp_path / "zip", fill_missing=True)
    assert "glueft predict" not in caught.value.fix  # It writes another table, and not there.


def test_a_run_without_predictions_and_without_rows_is_refused(small_qqp: None, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "mrpc", {}), make_run(tmp_path, "wnli", {})]
    (tmp_path / "glue" / "WNLI").mkdir(parents=True)
    with pytest.raises(GlueftError, match=r"mrpc-run has no test predictions, and there are no rows") as error:
        submit(runs, tmp_path / "zip", fill_missing=True, data_dir=tmp_path / "glue")
    assert error.value.expected == "the rows of mrpc (test), wnli (test)"
    assert error.value.received == f"none in {tmp_path / 'glue'}"
    with pytest.raises(GlueftError) as error:
        submit([make_run(tmp_path / "sample", "mrpc", {}, sample=True)], tmp_path / "zip", fill_missing=True)
    assert error.value.received == "none in the sample of mrpc" and "--data-dir" in error.value.fix


def test_what_a_run_was_trained_on_is_pointed_out(small_qqp: None, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, "mrpc", train_rows=1600), make_run(tmp_path, "wnli", sample=True, train_rows=60)]
    notes = submit(runs, tmp_path / "zip", fill_missing=True)["notes"]
    assert notes[:2] == [
        "mrpc-run was trained on 1,600 rows; officially mrpc has 3,668",
        "wnli-run was trained on 60 rows of the sample that ships with wnli",
    ]


def test_the_zip_file_is_replaced_by_force_alone(small_qqp: None, tmp_path: Path) -> None:
    run, path = make_run(tmp_path, "wnli"), tmp_path / "submission.zip"
    path.write_text("mine")
    with pytest.raises(GlueftError, match="exists already") as error:
        submit([run], path, fill_missing=True)
    assert "--force" in error.value.fix and path.read_text() == "mine"
    submit([run], path, fill_missing=True, force=True)
    assert zipfile.is_zipfile(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["submission.zip", "wnli-run"]


def test_a_place_where_no_file_can_go_is_refused(small_qqp: None, tmp_path: Path) -> None:
    run = make_run(tmp_path, "wnli")
    with pytest.raises(GlueftError, match="is a folder") as error:
        submit([run], tmp_path, fill_missing=True, force=True)
    assert f"--output {tmp_path / 'submission.zip'}" in error.value.fix
    with pytest.raises(GlueftError, match="there is no folder"):
        submit([run], tmp_path / "none" / "submission.zip", fill_missing=True)


def test_nothing_is_left_where_the_writing_fails(
    small_qqp: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, "wnli")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(GlueftError, match="cannot be written") as error:
        submit([run], tmp_path / "zip", fill_missing=True)
    assert error.value.received.startswith("No space left on device (")
    assert [entry.name for entry in tmp_path.iterdir()] == ["wnli-run"]


def test_what_is_read_back_is_checked(small_qqp: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glueft.submit import zip_file

    run = make_run(tmp_path, "wnli")
    monkeypatch.setattr(zip_file, "read_zip", lambda path: {"WNLI.tsv": b"index\tprediction\n"})
    with pytest.raises(GlueftError, match="cannot be written") as error:
        submit([run], tmp_path / "zip", fill_missing=True)
    assert error.value.received == "what was read back is not what was written"
    assert not (tmp_path / "zip").exists()


def test_predictions_that_are_there_need_neither_model_nor_keras(tmp_path: Path) -> None:
    run = make_run(tmp_path, "wnli")
    code = (
        "import sys\nfrom glueft.cli.main import command_line\n"
        f"code = command_line(['submit', {str(run)!r}, '--output', {str(tmp_path / 'a.zip')!r}, '--fill-missing'])\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'datasets', 'transformers', 'evaluate'} & set(sys.modules)\n"
        "assert code == 0 and not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_split_is_predicted_as_the_run_itself_does(finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    predictions = run / "predictions" / "validation.tsv"
    before = predictions.read_text()
    predictions.unlink()
    saved = load_saved_model(run)
    assert saved.task is not None
    predict_split(saved, load_split(saved.task, SampleSource(), "validation"))
    assert predictions.read_text() == before


def test_a_run_without_test_predictions_makes_them(small_qqp: None, finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    words = ("the cat", "a dog", "some rain", "no sun")
    # The numbers in the file's own index column are no matter.
    texts = [(str(7 * row + 3), "1", "2", words[row % 4], words[row % 3]) for row in range(1725)]
    write_file(tmp_path / "glue" / "MRPC" / "test.tsv", ("index", "#1 ID", "#2 ID", "#1 String", "#2 String"), texts)
    result = submit([run], tmp_path / "zip", fill_missing=True, data_dir=tmp_path / "glue")
    (mrpc,) = (file for file in result["files"] if file["file"] == "MRPC.tsv")
    assert mrpc["predicted_now"] and mrpc["run"] == str(run)
    assert sum(mrpc["predicted"].values()) == 1725
    assert result["notes"][0].endswith("rows of the sample that ships with mrpc")
    rows = rows_of(tmp_path / "zip", "MRPC.tsv")
    assert [index for index, _ in rows[1:]] == [str(row) for row in range(1725)]
    kept = [line.split("\t") for line in (run / "predictions" / "test.tsv").read_text().splitlines()]
    names = {"0": "not_equivalent", "1": "equivalent"}
    assert [line[2] for line in kept[1:]] == [names[text] for _, text in rows[1:]]
    assert {line[1] for line in kept[1:]} == {""}
    shutil.rmtree(run / "model")
    again = submit([run], tmp_path / "again", fill_missing=True)
    assert again["sha256"] == result["sha256"]


def test_the_run_of_mnli_predicts_the_diagnostic_set(small_qqp: None, tiny_bert: Path, tmp_path: Path) -> None:
    recipe = load_recipe("mnli", ["training.epochs=1", "data.limit_train=8"], checkpoint=str(tiny_bert), sample=True)
    run = launch.run_recipe(recipe, output_dir=tmp_path / "runs").folder
    made = make_run(tmp_path, "mnli")
    for split in ("test_matched", "test_mismatched"):
        shutil.copy(made / "predictions" / f"{split}.tsv", run / "predictions")
    glue = tmp_path / "glue"
    glue.mkdir()
    with pytest.raises(GlueftError) as error:
        submit([run], tmp_path / "zip", data_dir=glue)
    assert f"none for AX.tsv (ax: no diagnostic rows in {glue}), CoLA.tsv (cola)" in error.value.received
    assert "AX.tsv" in submit([run], tmp_path / "filled", fill_missing=True, data_dir=glue)["filled"]
    rows = [("", "", "", "", "", f"It rains {row}.", "It pours.", "neutral") for row in range(1104)]
    write_file(glue / "diagnostic" / "diagnostic-full.tsv", DIAGNOSTIC_FULL, rows)
    result = submit([run], tmp_path / "zip", fill_missing=True, data_dir=glue)
    assert not {"AX.tsv", "MNLI-m.tsv", "MNLI-mm.tsv"} & {*result["filled"]}
    giver = {file["file"]: (file["run"], file["predicted_now"]) for file in result["files"]}
    assert giver["AX.tsv"] == (str(run), True) and giver["MNLI-m.tsv"] == (str(run), False)
    kept = [line.split("\t") for line in (run / "predictions" / "diagnostic.tsv").read_text().splitlines()]
    assert {line[1] for line in kept[1:]} == {"neutral"}
    assert [line[2] for line in kept[1:]] == [text for _, text in rows_of(tmp_path / "zip", "AX.tsv")[1:]]


def test_a_task_with_other_labels_is_not_predicted_by_a_run(
    tmp_path: Path, small_qqp: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AX, "submission", dataclasses.replace(AX.submission, predicted_by="wnli"))
    (tmp_path / "glue" / "diagnostic").mkdir(parents=True)
    (tmp_path / "glue" / "diagnostic" / "diagnostic.tsv").touch()
    with pytest.raises(GlueftError, match='the task "ax" cannot be predicted by runs of "wnli"') as error:
        submit([make_run(tmp_path, "wnli")], tmp_path / "zip", fill_missing=True, data_dir=tmp_path / "glue")
    assert error.value.received == "rows with 2 text(s), entailment, neutral, contradiction"


def test_an_upload_is_to_one_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AX, "submission", dataclasses.replace(AX.submission, benchmark="Probes", predicted_by=None))
    runs = [make_run(tmp_path, "wnli"), make_run(tmp_path, "ax")]
    with pytest.raises(GlueftError, match="uploads to different benchmarks") as error:
        submit(runs, tmp_path / "zip", fill_missing=True)
    assert error.value.received.startswith("GLUE (wnli in ") and "Probes (ax in " in error.value.received
    result = submit(runs[1:], tmp_path / "zip")
    assert [file["file"] for file in result["files"]] == ["AX.tsv"] and result["benchmark"] == "Probes"


def test_a_run_folder_that_cannot_be_written_to(finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    saved = load_saved_model(run)
    shutil.rmtree(run / "predictions")
    (run / "predictions").touch()
    assert saved.task is not None
    with pytest.raises(GlueftError, match="the predictions cannot be written") as error:
        predict_split(saved, load_split(saved.task, SampleSource(), "validation"))
    assert error.value.fix == "copy the run folder to where you may write, and name the copy"


WRONG_FILES = {
    "header": (b"id\tprediction\n", "its lines are not those of an upload"),
    "cut off": (b"index\tprediction\n0\t1", "its lines are not those of an upload"),
    "rows": (b"index\tprediction\n0\t1\n", "the number of rows is wrong"),
    "index": (b"index\tprediction\n1\t1\n2\t1\n", "an index is wrong"),
    "label": (b"index\tprediction\n0\t1\n1\tentailment\n", "a prediction is wrong"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_file_that_the_benchmark_would_not_take(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, told = WRONG_FILES[case]
    monkeypatch.setattr(QQP, "sizes", {"test": 2})
    file = UploadFile("QQP.tsv", QQP, "test")
    with pytest.raises(GlueftError, match=f"QQP.tsv: {told}"):
        file.check(content)
    file.check(file.content(["duplicate", "not_duplicate"]))


def test_a_score_that_the_benchmark_would_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STSB, "sizes", {"test": 1})
    file = UploadFile("STS-B.tsv", STSB, "test")
    for score in ("5.001", "4.5", "nan", "-0.001", ""):
        with pytest.raises(GlueftError, match=r"STS-B.tsv: a prediction is wrong"):
            file.check(f"index\tprediction\n0\t{score}\n".encode())
    assert [file.written(score) for score in ("-0.000000", "-1.5", "2.71828", "6")] == [
        "0.000",
        "0.000",
        "2.718",
        "5.000",
    ]


def test_the_real_test_file(small_qqp: None, finished_run: Path, glue_data: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    result = submit([run], tmp_path / "zip", fill_missing=True, data_dir=glue_data)
    assert len(rows_of(tmp_path / "zip", "MRPC.tsv")) == 1726
    assert "MRPC.tsv" not in result["filled"]


def test_rows_of_another_number_are_refused_before_the_model_is_loaded(
    small_qqp: None, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "model" / "model.safetensors").unlink()
    header = ("index", "#1 ID", "#2 ID", "#1 String", "#2 String")
    write_file(tmp_path / "MRPC" / "test.tsv", header, [("0", "1", "2", "a", "b")])
    with pytest.raises(GlueftError, match="does not have the rows that GLUE expects") as error:
        submit([run], tmp_path / "zip", fill_missing=True, data_dir=tmp_path / "MRPC")
    assert (error.value.expected, error.value.received) == ("1,725 rows", "1 row")


def test_a_model_that_was_removed_is_missed_before_anything_is_predicted(finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    remove_model(run)
    header = ("index", "#1 ID", "#2 ID", "#1 String", "#2 String")
    write_file(tmp_path / "MRPC" / "test.tsv", header, [("0", "1", "2", "a", "b")])
    with pytest.raises(RunFolderError, match="the model was removed to save room"):
        submit([run], tmp_path / "zip", fill_missing=True, data_dir=tmp_path / "MRPC")
