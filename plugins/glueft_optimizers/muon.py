"""Muon for the matrices of the encoder's layers, AdamW for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_optimizers.shared_options import WEIGHT_DECAY, OptimizerOptions

if TYPE_CHECKING:
    import keras


class Muon(glueft.Optimizer):
    """Orthogonalised momentum for the kernels of the encoder's layers; AdamW for embeddings, head, biases and norms.

    The kernels of query, key and value are orthogonalised one by one. With `rms_rate` 0.2 both kinds of step have the
    size of AdamW's, so that AdamW's learning rate serves.

    Source: Jordan et al., 2024, kellerjordan.github.io/posts/muon; the step's size: Liu et al., 2025, arXiv:2502.16982.
    """

    name = "muon"

    class Options(OptimizerOptions):
        """Keras's options and defaults."""

        weight_decay: float = glueft.Field(0.004, ge=0, description=f"Of Muon's variables. {WEIGHT_DECAY}")
        momentum: float = glueft.Field(0.95, ge=0, lt=1, description="Decay of the sum of the gradients.")
        nesterov: bool = glueft.Field(True, description="Look ahead along the momentum.")
        ns_steps: int = glueft.Field(5, ge=1, le=100, description="Newton-Schulz iterations that orthogonalise a step.")
        rms_rate: float = glueft.Field(0.2, gt=0, description="Root mean square of the steps, over the learning rate.")
        muon_a: float = glueft.Field(3.4445, description="Coefficient of x in the iteration; best left alone.")
        muon_b: float = glueft.Field(-4.7750, description="Coefficient of x^3 in the iteration; best left alone.")
        muon_c: float = glueft.Field(2.0315, description="Coefficient of x^5 in the iteration; best left alone.")
        adam_beta_1: float = glueft.Field(
            0.9, ge=0, lt=1, description="AdamW's decay of the running mean of the gradients."
        )
        adam_beta_2: float = glueft.Field(
            0.999, ge=0, lt=1, description="AdamW's decay of the running mean of the squared gradients."
        )
        adam_weight_decay: float = glueft.Field(0.004, ge=0, description=f"Of AdamW's variables. {WEIGHT_DECAY}")
        adam_lr_ratio: float = glueft.Field(1.0, gt=0, description="AdamW's learning rate over Muon's.")
        epsilon: float = glueft.Field(1e-7, gt=0, description="Added to AdamW's denominator, against division by zero.")

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
    ) -> keras.optimizers.Optimizer:
        """Return `keras.optimizers.Muon`, not yet built."""
        from glueft_optimizers import keras_muon

        return keras_muon.Muon(learning_rate, exclude_layers=[keras_muon.HEAD], **self.options.model_dump())
