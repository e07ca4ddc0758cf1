"""`adamw` with the `linear` schedule is what transformers' `create_optimizer` made for Keras."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.plugin.registry import load_registry
from optimizer_checks import small_model

GRADIENTS = (0.5, -0.25, 2.0, 0.125, -1.0, 0.5)

# What transformers 4.57.6 (tf_keras 2.19) answers to
#   create_optimizer(init_lr=0.05, num_train_steps=6, num_warmup_steps=2, weight_decay_rate=0.1)
# the rate of each step, and after each step the value of a variable that starts at 1: of one called "embeddings" or
# "dense/kernel", which is decayed, and of one called "dense/bias", "LayerNorm/gamma" or "LayerNorm/beta".
RATES = (0.0, 0.02500000037252903, 0.05000000074505806, 0.03750000149011612, 0.02500000037252903, 0.012500000186264515)
DECAYED = (1.0, 0.9908416271209717, 0.952354907989502, 0.9269100427627563, 0.9193993210792542, 0.9146794080734253)
NOT_DECAYED = (1.0, 0.9933416247367859, 0.9598091244697571, 0.9379355907440186, 0.9327421188354492, 0.9291714429855347)


def test_adamw_with_linear_gives_the_values_of_create_optimizer() -> None:
    import keras

    linear = load_registry().find("schedule", "linear").cls
    adamw = load_registry().find("optimizer", "adamw").cls
    schedule = linear(linear.Options(initial_learning_rate=0.05, warmup_steps=2)).build(6)  # type: ignore[attr-defined, call-arg]
    optimizer = adamw(adamw.Options(weight_decay=0.1, epsilon=1e-8)).build(schedule)  # type: ignore[attr-defined, call-arg]
    model = small_model()
    optimizer.build(model.trainable_variables)
    for step, gradient in enumerate(GRADIENTS):
        assert float(optimizer.learning_rate) == pytest.approx(RATES[step], rel=1e-6)
        given = [keras.ops.full(variable.shape, gradient, "float32") for variable in model.trainable_variables]
        optimizer.apply(given, model.trainable_variables)
        for variable in model.trainable_variables:
            wanted = DECAYED if variable.name in ("embeddings", "kernel") else NOT_DECAYED
            assert np.asarray(variable) == pytest.approx(wanted[step], abs=3e-7), (step, variable.path)
    assert len(model.trainable_variables) == 5
