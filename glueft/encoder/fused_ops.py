"""Which operations a layer makes while the model is traced: kernels of glueft's own, or plain ones.

On TensorFlow without XLA every operation is a pass over memory, so some layers bring operations with fewer passes. A
compiler fuses the plain ones itself, and does better on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

_compiled = ContextVar("compiled", default=False)
_training = ContextVar("training", default=True)


@contextmanager
def tracing(*, compiled: bool, training: bool) -> Iterator[None]:
    """Trace a model whose step is compiled by XLA, or is not, and is differentiated, or is not."""
    compiled_token, training_token = _compiled.set(compiled), _training.set(training)
    try:
        yield
    finally:
        _training.reset(training_token)
        _compiled.reset(compiled_token)


def step_is_compiled() -> bool:
    """Return whether a compiler gets what is traced now. JAX compiles every step; PyTorch none here."""
    return keras.backend.backend() == "jax" or _compiled.get()


def use_own_kernels(inputs: Any) -> bool:
    """Return whether the kernels in `tensorflow_kernels` serve these inputs: float32, and no compiler after us."""
    return keras.backend.backend() == "tensorflow" and inputs.dtype == "float32" and not _compiled.get()


def gradients_follow() -> bool:
    """Return whether what is traced now will be differentiated."""
    return _training.get()
