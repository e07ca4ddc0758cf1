"""Adam, with Keras's own defaults: the optimizer of the Hugging Face course's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import ElementwiseOptimizer, MomentOptions

if TYPE_CHECKING:
    import keras


class AdamOptions(MomentOptions):
    """What Adam and AdamW have in common."""

    amsgrad: bool = glueft.Field(False, description="Divide by the largest squared-gradient mean seen so far.")


class Adam(ElementwiseOptimizer):
    """Adam with Keras's defaults; no weight decay unless it is asked for.

    Source: Kingma and Ba, 2014, arXiv:1412.6980.
    """

    name = "adam"

    class Options(AdamOptions):
        """Keras's options and defaults."""

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Adam`, not yet built."""
        from glueft_optimizers import keras_optimizers

        return keras_optimizers.Adam(learning_rate, **self.options.model_dump())
