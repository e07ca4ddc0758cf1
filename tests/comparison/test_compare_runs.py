"""Runs compared by their folders: the whole result, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from compared_rows import label_rows, score_rows
from glueft.comparison.compare import compare, compare_runs, name_of
from glueft.errors import ComparisonError, GlueftError, PluginError, RunFolderError
from glueft.metrics import compute_metrics
from glueft.plugin.registry import load_registry, use_registry
from run_folders import change_record, make_run

GIVEN, FIRST, OTHER = (column.tolist() for column in label_rows(60, seed=12))


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two runs that differ in the seed alone."""
    return [
        make_run(tmp_path / "one", GIVEN, FIRST, seed=42),
        make_run(tmp_path / "two", GIVEN, OTHER, seed=43),
    ]


def test_two_seeds(pair: list[Path]) -> None:
    compared = json.loads(json.dumps(compare_runs(pair, resamples=500)))
    assert (compared["task"], compared["split"], compared["rows"]) == ("mrpc", "validation", 60)
    assert [run["name"] for run in compared["runs"]] == ["A", "B"]
    assert [run["folder"] for run in compared["runs"]] == [str(path) for path in pair]
    accuracies = [float(np.mean(np.array(said) == GIVEN)) for said in (FIRST, OTHER)]
    assert [run["metrics"]["accuracy"] for run in compared["runs"]] == pytest.approx(accuracies)
    assert compared["differences"]["recipe"] == {"training.seed": [42, 43]}
    assert compared["bootstrap"] == {"method": "paired, percentile", "resamples": 500, "seed": 0, "level": 0.95}
    (comparison,) = compared["comparisons"]
    accuracy = comparison["metrics"]["accuracy"]
    assert accuracy["low"] <= accuracy["difference"] <= accuracy["high"]
    assert accuracy["difference"] == pytest.approx(accuracies[1] - accuracies[0])
    test = comparison["mcnemar"]
    assert (test["only_other"] - test["only_first"]) / 60 == pytest.approx(accuracy["difference"])
    assert comparison["rows_that_differ"] == test["only_first"] + test["only_other"]
    (group,) = compared["seeds"]
    assert (group["runs"], group["seeds"]) == (["A", "B"], [42, 43])
    assert group["metrics"]["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    luck = "a difference between them is the seed's luck, not a better recipe"
    assert f"A and B differ in the seed alone (42, 43): {luck}" in compared["notes"]
    assert any("paired bootstrap over the rows, 500 resamples (seed 0)" in note for note in compared["notes"])
    assert compared["sentences"][0] == "B: no difference in accuracy that 60 rows can show"


def test_a_run_with_itself(pair: list[Path]) -> None:
    compared = compare_runs([pair[0], pair[0] / "model"])
    (comparison,) = compared["comparisons"]
    assert comparison["same_predictions"] and comparison["mcnemar"]["p"] == 1
    assert {metric["verdict"] for metric in comparison["metrics"].values()} == {"same"}
    assert {(metric["low"], metric["high"]) for metric in comparison["metrics"].values()} == {(0, 0)}
    assert compared["sentences"] == ["B: the predictions are the same as those of A"]
    assert compared["seeds"] == [] and not any(compared["differences"].values())


def test_a_real_run_with_a_copy(finished_run: Path, finished_regression_run: Path, tmp_path: Path) -> None:
    for run in (finished_run, finished_regression_run):
        copy = shutil.copytree(run, tmp_path / run.name)
        compared = compare_runs([run, copy])
        record = json.loads((run / "run.json").read_text())
        assert compared["runs"][0]["metrics"] == pytest.approx(record["metrics"], abs=1e-4)
        assert compared["sentences"] == ["B: the predictions are the same as those of A"]
        assert compared["notes"] == []


def test_the_same_answers_with_other_probabilities(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(sure), GIVEN, FIRST, sure=sure) for sure in (2.0, 3.0)]
    compared = compare_runs(runs)
    # 1 / (1 + exp(-2)) and 1 / (1 + exp(-3)).
    (sentence,) = compared["sentences"]
    assert sentence == "B: every row has the same prediction as in A; the probabilities differ by up to 0.072"
    assert not compared["comparisons"][0]["same_predictions"]
    assert "nothing that is recorded differs, and yet the predictions do" in " ".join(compared["notes"])


