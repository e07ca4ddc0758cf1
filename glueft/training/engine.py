"""The one training path: compile, fit, predict. It sees objects and numbers, never a recipe.

Importing this module imports Keras, and with it the backend that `KERAS_BACKEND` names (TensorFlow by default).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from glueft.data.batches import EvaluationBatches, TrainingBatches
from glueft.encoder.word_embeddings import known_words, weights_left_out
from glueft.errors import TrainingError
from glueft.system.gc_pause import collector_off
from glueft.system.interruption import check
from glueft.training.step_times import StepTimes, Stopwatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Seconds between two reports to whoever watches; reading the learning rate and drawing take a millisecond or so.
REPORT_SECONDS = 0.2

# About this many steps are written to the history, whatever the length of the run.
HISTORY_STEPS = 200


@dataclass(frozen=True)
class StepReport:
    """The state of the training after a step.

    Attributes:
        step: optimizer steps done, from 1.
        loss: mean loss of the epoch's steps so far.
        learning_rate: of the step just done.
        examples: rows trained on so far, over all epochs.
        seconds: spent in training steps so far (validation left out).
        for_history: whether this step belongs in the run's history.
    """

    step: int
    loss: float
    learning_rate: float
    examples: int
    seconds: float
    for_history: bool


@dataclass(frozen=True)
class EpochReport:
    """The state of the training after an epoch and its validation; `epoch` counts from 1."""

    epoch: int
    step: int
    loss: float
    validation_loss: float
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What the training took.

    Attributes:
        epochs: one report an epoch.
        steps: optimizer steps done; fewer than planned where a callback stopped early.
        step_seconds: seconds in training steps, validation left out.
        first_step_end: `time.perf_counter()` at the end of the first step.
        validation_logits: the last validation's, in the order of the split; None where a callback came after it.
    """

    epochs: list[EpochReport]
    steps: int
    step_seconds: float
    first_step_end: float
    validation_logits: NDArray[np.float32] | None


def prepare_backend(seed: int, *, jit_compile: bool) -> None:
    """Seed Python, NumPy and the backend, and ask for results that repeat.

    TensorFlow's switch for that is for operations that are not compiled; while it is on, Keras compiles nothing. It
    cannot be turned off again, so a process that has used it does not compile later runs: run.json says what happened.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow" and not jit_compile:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


@contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Build layers under a Keras dtype policy: "float32", "mixed_bfloat16" or "mixed_float16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compile_model(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, *, regression: bool, jit_compile: bool
) -> None:
    """Set loss and optimizer: cross-entropy from logits, or the mean squared error of the one logit."""
    loss: keras.losses.Loss
    if regression:
        loss = keras.losses.MeanSquaredError()
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, jit_compile=jit_compile)
    # Built here rather than in the first step, where new variables would make TensorFlow trace the graph twice.
    model.optimizer.build(model.trainable_variables)


def compile_for_prediction(model: keras.Model, *, jit_compile: bool) -> None:
    """Set how predict steps are made, as `compile_model` does; no optimizer takes memory for what is not trained."""
    model.compile(jit_compile=jit_compile)


def mean_loss(logits: NDArray[np.float32], labels: NDArray[Any], *, regression: bool) -> float:
    """Return the mean loss of rows as `compile_model` defines it.

    Args:
        logits: (rows, labels), or (rows, 1) in regression.
        labels: (rows,).
    """
    if regression:
        return float(np.mean(np.square(logits[:, 0] - labels)))
    logits = logits.astype(np.float64)
    highest = logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return float(np.mean(log_sum - logits[np.arange(len(labels)), labels]))


def trainable_parameters(model: keras.Model) -> int:
    """Return how many numbers the training may change, embeddings of words that no text uses included."""
    trained: int = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    return trained + weights_left_out(model)


def all_parameters(model: keras.Model) -> int:
    """Return how many numbers the model consists of, frozen ones and LoRA's included."""
    held: int = sum(math.prod(variable.shape) for variable in model.weights)
    return held + weights_left_out(model)


