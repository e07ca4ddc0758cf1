"""Steps of every optimizer on a tiny real encoder; a script that takes them on another Keras backend."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.classifier import Classifier
from glueft.plugin.registry import load_registry

NAMES = ["adafactor", "adam", "adamw", "lamb", "lion", "muon", "nadam", "rmsprop", "sgd"]
OPTIONS = {"clipnorm": 2.0, "weight_decay": 0.1, "layerwise_decay": 0.5}


def built(name: str, learning_rate: Any = 0.1, **options: Any) -> Any:
    """Return the Keras optimizer of the plugin of this name."""
    cls = load_registry().find("optimizer", name).cls
    return cls(cls.Options(**options)).build(learning_rate)  # type: ignore[attr-defined]


def small_model() -> Any:
    """Kernel, bias, gamma and beta, all of them ones; embeddings too."""
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(4, 2),
            keras.layers.LayerNormalization(),
            keras.layers.Dense(2),
        ]
    )
    for variable in model.variables:
        variable.assign(numpy.ones(variable.shape))
    return model


def classifier(folder: Path) -> Classifier:
    """Return the encoder of a checkpoint folder, with a new head of two labels."""
    checkpoint = find_checkpoint(str(folder))
    return load_classifier(checkpoint, labels=("no", "yes"), regression=False, seed=0, new_head=True).model


def gradients(variables: list[Any], step: int) -> list[Any]:
    """Return random gradients of the variables, the same for a step on every backend."""
    random = numpy.random.default_rng(step)
    return [random.normal(size=variable.shape).astype(numpy.float32) for variable in variables]


def value_of(variable: Any) -> Any:
    """Return a copy of a variable's value."""
    return numpy.array(keras.ops.convert_to_numpy(variable))


def moved(optimizer: Any, variables: list[Any], steps: int = 2) -> dict[str, Any]:
    """Take steps with fixed gradients; return the variables by path, and set them back to what they were."""
    before = [value_of(variable) for variable in variables]
    optimizer.build(variables)
    if keras.backend.backend() == "jax":
        import jax

        # One program a step: operation by operation, every shape of every operation would be compiled by itself.
        apply = jax.jit(optimizer.stateless_apply)
        values, slots = [variable.value for variable in variables], [slot.value for slot in optimizer.variables]
        for step in range(steps):
            values, slots = apply(slots, gradients(variables, step), values)
        after = [numpy.array(value) for value in values]
    else:
        for step in range(steps):
            given = [keras.ops.convert_to_tensor(gradient) for gradient in gradients(variables, step)]
            with without_gradients():
                optimizer.apply(given, variables)
        after = [value_of(variable) for variable in variables]
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    return {variable.path: value for variable, value in zip(variables, after, strict=True)}


def without_gradients() -> Any:
    """Return the context in which Keras's trainer applies gradients."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.no_grad()
    from contextlib import nullcontext

    return nullcontext()


if __name__ == "__main__":
    folder, result, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    variables = classifier(folder).trainable_variables
    arrays = {
        f"{name}:{path}": value
        for name in names
        for path, value in moved(built(name, 0.01, **OPTIONS), variables).items()
    }
    numpy.savez(result, backend=keras.backend.backend(), **arrays)
