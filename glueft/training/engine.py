"""The engine: trains a session and tells its observers; predicts the logits of a split.

Importing this module imports Keras, and with it the backend that `KERAS_BACKEND` names (TensorFlow by default).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from glueft.data.batches import EvaluationBatches, TrainingBatches
from glueft.encoder.word_embeddings import known_words
from glueft.errors import TrainingError
from glueft.system.gc_pause import gc_paused
from glueft.system.interruption import check
from glueft.training.kept import Kept
from glueft.training.model import learning_rate
from glueft.training.observers import EpochReport, MidEpochReport, Observer, StepReport, Training, ValidationReport
from glueft.training.step_times import StepTimes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.training.session import Session


def train(
    session: Session, observers: Sequence[Observer] = (), callbacks: Sequence[keras.callbacks.Callback] = ()
) -> Training:
    """Train the model of a session, validating after each epoch, and within epochs where the session says so.

    At the end the model has the weights of the last step, or of the best validation where the session keeps that.

    Args:
        session: its model is loaded and compiled.
        observers: told of each step, validation and epoch; see `Observer`.
        callbacks: further Keras callbacks. Their epoch logs hold `val_loss` and `val_<metric>`.

    Raises:
        TrainingError: the loss or a logit is no longer a finite number.
    """
    kept = None if session.kept_metric is None else Kept(session.kept_metric)
    training = Training(session, list(callbacks), step_times(session.model), kept=kept)
    with ExitStack() as watched, ExitStack() as tracing:
        for observer in observers:
            observer.begin(training)
            watched.push(lambda kind, error, trace, end=observer.end: end(error))
        tracing.enter_context(gc_paused())
        fit = _Fit(training, observers, after_first_step=tracing.close)
        session.model.fit(
            feed(session.batches),
            epochs=session.batches.epochs,
            steps_per_epoch=session.batches.steps_per_epoch,
            callbacks=[fit.first, *callbacks, fit.last],
            shuffle=False,
            verbose=0,
        )
        if kept is not None:
            kept.put_back(training.model)
    return training


def predict(
    model: keras.Model,
    batches: EvaluationBatches,
    times: StepTimes | None = None,
    *,
    of_run: bool = False,
    on_rows: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the logits of a split, (rows, labels), in the order of the split.

    Args:
        model: compiled.
        batches: all of the split.
        times: gets the seconds of each step, if given.
        of_run: whether these are rows of the run that trains the model, and not what a callback asks meanwhile.
        on_rows: called after each step with the number of its rows.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    watch = Stopwatch(step_times(model) if times is None else times, batches.measures(), on_rows)
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


def step_times(model: keras.Model) -> StepTimes:
    """Return an empty list of step times for a compiled model."""
    return StepTimes(by_shape=keras.backend.backend() == "jax" or bool(model.jit_compile))


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Times the steps of one `fit` or `predict`, each from the end of the one before it: reading the batch counts."""

    def __init__(
        self, times: StepTimes, measures: NDArray[np.int64], on_rows: Callable[[int], None] | None = None
    ) -> None:
        super().__init__()
        self.times = times
        self.on_rows = on_rows
        self.shapes = [(int(rows), int(length)) for rows, length, *_ in measures]
        self.step = 0
        self.last = time.perf_counter()

    def on_train_begin(self, logs: Any = None) -> None:
        check()
        self.last = time.perf_counter()

    on_predict_begin = on_train_begin

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        float((logs or {})["loss"])  # The backend may run ahead: a step has ended when its loss is known.
        self._stop("train")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        np.asarray((logs or {})["outputs"])
        self._stop("predict")

    def _stop(self, kind: str) -> None:
        now = time.perf_counter()
        self.times.add(kind, self.shapes[self.step], now - self.last)
        if self.on_rows is not None:
            self.on_rows(self.shapes[self.step][0])
        self.step += 1
        self.last = now
        check()


