"""Fits the rule by which labels are decided to the rows that a run is evaluated on, once its model is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from glueft.metrics import known_metrics, metric_labels, metric_title, value_of
from glueft.metrics.decision import LABELS_SHOWN, PLAIN_THRESHOLD, DecisionRule, Fit
from glueft.metrics.tuning import log_loss, of_label, tune_temperature, tune_threshold, tune_thresholds
from glueft.runs import record
from glueft.text import counted, quoted, score_text
from glueft.training.decisions import of_thresholds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.training.session import Session


def fit_rule(session: Session, logits: NDArray[np.float32]) -> DecisionRule:
    """Return the rule of a session, with what is tuned fitted to the primary split.

    The temperature comes first, and the threshold is of the probabilities after it.

    Args:
        session: its rule is that of the recipe.
        logits: of the primary split, (rows, labels).
    """
    decision, rule, split = session.recipe.decision, session.rule, session.primary_split
    if not decision.tuned:
        return rule
    references = _references(session)
    metric = decision.tuned_for(session.task)
    if decision.temperature == "tuned":
        rule = replace(rule, temperature=tune_temperature(logits, references) or 1.0)
    if metric is not None:
        of, probabilities = known_metrics()[metric], rule.decide(logits).probabilities
        if rule.multi_label:
            rule = of_thresholds(rule.temperature, tune_thresholds(probabilities, references, of, session.labels))
        else:
            tuned, shares = of(session.labels, rule.positive), probabilities[:, rule.positive]
            rule = replace(rule, threshold=tune_threshold(shares, references, tuned).threshold)
    rows = session.rows[split]
    return replace(rule, fit=Fit(decision.tuned, metric, split, len(rows), rows.sha256))


def describe_decision(
    session: Session, logits: NDArray[np.float32], plain: dict[str, dict[str, float]]
) -> record.Decision | None:
    """Return what run.json says of a session's rule; None if it is the plain one, and not by a fit.

    Args:
        session: its rule has been fitted.
        logits: of the primary split, (rows, labels).
        plain: by labelled split, the metrics of the task at the plain decision.
    """
    rule, fit = session.rule, session.rule.fit
    if rule.is_plain and fit is None:
        return None
    references = _references(session)
    described = record.Decision(
        temperature=rule.temperature,
        threshold=rule.threshold,
        label=session.labels[rule.positive] if len(session.labels) == 2 and not rule.multi_label else None,
        plain_metrics=plain,
        log_loss=log_loss(logits, references, rule.temperature),
        plain_log_loss=log_loss(logits, references),
    )
    if rule.multi_label:
        described.thresholds = {label: rule.threshold_of(index) for index, label in enumerate(session.labels)}
    if fit is not None:
        described.tuned, described.split, described.rows = list(fit.tuned), fit.split, fit.rows
        if fit.metric is not None:
            described.metric = fit.metric
            described.value, described.plain_value = _values(session, logits, fit.metric)
    return described


def decision_warnings(session: Session, logits: NDArray[np.float32]) -> Iterator[str]:
    """Warn of what a fitted rule does to the scores of the rows that it was fitted to; logits of the primary split."""
    rule, fit = session.rule, session.rule.fit
    if fit is None:
        return
    references = _references(session)
    rows = counted(fit.rows, f"{fit.split} row")
    if "temperature" in fit.tuned:
        if rule.temperature != 1:
            yield (
                f"the temperature was tuned on the very {rows} of the metrics: how well probabilities fit these rows "
                "looks better than it is"
            )
        elif tune_temperature(logits, references) is None:
            right = bool((rule.plain.decide(logits).labels == references).all())
            why = "all of them are predicted right" if right else "the logits tell less of the labels than chance does"
            yield f"the temperature stays 1: for the {rows} none is best, as {why}"
    if fit.metric is None:
        return
    if rule.multi_label:
        lacking = [label for label, there in zip(session.labels, references.max(axis=0), strict=True) if not there]
        if lacking:
            few = ", ".join(map(quoted, lacking[:LABELS_SHOWN])) + ("" if len(lacking) <= LABELS_SHOWN else ", ...")
            yield f"none of the {rows} has {few}: the threshold of such a label stays {PLAIN_THRESHOLD}"
    if rule.threshold is not None or rule.thresholds is not None:
        value, plain = _values(session, logits, fit.metric)
        if rule.multi_label:
            title, what = f"the labels' mean {fit.metric}", "thresholds were"
        else:
            title = metric_title(fit.metric, metric_labels([fit.metric], session.labels, rule.positive))
            what = "threshold was"
        yield (
            f"{title} = {score_text(value)} is of the very {rows} that the {what} tuned on, and so looks better "
            f"than it is; at the plain decision it is {score_text(plain)}"
        )


def _references(session: Session) -> NDArray[np.int64]:
    return session.encoded[session.primary_split].labels.astype("int64")


def _values(session: Session, logits: NDArray[np.float32], name: str) -> tuple[float, float]:
    """A metric of the primary split, of a multi-label task the mean over its labels; and what it would be plainly."""
    metric, references, rule = known_metrics()[name], _references(session), session.rule

    def value(rule: DecisionRule) -> float:
        decided = rule.decide(logits)
        if not rule.multi_label:
            return value_of(metric(session.labels, rule.positive), decided, references)
        by_label = zip(session.labels, decided.labels.T, references.T, strict=True)
        values = [value_of(of_label(metric, label), given, right) for label, given, right in by_label]
        return sum(values) / len(values)

    return value(rule), value(replace(rule.plain, positive=rule.positive))
