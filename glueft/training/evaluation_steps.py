"""The steps of a run after which the primary split is evaluated: `training.evaluate_every`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def evaluated_steps(every: float | None, steps_per_epoch: int, epochs: int) -> NDArray[np.bool_]:
    """Return for each optimizer step whether an evaluation follows it, (steps,); the last of an epoch always has one.

    Args:
        every: a whole number counts steps from the beginning of the run; a float is a part of an epoch, and each epoch
            is parted alike. None for the ends of epochs alone.
        steps_per_epoch: optimizer steps.
        epochs: of the run.
    """
    import numpy as np

    steps = np.arange(1, steps_per_epoch * epochs + 1)
    within = (steps - 1) % steps_per_epoch + 1
    evaluated: NDArray[np.bool_] = within == steps_per_epoch
    if isinstance(every, int):
        evaluated |= steps % every == 0
    elif every is not None:
        # A part ends within this step. 3 / (0.1 * 30) is a little less than 1.
        length = max(every, 1e-9) * steps_per_epoch
        parts = np.floor(np.stack([within - 1, within]) / length + 1e-9)
        evaluated |= parts[1] > parts[0]
    return evaluated
