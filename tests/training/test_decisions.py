"""A run whose threshold and temperature are tuned: where they are stored, and all that reads them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import glueft
from glueft.cli.main import command_line
from glueft.comparison.compare import compare_runs
from glueft.data.rows import Rows
from glueft.errors import DataError, RunFolderError, TrainingError
from glueft.hub.checkpoint_files import DECISION
from glueft.inference.evaluate import evaluate_run
from glueft.inference.predictor import SavedModel, load_saved_model
from glueft.metrics.decision import softmax
from glueft.metrics.tuning import log_loss, tune_temperature
from glueft.push.content import content_of, source_of
from glueft.recipe import load_recipe
from glueft.report.write import write_report
from glueft.runs.record import Decision
from glueft.runs.run import Run
from glueft.terminal.evaluation_table import evaluation_tables
from glueft.training.decisions import chosen_rule
from glueft.training.progress import Progress
from glueft.training.session import read_session

WORDS = ("company", "said", "market", "shares", "year", "police")
TEXTS = [" ".join([*(WORDS[(row * step) % 6] for step in (1, 2, 5)), f"{row}"]) for row in range(48)]
# One in eight is rare, and each text stands for one label but for a few.
KINDS = ["rare" if row % 8 == 0 else "common" for row in range(48)]
TUNED = 'decision={threshold="tuned", metric="f1", temperature="tuned"}'


def changes_of(folder: Path, *more: str) -> list[str]:
    for name, shift in (("train", 0), ("dev", 3)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            kinds = [KINDS[row] if row != 5 + shift else "rare" for row in range(48)]
            csv.writer(file).writerows(
                [("text", "kind"), *zip((f"{name} {text}" for text in TEXTS), kinds, strict=True)]
            )
    files = f'train="{folder}/train.csv", validation="{folder}/dev.csv"'
    columns = 'text="text", label="kind", labels=["rare", "common"], positive_label="rare"'
    return [
        f'task={{plugin="table", {files}, {columns}, metrics=["accuracy", "roc_auc"]}}',
        "training.epochs=2",
        "training.batch_size=8",
        'training.keep="best"',
        "engine.precision=float32",
        *more,
    ]


@pytest.fixture(scope="module")
def run(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rare")
    recipe = load_recipe("table", changes_of(folder, TUNED), checkpoint=str(tiny_bert))
    return glueft.run(recipe, output_dir=folder / "runs").folder


@pytest.fixture(scope="module")
def saved(run: Path) -> SavedModel:
    return load_saved_model(run)


def test_the_record_and_the_model_folder_say_what_was_tuned(run: Path, saved: SavedModel) -> None:
    record, rule = Run.open(run).record, saved.rule
    decision = record.decision
    assert decision is not None and rule.threshold is not None and rule.temperature != 1 and rule.positive == 0
    assert (decision.threshold, decision.temperature) == (rule.threshold, rule.temperature)
    assert (decision.label, decision.metric, decision.split, decision.rows) == ("rare", "f1", "validation", 48)
    assert decision.value is not None and decision.plain_value is not None and decision.value > decision.plain_value
    assert decision.log_loss is not None and decision.log_loss < (decision.plain_log_loss or 0)
    assert DECISION in record.model.sha256
    own, plain = record.metrics, decision.plain_metrics["validation"]
    assert own["roc_auc"] == plain["roc_auc"] and own.keys() == plain.keys()
    assert record.kept is not None and record.kept.value == plain["accuracy"]
    told = [warning for warning in record.warnings if "tuned on" in warning]
    assert len(told) == 2 and any("f1 of rare" in text and "at the plain decision" in text for text in told)


def test_predictions_are_decided_so(run: Path, saved: SavedModel) -> None:
    predictions = Run.open(run).predictions("validation")
    threshold, temperature = saved.rule.threshold, saved.rule.temperature
    shares = predictions.probabilities
    assert predictions.predictions == ["rare" if share >= threshold else "common" for share in shares[:, 0]]
    assert {"rare", "common"} == {*predictions.predictions}
    answers = saved.answer([[f"dev {text}" for text in TEXTS]])
    assert answers.labels == predictions.predictions and np.allclose(answers.probabilities, shares, atol=1e-6)
    rows = Rows("input", ([f"dev {text}" for text in TEXTS],), np.full(48, -1, np.int32), saved.labels)
    logits = saved.logits(rows)
    references = np.array([saved.labels.index(label) for label in predictions.labels])
    assert tune_temperature(logits, references) == pytest.approx(temperature, rel=1e-3)
    assert log_loss(logits, references, temperature) < log_loss(logits, references)
    assert np.allclose(shares, softmax(logits, temperature), atol=1e-6)


def test_an_evaluation_is_equal_and_says_that_it_is_too_good(run: Path, tmp_path: Path) -> None:
    earlier = Path(shutil.copytree(run, tmp_path / "run"))
    recipe = (run / "recipe.toml").read_text()
    assert "multi_label = false\n" in recipe  # An earlier glueft has not written it.
    (earlier / "recipe.toml").write_text(recipe.replace("multi_label = false\n", ""))
    result = evaluate_run(Run.open(earlier))
    assert result["comparison"]["equal"] and not result["comparison"]["differences"]
    assert result["decision"]["threshold"] == Run.open(run).record.decision.threshold
    decision = Run.open(run).record.decision
    assert decision is not None and result["decision"]["plain_metrics_by_split"] == decision.plain_metrics
    assert any("tuned on these very validation rows" in text for text in result["warnings"])
    rows = [str(cell) for column in evaluation_tables(result)[-1].columns for cell in column.cells]
    assert "decision" in rows and decision.text() in rows
    with pytest.raises(DataError, match="decides labels as it was saved"):
        evaluate_run(Run.open(run), overrides=["decision.threshold=0.4"])


def test_the_model_alone_decides_so_too(
    run: Path, saved: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run / "model", tmp_path / "model")
    alone = load_saved_model(tmp_path / "model")
    assert alone.rule == saved.rule
    labels = saved.answer([[f"dev {text}" for text in TEXTS]]).labels
    rare = f"dev {TEXTS[labels.index('rare')]}"
    assert command_line(["predict", str(tmp_path / "model"), rare]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("rare")
    assert command_line(["predict", str(tmp_path / "model"), rare, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["label"] == "rare"


def test_what_is_given_away_takes_it_along(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["export", str(run), str(tmp_path / "export")]) == 0
    assert "how labels are decided" in capsys.readouterr().out
    assert (tmp_path / "export" / DECISION).read_bytes() == (run / "model" / DECISION).read_bytes()
    text = (tmp_path / "export" / "README.md").read_text()
    assert "transformers' pipeline, decides otherwise" in text and "scores[0] >= 0." in text
    files = content_of(source_of(Run.open(run)), "alice/rare", None).files
    card = files["README.md"]
    assert DECISION in files and isinstance(card, bytes)
    assert b"pipeline does not read it" in card and b"With the most probable label of each row" in card
    assert b'config.label2id["rare"]' in card


def test_a_card_names_no_file_and_no_other_metrics_where_the_fit_left_all_plain(run: Path) -> None:
    source = source_of(Run.open(run))
    source.record.decision = Decision(
        temperature=1.0, label="rare", tuned=["threshold"], metric="f1", split="validation", rows=48
    )
    card = str(content_of(source, "alice/rare", None).files["README.md"])
    assert "the most probable label, which is best by f1; tuned on the 48 validation rows." in card
    assert "the metrics are" not in card and DECISION not in card


def test_the_report_shows_both_decisions_and_both_calibrations(run: Path) -> None:
    page = write_report(run).path.read_text("utf-8")
    for text in ("its most probable labels", "before the temperature", "looks better than it is", "tuned for f1"):
        assert text in page


def test_a_comparison_says_that_it_was_tuned_on_the_rows(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("model.safetensors"))
    notes = compare_runs([run, tmp_path / "copy"], resamples=10)["notes"]
    assert sum("threshold and temperature tuned on these very rows" in note for note in notes) == 2


def test_a_head_whose_labels_only_the_rows_tell_comes_with_its_run(run: Path, tmp_path: Path) -> None:
    class Said(Progress):
        lines: ClassVar[list[str]] = []

        def say(self, text: str) -> None:
            self.lines.append(text)

    unnamed = [change.replace('labels=["rare", "common"], ', "") for change in changes_of(tmp_path)]
    read_session(load_recipe("table", unnamed, checkpoint=f"run:{run}"), Said())
    assert f"the encoder and the head of {run.name} (table)" in Said.lines
    taught = load_recipe("table", [*unnamed, f'distill={{teacher="run:{run}"}}'], checkpoint=f"run:{run}")
    with pytest.raises(TrainingError, match="the teacher is the model that the run begins with"):
        read_session(taught, Progress())


def test_a_model_that_has_lost_its_decision_gives_no_other_labels(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "model" / DECISION).unlink()
    with pytest.raises(RunFolderError, match=f"{DECISION} is missing, and without it"):
        load_saved_model(tmp_path / "run")


@pytest.mark.slow
def test_a_run_is_reproduced_with_its_decision(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["reproduce", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal"]


def test_a_number_holds_from_the_first_evaluation_on(tmp_path: Path, tiny_bert: Path) -> None:
    recipe = load_recipe("table", changes_of(tmp_path, "decision.threshold=0.2"), checkpoint=str(tiny_bert))
    recipe.task.labels = ("rare", "common")
    rule = chosen_rule(recipe)
    assert (rule.threshold, rule.temperature, rule.fit) == (0.2, 1.0, None)


def test_labels_that_only_the_rows_tell_are_looked_at_before_the_training(tmp_path: Path, tiny_bert: Path) -> None:
    rows = [("a word", "x"), ("two words", "y"), ("more words", "z")] * 2
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    columns = 'text="text", label="label", validation_fraction=0.5'
    task = f'task={{plugin="table", train="{tmp_path}/rows.csv", {columns}}}'
    recipe = load_recipe("table", [task, 'decision.threshold="tuned"'], checkpoint=str(tiny_bert))
    with pytest.raises(TrainingError, match=r"decision\.threshold: .*has 3 labels"):
        glueft.run(recipe, output_dir=tmp_path / "runs")
    assert not [*(tmp_path / "runs").glob("*")]
