"""Two studies compared: from their folders to what may be said of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.cli.main import command_line
from glueft.errors import ComparisonError, StudyError
from glueft.metrics import compute_metrics
from glueft.studies.comparison.comparison import compare_studies
from glueft.studies.result import RecipeResult, StudyRun
from glueft.studies.result_file import read_result, write_result
from glueft.studies.tables.notes import notes
from glueft.studies.tables.summary import lines
from run_folders import TASKS, make_run
from study_results import recipe_result, study_result, study_run

ROWS = 200


def answers(rate: float, seed: int, *, labels: int = 2, rows: int = ROWS) -> tuple[list[int], list[int]]:
    """The right labels, which are always the same, and predictions of which about so many are right."""
    given = np.random.default_rng(0).integers(0, labels, rows)
    random = np.random.default_rng(seed + 1000)
    wrong = random.random(rows) > rate
    return given.tolist(), np.where(wrong, (given + 1) % labels, given).tolist()


def runs_of(study: Path, task: str, rates: Sequence[float], first_seed: int = 1, **changes: Any) -> list[StudyRun]:
    """Finished runs with their folders, a seed a rate."""
    labels, metrics = TASKS[task]
    found = []
    for seed, rate in enumerate(rates, first_seed):
        given, said = answers(rate, seed + 17 * len(study.name), labels=len(labels))
        folder = make_run(study / "runs" / f"{task}-{seed}", given, said, task=task, seed=seed)
        values = compute_metrics(metrics, np.array(said), np.array(given), labels=labels)
        found.append(study_run(task, seed, *values.values(), folder=folder, **changes))
    return found


def study(folder: Path, *recipes: RecipeResult, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    write_result(study_result(*recipes, folder=folder, **changes))
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two studies of MRPC, where B is far better, and of CoLA, where both are alike; five seeds each."""
    place = tmp_path_factory.mktemp("studies")
    found = []
    for name, mrpc, cola in (("a", 0.70, 0.8), ("bb", 0.95, 0.8)):
        (place / name).mkdir()
        recipes = [
            recipe_result("mrpc", runs_of(place / name, "mrpc", [mrpc] * 5)),
            recipe_result("cola", runs_of(place / name, "cola", [cola] * 5)),
        ]
        found.append(study(place / name, *recipes, checkpoint=f"org/{name}"))
    return found[0], found[1]


def test_a_clear_difference_is_claimed_and_none_where_there_is_none(pair: tuple[Path, Path]) -> None:
    found = compare_studies(*pair, resamples=300)
    mrpc, cola = found["tasks"]
    assert mrpc["verdict"] == "better" and mrpc["with_rows"] and mrpc["runs"] == [5, 5]
    assert mrpc["low"] < mrpc["difference"] < mrpc["high"] and mrpc["low"] > 0.1
    assert mrpc["sentence"].startswith("MRPC: B is better than A (+0.")
    assert mrpc["sentence"].endswith("; B is almost stochastically better (bound 0.00)")
    assert mrpc["almost_stochastic_order"] == {"A": 1.0, "B": 0.0}
    assert cola["verdict"] == "no_difference" and cola["low"] < 0 < cola["high"]
    assert "no difference between A and B that these runs can show" in cola["sentence"]
    assert found["sentences"] == [mrpc["sentence"], cola["sentence"], found["average"]["sentence"]]
    json.dumps(found, allow_nan=False)


def test_the_task_s_score_is_the_mean_of_its_metrics_and_each_has_a_line(pair: tuple[Path, Path]) -> None:
    mrpc = compare_studies(*pair, resamples=100)["tasks"][0]
    score, accuracy, f1 = mrpc["lines"]
    assert [line["metric"] for line in mrpc["lines"]] == ["score", "accuracy", "f1"]
    assert mrpc["difference"] == pytest.approx(score["difference"])
    assert score["difference"] == pytest.approx((accuracy["difference"] + f1["difference"]) / 2)
    assert score["means"][1] - score["means"][0] == pytest.approx(score["difference"])


def test_the_average_is_the_mean_of_the_tasks(pair: tuple[Path, Path]) -> None:
    found = compare_studies(*pair, resamples=100)
    mean, tasks = found["average"], found["tasks"]
    assert mean["name"] == "average of these 2 tasks" and mean["tasks"] == ["mrpc", "cola"]
    assert mean["difference"] == pytest.approx(np.mean([task["difference"] for task in tasks]))
    assert mean["verdict"] == "better" and mean["low"] < mean["difference"] < mean["high"]


