"""After which steps the primary split is evaluated."""

from __future__ import annotations

import pytest

from glueft.training.evaluation_steps import evaluated_steps


@pytest.mark.parametrize(
    ("every", "per_epoch", "epochs", "steps"),
    [
        (None, 3, 2, [3, 6]),
        (1.0, 3, 2, [3, 6]),
        (1, 3, 2, [1, 2, 3, 4, 5, 6]),
        (2, 3, 2, [2, 3, 4, 6]),
        (4, 3, 3, [3, 4, 6, 8, 9]),  # Steps are counted over the whole run.
        (100, 3, 2, [3, 6]),
        (0.5, 4, 2, [2, 4, 6, 8]),
        (0.5, 5, 2, [3, 5, 8, 10]),  # Half of an epoch is over within its third step.
        (0.4, 10, 2, [4, 8, 10, 14, 18, 20]),  # Each epoch is parted alike.
        (0.1, 30, 1, [*range(3, 31, 3)]),
        (0.001, 4, 1, [1, 2, 3, 4]),
        (5e-324, 2, 1, [1, 2]),
        (0.5, 1, 2, [1, 2]),
    ],
)
def test_the_steps(every: float | None, per_epoch: int, epochs: int, steps: list[int]) -> None:
    evaluated = evaluated_steps(every, per_epoch, epochs)
    assert [number for number, due in enumerate(evaluated.tolist(), start=1) if due] == steps