def test_a_clear_difference(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "one", GIVEN, [1 - label for label in GIVEN]),
        make_run(tmp_path / "two", GIVEN, GIVEN, overrides=["training.epochs=1"]),
    ]
    compared = compare_runs(runs)
    assert compared["sentences"] == [
        "B: better than A in accuracy, by 1.0000",
        "B: better than A in f1, by 1.0000",
        "B: right in A alone 0 rows, in B alone 60 rows; McNemar's exact test: p < 0.0001",
    ]
    assert compare_runs(runs[::-1])["sentences"][0] == "B: worse than A in accuracy, by 1.0000"


def test_three_runs_are_compared_with_the_first_and_that_is_said(pair: list[Path], tmp_path: Path) -> None:
    third = make_run(tmp_path / "three", GIVEN, [1 - label for label in GIVEN], overrides=["training.epochs=1"])
    compared = compare_runs([*pair, third])
    assert [(one["to"], one["run"]) for one in compared["comparisons"]] == [("A", "B"), ("A", "C")]
    assert any(
        note.startswith("with 2 comparisons at 95 % the chance that some interval leaves out 0 by luck is up to 10 %")
        and note.endswith("where it holds at 97.5 %")
        for note in compared["notes"]
    )
    alone = compare_runs([pair[0], third])["comparisons"][0]["metrics"]["f1"]
    among = compared["comparisons"][1]["metrics"]["f1"]
    assert (alone["low"], alone["high"]) == (among["low"], among["high"])
    assert [group["runs"] for group in compared["seeds"]] == [["A", "B"]]


@pytest.mark.parametrize("task", ["cola", "mnli", "stsb"])
def test_other_tasks(task: str, tmp_path: Path) -> None:
    rows = score_rows(80, seed=1) if task == "stsb" else label_rows(80, seed=1, labels=3 if task == "mnli" else 2)
    given, *said = (column.tolist() for column in rows)
    split = "validation_matched" if task == "mnli" else "validation"
    runs = [make_run(tmp_path / str(n), given, column, task=task, split=split) for n, column in enumerate(said)]
    compared = compare_runs(runs, resamples=300)
    (comparison,) = compared["comparisons"]
    assert list(comparison["metrics"]) == list(compared["runs"][0]["metrics"])
    # McNemar's test is about right and wrong; a score is neither.
    assert (comparison["mcnemar"] is None) == (task == "stsb")
    assert any("McNemar" in sentence for sentence in compared["sentences"]) == (task != "stsb")


def test_a_metric_that_resamples_leave_undefined_is_told(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(n), GIVEN, said, task="cola") for n, said in enumerate(([0] * 60, GIVEN))]
    compared = compare_runs(runs, resamples=200)
    note = "B: matthews_correlation is not defined in 200 of 200 resamples, and counts as 0 there"
    assert note in compared["notes"]


def test_a_run_that_has_collapsed_is_told(pair: list[Path]) -> None:
    collapse = {"kind": "one label", "step": 9, "epoch": 1, "metric": "accuracy", "value": 0.5, "last_step": 9}
    for path, sign, result in zip(pair, ("one answer", "another"), (True, False), strict=True):
        change_record(path, collapse=collapse | {"sign": sign, "result": result})
    notes = compare_runs(pair)["notes"]
    assert "A: one answer; a run that has collapsed is no result" in notes
    assert not any("another" in note for note in notes)  # Its saved model does not show it.


def test_predictions_that_are_not_those_of_the_record_are_told(pair: list[Path]) -> None:
    right = float(np.mean(np.array(FIRST) == GIVEN))
    change_record(pair[0], metrics={"accuracy": right, "f1": 0.125})
    notes = compare_runs(pair)["notes"]
    assert not any("run.json has accuracy" in note and note.startswith("A") for note in notes)
    assert any(note.startswith("A: run.json has f1 0.1250, its predictions give 0.") for note in notes)


def test_another_split(tmp_path: Path) -> None:
    runs = []
    for number, said in enumerate((FIRST, OTHER)):
        run = make_run(tmp_path / str(number), GIVEN, said, split="validation_matched", task="mrpc")
        shutil.copy(run / "predictions/validation_matched.tsv", run / "predictions/validation_mismatched.tsv")
        change_record(run, metrics_by_split={"validation_mismatched": {"accuracy": 2.0}})
        runs.append(run)
    compared = compare_runs(runs, split="validation_mismatched")
    assert compared["split"] == "validation_mismatched"
    assert "A: run.json has accuracy 2.0000" in compared["notes"][0]
    splits = {"validation_mismatched": {"rows": 60}}
    change_record(runs[1], data={"validation_split": "validation_mismatched", "splits": splits})
    with pytest.raises(ComparisonError, match="the runs have different primary splits"):
        compare_runs(runs)


