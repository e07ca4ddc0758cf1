"""A finished run in Python: its numbers as data frames, new texts, and what a notebook shows of it."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from pathlib import Path

import numpy
import pandas
import pytest

import glueft
from run_folders import change_record, make_run


def test_metrics_history_and_predictions_are_those_of_the_folder(finished_run: Path) -> None:
    run = glueft.load_run(finished_run)
    record = json.loads((finished_run / "run.json").read_text())
    assert run.record == record
    assert run.folder == finished_run
    accuracy = run.metrics.loc[("validation", "accuracy")]
    assert accuracy["value"] == record["metrics"]["accuracy"]
    assert accuracy["baseline"] == record["baseline"]["accuracy"]
    assert [*accuracy[["low", "high"]]] == record["intervals"]["validation"]["accuracy"]
    label = run.per_label.loc[("validation", "equivalent")]
    assert label.to_dict() == record["label_scores"]["validation"]["equivalent"]
    (epoch,) = run.history.to_dict("records")
    assert epoch == {key: value for key, value in record["epochs"][0].items() if key != "metrics"} | record["metrics"]
    assert len(run.steps) == record["num_train_steps"]
    assert run.steps["learning_rate"].iloc[0] == pytest.approx(5e-5)
    assert run.splits == ("validation",)
    rows = run.predictions()
    lines = (finished_run / "predictions" / "validation.tsv").read_text().splitlines()
    assert [*rows] == lines[0].split("\t")
    assert rows["id"].tolist() == [*range(len(lines) - 1)]
    assert (rows["label"] == rows["prediction"]).mean() == pytest.approx(record["metrics"]["accuracy"])
    assert rows["probability_equivalent"].tolist() == [float(line.split("\t")[4]) for line in lines[1:]]


def test_predictions_come_with_their_texts_if_the_rows_are_there(finished_run: Path, tmp_path: Path) -> None:
    rows = glueft.load_run(finished_run).predictions("validation", texts=True)
    assert [*rows][:5] == ["id", "sentence1", "sentence2", "label", "prediction"]
    assert all(isinstance(text, str) and text for text in rows["sentence2"])
    other = tmp_path / finished_run.name
    shutil.copytree(finished_run, other)
    change_record(other, data={"splits": {"validation": {"sha256": "0" * 64}}})
    with pytest.raises(glueft.DataError, match="not those of the run: their SHA-256 differs") as caught:
        glueft.load_run(other).predictions(texts=True)
    assert caught.value.fix == "put the rows back; or leave texts=True out, and give `explain` the text itself"


def test_scores_are_numbers_and_rows_without_a_label_have_none(finished_regression_run: Path, tmp_path: Path) -> None:
    rows = glueft.load_run(finished_regression_run).predictions()
    assert [*rows] == ["id", "label", "prediction"]
    assert glueft.load_run(finished_regression_run).per_label.empty
    assert rows["label"].dtype == rows["prediction"].dtype == float
    folder = make_run(tmp_path / "run", given=[0, -1, 1], said=[0, 0, 1])
    assert glueft.load_run(folder).predictions()["label"].isna().tolist() == [False, True, False]


def test_labels_are_lists_where_a_row_has_several(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", given=[0, 1, 1], said=[0, 1, 1], multi_label=True)
    table = folder / "predictions" / "validation.tsv"
    header = table.read_text().splitlines()[0]
    rows = ('0\t["equivalent"]\t[]\t0.1\t0.4', '1\t\t["not_equivalent","equivalent"]\t0.9\t0.8', "2\t[]\t[]\t0\t0")
    table.write_text("\n".join([header, *rows, ""]))
    found = glueft.load_run(folder).predictions()
    assert found["label"].tolist() == [["equivalent"], None, []]
    assert found["prediction"].tolist() == [[], ["not_equivalent", "equivalent"], []]


def test_every_split_has_its_metrics_and_predictions(finished_mnli_run: tuple[Path, list[str]]) -> None:
    run = glueft.load_run(finished_mnli_run[0])
    assert {split for split, _ in run.metrics.index} == {"validation_matched", "validation_mismatched"}
    baselines = run.record["baseline_by_split"]
    found = run.metrics["baseline"].unstack()["accuracy"].to_dict()
    assert found == {split: metrics["accuracy"] for split, metrics in baselines.items()}
    assert len(run.predictions()) == run.record["data"]["splits"]["validation_matched"]["rows"]
    assert run.predictions("test_mismatched")["label"].isna().all()


def test_a_metric_that_is_called_as_a_column_has_a_name_of_its_own(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    line = {"kind": "epoch", "epoch": 1, "step": 8, "loss": 0.5, "validation_loss": 0.6, "seconds": 1.0}
    (folder / "history.jsonl").write_text(json.dumps(line | {"metrics": {"loss": 0.7}}) + "\n")
    assert [*glueft.load_run(folder).history] == ["epoch", "step", "loss", "validation_loss", "metric_loss", "seconds"]
    (folder / "history.jsonl").write_text("")
    assert glueft.load_run(folder).history.empty
    assert glueft.load_run(folder).steps.empty


def test_what_is_no_finished_run_is_refused_and_so_is_an_unknown_split(tmp_path: Path, finished_run: Path) -> None:
    with pytest.raises(glueft.RunFolderError, match="this is not a run folder"):
        glueft.load_run(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(glueft.RunFolderError) as caught:
        glueft.load_run(tmp_path)
    assert caught.value.received == "the folder of a study"
    assert caught.value.fix.startswith(f"read it with glueft.read_study({str(tmp_path)!r})")
    unfinished = make_run(tmp_path / "run", given=[0], said=[0], status="failed")
    with pytest.raises(glueft.RunFolderError, match="the run is not done"):
        glueft.load_run(unfinished)
    with pytest.raises(glueft.DataError) as unknown:
        glueft.load_run(finished_run).predictions("validatoin")
    assert unknown.value.expected == "one of its splits: validation"
    assert unknown.value.fix == 'did you mean "validation"?'
    with pytest.raises(glueft.DataError, match="has left no predictions of 'test'") as caught_test:
        glueft.load_run(finished_run).predictions("test")
    assert "run.evaluate('test')" in caught_test.value.fix


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    run = glueft.load_run(make_run(tmp_path / "run", given=[0], said=[0]))
    run.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(glueft.RunFolderError, match="the run folder is gone"):
        run.predictions()


ONE, TWO = "A cat sat on a mat.", "The cat sat down."


@pytest.mark.parametrize(
    ("texts", "pairs", "received"),
    [
        ([ONE], None, "one text a row"),
        (ONE, None, "one text a row"),
        ([(ONE, TWO, ONE)], None, "a row of ('A cat sat on a mat.'"),
        ([ONE, ONE], [TWO], "2 first texts, and 1 second text"),
        (pandas.DataFrame({"sentence1": [ONE]}), None, "a table"),
        ({"sentence1": ONE}, None, "a table"),
        (3, None, "3"),
        ([ONE], [None], "null"),
        ([ONE], pandas.Series([float("nan")]), "null"),
        (None, None, "None"),
        (numpy.array(3), None, "3"),
        ([ONE], ["  "], '"  "'),
        ([ONE], [2.5], '"2.5" (a number)'),
    ],
)
def test_texts_that_cannot_be_predicted_load_no_model(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch, texts: object, pairs: object, received: str
) -> None:
    monkeypatch.delattr("glueft.inference.predictor.load_run_model")
    with pytest.raises(glueft.DataError) as caught:
        glueft.load_run(finished_run).predict(texts, pairs)  # type: ignore[arg-type]
    assert caught.value.received.startswith(received)
    assert caught.value.expected and caught.value.fix


def test_second_texts_for_a_model_that_reads_one(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", task="cola", given=[0], said=[0])
    with pytest.raises(glueft.DataError, match="this model reads one text at a time") as caught:
        glueft.load_run(folder).predict([ONE], [TWO])
    assert caught.value.fix == "leave `pairs` out"
    with pytest.raises(glueft.DataError, match="this model reads one text at a time"):
        glueft.load_run(folder).predict([(ONE, TWO)])


def test_what_cannot_be_explained_loads_no_model(finished_run: Path) -> None:
    run = glueft.load_run(finished_run)
    for arguments, message in (
        ({}, "there is nothing to explain"),
        ({"text": ONE, "pair": TWO, "row": 0}, "a text and a row contradict each other"),
        ({"row": 10**6}, "validation has no row 1,000,000"),
        ({"row": 0, "split": "test"}, "has left no predictions of 'test'"),
        ({"text": [ONE, ONE], "pair": [TWO, TWO]}, "these are several rows"),
        ({"text": ONE}, "this model reads two texts at once"),
    ):
        with pytest.raises(glueft.DataError, match=message):
            run.explain(**arguments)  # type: ignore[arg-type]


def test_paths_are_of_either_kind_and_anything_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = glueft.load_recipe("cola", None, data_dir=tmp_path, checkpoint=tmp_path)
    assert recipe.data.folder == recipe.model.checkpoint == str(tmp_path)
    assert glueft.load_recipe(recipe.path, data_dir=str(tmp_path), checkpoint=str(tmp_path)) == recipe
    make_run(tmp_path / "run", given=[0], said=[0])
    monkeypatch.setenv("HOME", str(tmp_path))
    run = glueft.load_run("~/run")
    assert pickle.loads(pickle.dumps(run)).record == run.record
    assert glueft.compare(path for path in (run, "~/run"))["rows"] == 1
    with pytest.raises(glueft.GlueftError, match="there is no such file"):
        glueft.load_run("~/run", plugins=tmp_path / "own.py").predictions(texts=True)
    with pytest.raises(glueft.GlueftError, match=r"own\.py: there is no such file"):
        glueft.compare(run, run, plugins="own.py")
    calls = (
        lambda: glueft.load_run(None),
        lambda: glueft.load_recipe({"task": "cola"}),
        lambda: glueft.run("cola", output_dir=None),
        lambda: glueft.load_recipe("cola", 3),
        lambda: glueft.compare(None, None),
        lambda: glueft.compare(run, run, html=3),
    )
    for call in calls:
        with pytest.raises(glueft.GlueftError, match=r"this is no|these are no"):
            call()  # type: ignore[no-untyped-call]


def test_what_a_study_asks_for_is_not_taken_for_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(Path("run"), given=[0], said=[0])

    def fix(folder: str) -> str:
        with pytest.raises(glueft.StudyError, match="not the folder of a study") as caught:
            glueft.read_study(folder)
        return caught.value.fix

    assert fix("run") == "open it with glueft.load_run('run')"
    assert fix("nothing") == "name the folder that glueft.study has made, such as studies/glue"
    assert fix("mrpc-study").startswith("run it with glueft.study('mrpc-study')")
    Path("studies", "mrpc-study").mkdir(parents=True)
    Path("studies", "mrpc-study", "study.json").write_text("{}")
    assert fix("mrpc-study") == "read what it has found with glueft.read_study('studies/mrpc-study')"


def test_a_notebook_shows_texts_as_they_are(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", given=[0, 1], said=[0, 0], warnings=["<b>two</b> labels \x1b[31m"])
    run = glueft.load_run(folder)
    assert repr(run) == "Result(run: accuracy 0.5000, f1 0.5000)"
    page = run._repr_html_()
    assert page.startswith("<pre ")
    assert "&lt;b&gt;two&lt;/b&gt; labels \\x1b[31m" in page
    compared = glueft.compare(run, folder)
    assert repr(compared) == "<comparison of 2 runs of mrpc on 2 validation rows>"
    assert compared["sentences"] == ["B: the predictions are the same as those of A"]
    assert "B: the predictions are the same as those of A" in compared._repr_html_()
    assert str(compared).startswith("mrpc: 2 validation rows")
    assert json.loads(json.dumps(compared)) == compared
    for one in (folder, run, [run]):
        with pytest.raises(glueft.GlueftError, match="there is nothing to compare with"):
            glueft.compare(one)
    recipe = glueft.load_recipe("mrpc", {"task": {"plugin": "mrpc"}, "model.checkpoint": "</pre><b>"})
    assert repr(recipe) == "Recipe(mrpc: mrpc, </pre><b>)"
    assert "&lt;/pre&gt;&lt;b&gt;" in recipe._repr_html_()


def test_a_plan_of_a_recipe(tiny_bert: Path) -> None:
    changes = {"data.limit_train": 16, "training.epochs": 2}
    planned = glueft.plan("mrpc", changes, sample=True, checkpoint=str(tiny_bert), probe=False)
    assert planned["num_train_steps"] == 4
    assert repr(planned) == "<plan of mrpc: 16 train rows, 4 steps>"
    assert "4: 2 epochs of 2" in str(planned)
    recipe = glueft.load_recipe("mrpc", sample=True, checkpoint=str(tiny_bert))
    assert glueft.plan(recipe, changes, probe=False)["num_train_steps"] == 4


@pytest.mark.slow
def test_a_plan_of_a_study(tiny_bert: Path) -> None:
    of_study = glueft.plan("mrpc-study", {"study.seeds": 2}, sample=True, checkpoint=str(tiny_bert), probe=False)
    assert repr(of_study) == "<plan of the study mrpc-study>"
    assert "mrpc-study: runs" in of_study._repr_html_()


def test_a_comparison_is_a_page_too(finished_run: Path, tmp_path: Path, undrawn: None) -> None:
    page = tmp_path / "comparison.html"
    compared = glueft.compare([finished_run, finished_run], html=page)
    assert compared["html"] == str(page)
    assert "<!doctype html>" in page.read_text()[:100].lower()
    with pytest.raises(glueft.GlueftError, match="exists already"):
        glueft.compare(finished_run, finished_run, html=page)


def test_a_report_is_written_anew_in_its_place_and_nowhere_else(
    finished_run: Path, tmp_path: Path, undrawn: None
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    run = glueft.load_run(folder)
    assert run.report().path == run.report().path == folder / "report.html"
    (tmp_path / "own.html").write_text("mine")
    with pytest.raises(glueft.RunFolderError, match="exists already"):
        run.report(tmp_path / "own.html")
    assert run.report(tmp_path / "own.html", force=True).path == tmp_path / "own.html"


def test_a_run_from_here_predicts_as_its_folder_does(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = glueft.load_run(finished_run)
    rows = run.predictions(texts=True).head(3)
    with pytest.raises(glueft.GlueftError, match="float8"):
        glueft.load_run(finished_run, precision="float8").evaluate()
    said = run.predict(rows["sentence1"], rows["sentence2"])
    assert [*said] == ["sentence1", "sentence2", "label", "probability_not_equivalent", "probability_equivalent"]
    assert said["label"].tolist() == rows["prediction"].tolist()
    assert said["probability_equivalent"].to_numpy() == pytest.approx(rows["probability_equivalent"], abs=1e-6)
    monkeypatch.delattr("glueft.inference.predictor.load_for_prediction")  # The model stays loaded.
    odd = rows[["sentence1", "sentence2"]].set_index(pandas.Index([7, 3, 9]))
    assert run.predict(odd["sentence1"], odd["sentence2"]).index.equals(odd.index)
    assert run.predict(odd.to_numpy()).equals(said)
    assert run.predict([*zip(rows["sentence1"], rows["sentence2"], strict=True)]).equals(said)
    assert len(run.predict(ONE, TWO)) == 1
    assert [*run.predict([], [])] == [*said]
    assert run.model.count_params() == run.record["parameters"]
    with pytest.warns(UserWarning, match="1 of 2 texts cut to the first 128 tokens"):
        run.predict([ONE, ONE], [TWO, "word " * 200])
    why = run.explain(row=1)
    assert why["texts"] == [*rows.loc[1, ["sentence1", "sentence2"]]] and why["label"] == why["prediction"]
    assert why["reference"] == rows.loc[1, "label"]
    explainer = run._explainer
    other = next(label for label in explainer.saved.labels if label != why["label"])
    assert run.explain(row=1, label=other)["explanation"]["label"] == other
    assert run._explainer is explainer and explainer.saved is run._text_model
    change = why["explanation"]["logit"] - why["explanation"]["baseline"]
    assert why.words["score"].sum() == pytest.approx(why.tokens["score"].sum()) == pytest.approx(change, abs=1e-2)
    assert why.words["input"].unique().tolist() == ["sentence1", "sentence2"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run.evaluate("validation")  # of the model that is loaded, in a program of its own
    assert found["comparison"]["equal"], "to the last digit, whatever was predicted before"
    assert found["comparison"]["splits"]["validation"]["furthest_apart"] == 0
    assert repr(found).startswith(f"<evaluation of {finished_run.name}, validation: accuracy ")
