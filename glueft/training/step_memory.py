"""The memory of a step by XLA's own account: of its program, which is compiled and not run. On JAX alone.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glueft.system.device_memory import usable_memory
from glueft.system.limits import free_memory
from glueft.training.backend import keras_backend
from glueft.training.devices import distributed

if TYPE_CHECKING:
    from glueft.data.batches import EvaluationBatches
    from glueft.encoder.classifier import Classifier
    from glueft.training.session import Session

# Of the memory that there is, what a step may take: the rest is lost between blocks, and to libraries.
USED_PART = 0.95
# A search for a batch that fits compiles no further program after so many seconds.
SECONDS = 60.0
# The memory of a program does not depend on how well its machine code is made, and a full GPU has none to time kernels.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_gpu_autotune_level": 0}


@dataclass(frozen=True)
class StepMemory:
    """The memory of a step on one device, in bytes.

    Attributes:
        rows: that go through the model at once, those of all devices.
        length: their padded length.
        argument_bytes: of weights, optimizer state and batch.
        output_bytes: of results that do not take the place of arguments.
        temp_bytes: of what lies in between, such as activations and gradients.
        code_bytes: of the program.
    """

    rows: int
    length: int
    argument_bytes: int
    output_bytes: int
    temp_bytes: int
    code_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.argument_bytes + self.output_bytes + self.temp_bytes + self.code_bytes

    def as_dict(self) -> dict[str, int]:
        """Return what a plan says of it."""
        return asdict(self) | {"total_bytes": self.total_bytes}


@dataclass(frozen=True)
class Fit:
    """What a search for a batch that fits has found.

    Attributes:
        limit: the bytes that there are.
        whole: the step that was asked for.
        best: the largest step that fits, which may be `whole`; None if none does.
    """

    limit: int
    whole: StepMemory
    best: StepMemory | None

    @property
    def is_whole(self) -> bool:
        """Whether the step that was asked for fits."""
        return self.best is self.whole


def limit_of_step(devices: int) -> int | None:
    """Return the bytes that there are for a step on one of some devices; None if unknown.

    They are a GPU's, or a share of main memory, with what JAX holds there: weights and optimizer state are in a step.
    """
    import jax

    if jax.default_backend() != "cpu":
        limit = usable_memory("jax")
    elif (limit := free_memory()) is not None:
        held = sum(shard.data.nbytes for array in jax.live_arrays() for shard in array.addressable_shards)
        limit = (limit + held) // max(1, devices // jax.process_count())
    return None if limit is None else int(USED_PART * limit)


def fit_of_training(session: Session) -> Fit | None:
    """Look for the largest batch that fits, with which accumulated gradients make the same update.

    Nothing is put on the device, which may be full. The model of the session is loaded.

    Returns:
        None where XLA gives no account: on other backends, if the limit is unknown, or if the search takes too long.
    """
    training = session.recipe.training
    update = training.batch_size * training.gradient_accumulation_steps
    smaller = [rows for rows in range(training.batch_size - 1, 0, -1) if update % rows == 0]
    return _fit(session.model, [training.batch_size, *smaller], lambda rows: memory_of_training(session, rows))


def fit_of_prediction(model: Classifier, batches: EvaluationBatches) -> Fit | None:
    """Look for the largest batch of a prediction that fits; as `fit_of_training`."""
    batch = batches.largest()
    rows = int(batch.shapes()[0, 0])
    halves = [rows >> halvings for halvings in range(rows.bit_length())]
    return _fit(model, halves, lambda rows: memory_of_prediction(model, batch, rows))


def _fit(model: Classifier, sizes: Sequence[int], memory_of: Callable[[int], StepMemory]) -> Fit | None:
    """Look for the first of some sizes, in falling order, that fits."""
    if keras_backend() != "jax" or (limit := limit_of_step(_devices(model))) is None:
        return None
    begin, whole = time.perf_counter(), memory_of(sizes[0])
    if whole.total_bytes <= limit:
        return Fit(limit, whole, whole)
    # The first one tried is where the line through this point and no rows at no temporary memory meets the limit.
    most = (limit - whole.total_bytes + whole.temp_bytes) / max(1.0, whole.temp_bytes / whole.rows)
    place = next((place for place, rows in enumerate(sizes) if rows <= most), len(sizes) - 1)
    # Those before `low` do not fit, those from `high` on do.
    low, high, best = 1, len(sizes), None
    while low < high and time.perf_counter() - begin < SECONDS:
        place = min(max(place, low), high - 1)
        memory = memory_of(sizes[place])
        if memory.total_bytes <= limit:
            best, high, place = memory, place, place - 1
        else:
            low, place = place + 1, place + 1
    return None if best is None and low < high else Fit(limit, whole, best)


def memory_of_training(session: Session, rows: int) -> StepMemory:
    """Return XLA's account of a training step with the longest rows.

    Args:
        session: its model is loaded.
        rows: that go through the model at once, a divisor of those that make one update.

    Raises:
        Exception: of JAX; the program cannot be compiled.
    """
    model, training = session.model, session.recipe.training
    update = training.batch_size * training.gradient_accumulation_steps
    share, before = -(-rows // _devices(model)), model.rows_at_once
    model.rows_at_once = share
    try:
        state = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        batch = next(iter(session.batches.largest()))
        return _account(model.train_step, state, batch, update // rows * share, rows)
    finally:
        model.rows_at_once = before


def memory_of_prediction(model: Classifier, batches: EvaluationBatches, rows: int) -> StepMemory:
    """Return XLA's account of a step that predicts so many rows like those of a batch; see `memory_of_training`."""
    state = (model.trainable_variables, model.non_trainable_variables)
    return _account(model.predict_step, state, (next(iter(batches)),), -(-rows // _devices(model)), rows)


def _devices(model: Classifier) -> int:
    return 1 if model.distribution is None else model.distribution.num_model_replicas


def _account(
    step: Callable[..., Any], state: Sequence[Sequence[Any]], batch: Any, rows: int, at_once: int
) -> StepMemory:
    """Compile a step for one device, and a batch like this one with so many rows."""
    import jax

    variables = [[jax.ShapeDtypeStruct(each.shape, each.dtype) for each in part] for part in state]
    data = jax.tree.map(lambda array: jax.ShapeDtypeStruct((rows, *array.shape[1:]), array.dtype), batch)
    donated = 0 if len(variables) > 2 else None  # as Keras does it: what a prediction reads stays
    with distributed(None):
        program = jax.jit(lambda *given: step(*given), donate_argnums=donated).lower(tuple(variables), data)
    told = program.compile(QUICKLY).memory_analysis()
    return StepMemory(
        at_once,
        batch[0]["input_ids"].shape[1],
        told.argument_size_in_bytes,
        told.output_size_in_bytes - told.alias_size_in_bytes,
        told.temp_size_in_bytes,
        told.generated_code_size_in_bytes,
    )