def test_metrics_and_values_that_cannot_be_are_left_out(pair: list[Path]) -> None:
    for path in pair:
        change_record(path, metrics={"pearson": 0.1}, seconds={"total": "long"})
    compared = compare_runs(pair, resamples=50)
    assert list(compared["runs"][0]["metrics"]) == ["accuracy", "f1"]
    assert compared["runs"][0]["seconds"] is None


def test_a_metric_without_its_plugin_has_values_and_no_interval(pair: list[Path]) -> None:
    for path, value in zip(pair, (0.25, 0.5), strict=True):
        facts = {"within_half": {"higher_is_better": True, "package": "glueft-half", "version": "1.0"}}
        change_record(path, metrics={"within_half": value}, metric_facts=facts)
    compared = compare_runs(pair, resamples=50)
    assert [run["metrics"]["within_half"] for run in compared["runs"]] == [0.25, 0.5]
    assert [*compared["comparisons"][0]["metrics"]] == ["accuracy", "f1"]
    assert compared["seeds"][0]["metrics"]["within_half"]["mean"] == 0.375
    (told,) = (note for note in compared["notes"] if "no interval for" in note)
    assert told.startswith("there is no interval for within_half: no plugin of this name is installed (glueft-half has")


def test_a_plugin_file_brings_the_interval_of_its_metric(pair: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        "import glueft\n\n\nclass HalfRight(glueft.Metric):\n    '''Half of the right.'''\n\n"
        "    name = 'half_right'\n    suits = 'labels'\n"
        "    bounds = (0, 0.5)\n\n    def value(self, predictions, references):\n"
        "        return (predictions == references).mean() / 2\n\n\n"
        "@glueft.hookimpl\ndef glueft_metrics():\n    return [HalfRight]\n"
    )
    for path in pair:
        plugins = {"task": "mrpc", "files": [{"path": str(file), "sha256": "0" * 64}]}
        change_record(path, metrics={"accuracy": 0.5, "half_right": 0.25}, plugins=plugins)
    (told,) = (note for note in compare_runs(pair, resamples=50)["notes"] if "no interval for" in note)
    assert f"if a plugin file of the run has it: --plugin {file}" in told
    try:
        found = compare(pair, resamples=50, plugins=[str(file)]).found["comparisons"][0]["metrics"]
    finally:
        use_registry()
    assert found["half_right"]["difference"] == pytest.approx(found["accuracy"]["difference"] / 2)
    with pytest.raises(PluginError, match="there is no such file"):
        compare(pair, plugins=[str(tmp_path / "none.py")])


def test_every_metric_of_labels_is_itself(tmp_path: Path) -> None:
    installed = load_registry().classes("metric")
    names = [name for name, metric in installed.items() if metric.fits(2)]
    given, first, other = label_rows(80, seed=1)
    metrics = dict.fromkeys(names, 0.5)
    paths = [make_run(tmp_path / str(seed), given, said, metrics=metrics) for seed, said in enumerate((first, other))]
    compared = compare_runs(paths, resamples=50)
    expected = [compute_metrics(names, said, given) for said in (first, other)]
    certain = [name for name in names if not installed[name].takes_probabilities]
    for run, values in zip(compared["runs"], expected, strict=True):
        assert [*run["metrics"]] == names
        assert {name: run["metrics"][name] for name in certain} == pytest.approx(
            {name: values[name] for name in certain}
        )
    sentences = [metric["sentence"] for metric in compared["comparisons"][0]["metrics"].values()]
    assert [name for name, sentence in zip(names, sentences, strict=True) if name not in sentence] == []


def test_probabilities_may_differ_where_labels_do_not(tmp_path: Path) -> None:
    given, said, _ = label_rows(60, seed=3)
    metrics = {"accuracy": 0.5, "roc_auc": 0.5}
    paths = [make_run(tmp_path / name, given, said, metrics=metrics) for name in ("one", "other")]
    file = paths[1] / "predictions" / "validation.tsv"
    lines = file.read_text().splitlines()
    for row in range(1, len(lines), 2):  # Every other row is less sure: the order of the rows is another one.
        head, label, prediction, no, yes = lines[row].split("\t")
        lines[row] = "\t".join(
            [head, label, prediction, *(("0.4", "0.6") if float(yes) > float(no) else ("0.6", "0.4"))]
        )
    file.write_text("\n".join(lines) + "\n")
    (comparison,) = (compared := compare_runs(paths, resamples=200))["comparisons"]
    assert comparison["rows_that_differ"] == 0 and not comparison["same_predictions"]
    assert comparison["metrics"]["accuracy"]["verdict"] == "same"
    assert comparison["metrics"]["roc_auc"]["verdict"] != "same"
    assert any("roc_auc" in sentence for sentence in compared["sentences"])


