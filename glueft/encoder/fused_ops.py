"""Whether a layer uses glueft's fused operations (`tensorflow_ops`) or plain ones while the model is traced.

On TensorFlow without XLA every operation is a pass over memory, and the fused ones make fewer. A compiler fuses the
plain ones itself, and does better on them.
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
    """Trace a model whose step XLA compiles, or not, and which is differentiated, or not."""
    compiled_token, training_token = _compiled.set(compiled), _training.set(training)
    try:
        yield
    finally:
        _training.reset(training_token)
        _compiled.reset(compiled_token)


def step_is_compiled() -> bool:
    """Whether a compiler gets what is traced now. JAX compiles every step; PyTorch none here."""
    return keras.backend.backend() == "jax" or _compiled.get()


def use_fused_ops(inputs: Any) -> bool:
    """Whether `tensorflow_ops` serves these inputs: float32 on TensorFlow, without a compiler."""
    return keras.backend.backend() == "tensorflow" and inputs.dtype == "float32" and not _compiled.get()


def gradients_follow() -> bool:
    return _training.get()
