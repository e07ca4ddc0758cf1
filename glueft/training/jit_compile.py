"""Whether XLA compiles the steps, decided before Keras is imported."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JitDecision:
    """Whether train and predict steps are compiled by XLA, and why."""

    compiled: bool
    reason: str


def decide_jit_compile(wish: str | bool) -> JitDecision:
    """Decide what `engine.jit_compile` comes to on this backend.

    On TensorFlow "auto" is no: on a CPU, a step with the layers' own kernels takes as long as a compiled one
    (tests/benchmarks/NOTES.md), and compiling takes seconds for every batch width and rules out TensorFlow's
    deterministic operations. On a GPU it has not been measured.
    """
    if wish != "auto":
        return JitDecision(bool(wish), "the recipe says so")
    backend = keras_backend()
    if backend == "jax":
        return JitDecision(True, "JAX compiles every step")
    if backend == "torch":
        return JitDecision(False, "PyTorch runs the steps as they are")
    return JitDecision(False, "the layers' own TensorFlow kernels are as fast, and nothing has to be compiled")


def keras_backend() -> str:
    """Return the backend that Keras runs on, or would if it were imported.

    Keras takes what `KERAS_BACKEND` says, else what its keras.json does, else TensorFlow (keras/src/backend/config.py).
    """
    if "keras" in sys.modules:
        return str(sys.modules["keras"].config.backend())
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    folder = Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser()
    try:
        configured = json.loads((folder / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        configured = "tensorflow"
    return os.environ.get("KERAS_BACKEND") or str(configured)