def refusal(paths: list[Path], split: str | None = None) -> ComparisonError:
    with pytest.raises(ComparisonError) as caught:
        compare_runs(paths, split=split)
    return caught.value


def test_one_run_alone_is_refused(pair: list[Path]) -> None:
    error = refusal(pair[:1])
    assert (error.message, error.received) == ("there is nothing to compare with", "1")
    assert "glueft list-runs" in error.fix


def test_other_tasks_labels_and_metrics_are_refused(pair: list[Path], tmp_path: Path) -> None:
    error = refusal([pair[0], make_run(tmp_path / "cola", GIVEN, FIRST, task="cola")])
    assert error.message == "the runs have different tasks"
    assert error.expected.endswith("mrpc, as in one") and error.received == "cola in cola"
    change_record(make_run(tmp_path / "three", [2], [1], task="mnli", metrics={"accuracy": 1}), task="mrpc")
    error = refusal([pair[0], tmp_path / "three"])
    assert error.message == "the runs have different labels"
    assert error.received == "entailment, neutral, contradiction in three"
    other = make_run(tmp_path / "metrics", GIVEN, FIRST, metrics={"accuracy": 1.0})
    assert refusal([pair[0], other]).message == "the runs have different metrics"


def test_other_rows_are_refused(pair: list[Path], tmp_path: Path) -> None:
    error = refusal([pair[0], make_run(tmp_path / "fewer", GIVEN[:50], FIRST[:50])])
    assert error.message == "the runs have different validation rows"
    assert error.expected.startswith("60 rows with the SHA-256 ")
    assert error.received.startswith("50 rows with the SHA-256 ")
    assert "data.limit_validation" in error.fix
    change_record(pair[1], data={"splits": {"validation": {"sha256": "b" * 64}}})
    error = refusal(pair)
    assert error.received == "60 rows with the SHA-256 bbbbbbbbbbbb... in two"


def test_other_labels_on_a_row_are_refused(pair: list[Path], tmp_path: Path) -> None:
    labels = [*GIVEN[:7], 1 - GIVEN[7], *GIVEN[8:]]
    same = json.loads((pair[0] / "run.json").read_text())["data"]
    error = refusal([pair[0], make_run(tmp_path / "other", labels, FIRST, data=same)])
    assert error.message == "the runs have different labels on row 7 of the validation split"


def test_a_split_that_was_not_predicted_or_has_no_labels_is_refused(pair: list[Path], tmp_path: Path) -> None:
    error = refusal(pair, "test")
    assert error.message == "one has no predictions of the test split"
    assert "of one: validation" in error.expected and "--split" in error.fix
    hidden = [make_run(tmp_path / name, [-1, -1], [0, 1], split="test") for name in ("x", "y")]
    error = refusal(hidden)
    assert (error.message, error.received) == (
        "the test rows have no labels to compare the predictions with",
        "none in row 0",
    )
    empty = [make_run(tmp_path / name, [], []) for name in ("e", "f")]
    assert refusal(empty).message == "the validation split has no rows"


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", b'{"status"', "cut off or broken"),
        ("recipe.toml", b"[task\n", "recipe.toml"),
        ("recipe.toml", b"", "recipe.toml"),
        ("recipe.toml", None, "recipe.toml"),
        ("predictions/validation.tsv", b"id\tlabel\n", "its header is not that of predictions"),
        ("predictions/validation.tsv", None, "has no predictions of the validation split"),
        ("model/config.json", b"{}", "it does not name the labels"),
    ],
)
def test_a_broken_folder_is_one_clear_error(pair: list[Path], file: str, content: bytes | None, words: str) -> None:
    path = pair[1] / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(GlueftError) as caught:
        compare_runs(pair)
    assert words in str(caught.value)


def test_a_run_that_is_not_done_and_a_folder_that_is_no_run_are_refused(pair: list[Path], tmp_path: Path) -> None:
    change_record(pair[1], status="running")
    with pytest.raises(RunFolderError, match="the run is not done"):
        compare_runs(pair)
    with pytest.raises(RunFolderError, match="this is not a run folder"):
        compare_runs([pair[0], tmp_path / "nowhere"])


