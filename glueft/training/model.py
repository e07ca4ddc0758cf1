"""The Keras classifier: loaded from a checkpoint, compiled, counted. Importing this module does not import Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from glueft.errors import TrainingError
from glueft.training.backend import JitDecision, dtype_policy, import_backend, seed_backend
from glueft.training.program_cache import keep_programs

if TYPE_CHECKING:
    import keras

    from glueft.encoder.checkpoint import Checkpoint, Loaded
    from glueft.encoder.classifier import Classifier
    from glueft.training.loss import TrainingLoss


def load_model(
    checkpoint: Checkpoint,
    labels: tuple[str, ...],
    *,
    precision: str,
    jit_compile: JitDecision,
    multi_label: bool = False,
    seed: int = 0,
    new_head: bool = False,
    reinit_layers: int = 0,
) -> Loaded:
    """Import Keras, seed it, and load a classifier; see `glueft.encoder.checkpoint.load_classifier`."""
    import_backend()
    keep_programs()
    from glueft.encoder.checkpoint import load_classifier

    seed_backend(seed, jit_compile=jit_compile.compiled)
    with dtype_policy(precision):
        return load_classifier(
            checkpoint,
            labels=labels,
            regression=not labels,
            multi_label=multi_label,
            seed=seed,
            new_head=new_head,
            reinit_layers=reinit_layers,
        )


def refuse_precision(checkpoint: Checkpoint, precision: str) -> None:
    """Raise TrainingError if the layers of the checkpoint's family cannot compute in a precision."""
    family = checkpoint.family
    if precision == "mixed_float16" and family.float16_fault is not None:
        raise TrainingError(
            f"an encoder of the family {family.name} cannot compute in {precision}",
            expected="engine.precision = float32, or mixed_bfloat16, whose numbers are as large as float32's",
            received=f"{precision} for {checkpoint.name}: {family.float16_fault}",
            fix="set engine.precision to one of those, or to auto; or, where a run is evaluated, --precision",
        )


def compile_model(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: TrainingLoss, *, jit_compile: bool
) -> None:
    """Set loss and optimizer."""
    model.compile(optimizer=optimizer, loss=loss.build(), jit_compile=jit_compile)
    # Built here rather than in the first step, where new variables would make TensorFlow trace the graph twice.
    model.optimizer.build(model.trainable_variables)


def compile_for_prediction(model: keras.Model, *, jit_compile: bool) -> None:
    """Set how predict steps are made; without an optimizer, which would take memory."""
    model.compile(jit_compile=jit_compile)


def trainable_parameters(model: keras.Model) -> int:
    """Return how many numbers the training may change, embeddings of words that no text uses included."""
    from glueft.encoder.word_embeddings import weights_left_out

    trained: int = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return trained + weights_left_out(model)


def all_parameters(model: keras.Model) -> int:
    """Return how many numbers the model consists of, frozen ones and LoRA's included."""
    from glueft.encoder.word_embeddings import weights_left_out

    held: int = sum(math.prod(variable.shape) for variable in model.weights)
    return held + weights_left_out(model)


def learning_rate(model: keras.Model, step: int) -> float:
    """Return the learning rate of the optimizer step with this number, from 1."""
    import keras

    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # mixed_float16 wraps it to scale the loss
    schedule = optimizer._learning_rate
    if not callable(schedule):
        return float(keras.ops.convert_to_numpy(schedule))
    with _beside_the_steps():
        return float(keras.ops.convert_to_numpy(_program_of(schedule, model)(step - 1)))


def _program_of(schedule: Callable[[int], Any], model: keras.Model) -> Callable[[int], Any]:
    """Return the schedule, on JAX as one program: one by one, its operations take 0.5 ms for each step."""
    import keras

    if keras.backend.backend() != "jax":
        return schedule
    import jax

    held = getattr(model, "_schedule_program", None)
    if held is None or held[0] is not schedule:
        held = model._schedule_program = (schedule, jax.jit(lambda step: schedule(step)))
    program: Callable[[int], Any] = held[1]
    return program


@contextmanager
def _beside_the_steps() -> Iterator[None]:
    """Compute on the CPU, where JAX has one: on a GPU the result would wait for the steps that are under way."""
    import keras

    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    try:
        cpu = jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        cpu = None
    with nullcontext() if cpu is None else jax.default_device(cpu):
        yield


def synced(model: Classifier) -> Classifier:
    """Return a model with its current weights: between two steps on JAX, Keras keeps them elsewhere."""
    sync = getattr(model, "jax_state_sync", None)
    if sync is not None:
        sync()
    return model
