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
        """Whether a weight whose gradient is always zero stays as it is, and bears on no other weight's update.

        Where this is so (Adam without weight decay), the embeddings of words that no text of the run uses are kept out
        of the training: it is faster, and the result is the same. Where it is not (LAMB divides by the norm of a whole
        variable), or in doubt, False.
        """
        return False

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return the optimizer, not yet built on a model's variables."""
        raise NotImplementedError
