"""A run whose rows have any number of labels, with a tuned threshold each: what it leaves, and all that reads it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import glueft
from glueft.cli.main import command_line
from glueft.comparison.compare import compare_runs
from glueft.errors import SubmissionError
from glueft.export.exporter import export
from glueft.export.formats import find_format
from glueft.hub.checkpoint_files import DECISION
from glueft.inference.evaluate import evaluate_run
from glueft.inference.explanation import Explainer
from glueft.inference.predictor import SavedModel, load_saved_model
from glueft.inference.printing import answer_lines, answer_object
from glueft.metrics.decision import DecisionRule, sigmoid
from glueft.metrics.label_sets import read_sets
from glueft.push.content import content_of, source_of
from glueft.recipe import load_recipe
from glueft.report.write import write_report
from glueft.runs.predictions import write_predictions
from glueft.runs.run import Run
from glueft.submit.submit import submit
from tiny_checkpoint import make_tiny_bert

RECIPES = Path(__file__).parents[2] / "recipes"
CHANGES = [
    "schedule.initial_learning_rate=3e-3",
    "schedule.warmup_ratio=0.0",
    "training.epochs=4",
    "engine.precision=float32",
    'decision.temperature="tuned"',
]
NOTE = "The soup was cold; the stairs to the cellar are slippery, please act at once"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder that knows the words of the notes."""
    texts = [row["note"] for row in csv.DictReader((RECIPES / "multi-label.csv").open())]
    folder = tmp_path_factory.mktemp("notes") / "bert"
    return make_tiny_bert(folder, texts=texts, vocab_size=1000, layers=1, dropout=0.0)


@pytest.fixture(scope="module")
def run(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = load_recipe(RECIPES / "multi-label.toml", CHANGES, checkpoint=str(encoder))
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("runs")).folder


@pytest.fixture(scope="module")
def saved(run: Path) -> SavedModel:
    return load_saved_model(run)


