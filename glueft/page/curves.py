"""history.jsonl -> the curves of the training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Points of the loss that its strong line averages.
SMOOTHED = 10


@dataclass
class Curves:
    """What was logged while the model was trained. Steps count from 1 over all epochs.

    Attributes:
        loss: (step, mean loss of the steps since the point before) a logged step.
        learning_rate: (step, learning rate) a logged step.
        epochs: the entries of the epochs, as run.json has them.
        evaluations: the same with those of evaluations within epochs, in the order of their steps.
    """

    loss: list[tuple[int, float]] = field(default_factory=list)
    learning_rate: list[tuple[int, float]] = field(default_factory=list)
    epochs: list[Mapping[str, Any]] = field(default_factory=list)
    evaluations: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """The names of the validation metrics."""
        return list(self.evaluations[0]["metrics"]) if self.evaluations else []

    @property
    def last_step(self) -> int:
        """The last step that was logged; 0 before the first."""
        return max([step for step, _ in self.learning_rate] + [entry["step"] for entry in self.evaluations], default=0)


def curves(history: Iterable[Mapping[str, Any]]) -> Curves:
    """Return the curves of a history.

    The logged loss is the mean of its epoch so far (`StepReport.loss`). The mean of the steps since the entry before
    follows from the two of them, all batches counted alike; the epoch's partial batch makes it inexact by a little.
    """
    found = Curves()
    begin = done = 0  # the step at which the epoch began, and the last one that is accounted for
    total = 0.0  # of the epoch's losses up to it
    for entry in history:
        if entry["kind"] not in ("step", "epoch", "mid_epoch"):
            continue  # A callback's own.
        step, loss = entry["step"], entry["loss"]
        if step > done:
            so_far = loss * (step - begin)
            found.loss.append((step, (so_far - total) / (step - done)))
            total, done = so_far, step
        if entry["kind"] == "step":
            found.learning_rate.append((step, entry["learning_rate"]))
            continue
        found.evaluations.append(entry)
        if entry["kind"] == "epoch":
            found.epochs.append(entry)
            begin, total = step, 0.0
    return found


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the mean of each value and those before it, `SMOOTHED` in all."""
    parts = [values[max(0, end - SMOOTHED) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]
