"""Predictions that are all the same, and metrics of the baseline: which of them are named, when, and how."""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from glueft.launch import run_recipe
from glueft.metrics.decision import PLAIN, DecisionRule
from glueft.recipe import load_recipe
from glueft.report.write import write_report
from glueft.runs.run_list import list_runs
from glueft.terminal.run_list_table import notes
from glueft.training.collapse import ADVICE, Sign, sign_of
from glueft.training.observers import RunProgress
from glueft.training.session import Session

ROWS = np.array([0, 1, 1, 0, 1, 1])
EARLY, LATE, LAST = {"late": False, "last": False}, {"late": True, "last": False}, {"late": False, "last": True}
ALL = "all 6 validation rows got the same"
NOTHING = "the model tells nothing apart"
UNDEFINED = "; a correlation with one answer is not defined, and counts as 0"


def found(
    task: str,
    logits: Any,
    when: dict[str, bool],
    *,
    references: Any = ROWS,
    value: float = 0.9,
    before: float | None = None,
    baseline: float | None = None,
    metric: str | None = None,
) -> Sign | None:
    """What shows a collapse in the logits of a task's validation rows; the values are of its primary metric."""
    changes = [] if metric is None else [f'task.metrics=["{metric}"]']
    plugin = load_recipe(task, changes, sample=True).task
    session: Any = SimpleNamespace(task=plugin, labels=plugin.labels, primary_split="validation", metric_labels={})
    session.rule = PLAIN
    session.encoded = {"validation": SimpleNamespace(labels=np.asarray(references))}
    session.predictions = lambda logits: Session.predictions(session, logits)
    name = plugin.metrics[0]
    values = [{} if each is None else {name: each, "other": 0.5} for each in (value, baseline, before)]
    return sign_of(session, np.asarray(logits, np.float32), values[0], values[1], before=values[2], **when)


def spread(label: int, size: float) -> Any:
    """Logits of two labels that all say one of them, while their difference varies by so much."""
    logits = np.zeros((6, 2))
    logits[:, label] = 1 + size * np.linspace(0, 1, 6)
    return logits


def test_scores_that_are_all_the_same_are_a_sign_at_any_time() -> None:
    words = f'{ALL} answer, "equivalent": {NOTHING}'
    for when in (EARLY, LATE, LAST):
        assert found("mrpc", spread(1, 1e-6), when) == Sign("one label", words)
        # Large logits are rounded more.
        assert found("mrpc", 1e4 * spread(1, 1e-6), when) == Sign("one label", words)
        # Up to rounding they are the same, and so is the chance of each label.
        same = found("mrpc", np.stack([np.zeros(6), [1e-7, -1e-7] * 3], axis=1), when)
        assert same == Sign("constant scores", f"{ALL} probabilities: {NOTHING}")
        score = found("stsb", np.full((6, 1), 2.5), when, references=[0, 1, 2, 3, 4, 5.0])
        assert score == Sign("constant scores", f"{ALL} answer, the score 2.5: {NOTHING}{UNDEFINED}")
        nearly = found("stsb", 2.5 + np.linspace(0, 1e-4, 6)[:, None], when, references=[0, 1, 2, 3, 4, 5.0])
        assert nearly == score


def test_one_set_of_labels_for_all_rows_is_a_sign_too() -> None:
    several = 'task={plugin="table", train="a.csv", text="t", label_columns=["a", "b", "c"], validation_fraction=0.1}'
    task = load_recipe("mrpc", [several]).task
    references = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
    session: Any = SimpleNamespace(task=task, labels=task.labels, primary_split="validation", metric_labels={})
    session.rule, session.encoded = DecisionRule(multi_label=True), {"validation": SimpleNamespace(labels=references)}
    session.predictions = lambda logits: Session.predictions(session, logits)

    def of(rows: Any, when: dict[str, bool]) -> Sign | None:
        return sign_of(session, np.array(rows, np.float32), {"micro_f1": 0.5}, {}, before={}, **when)

    low = np.linspace(-2, -1, 12).reshape(4, 3)
    assert of(low, EARLY) is None
    for when in (LATE, LAST):
        words = f"all 4 validation rows got the same answer, none of the labels: {NOTHING}"
        assert of(low, when) == Sign("one label", words)
        assert of(np.abs(low) * [1, -1, 1], when) == Sign("one label", words.replace("none of the labels", '"a", "c"'))
        assert of(low * np.sign(references - 0.5), when) is None
    # No softmax is taken: rows whose logits differ alike differ.
    shifted = np.array([-1.0, 1, -0.5, 0.5])[:, None] + np.zeros(3)
    assert of(shifted, LAST) is None
    assert of(np.zeros((4, 3)) + 1e-6 * shifted, EARLY) is not None


def test_one_label_for_all_rows_is_a_sign_from_the_second_epoch_on_and_in_the_result() -> None:
    assert found("mrpc", spread(1, 0.05), EARLY) is None  # As in the first epoch of many a normal run.
    for when in (LATE, LAST):
        assert found("mrpc", spread(1, 0.05), when) == Sign("one label", f'{ALL} answer, "equivalent": {NOTHING}')
    cola = found("cola", spread(0, 0.05), LAST)
    assert cola == Sign("one label", f'{ALL} answer, "unacceptable": {NOTHING}{UNDEFINED}')