def test_the_record_the_model_folder_and_the_predictions_say_how_labels_were_decided(
    run: Path, saved: SavedModel
) -> None:
    opened = Run.open(run)
    record, found = opened.record, opened.predictions("validation")
    assert record["multi_label"] is True and opened.labels == ("building", "food", "guide", "tickets", "urgent")
    decision, rule = record.decision, saved.rule
    assert decision is not None and rule.multi_label and rule.thresholds is not None
    assert decision.thresholds == dict(zip(opened.labels, rule.thresholds, strict=True))
    assert (decision.metric, decision.label, decision.threshold) == (
        "f1",
        None,
        None,
    ) and DECISION in record.model.sha256
    predicted, references = (read_sets(texts, opened.labels) for texts in (found.predictions, found.labels))
    assert (predicted == (found.probabilities >= rule.thresholds)).all() and 0 < predicted.mean() < 1
    f1 = [2 * (p & r).sum() / max(1, p.sum() + r.sum()) for p, r in zip(predicted.T, references.T, strict=True)]
    assert record.metrics["macro_f1"] == pytest.approx(np.mean(f1)) == pytest.approx(decision.value)
    assert record.metrics["subset_accuracy"] == pytest.approx((predicted == references).all(axis=1).mean())
    assert decision.value is not None and decision.plain_value is not None and decision.value > decision.plain_value
    assert decision.plain_metrics["validation"]["macro_f1"] == pytest.approx(decision.plain_value)
    for label, threshold in enumerate(rule.thresholds):  # Each is the best of all.
        shares, right = found.probabilities[:, label], references[:, label]
        called = [shares >= other for other in shares]
        best = max(2 * right[given].sum() / (given.sum() + right.sum()) for given in called)
        given = shares >= threshold
        assert 2 * right[given].sum() / (given.sum() + right.sum()) == pytest.approx(best)
    config = json.loads((run / "model" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert any("the labels' mean f1" in text and "thresholds were tuned on" in text for text in record.warnings)


def test_new_texts_get_all_their_labels(
    run: Path, saved: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = saved.answer([[NOTE, "greetings"]])
    given, shares = answers.labels[0], answers.probabilities[0]
    assert isinstance(given, list) and given
    assert given == [name for name, there in zip(saved.labels, shares >= saved.rule.thresholds, strict=True) if there]
    first, second, *_ = answer_lines(answers, saved.labels)
    assert first == ", ".join(given) and second.startswith("+ ")
    told = answer_object(answers, saved.labels, (NOTE,), 0)
    assert told["label"] == given and [*told["probabilities"]] == list(saved.labels)
    (tmp_path / "in.csv").write_text(f'text,label\n"{NOTE}",mine\n')
    assert command_line(["predict", str(run), "--input", str(tmp_path / "in.csv"), "--text", "text"]) == 0
    row = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert (row["label"], json.loads(row["predicted_label"])) == ("mine", given)
    (explained,) = Explainer(saved).explain([[NOTE]])[1]
    assert explained.label == max(given, key=told["probabilities"].__getitem__)


def test_an_evaluation_is_equal_to_the_run(run: Path) -> None:
    result = evaluate_run(Run.open(run))
    assert result["comparison"]["equal"] and result["multi_label"] is True
    assert result["decision"]["thresholds"] and "each label's f1" in result["decision"]["text"]
    assert "predictions of all 96 rows" in result["comparison"]["summary"]
    other_order = json.dumps(Run.open(run).labels[::-1])
    compared = evaluate_run(Run.open(run), overrides=[f"task.labels={other_order}"])["comparison"]
    assert compared["equal"] and [line.split(":")[0] for line in compared["differences"]] == ["task.labels"]


def test_the_report_has_a_table_of_labels_and_rows_by_missed_label(run: Path, undrawn: None) -> None:
    page = write_report(run).path.read_text("utf-8")
    for text in ("predicted with it", "threshold", "label decisions", "Label that is missed", "with thresholds of 0.5"):
        assert text in page
    assert "Confusion matrix" not in page and "commonest set of labels" in page


def test_runs_are_compared_by_rows_and_by_all_labels_of_a_row(run: Path, undrawn: None, tmp_path: Path) -> None:
    other = Run.open(shutil.copytree(run, tmp_path / "plain", ignore=shutil.ignore_patterns("*.safetensors")))
    found = other.predictions("validation")
    shares = found.probabilities
    logits = (np.log(shares) - np.log1p(-shares)).astype(np.float32)
    references = read_sets(found.labels, other.labels)
    plain = DecisionRule(multi_label=True)
    write_predictions(other.predictions_file("validation"), references, logits, other.labels, plain)
    page = tmp_path / "page.html"
    assert command_line(["compare", str(run), str(tmp_path / "plain"), "--html", str(page)]) == 0
    pair = compare_runs([run, tmp_path / "plain"], resamples=200)["comparisons"][0]
    differing = pair["rows_that_differ"]
    assert f"The runs disagree on {differing} of 96 rows." in page.read_text()
    before, after = (read_sets(of.predictions("validation").predictions, other.labels) for of in (Run.open(run), other))
    assert pair["rows_that_differ"] == (before != after).any(axis=1).sum() > 0
    right = [(of == references).all(axis=1) for of in (before, after)]
    assert pair["mcnemar"]["only_first"] == (right[0] & ~right[1]).sum()
    assert pair["metrics"]["subset_accuracy"]["difference"] == pytest.approx(right[1].mean() - right[0].mean())
    assert pair["metrics"]["macro_f1"]["low"] <= pair["metrics"]["macro_f1"]["difference"]


def test_what_is_given_away_says_how_it_decides(run: Path, saved: SavedModel, tmp_path: Path) -> None:
    written = export(saved, tmp_path / "export", find_format("transformers"))
    assert written["multi_label"] and written["decision"]["thresholds"] == saved.rule.thresholds
    text = (tmp_path / "export" / "README.md").read_text()
    code = text[text.index("probabilities = ") : text.index("for text, scores")]
    logits, names = np.array([[0.5, -2.0, 3.0, 0.0, -0.25]], np.float32), {"numpy": np}
    exec(code, names | {"logits": logits}, names)
    assert np.allclose(names["probabilities"], sigmoid(logits, saved.rule.temperature))
    assert names["thresholds"] == list(saved.rule.thresholds or ())
    model = (run / "model" / "README.md").read_text()
    assert "gives a text any number of its labels" in model and 'model=".", top_k=None)' in model
    card = content_of(source_of(Run.open(run)), "alice/notes", None).files["README.md"]
    assert isinstance(card, bytes) and b"gives any number of" in card and b".sigmoid()[0]" in card
    assert b"With a threshold of 0.5 for each label" in card and b"always gives one" not in card


def test_no_upload_is_made_of_it(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="gives a row any number of labels"):
        submit([run], tmp_path / "upload.zip")


@pytest.mark.slow
def test_a_student_learns_from_it_and_both_are_reproduced(
    run: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [*CHANGES, f'distill={{teacher="run:{run}", weight=0.9}}', "training.epochs=2", "training.seed=7"]
    recipe = load_recipe(RECIPES / "multi-label.toml", changes, checkpoint=str(encoder))
    student = glueft.run(recipe, output_dir=tmp_path)
    assert Run.open(student.folder).record.metrics["macro_f1"] > 0.3
    for folder in (run, student.folder):
        assert command_line(["reproduce", str(folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["equal"]
