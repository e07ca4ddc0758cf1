"""The options that all the optimizers have: gradient clipping, weight decay, and learning rates by layer.

Names and defaults are Keras's own, so that an optimizer's options are its arguments as they stand.
"""

from __future__ import annotations

from pydantic import model_validator

import glueft

WEIGHT_DECAY = (
    "Part of a weight taken off each step, times the learning rate; biases and layer norms are left as they are."
)


class OptimizerOptions(glueft.Options):
    """The options that the optimizers share."""

    clipnorm: float | None = glueft.Field(
        None, gt=0, description="Scale each variable's gradient down to this norm if it is longer."
    )
    clipvalue: float | None = glueft.Field(
        None, gt=0, description="Cut every element of the gradients to at most this, in size."
    )
    global_clipnorm: float | None = glueft.Field(
        None, gt=0, description="Scale all gradients together down to this norm if it is longer."
    )
    weight_decay: float | None = glueft.Field(None, ge=0, description=WEIGHT_DECAY)
    layerwise_decay: float = glueft.Field(
        1.0,
        gt=0,
        le=1,
        description="Learning rate of each encoder layer over that of the layer above it; the embeddings come below "
        "the first layer, and the head has the whole rate.",
    )

    @model_validator(mode="after")
    def one_way_of_clipping(self) -> OptimizerOptions:
        """Keras refuses two ways at once; saying so here costs no download."""
        ways = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cannot be used together; keep one of them")
        return self


class MomentOptions(OptimizerOptions):
    """What Adam and its relatives have in common: the moments of the gradient."""

    beta_1: float = glueft.Field(0.9, ge=0, lt=1, description="Decay of the running mean of the gradients.")
    beta_2: float = glueft.Field(0.999, ge=0, lt=1, description="Decay of the running mean of the squared gradients.")
    epsilon: float = glueft.Field(1e-7, gt=0, description="Added to the denominator, against division by zero.")


class ElementwiseOptimizer(glueft.Optimizer):
    """An optimizer that updates each weight from that weight's own gradients alone."""

    @property
    def leaves_unused_weights(self) -> bool:
        """Only decay moves a weight that has no gradient."""
        return not self.options.weight_decay