def step_times(model: keras.Model) -> StepTimes:
    """Return an empty list of step times for a compiled model, to hand to `train` and `predict`."""
    return StepTimes(by_shape=keras.backend.backend() == "jax" or bool(model.jit_compile))


def predict(
    model: keras.Model, batches: EvaluationBatches, times: StepTimes | None = None, *, of_run: bool = False
) -> NDArray[np.float32]:
    """Return the logits of a split, (rows, labels), in the order of the split.

    Args:
        model: compiled by `compile_model` or `compile_for_prediction`.
        batches: all of the split.
        times: gets the seconds of each step, if given.
        of_run: whether these are rows of the run that trains the model, and not what a callback asks meanwhile.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    watch = Stopwatch(step_times(model) if times is None else times, batches.measures())
    with known_words(model) if of_run else nullcontext():
        outputs = model.predict(feed(batches), steps=len(batches), callbacks=[watch], verbose=0)
    logits = batches.restore(np.asarray(outputs, np.float32))
    if not np.isfinite(logits).all():
        raise TrainingError(
            "the model's logits are not finite numbers",
            expected="a finite logit for every row and label",
            received=f"{int((~np.isfinite(logits)).any(axis=1).sum())} of {len(logits)} rows with NaN or infinity",
            fix='lower the learning rate, or use engine.precision = "float32"'
            if model.loss
            else "choose another model: the weights of this one are finite numbers, but too large; or use "
            'engine.precision = "float32" where it is another',
        )
    return logits


def train(
    model: keras.Model,
    batches: TrainingBatches,
    validation: EvaluationBatches,
    *,
    regression: bool,
    score: Callable[[NDArray[np.float32]], dict[str, float]],
    on_step: Callable[[StepReport], None],
    on_epoch: Callable[[EpochReport], None],
    times: StepTimes,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Trained:
    """Fit a compiled model, validating after each epoch.

    Args:
        model: compiled by `compile_model`.
        batches: every batch of every epoch.
        validation: the split to validate on.
        regression: whether the labels are scores.
        score: logits of the validation split, (rows, labels), -> metrics by name.
        on_step: called every few steps, and after the last.
        on_epoch: called after each epoch's validation.
        times: gets the seconds of each train and predict step.
        callbacks: further Keras callbacks. Their epoch logs hold `val_loss` and `val_<metric>`.

    Raises:
        TrainingError: the loss or a logit is no longer a finite number.
    """
    epochs = len(batches.plans)
    with ExitStack() as tracing:
        tracing.enter_context(collector_off())
        monitor = Monitor(batches, validation, regression, score, on_step, on_epoch, times, tracing.close)
        model.fit(
            feed(batches),
            epochs=epochs,
            steps_per_epoch=batches.steps_per_epoch,
            callbacks=[monitor, *callbacks, *([Resumption(monitor)] if callbacks else [])],
            shuffle=False,
            verbose=0,
        )
    return Trained(
        epochs=monitor.epochs,
        steps=monitor.step,
        step_seconds=monitor.seconds,
        first_step_end=monitor.first_step_end,
        validation_logits=None if callbacks else monitor.validation_logits,
    )


class Monitor(keras.callbacks.Callback):  # type: ignore[misc]
    """Watches the loss, times the steps, validates after each epoch, and reports all of it."""

    def __init__(
        self,
        batches: TrainingBatches,
        validation: EvaluationBatches,
        regression: bool,
        score: Callable[[NDArray[np.float32]], dict[str, float]],
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
        times: StepTimes,
        after_first_step: Callable[[], None],
    ) -> None:
        super().__init__()
        self.validation = validation
        self.regression = regression
        self.score = score
        self.on_step = on_step
        self.on_epoch = on_epoch
        self.times = times
        self.after_first_step = after_first_step
        self.shapes = batches.measures()[:, :2]
        self.examples = np.cumsum(self.shapes[:, 0])
        self.num_train_steps = batches.num_train_steps
        self.history_stride = max(1, -(-batches.num_train_steps // HISTORY_STEPS))
        self.step = 0
        self.seconds = 0.0
        self.first_step_end = 0.0
        self.epochs: list[EpochReport] = []
        self.validation_logits: NDArray[np.float32] | None = None
        self.step_begin = self.step_end = self.epoch_begin = self.reported = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock of the steps."""
        check()
        self.step_end = self.epoch_begin = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Note when the step begins: other callbacks come between this and the step itself."""
        self.step_begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stop at a loss that is no number, or when a signal has asked for it; report now and then."""
        check()
        loss = float((logs or {})["loss"])
        now = time.perf_counter()
        rows, width = self.shapes[self.step]
        self.times.add("train", (int(rows), int(width)), now - self.step_end)
        self.seconds += now - self.step_end
        self.step_end = now
        self.step += 1
        if self.step == 1:
            self.first_step_end = now
            self.after_first_step()
        finite = np.isfinite(loss)
        for_history = self.step % self.history_stride == 0 or self.step in (1, self.num_train_steps)
        if finite and not for_history and now - self.reported < REPORT_SECONDS:
            return
        rate = learning_rate(self.model, self.step)
        if not finite:
            raise TrainingError(
                f"the loss is no longer a finite number at step {self.step} of {self.num_train_steps}",
                expected="a finite loss at every step",
                received=f"{loss} at learning rate {rate:.3g}",
                fix="lower the learning rate (schedule.initial_learning_rate), warm up with the linear schedule, "
                'clip gradients with optimizer.clipnorm = 1.0, or use engine.precision = "float32"',
            )
        self.reported = now
        self.on_step(StepReport(self.step, loss, rate, int(self.examples[self.step - 1]), self.seconds, for_history))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validate, and put the results where later callbacks look for them."""
        logs = {} if logs is None else logs
        self.validation_logits = predict(self.model, self.validation, self.times, of_run=True)
        labels = self.validation.encoded.labels
        validation_loss = mean_loss(self.validation_logits, labels, regression=self.regression)
        metrics = self.score(self.validation_logits)
        logs |= {"val_loss": validation_loss} | {f"val_{name}": value for name, value in metrics.items()}
        seconds = time.perf_counter() - self.epoch_begin
        report = EpochReport(epoch + 1, self.step, float(logs["loss"]), validation_loss, metrics, seconds)
        self.epochs.append(report)
        self.on_epoch(report)


class Resumption(keras.callbacks.Callback):  # type: ignore[misc]
    """Comes after all others, and lets the monitor's clock of the steps pass over what they took."""

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self.monitor = monitor

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock of the epoch's first step."""
        self.monitor.step_end = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Take what the callbacks took off the step that begins; the reading of its batch stays in it."""
        self.monitor.step_end += time.perf_counter() - self.monitor.step_begin

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock of the next step."""
        self.monitor.step_end = time.perf_counter()


