"""Collapse: a model that gives all rows the same answer, or is no better than that. Keras is not imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import TYPE_CHECKING, Any

from glueft.data.rows import names_of
from glueft.metrics import is_correlation, known_metrics, lower_is_better, metric_title
from glueft.runs.record import Collapse
from glueft.text import quoted, score_text
from glueft.training.observers import MidEpochReport, Observer, Training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.runs.run import Run
    from glueft.training.session import Session

# A normal run often ends its first epoch with one label for all rows, while their logits still differ by tenths. Those
# of a run that has diverged are the same up to rounding, 1e-6.
SAME = 1e-4
# Regression has no labels: from the second epoch on, this part of the references' span, 0.005 of STS-B's 0 to 5. Scores
# of a new head vary by more.
LATE_SAME = 1e-3
# The first epoch whose end a model should do better than one label for all rows, and better than the baseline.
FROM_EPOCH = 2
ADVICE = (
    "common causes are a learning rate that is too high or has no warm-up, too few steps, and rare labels; try a lower "
    "schedule.initial_learning_rate, schedule.warmup_ratio = 0.1, more training.epochs, or another training.seed, as "
    "single seeds fail (Mosbach et al. 2021)"
)


@dataclass(frozen=True)
class Sign:
    """What shows a collapse: its `kind` as in run.json, and a sentence that says so."""

    kind: str
    words: str


class CollapseWatch(Observer):
    """Looks at each validation: the first collapse is told, and `collapse` of run.json counts them."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def begin(self, training: Training) -> None:
        self.training = training

    def mid_epoch(self, report: MidEpochReport) -> None:
        training = self.training
        assert training.validation_logits is not None
        last = report.step == training.session.batches.num_train_steps
        sign = _sign(self.run, training, training.validation_logits, report, last=last)
        if sign is not None:
            collapse = _noted(self.run, training, sign, report)
            collapse.evaluations += 1
            collapse.last_step = report.step

    epoch = mid_epoch


def judge_result(run: Run, training: Training, logits: NDArray[np.float32], metrics: dict[str, float]) -> None:
    """Note whether the model that is saved has collapsed, and warn of it in the record.

    Args:
        run: gets `collapse` and the warning.
        training: it has ended.
        logits: of the result, for the primary split.
        metrics: likewise. Callbacks may have changed the weights after the last evaluation.
    """
    step = training.step if training.kept is None else training.kept.step
    evaluated = next(report for report in training.evaluations if report.step == step)
    report = replace(evaluated, metrics=metrics)
    sign = _sign(run, training, logits, report, last=True)
    if sign is not None:
        _noted(run, training, sign, report).result = True
        run.record.warnings.append(sign.words)


def _sign(
    run: Run, training: Training, logits: NDArray[np.float32], report: MidEpochReport, *, last: bool
) -> Sign | None:
    before = [other.metrics for other in training.evaluations if other.step < report.step]
    return sign_of(
        training.session,
        logits,
        report.metrics,
        run.record.baseline,
        before=before[-1] if before else {},
        late=report.epoch >= FROM_EPOCH,
        last=last,
    )


def _noted(run: Run, training: Training, sign: Sign, report: MidEpochReport) -> Collapse:
    """The record of the first collapse; if this is the first, it is told."""
    if run.record.collapse is None:
        metric = training.session.task.metrics[0]
        run.record.collapse = Collapse(
            kind=sign.kind,
            sign=sign.words,
            step=report.step,
            epoch=report.epoch,
            metric=metric,
            value=report.metrics[metric],
            last_step=report.step,
        )
        run.say(f"warning: {sign.words}; {run.record.collapse.place()}: {ADVICE}")
    return run.record.collapse


def sign_of(
    session: Session,
    logits: NDArray[np.float32],
    metrics: Mapping[str, float],
    baseline: Mapping[str, float],
    *,
    before: Mapping[str, float],
    late: bool,
    last: bool,
) -> Sign | None:
    """Return what shows that a model has collapsed; None if nothing does, or if all references are the same.

    Args:
        session: of the model.
        logits: of the primary split, (rows, labels), or (rows, 1) in regression.
        metrics: of the same.
        baseline: those of the best constant answer; empty before the end of the first epoch.
        before: the metrics of the evaluation before; empty for the first.
        late: whether the second epoch is over.
        last: whether this is the result of the run, or the last evaluation.
    """
    import numpy as np

    references, labels = session.encoded[session.primary_split].labels, session.labels
    if (references == references[0]).all():
        return None
    predicted = session.predictions(logits)
    # What a softmax sees of logits is their difference to each other.
    softmax = session.task.predicts == "labels"
    scores = logits - logits.mean(axis=1, keepdims=True) if softmax else logits
    span = max(1.0, float(np.abs(scores).max())) if labels else float(np.ptp(references))
    tolerance = SAME if labels or not (late or last) else LATE_SAME
    same = float(np.ptp(scores, axis=0).max()) <= tolerance * span
    one_label = bool(labels) and (predicted == predicted[0]).all()
    primary = session.task.metrics[0]
    if same or (one_label and (late or last) and not _ranks(primary, metrics, baseline)):
        answer = _in_words(predicted[0], labels)
        got = f"the same answer, {answer}" if one_label or not labels else "the same probabilities"
        words = f"all {len(references):,} {session.primary_split} rows got {got}: the model tells nothing apart"
        if any(map(is_correlation, session.task.metrics)):
            words += "; a correlation with one answer is not defined, and counts as 0"
        return Sign("one label" if one_label else "constant scores", words)

    def at_baseline(values: Mapping[str, float]) -> bool:
        both = primary in values and primary in baseline
        return both and isclose(values[primary], baseline[primary], rel_tol=1e-9, abs_tol=1e-9)

    # A correlation of 0 is no answer's alone: predictions that vary can have it by chance, but hardly twice in a row.
    if late and at_baseline(metrics) and (not is_correlation(primary) or at_baseline(before)):
        title = metric_title(primary, session.metric_labels)
        return Sign("baseline", f"{title} is {score_text(metrics[primary])}, exactly that of always the same answer")
    return None


def _in_words(answer: NDArray[Any], labels: Sequence[str]) -> str:
    """A label by its index, several by 0 and 1 for each, or a score, as messages have it."""
    if not labels:
        return f"the score {answer:g}"
    if answer.ndim == 0:
        return quoted(labels[int(answer)])
    return ", ".join(map(quoted, names_of(answer, labels) or ())) or "none of the labels"


def _ranks(primary: str, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> bool:
    """Whether a metric of the probabilities, such as ROC AUC, tells rows apart that all get one label."""
    if primary not in baseline or not known_metrics()[primary].takes_probabilities:
        return False
    value, constant = metrics[primary], baseline[primary]
    return value < constant if lower_is_better(primary) else value > constant
