"""The checks of an optimizer: it builds, lowers a loss, can be saved, and goes on after a resume."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from glueft.testing.built import from_config, require_built, saved_config, through_files
from glueft.testing.check import Check, ContractBrokenError, Subject

RATES = (1e-2, 1e-1, 1e-3)
STEPS = 20
SAVED, RESUMED = 3, 6


def checks(subject: Subject) -> list[Check]:
    return [
        Check("builds", subject, builds, ("keras",)),
        Check("lowers a loss", subject, lowers_a_loss, ("keras",)),
        Check("is saved", subject, is_saved, ("keras",)),
        Check("resume", subject, resume, ("keras",)),
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


def resume(subject: Subject) -> str:
    """Saved, built anew and restored after some steps, it goes on to the same weights, to the last bit."""
    import numpy as np

    from glueft.training.state import model_state, restore_model, restore_what_is_reset

    model = _network(subject)
    _train(model, range(SAVED))
    saved = through_files(model_state(model))
    _train(model, range(SAVED, RESUMED))
    resumed = _network(subject)
    restore_model(resumed, saved)
    restore_what_is_reset(resumed, saved)
    # These are restored as well; but in a graph their numbers are drawn once and for all, when it is traced.
    random.seed(SAVED)
    np.random.seed(SAVED)
    _train(resumed, range(SAVED, RESUMED))
    pairs = [
        (whole, other)
        for what in ("model", "optimizer")
        for whole, other in zip(model_state(model)[what], model_state(resumed)[what], strict=True)
    ]
    differing = [whole["path"] for whole, other in pairs if whole["value"].tobytes() != other["value"].tobytes()]
    if differing:
        raise ContractBrokenError(
            f"resumed after step {SAVED}, it has at step {RESUMED} other values in {len(differing)} of {len(pairs)} "
            f"variables than without a break, such as {differing[0]}: keep what changes from step to step in Keras "
            "variables (add_variable, add_variable_from_reference), and draw random numbers from keras.random"
        )
    return f"resumed after step {SAVED}, the same {len(pairs)} variables at step {RESUMED} to the last bit"


def _network(subject: Subject) -> Any:
    """A small network with dropout and the optimizer of a new plugin, as they are before the first step.

    Its steps run without a graph, in which what an optimizer keeps in Python would stand still.
    """
    import keras

    keras.utils.set_random_seed(0)
    dense, dropout = keras.layers.Dense, keras.layers.Dropout
    model = keras.Sequential([keras.Input((4,)), dense(8, "tanh"), dropout(0.1), dense(2)])
    schedule = keras.optimizers.schedules.InverseTimeDecay(1e-2, 1, 0.1)
    model.compile(optimizer=built(replace(subject), schedule), loss="mse", run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model


def _train(model: Any, steps: range) -> None:
    """Make these of the steps; each has rows of its own."""
    import numpy as np

    for step in steps:
        draws = np.random.default_rng(step)
        inputs, targets = draws.normal(size=(2, 8, 4)).astype(np.float32)
        model.train_on_batch(inputs, targets[:, :2])


def built(subject: Subject, learning_rate: Any) -> Any:
    """The optimizer, which must be Keras's."""
    optimizer = subject.plugin.build(learning_rate)
    require_built("optimizer", optimizer)
    return optimizer