def test_the_other_way_round_it_is_worse_and_with_itself_nothing(pair: tuple[Path, Path]) -> None:
    turned = compare_studies(pair[1], pair[0], resamples=100)["tasks"][0]
    assert turned["verdict"] == "worse" and "A is almost stochastically better" in turned["sentence"]
    same = compare_studies(pair[0], pair[0], resamples=100)
    assert {task["difference"] for task in same["tasks"]} == {0.0} and same["average"]["difference"] == 0
    assert {task["verdict"] for task in same["tasks"]} == {"no_difference"}
    assert same["notes"][0].startswith("A and B are the same study")


def test_other_rows_are_not_compared(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    given, said = answers(0.8, 3, rows=50)
    folder = make_run(tmp_path / "run", given, said, task="mrpc")
    other = study(tmp_path, recipe_result("mrpc", [study_run("mrpc", 1, 0.8, 0.8, folder=folder)]))
    found = compare_studies(pair[0], other, resamples=50)
    (task,) = found["tasks"]
    assert task["verdict"] == "not_compared" and task["difference"] is None
    assert task["sentence"].startswith("MRPC: not compared: the runs have different validation rows")
    assert "only in A: COLA" in found["notes"] and found["average"] is None


def test_without_predictions_the_interval_is_of_seeds_alone(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    runs = [study_run("mrpc", seed, 0.99, 0.99 + seed / 1000, folder=tmp_path / "gone") for seed in (1, 2, 3)]
    found = compare_studies(pair[0], study(tmp_path / "b", recipe_result("mrpc", runs)), resamples=50)
    (task,) = found["tasks"]
    assert task["verdict"] == "better" and not task["with_rows"]
    assert "of the difference on other seeds; seeds by the spread of the runs; Student's t" in str(found["notes"])
    assert any(
        note.startswith("MRPC: the interval is of other seeds alone, not of other rows: ") for note in found["notes"]
    )


def test_one_run_claims_nothing(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    for place, rate in zip(places, (0.6, 0.95), strict=True):
        study(place, recipe_result("mrpc", runs_of(place, "mrpc", [rate])))
    found = compare_studies(*places, resamples=100)
    (task,) = found["tasks"]
    assert "MRPC: the interval is without what other seeds would change where a side has one run" in found["notes"]
    assert task["verdict"] == "unknown" and task["low"] > 0
    assert "one run of a side does not tell what other seeds would give, and nothing can be claimed" in task["sentence"]


def without_folders(scores: Sequence[float], **changes: Any) -> list[StudyRun]:
    return [
        study_run("rte", seed, score, folder=None, **{key: values[seed - 1] for key, values in changes.items()})
        for seed, score in enumerate(scores, 1)
    ]


def rte_sentence(tmp_path: Path, first: list[StudyRun], other: list[StudyRun], **changes: Any) -> dict[str, Any]:
    places = [tmp_path / "a", tmp_path / "b"]
    for place, runs in zip(places, (first, other), strict=True):
        study(place, recipe_result("rte", runs, **changes))
    return compare_studies(*places)


def test_runs_of_which_some_collapsed_claim_nothing(tmp_path: Path) -> None:
    first = without_folders([0.55, 0.70, 0.701, 0.699, 0.7, 0.7], collapsed=[True] + [False] * 5)
    found = rte_sentence(tmp_path, first, without_folders([0.9, 0.91, 0.92]))
    (task,) = found["tasks"]
    assert task["verdict"] == "no_difference" and task["collapsed"] == [1, 0]
    assert "but 1 of 6 runs of A collapsed: with so few runs the interval is not to be relied on" in task["sentence"]
    assert "RTE: 1 of 6 runs of A collapsed and is counted" in found["notes"]


def test_runs_that_all_have_one_score_tell_no_interval(tmp_path: Path) -> None:
    (task,) = rte_sentence(tmp_path, without_folders([0.6, 0.6]), without_folders([0.7, 0.7]))["tasks"]
    assert task["verdict"] == "unknown" and "have one and the same score" in task["sentence"]
    (same,) = rte_sentence(tmp_path, without_folders([0.6, 0.6]), without_folders([0.6, 0.6]))["tasks"]
    assert same["sentence"] == "RTE: every run has the same score"


def test_of_many_tasks_a_small_difference_may_be_chance(tmp_path: Path) -> None:
    names = ["rte", "cola", "sst2", "qnli", "wnli"]
    for place, shift in ((tmp_path / "a", 0.0), (tmp_path / "b", 0.014)):
        recipes = []
        for name in names:
            moved = shift if name == "rte" else 0.0
            scores = [0.60 + moved, 0.61 + moved, 0.615 + moved, 0.605 + moved]
            recipes.append(
                recipe_result(name, [study_run(name, seed, score, folder=None) for seed, score in enumerate(scores, 1)])
            )
        study(place, *recipes)
    found = compare_studies(tmp_path / "a", tmp_path / "b")
    assert found["tasks"][0]["low"] > 0 and found["tasks"][0]["verdict"] == "no_difference"
    assert "by itself that could be claimed, as one of 5 comparisons it could be chance" in found["sentences"][0]
    assert any("claimed where it holds at 99 %" in note for note in found["notes"])


def test_a_smaller_error_is_better(tmp_path: Path) -> None:
    for place, error in ((tmp_path / "a", 0.5), (tmp_path / "b", 0.3)):
        runs = [
            study_run("stsb", n, folder=None, score=error, metrics={"validation": {"mae": error + n / 1000}})
            for n in (1, 2, 3)
        ]
        study(place, recipe_result("stsb", runs, metrics=("mae",), lower_is_better=True))
    (task,) = compare_studies(tmp_path / "a", tmp_path / "b")["tasks"]
    assert task["verdict"] == "better" and task["difference"] == pytest.approx(-0.2)
    assert task["almost_stochastic_order"]["B"] == 0


def test_a_metric_of_a_plugin_that_is_not_there_has_the_direction_and_bounds_of_its_study(tmp_path: Path) -> None:
    facts = {"edits": {"higher_is_better": False, "bounds": [0.0, None]}}
    for place, edits in ((tmp_path / "a", 0.5), (tmp_path / "b", 0.1)):
        runs = [
            study_run("rte", n, folder=None, score=edits, metrics={"validation": {"edits": edits + n / 20}})
            for n in (1, 2, 3)
        ]
        study(place, recipe_result("rte", runs, metrics=("edits",), metric_facts=facts, lower_is_better=True))
    (task,) = compare_studies(tmp_path / "a", tmp_path / "b")["tasks"]
    assert task["verdict"] == "better" and task["lower_is_better"] and task["lines"][0]["lower_is_better"]
    (line,) = lines(read_result(tmp_path / "a"))
    assert line.lower_is_better and line.bounds == (0.0, None)


def test_what_makes_a_comparison_unfair_is_said(tmp_path: Path) -> None:
    settings = [{"training.epochs": number} for number in (1, 2, 3)]
    for place, tried in ((tmp_path / "a", settings[:1]), (tmp_path / "b", settings)):
        runs = [study_run("rte", seed, 0.6, setting=settings[0], folder=None) for seed in (1, 2)]
        failed = study_run("rte", 3, state="failed", setting=settings[0], folder=None)
        recipe = recipe_result("rte", [*runs, failed], settings=tried, chosen=settings[0], starts_from="mnli")
        study(place, recipe, finished=None)
    notes = compare_studies(tmp_path / "a", tmp_path / "b")["notes"]
    assert (
        "RTE: A chose among 1 setting, B among 3, by the rows that are compared: the one that chose among more looks "
        "better than it is" in notes
    )
    assert "RTE: 1 of 3 runs of A failed or is not done" in notes and "not finished: A and B" in notes
    assert any(note.startswith("RTE: every run of a side begins with the same encoder") for note in notes)


def test_rows_that_did_not_choose_make_nothing_unfair(tmp_path: Path) -> None:
    settings = [{"training.epochs": number} for number in (1, 2, 3)]
    for place, tried, changes in (
        (tmp_path / "a", settings[:1], {"keeps_best": True, "tunes": ("threshold",)}),
        (tmp_path / "b", settings, {"on": "held_out"}),
    ):
        runs = [study_run("rte", seed, 0.6, setting=settings[0], folder=None) for seed in (1, 2)]
        study(place, recipe_result("rte", runs, settings=tried, chosen=settings[0], **changes))
    notes = compare_studies(tmp_path / "a", tmp_path / "b")["notes"]
    assert not any("chose among" in note for note in notes)
    assert any(note.startswith("RTE: the runs of A alone keep their best evaluation") for note in notes)
    assert any(note.startswith("RTE: the runs of A alone tune their decision on these rows") for note in notes)


def test_an_average_says_of_what_its_interval_is_and_why_there_is_none(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    cola = [study_run("cola", seed, 0.4 + seed / 100, folder=None) for seed in (1, 2, 3)]
    other = read_result(pair[1])
    mixed = study(tmp_path / "mixed", other.recipes[0], recipe_result("cola", cola))
    found = compare_studies(pair[0], mixed, resamples=50)
    assert [task["with_rows"] for task in found["tasks"]] == [True, False] and not found["average"]["with_rows"]
    assert "average of these 2 tasks: the interval is of other seeds alone, for of some tasks it is" in found["notes"]
    ax = recipe_result("ax", [study_run("ax", 1, 0.4, folder=None)])
    for name in "ab":
        study(tmp_path / name, recipe_result("rte", without_folders([0.6, 0.7])), ax)
    notes = compare_studies(tmp_path / "a", tmp_path / "b")["notes"]
    assert "no average over tasks: it takes two or more that can be averaged, each once" in notes


def test_other_metrics_or_no_score_are_not_compared(tmp_path: Path) -> None:
    study(tmp_path / "a", recipe_result("rte", without_folders([0.6, 0.7])))
    study(tmp_path / "b", recipe_result("rte", [], metrics=("f1",)))
    study(tmp_path / "c", recipe_result("rte", [study_run("rte", 1, state="failed", folder=None)]))
    sentences = [compare_studies(tmp_path / "a", tmp_path / other)["sentences"] for other in "bc"]
    assert sentences == [
        ["RTE: not compared: they have different metrics: accuracy in A, f1 in B"],
        ["RTE: not compared: no run of B has a score"],
    ]


def test_studies_without_a_recipe_in_common_are_an_error(tmp_path: Path) -> None:
    study(tmp_path / "a", recipe_result("rte", []))
    study(tmp_path / "b", recipe_result("cola", []))
    with pytest.raises(ComparisonError, match="no recipe in common") as caught:
        compare_studies(tmp_path / "a", tmp_path / "b")
    assert caught.value.received == "glue: RTE; glue: COLA"
    with pytest.raises(StudyError, match="is not the folder of a study"):
        compare_studies(tmp_path / "a", tmp_path / "absent")


def test_the_command_shows_table_sentences_and_notes(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(["study", "compare", *map(str, pair)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].strip() == "A: glue, org/a; B: glue, org/bb"
    assert told[1].split("  ")[0] == "task" and [line.split()[0] for line in told[2:5]] == ["MRPC", "accuracy", "f1"]
    assert any(line.startswith("MRPC: B is better than A (") for line in told)
    assert any(line.startswith("- with 2 tasks compared at once") for line in told)
    assert command_line(["study", "compare", *map(str, pair), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["checkpoint"] for each in found["studies"]] == ["org/a", "org/bb"]
    assert command_line(["study", "compare", str(pair[0]), str(pair[0] / "runs")]) == 2
    assert "is not the folder of a study" in capsys.readouterr().err
    assert command_line(["compare", *map(str, pair)]) == 2
    assert "compare two studies with `glueft study compare A B`" in capsys.readouterr().err


def fold_study(folder: Path, scores: Sequence[float], folds: int = 5, seed: int = 1) -> Path:
    """A study of CoLA whose runs are scored on a fold each, of these scores."""
    (folder / "runs").mkdir(parents=True)
    runs = []
    for fold, score in enumerate(scores, 1):
        place = make_run(folder / "runs" / f"{fold}", [fold % 2, 1, 0, 1], [0, 1, 1, 1], task="cola", split="held_out")
        metrics = {"held_out": {"matthews_correlation": score}}
        runs.append(study_run("cola", seed, score, name=f"cola-fold{fold}", folder=place, fold=fold, metrics=metrics))
    told = {"primary_split": "held_out", "splits": ("held_out",), "on": "held_out", "folds": folds}
    return study(folder, recipe_result("cola", runs, **told))


def test_runs_of_folds_are_compared_fold_by_fold(tmp_path: Path) -> None:
    scores = [0.30, 0.42, 0.35, 0.55, 0.40]
    better = [0.36, 0.47, 0.42, 0.60, 0.47]
    first, other = fold_study(tmp_path / "a", scores), fold_study(tmp_path / "b", better)
    compared = compare_studies(first, other)
    (task,) = compared["tasks"]
    apart = np.subtract(better, scores)
    half = 2.7764451 * np.sqrt(apart.var(ddof=1) * (1 / 5 + 1 / 4))  # Student's t with 4 degrees of freedom
    assert task["verdict"] == "better" and task["almost_stochastic_order"] is None and not task["with_rows"]
    assert [task["low"], task["high"]] == pytest.approx([apart.mean() - half, apart.mean() + half])
    assert any("of the differences on the same folds" in note for note in compared["notes"])
    # Of other seeds the folds tell how far the runs are apart, and not that each is better.
    (task,) = compare_studies(first, fold_study(tmp_path / "c", better, seed=2))["tasks"]
    assert task["verdict"] == "no_difference"
    (task,) = compare_studies(first, fold_study(tmp_path / "d", better, folds=10))["tasks"]
    assert task["sentence"].endswith("not compared: their runs hold other rows out: 5 folds in A, 10 folds in B")
    assert "cross-validation" in " ".join(notes(read_result(first)))