def test_names_go_on_after_z() -> None:
    assert [name_of(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


def test_a_dozen_seeds(tmp_path: Path) -> None:
    paths: list[Any] = [make_run(tmp_path / str(n), GIVEN, (FIRST, OTHER)[n % 2], seed=n) for n in range(12)]
    compared = compare_runs(paths, resamples=100)
    assert len(compared["comparisons"]) == 11 and compared["runs"][-1]["name"] == "L"
    assert compared["seeds"][0]["seeds"] == list(range(12))


def test_f1_is_of_the_label_that_the_first_run_names(tmp_path: Path) -> None:
    """Both are measured alike; what run.json has of another label is told and not held against it."""
    alarm = {"metric_labels": {"f1": "not_equivalent"}}
    paths = [
        make_run(tmp_path / "one", GIVEN, FIRST, **alarm),
        make_run(tmp_path / "two", GIVEN, FIRST, metric_labels={"f1": "equivalent"}),
        make_run(tmp_path / "old", GIVEN, FIRST),
    ]
    compared = compare_runs(paths, resamples=10)
    expected = f1_score(GIVEN, FIRST, pos_label=0)
    assert [run["metrics"]["f1"] for run in compared["runs"]] == pytest.approx([expected] * 3)
    assert compared["metric_labels"] == {"f1": "not_equivalent"}
    assert 'B: run.json has f1 of "equivalent"; here it is of "not_equivalent" for all' in compared["notes"]
    assert 'C: run.json has f1 of "equivalent"; here it is of "not_equivalent" for all' in compared["notes"]
    assert not any(f"{name}: run.json has f1 0.5" in note for note in compared["notes"] for name in "BC")
    usual = compare_runs(paths[1:], resamples=10)["runs"]
    assert [run["metrics"]["f1"] for run in usual] == pytest.approx([f1_score(GIVEN, FIRST)] * 2)
    mixed = compare_runs([paths[2], paths[0]], resamples=10)  # Earlier versions had it of the second label alone.
    assert mixed["metric_labels"] == {"f1": "equivalent"}
    assert 'B: run.json has f1 of "not_equivalent"; here it is of "equivalent" for all' in mixed["notes"]


@pytest.mark.parametrize("scale", [1e-20, 1e6])
def test_scores_of_any_scale_give_what_the_run_reports(tmp_path: Path, scale: float) -> None:
    given, first, other = ((column * scale).astype(np.float32) for column in score_rows(60, seed=2))
    measured = [compute_metrics(["pearson", "spearmanr"], said, given) for said in (first, other)]
    paths = [
        make_run(tmp_path / str(number), given, said, task="stsb", metrics=metrics)
        for number, (said, metrics) in enumerate(zip((first, other), measured, strict=True))
    ]
    compared = compare_runs(paths, resamples=10)
    assert [run["metrics"] for run in compared["runs"]] == [pytest.approx(metrics, rel=1e-12) for metrics in measured]
    assert not any("run.json has" in note for note in compared["notes"])


def test_scores_that_an_earlier_version_wrote_with_fewer_digits(tmp_path: Path) -> None:
    given = np.array([1000001, 1000002, 1000003.5], np.float32)
    paths = [make_run(tmp_path / name, given, given, task="stsb") for name in ("new", "old")]
    file = paths[1] / "predictions" / "validation.tsv"
    file.write_text(
        "id\tlabel\tprediction\n" + "".join(f"{row}\t1e+06\t{score:.6f}\n" for row, score in enumerate(given))
    )
    (comparison,) = compare_runs(paths, resamples=10)["comparisons"]
    assert comparison["same_predictions"]
    # Of the labels, those with the most digits are taken, whichever run comes first.
    compared = compare_runs(paths[::-1], resamples=10)
    assert [run["metrics"]["pearson"] for run in compared["runs"]] == pytest.approx([1.0, 1.0])


def test_less_error_is_better(tmp_path: Path) -> None:
    given, first, _ = score_rows(60, seed=2)
    metrics = {"mae": 0.5, "rmse": 0.5}
    paths = [
        make_run(tmp_path / str(number), given, said, task="stsb", metrics=metrics)
        for number, said in enumerate((first + 3, first))
    ]
    (comparison,) = compare_runs(paths, resamples=200)["comparisons"]
    assert [metric["verdict"] for metric in comparison["metrics"].values()] == ["better", "better"]