def learning_rate(model: keras.Model, step: int) -> float:
    """Return the learning rate of the optimizer step with this number, from 1."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # mixed_float16 wraps it to scale the loss
    schedule = optimizer._learning_rate
    value = schedule(step - 1) if callable(schedule) else schedule
    return float(keras.ops.convert_to_numpy(value))


def feed(batches: TrainingBatches | EvaluationBatches) -> Any:
    """Return the batches in the form that the backend's `fit` and `predict` take: a dataset, or a generator."""
    if keras.backend.backend() != "tensorflow":
        return iter(batches) if isinstance(batches, TrainingBatches) else ((inputs,) for inputs in batches)
    import tensorflow as tf

    # The signature spells out that the width varies. Left alone, Keras reads the shapes off the first batches and
    # fails at a later, longer one.
    matrix = tf.TensorSpec((None, None), tf.int32)
    inputs: Any = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), matrix)
    if isinstance(batches, TrainingBatches):
        signature = (inputs, tf.TensorSpec((None,), tf.as_dtype(batches.encoded.labels.dtype)))
    else:
        signature = inputs
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    # There is nothing to tune, and the tuner's thread often holds up the end of `fit` and `predict` until it wakes:
    # 5, 10, 20 and 41 seconds after the start, and every 60 after that.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)