@pytest.mark.parametrize(("spread", "early", "late"), [(1e-4, True, True), (2e-3, False, True), (2e-2, False, False)])
def test_scores_of_a_regression_are_the_same_up_to_less_at_first(spread: float, early: bool, late: bool) -> None:
    scores = 9 + np.linspace(0, spread, 6)[:, None]
    for when, named in ((EARLY, early), (LATE, late), (LAST, late)):
        assert (found("stsb", scores, when, references=[0, 1, 2, 3, 4, 5.0]) is not None) == named


@pytest.mark.parametrize(("value", "named"), [(0.67, False), (0.5, True), (0.4, True)])
def test_one_label_is_no_sign_where_the_metric_ranks_the_rows(value: float, named: bool) -> None:
    sign = found("mrpc", spread(1, 0.05), LATE, metric="roc_auc", value=value, baseline=0.5)
    assert (sign is not None) == named
    assert found("mrpc", spread(1, 1e-6), LATE, metric="roc_auc", value=value, baseline=0.5) is not None


@pytest.mark.parametrize("when", [EARLY, LATE, LAST])
def test_where_all_references_are_the_same_one_answer_is_the_right_one(when: dict[str, bool]) -> None:
    assert found("mrpc", spread(1, 0), when, references=[1] * 6, value=1.0, baseline=1.0) is None
    assert found("stsb", np.full((6, 1), 2.5), when, references=[2.5] * 6, value=0.0, baseline=0.0) is None


def varying(rows: int = 6) -> Any:
    return np.stack([np.zeros(rows), [1.0, -1.0] * (rows // 2)], axis=1)


def test_a_metric_of_the_baseline_is_a_sign_from_the_second_epoch_on() -> None:
    sign = Sign("baseline", "accuracy is 0.6838, exactly that of always the same answer")
    at = {"value": 0.6838235, "baseline": 0.6838235}
    assert found("mrpc", varying(), LATE, **at) == sign  # type: ignore[arg-type]
    assert found("mrpc", varying(), EARLY, **at) is None  # type: ignore[arg-type]
    assert found("mrpc", varying(), LATE, value=0.6838235, baseline=None) is None
    for value in (0.68, 0.69):
        assert found("mrpc", varying(), LATE, value=value, baseline=0.6838235) is None


def test_a_correlation_of_0_is_a_sign_if_that_before_was_0_too() -> None:
    for before, expected in ((None, None), (0.2, None), (0.0, "baseline")):
        sign = found("cola", varying(), LATE, value=0.0, baseline=0.0, before=before)
        assert (sign and sign.kind) == expected
    assert found("cola", varying(), LATE, value=0.1, baseline=0.0, before=0.0) is None


class Listening(RunProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def saying_yes(tiny_bert: Path, tmp_path: Path) -> Path:
    """A checkpoint whose head gives all rows the same logits, those of "equivalent"."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "saying_yes"))
    tensors = load_file(folder / "model.safetensors")
    tensors["classifier.weight"] = np.zeros((2, len(tensors["pooler.dense.bias"])), np.float32)
    tensors["classifier.bias"] = np.array([0, 1], np.float32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "not_equivalent", "1": "equivalent"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_run_that_has_collapsed_is_told_once_and_stopped(saying_yes: Path, tmp_path: Path) -> None:
    recipe = load_recipe(
        "mrpc",
        [
            "training={epochs=3, evaluate_every=4, keep='best'}",
            "schedule.initial_learning_rate=1e-9",  # It stays as it is.
            "data.limit_train=80",
            "data.limit_validation=40",
            'callbacks=[{plugin="early_stopping", patience=9, stop_on_collapse=true}]',
        ],
        sample=True,
        checkpoint=str(saying_yes),
    )
    shown = Listening()
    result = run_recipe(recipe, output_dir=tmp_path, progress=shown)
    record = json.loads((result.folder / "run.json").read_text())
    found, (mid,), (end,) = record["collapse"], record["mid_epochs"], record["epochs"]
    sign, value = f'all 40 validation rows got the same answer, "equivalent": {NOTHING}', mid["metrics"]["accuracy"]
    assert found == {
        "kind": "one label", "sign": sign, "step": 4, "epoch": 0.4, "metric": "accuracy", "value": value,
        "last_step": 5, "evaluations": 2, "result": True,
    }  # fmt: skip
    assert [line for line in shown.lines[1:] if "collapse" in line] == [
        f"warning: {sign}; collapse at step 4 (epoch 0.4): {ADVICE}",
        "early stopping: stopped in epoch 1 of 3, as the model has collapsed; the best was epoch 1 "
        f"(accuracy {value:.4f}), and the run keeps its best evaluation",
    ]
    # It is stopped after the step that follows.
    assert end["step"] == 5 and record["early_stopping"]["collapse"] and record["early_stopping"]["stopped_early"]
    # Of equal evaluations, the first.
    assert record["kept"] == {"metric": "accuracy", "value": value, "step": 4, "epoch": 0.4, "evaluations": 2}
    assert record["metrics"] == mid["metrics"] == end["metrics"]
    assert record["warnings"][-1] == sign
    (listed,) = list_runs(tmp_path)
    told = f"collapse at step 4 (epoch 0.4): {sign}; the saved model shows it too"
    assert notes([listed]) == [f"{result.folder.name}: {told}"]
    page = html.unescape(write_report(result.folder).path.read_text(encoding="utf-8"))
    assert told[1:] in page and ADVICE[1:] in page and "the best of 2 evaluations" in page