class _Fit:
    """What Keras calls during a training: `first` before the callbacks of plugins, `last` after them."""

    def __init__(self, training: Training, observers: Sequence[Observer], after_first_step: Callable[[], None]) -> None:
        self.training = training
        self.session = training.session
        self.observers = observers
        self.after_first_step = after_first_step
        self.shapes = self.session.batches.measures()[:, :2]
        self.examples = np.cumsum(self.shapes[:, 0])
        self.step_begin = self.step_end = self.epoch_begin = time.perf_counter()
        self.first = keras.callbacks.LambdaCallback(
            on_epoch_begin=self._begin_epoch,
            on_train_batch_begin=self._begin_step,
            on_train_batch_end=self._end_step,
            on_epoch_end=self._end_epoch,
        )
        # The clock of the steps does not count what callbacks and observers take; reading the batch counts.
        self.last = keras.callbacks.LambdaCallback(
            on_epoch_begin=self._go_on,
            on_train_batch_begin=self._skip_callbacks,
            on_train_batch_end=self._settle_step,
            on_epoch_end=self._settle,
        )

    def _begin_epoch(self, epoch: int, logs: Any) -> None:
        check()
        self.epoch_begin = time.perf_counter()

    def _begin_step(self, batch: int, logs: Any) -> None:
        self.step_begin = time.perf_counter()

    def _skip_callbacks(self, batch: int, logs: Any) -> None:
        self.step_end += time.perf_counter() - self.step_begin

    def _go_on(self, epoch: int, logs: Any) -> None:
        self.step_end = time.perf_counter()

    def _settle(self, number: int, logs: Any) -> None:
        for observer in self.observers:
            observer.settled()
        self.step_end = time.perf_counter()

    def _settle_step(self, batch: int, logs: dict[str, float]) -> None:
        self._settle(batch, logs)
        step, per_epoch = self.training.step, self.session.batches.steps_per_epoch
        if self.session.evaluated[step - 1] and step % per_epoch and not self.session.model.stop_training:
            self._evaluate(round(step / per_epoch, 6), float(logs["loss"]))
            self._settle(batch, logs)

    def _end_step(self, batch: int, logs: dict[str, float]) -> None:
        check()
        loss = float(logs["loss"])
        now = time.perf_counter()
        seconds, training = now - self.step_end, self.training
        rows, length = self.shapes[training.step]
        training.times.add("train", (int(rows), int(length)), seconds)
        training.seconds += seconds
        training.step += 1
        if training.step == 1:
            training.first_step_end = now
            self.after_first_step()
        examples = int(self.examples[training.step - 1])
        rate = partial(learning_rate, self.session.model)
        report = StepReport(training.step, loss, examples, training.seconds, rate)
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss is no longer a finite number at step {training.step} of {len(self.shapes)}",
                expected="a finite loss at every step",
                received=f"{loss} at learning rate {report.learning_rate:.3g}",
                fix="lower the learning rate (schedule.initial_learning_rate), warm up with the linear schedule, "
                'clip gradients with optimizer.clipnorm = 1.0, or use engine.precision = "float32"',
            )
        for observer in self.observers:
            observer.step(report)

    def _end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Validate, and put the results into the logs, where callbacks look for them."""
        validation = self._validate(epoch + 1)
        logs |= {"val_loss": validation.loss} | {f"val_{name}": value for name, value in validation.metrics.items()}
        report = EpochReport(
            epoch=epoch + 1,
            step=self.training.step,
            loss=float(logs["loss"]),
            validation_loss=validation.loss,
            metrics=validation.metrics,
            seconds=time.perf_counter() - self.epoch_begin,
        )
        self.training.epochs.append(report)
        for observer in self.observers:
            observer.epoch(report)

    def _evaluate(self, epoch: float, loss: float) -> None:
        """Validate within an epoch; callbacks are not told."""
        validation = self._validate(epoch)
        report = MidEpochReport(
            epoch=epoch,
            step=validation.step,
            loss=loss,
            validation_loss=validation.loss,
            metrics=validation.metrics,
            seconds=time.perf_counter() - self.epoch_begin,
        )
        self.training.mid_epochs.append(report)
        for observer in self.observers:
            observer.mid_epoch(report)

    def _validate(self, epoch: float) -> ValidationReport:
        session, split = self.session, self.session.primary_split
        logits = predict(session.model, session.evaluation[split], self.training.times, of_run=True)
        loss = session.loss.mean(logits, session.encoded[split].labels)
        report = ValidationReport(self.training.step, epoch, logits, loss, session.score(split, logits))
        self.training.validation_logits = logits
        if self.training.kept is not None:
            model = self.training.model
            self.training.kept.offer(model, report.metrics, step=report.step, epoch=epoch, logits=logits)
        for observer in self.observers:
            observer.validation(report)
        return report


def feed(batches: TrainingBatches | EvaluationBatches) -> Any:
    """Return the batches in the form that the backend's `fit` and `predict` take: a dataset, or a generator."""
    if keras.backend.backend() != "tensorflow":
        return iter(batches) if isinstance(batches, TrainingBatches) else ((inputs,) for inputs in batches)
    import tensorflow as tf

    # The signature spells out that the length varies. Left alone, Keras reads the shapes off the first batches and
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
