"""The checks of an optimizer: it builds, lowers a loss, and can be saved."""

from __future__ import annotations

import math
from typing import Any

from glueft.testing.built import from_config, require_built, saved_config
from glueft.testing.check import Check, ContractBrokenError, Subject

RATES = (1e-2, 1e-1, 1e-3)
STEPS = 20


def checks(subject: Subject) -> list[Check]:
    return [
        Check("builds", subject, builds, ("keras",)),
        Check("lowers a loss", subject, lowers_a_loss, ("keras",)),
        Check("is saved", subject, is_saved, ("keras",)),
    ]


def builds(subject: Subject) -> str:
    """`build` returns a Keras optimizer that follows the schedule it is given."""
    import keras

    class Falling(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        def __call__(self, step: Any) -> Any:
            return 0.5 / (1.0 + keras.ops.cast(step, "float32"))

        def get_config(self) -> dict[str, Any]:
            return {}

    optimizer = built(subject, Falling())
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    if not math.isclose(rate, 0.5, rel_tol=1e-4):
        raise ContractBrokenError(
            f"its learning rate is {rate:g} before the first step, and the schedule says 0.5: pass `learning_rate` on "
            "to the Keras optimizer unchanged"
        )
    if optimizer.built:
        raise ContractBrokenError("`build` returns an optimizer that is built on variables already; glueft does that")
    return type(optimizer).__name__


def lowers_a_loss(subject: Subject) -> str:
    """A few steps on a small network lower its loss, at one of three common learning rates."""
    import keras
    import numpy as np

    draws = np.random.default_rng(0)
    inputs = draws.normal(size=(32, 8)).astype(np.float32)
    targets = np.tanh(inputs @ draws.normal(size=(8, 4)).astype(np.float32))
    seen = []
    for rate in RATES:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(4)])
        model.compile(optimizer=built(subject, rate), loss="mse", jit_compile=False)
        before = float(model.evaluate(inputs, targets, verbose=0))
        model.fit(inputs, targets, batch_size=32, epochs=STEPS, verbose=0)
        after = float(model.evaluate(inputs, targets, verbose=0))
        seen.append(f"{before:.3f} to {after:.3f} at rate {rate:g}")
        if math.isfinite(after) and after < before:
            return f"{seen[-1]}, {STEPS} steps"
    raise ContractBrokenError(f"{STEPS} steps do not lower the loss of a small network: {'; '.join(seen)}")


def is_saved(subject: Subject) -> str:
    """The optimizer's configuration goes through JSON and back."""
    optimizer = built(subject, 0.125)
    config = saved_config(optimizer)
    again = saved_config(from_config(optimizer, config))
    differing = sorted(key for key in {*config, *again} if config.get(key) != again.get(key))
    if differing:
        raise ContractBrokenError(
            f"from_config loses {', '.join(differing)} of its configuration; add it to get_config"
        )
    return f"{len(config)} settings through JSON and back"


def built(subject: Subject, learning_rate: Any) -> Any:
    """The optimizer, which must be Keras's."""
    optimizer = subject.plugin.build(learning_rate)
    require_built("optimizer", optimizer)
    return optimizer
