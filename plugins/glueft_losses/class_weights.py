"""The weights of labels in losses, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import glueft

Weight = Annotated[float, glueft.Field(gt=0, le=1e6)]


class ClassWeightOptions(glueft.Options):
    """How much the rows of each label weigh."""

    class_weights: Literal["balanced"] | dict[str, Weight] | None = glueft.Field(
        None,
        description='The weights of labels by name, 1 for those that are not named; or "balanced" for weights with '
        "which each label counts alike: rows / (labels * rows of the label).",
        examples=["balanced", {"equivalent": 0.5}],
    )


class ClassWeightedLoss(glueft.Loss):
    """A loss of labels whose mean may be weighted by label."""

    def check(self, task: glueft.Task) -> None:
        if isinstance(self.options.class_weights, dict):
            refuse_unknown("class_weights", self.options.class_weights, task)

    def label_weights(self, task: glueft.Task) -> Sequence[float] | None:
        """The weights that are named; or the balanced ones, as scikit-learn's `compute_class_weight` defines them."""
        named = self.options.class_weights
        if named is None:
            return None
        if isinstance(named, dict):
            return [float(named.get(label, 1.0)) for label in task.labels]
        counts = task.label_counts
        present = sum(count > 0 for count in counts)
        # A label without rows weighs nothing in the mean; its weight smooths the other labels.
        return [sum(counts) / (present * count) if count else 1.0 for count in counts]


def refuse_unknown(option: str, named: Iterable[str], task: glueft.Task) -> None:
    """Raise DataError if an option names a label that the task does not have; one may have yet to learn its labels."""
    unknown = [label for label in named if label not in task.labels]
    if unknown and task.labels:
        labels, received = (", ".join(f'"{label}"' for label in names) for names in (task.labels, unknown))
        raise glueft.DataError(
            f'{option} names a label that task "{task.name}" does not have: {received}',
            expected=labels,
            received=received,
            fix=f"correct {option} below [loss]; the labels of the task are {labels}",
        )
