"""Fits the rule by which labels are decided to the rows that a run is evaluated on, once its model is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from glueft.metrics import known_metrics, metric_labels, metric_title, value_of
from glueft.metrics.decision import PLAIN, DecisionRule, Fit
from glueft.metrics.tuning import log_loss, tune_temperature, tune_threshold
from glueft.runs import record
from glueft.text import counted, score_text

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
    metric = decision.tuned_for(session.task.metrics)
    if decision.temperature == "tuned":
        rule = replace(rule, temperature=tune_temperature(logits, references) or 1.0)
    if metric is not None:
        tuned = known_metrics()[metric](session.labels, rule.positive)
        probabilities = rule.decide(logits).probabilities[:, rule.positive]
        rule = replace(rule, threshold=tune_threshold(probabilities, references, tuned).threshold)
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
        label=session.labels[rule.positive] if len(session.labels) == 2 else None,
        plain_metrics=plain,
        log_loss=log_loss(logits, references, rule.temperature),
        plain_log_loss=log_loss(logits, references),
    )
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
            right = bool((logits.argmax(axis=1) == references).all())
            why = "all of them are predicted right" if right else "the logits tell less of the labels than chance does"
            yield f"the temperature stays 1: for the {rows} none is best, as {why}"
    if fit.metric is not None and rule.threshold is not None:
        value, plain = _values(session, logits, fit.metric)
        title = metric_title(fit.metric, metric_labels([fit.metric], session.labels, rule.positive))
        yield (
            f"{title} = {score_text(value)} is of the very {rows} that the threshold was tuned on, and so looks better "
            f"than it is; at the plain decision it is {score_text(plain)}"
        )


def _references(session: Session) -> NDArray[np.int64]:
    return session.encoded[session.primary_split].labels.astype("int64")


def _values(session: Session, logits: NDArray[np.float32], name: str) -> tuple[float, float]:
    """A metric of the primary split, and what it would be at the plain decision."""
    metric, references = known_metrics()[name](session.labels, session.rule.positive), _references(session)
    value, plain = (value_of(metric, rule.decide(logits), references) for rule in (session.rule, PLAIN))
    return value, plain
