"""What a training has come to: logits of every split, and their metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glueft.data.splits import is_labelled
from glueft.encoder.lora import merge_lora
from glueft.training import engine
from glueft.training.decision_fit import fit_rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.training.observers import Training


@dataclass(frozen=True)
class Outcome:
    """The numbers of a trained model.

    Attributes:
        logits: of every split but "train", (rows, labels) or in regression (rows, 1), in the order of the split.
        metrics: of the task, by labelled split, the primary one first.
        others: those that are shown beside them.
        plain: those of the task at the plain decision; empty where the rule is no other.
    """

    logits: dict[str, NDArray[np.float32]]
    metrics: dict[str, dict[str, float]]
    others: dict[str, dict[str, float]]
    plain: dict[str, dict[str, float]] = field(default_factory=dict)


def outcome_of(training: Training) -> Outcome:
    """Predict and score every split but "train" with the model as it is saved: LoRA is merged into it.

    The session's rule for labels is fitted, where its recipe says so.
    """
    session, primary = training.session, training.session.primary_split
    logits = {}
    # Merged before anything is predicted: the numbers of the record are those of the model that is saved.
    merged = merge_lora(session.model)
    if training.kept is not None and training.kept.logits is not None and not merged:
        logits[primary] = training.kept.logits
    # Callbacks may have changed the weights after the last validation.
    elif training.validation_logits is not None and not training.callbacks and not merged:
        logits[primary] = training.validation_logits
    for split, batches in session.evaluation.items():
        if split not in logits:
            logits[split] = engine.predict(session.model, batches, training.times, of_run=True)
    session.rule = fit_rule(session, logits[primary])
    labelled = [split for split in session.evaluation if is_labelled(session.encoded[split].labels)]
    return Outcome(
        logits,
        {split: session.score(split, logits[split]) for split in labelled},
        {split: session.other_scores(split, logits[split]) for split in labelled},
        {}
        if session.rule.is_plain
        else {split: session.score(split, logits[split], session.rule.plain) for split in labelled},
    )
