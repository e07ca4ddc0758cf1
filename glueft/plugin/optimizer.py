"""The base class of optimizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glueft.plugin.base import Plugin

if TYPE_CHECKING:
    import keras


class Optimizer(Plugin):
    """A Keras optimizer and its options."""

    kind = "optimizer"

    @property
    def leaves_unused_weights(self) -> bool:
        """Whether a weight with a gradient of zero stays the same, and does not affect the update of other weights.

        If so (Adam without weight decay), the embeddings of words that no text of the run uses are left out of the
        training, which is faster and gives the same result. If not (LAMB divides by the norm of a whole variable), or
        in doubt, False.
        """
        return False

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return the optimizer, not yet built on a model's variables."""
        raise NotImplementedError
