"""The engine: trains a session and tells its observers; predicts the logits of a split.

Importing this module imports Keras, and with it the backend that `KERAS_BACKEND` names (TensorFlow by default).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import keras
import numpy as np

from glueft.data.batches import EvaluationBatches
from glueft.encoder.word_embeddings import known_words
from glueft.errors import TrainingError
from glueft.system.gc_pause import gc_paused
from glueft.system.interruption import begin_step, check, deferred, raise_received, received
from glueft.training.devices import distributed
from glueft.training.feed import feed
from glueft.training.kept import Kept
from glueft.training.model import learning_rate
from glueft.training.observers import EpochReport, MidEpochReport, Observer, StepReport, Training, ValidationReport
from glueft.training.out_of_memory import memory_for_prediction
from glueft.training.step_times import Lookahead, StepTimes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.training.session import Session
    from glueft.training.state import TrainState

# So few batches are predicted without a pipeline. On TensorFlow one takes some 40 ms of processor time to make, more
# than the model takes for a row (tests/benchmarks/NOTES.md); reading ahead is worth that where batches are many.
FEW_BATCHES = 4

Report = TypeVar("Report", bound=MidEpochReport)


def train(
    session: Session,
    observers: Sequence[Observer] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    start: TrainState | None = None,
) -> Training:
    """Train the model of a session, validating after each epoch, and within epochs where the session says so.

    At the end the model has the weights of the last step, or of the best validation where the session keeps that.

    Args:
        session: its model is loaded and compiled.
        observers: told of each step, validation and epoch; see `Observer`.
        callbacks: further Keras callbacks. Their epoch logs hold `val_loss` and `val_<metric>`.
        start: the state to go on from, of a training of the same session; None to begin.

    Raises:
        TrainingError: the loss or a logit is no longer a finite number.
        RunFolderError: the state is of another training.
        KeyboardInterrupt: the training was interrupted. From the end of the first step on that waits for the end of a
            step, or breaks off a validation.
    """
    kept = None if session.kept_metric is None else Kept(session.kept_metric)
    training = Training(session, list(callbacks), step_times(session.model), kept=kept)
    if start is not None:
        start.restore(training)
    with ExitStack() as watched, ExitStack() as waiting, ExitStack() as tracing:
        for observer in observers:
            observer.begin(training)
            watched.push(lambda kind, error, trace, end=observer.end: end(error))
        tracing.enter_context(gc_paused())

        def after_first_step() -> None:
            tracing.close()
            waiting.enter_context(deferred())

        with distributed(session.model.distribution):
            _Fit(training, observers, start, after_first_step).run()
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
        of_run: whether these are rows of the run that trains the model, and not what a callback asks meanwhile. An
            interruption that waits for the end of a step ends these predictions, and not a callback's.
        on_rows: called after each step with the number of its rows.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    batches = fill(batches, model)
    on_step = None if on_rows is None else lambda step: on_rows(batches.rows_begun(step))
    watch = Stopwatch(step_times(model) if times is None else times, batches.shapes(), on_step=on_step)
    words = known_words(model) if of_run else nullcontext()
    with distributed(model.distribution), words, memory_for_prediction(model, batches):
        watch.ends_when_interrupted = of_run
        if len(batches) <= FEW_BATCHES and model.distribution is None:
            outputs = _predict_few(model, batches, watch)
        else:
            with feed(batches) as fed:
                outputs = model.predict(fed, steps=len(batches), callbacks=[watch], verbose=0)
        if watch.step < len(batches):
            raise_received()
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


def _predict_few(model: keras.Model, batches: EvaluationBatches, watch: Stopwatch) -> NDArray[Any]:
    """Return what `Model.predict` does, of the same compiled program, without the pipeline that it makes each time."""
    watch.set_model(model)
    model.stop_predicting = False
    watch.on_predict_begin()
    outputs = []
    for step, inputs in enumerate(batches):
        watch.on_predict_batch_begin(step)
        outputs.append(model.predict_on_batch(inputs))
        watch.on_predict_batch_end(step, {"outputs": outputs[-1]})
        if model.stop_predicting:
            break
    if keras.backend.backend() == "jax":
        # As `predict` does, and `predict_on_batch` does not: the arrays would stay when the weights are others.
        model._jax_state = None
    return np.concatenate(outputs)


def fill(batches: EvaluationBatches, model: keras.Model) -> EvaluationBatches:
    """Return the batches as `predict` takes them: on JAX all of a length of one number of rows.

    On a GPU short rows go through the model in larger batches, which take no more memory than those of the longest
    rows: it waits for the next launch where a batch is small.
    """
    if keras.backend.backend() != "jax":
        return batches
    import jax

    devices = 1 if model.distribution is None else model.distribution.num_model_replicas
    return batches.filled(devices, by_tokens=jax.default_backend() == "gpu")


def step_times(model: keras.Model) -> StepTimes:
    """Return an empty list of step times for a compiled model."""
    return StepTimes(by_shape=keras.backend.backend() == "jax" or bool(model.jit_compile))


class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Times the steps of one `fit` or `predict`, each from the end of the one before it: reading the batch counts.

    Steps that are waited for together have the same time each.

    Args:
        times: gets them.
        shapes: rows and padded length of each batch, (batches, 2).
        ahead: whether the backend may run ahead of the results.
        on_step: called with the number of each step whose result is there, from 0.
    """

    def __init__(
        self,
        times: StepTimes,
        shapes: NDArray[np.int64],
        *,
        ahead: bool = True,
        on_step: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.times = times
        self.on_step = on_step
        self.shapes = as_pairs(shapes)
        self.lookahead = Lookahead(self.shapes, enabled=ahead and runs_ahead())
        self.ends_when_interrupted = False
        self.step = 0
        self.waiting = 0
        self.last = time.perf_counter()

    def on_train_begin(self, logs: Any = None) -> None:
        check()
        self.last = time.perf_counter()

    on_predict_begin = on_train_begin

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        begin_step()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._stop("train", (logs or {})["loss"])

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._stop("predict", (logs or {})["outputs"])

    def _stop(self, kind: str, result: Any) -> None:
        self.step += 1
        self.waiting += 1
        interrupted = self.ends_when_interrupted and received()
        if not (interrupted or self.lookahead.is_due(self.step, self.waiting)):
            return
        np.asarray(result)  # The backend may run ahead: a step has ended when its result is known.
        now = time.perf_counter()
        self._note(kind, now - self.last)
        self.last = now
        check()
        if interrupted:
            self.model.stop_predicting = True

    def _note(self, kind: str, seconds: float) -> None:
        steps, self.waiting = self.waiting, 0
        self.lookahead.waited(self.step, steps, seconds)
        for step in range(self.step - steps, self.step):
            self.times.add(kind, self.shapes[step], seconds / steps)
            if self.on_step is not None:
                self.on_step(step)


def runs_ahead() -> bool:
    """Whether the backend's steps return before they are done."""
    return bool(keras.backend.backend() == "jax")


def as_pairs(shapes: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(rows, length) for rows, length in shapes.tolist()]


class _Calls(keras.callbacks.CallbackList):  # type: ignore[misc]
    """The callbacks of one training, which may take several calls of `fit`.

    Attributes:
        batches_before: of the epoch, in an earlier call of `fit`, or in an earlier process.
        batch_end: what is called at the end of each batch in place of all callbacks, if it is not to wait for the
            step's results, as Keras does.
    """

    batches_before = 0
    batch_end: Callable[[int, Any], None] | None = None
    begun = False
    end_logs: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        if not self.begun:
            self.begun = True
            super().on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        self.end_logs = logs  # `end` passes it on

    def end(self) -> None:
        super().on_train_end(self.end_logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        begin_step()
        super().on_train_batch_begin(batch + self.batches_before, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.batch_end is None:
            super().on_train_batch_end(batch + self.batches_before, logs)
        else:
            self.batch_end(batch, logs)


class _Fit:
    """A training by Keras, and what Keras calls in it: `first` before the callbacks of plugins, `last` after them."""

    def __init__(
        self,
        training: Training,
        observers: Sequence[Observer],
        start: TrainState | None,
        after_first_step: Callable[[], None],
    ) -> None:
        self.training = training
        self.session = training.session
        self.observers = observers
        self.start = start
        self.after_first_step = after_first_step
        self.shapes = as_pairs(self.session.batches.shapes())
        self.examples = np.cumsum(self.session.batches.sizes())
        self.lookahead = Lookahead(self.shapes, enabled=runs_ahead() and not _look_at_batches(training.callbacks))
        self.losses: list[Any] = []  # of the steps that have not been reported
        self.step_begin = self.step_end = time.perf_counter()
        self.first = keras.callbacks.LambdaCallback(
            on_epoch_begin=self._begin_epoch,
            on_train_batch_begin=self._begin_step,
            on_train_batch_end=self._end_step,
            on_epoch_end=self._end_epoch,
        )
        # The clock of the steps does not count what callbacks and observers take; reading the batch counts.
        self.last = keras.callbacks.LambdaCallback(
            on_train_begin=self._begin_training,
            on_epoch_begin=self._go_on,
            on_train_batch_begin=self._skip_callbacks,
            on_train_batch_end=self._settle_step,
            on_epoch_end=self._settle,
        )
        # Where a resumed training goes on.
        self.epoch = len(training.epochs)
        # In the epoch that is not over; one that was cut short had fewer steps than it should have.
        self.done = max(0, training.step - self.epoch * self.session.batches.steps_per_epoch)
        model, batches = self.session.model, self.session.batches
        self.calls = _Calls(
            [self.first, *training.callbacks, self.last],
            add_history=True,
            model=model,
            epochs=batches.epochs,
            steps=batches.steps_per_epoch,
        )
        if self.lookahead.enabled:
            self.calls.batch_end = self._end_batch

    def run(self) -> None:
        """Train to the end of the last epoch, or until something stops the training."""
        model, epochs, steps = self.session.model, self.session.batches.epochs, self.session.batches.steps_per_epoch
        epoch, stopped = self.epoch, self.start is not None and self.start.stopped
        model.stop_training = stopped
        with _not_finalized(model.optimizer):
            if self.done and (stopped or self.done == steps):  # The end of the epoch is still to come.
                self.calls.on_train_begin()
                self.calls.on_epoch_begin(epoch)
                self.calls.on_epoch_end(epoch, dict(model.get_metrics_result()))
                epoch += 1
            elif self.done:
                self.calls.batches_before = self.done
                self._fit(epoch, epoch + 1, steps - self.done)
                self.calls.batches_before = 0
                epoch += 1
            if epoch < epochs and not model.stop_training:
                self._fit(epoch, epochs, steps)
        self.calls.on_train_begin()  # if there was nothing left to do
        model.optimizer.finalize_variable_values(model.trainable_variables)
        optimizer: Any = model.optimizer
        if getattr(optimizer, "inner_optimizer", optimizer).use_ema:
            self.training.validation_logits = None  # They are those of the weights before.
        self.calls.end()

    def _fit(self, epoch: int, epochs: int, steps: int) -> None:
        """Train from the next step on, the first so many steps an epoch; epochs count from 0."""
        batches = self.session.batches
        with feed(batches.after(self.training.step) if self.training.step else batches) as fed:
            self.session.model.fit(
                fed,
                initial_epoch=epoch,
                epochs=epochs,
                steps_per_epoch=steps,
                callbacks=self.calls,
                shuffle=False,
                verbose=0,
            )

    def _begin_training(self, logs: Any) -> None:
        if not self.done:
            self._restore()

    def _restore(self) -> None:
        """Restore what Keras and the callbacks have just reset, once."""
        if self.start is not None:
            start, self.start = self.start, None
            start.restore_in_fit(self.training)
            for observer in self.observers:
                observer.resumed()
            if self.done and self._evaluation_is_due():
                self._evaluate(float(self.session.model.get_metrics_result()["loss"]))
                self._settle()

    def _begin_epoch(self, epoch: int, logs: Any) -> None:
        check()
        before = self.start.epoch_seconds if self.start is not None and self.done else 0.0
        self.training.epoch_begin = time.perf_counter() - before

    def _begin_step(self, batch: int, logs: Any) -> None:
        self.step_begin = time.perf_counter()

    def _skip_callbacks(self, batch: int, logs: Any) -> None:
        self.step_end += time.perf_counter() - self.step_begin

    def _go_on(self, epoch: int, logs: Any) -> None:
        self._restore()
        self.step_end = time.perf_counter()

    def _settle(self, number: int = 0, logs: Any = None) -> None:
        interrupted = received()  # One that comes while the observers settle waits: they have not seen it.
        for observer in self.observers:
            observer.settled()
        if interrupted and self.training.first_step_end:
            raise_received()
        self.step_end = time.perf_counter()

    def _end_batch(self, batch: int, logs: dict[str, Any]) -> None:
        """What `first` and `last` do, without a wait for the loss of each step."""
        self._end_step(batch, logs)
        self._settle_step(batch, logs)

    def _settle_step(self, batch: int, logs: dict[str, Any]) -> None:
        if self.losses:
            return
        self._settle()
        if self._evaluation_is_due():
            self._evaluate(float(logs["loss"]))
            self._settle()

    def _evaluation_is_due(self) -> bool:
        """Whether the validation after this step, within an epoch, is still to come."""
        step, reports = self.training.step, self.training.mid_epochs
        within = step % self.session.batches.steps_per_epoch and self.session.evaluated[step - 1]
        done = bool(reports) and reports[-1].step == step
        return bool(within) and not done and not self.session.model.stop_training

    def _end_step(self, batch: int, logs: dict[str, Any]) -> None:
        check()
        self.training.step += 1
        self.losses.append(logs["loss"])
        step, epoch_ends = self.training.step, self.training.step % self.session.batches.steps_per_epoch == 0
        stops = self.session.model.stop_training or received()
        if stops or epoch_ends or self._evaluation_is_due() or self.lookahead.is_due(step, len(self.losses)):
            self._report_steps()

    def _report_steps(self) -> None:
        """Wait for the losses of the last steps, and report these steps."""
        losses, self.losses = [float(loss) for loss in self.losses], []
        now = time.perf_counter()
        seconds, training = now - self.step_end, self.training
        self.lookahead.waited(training.step, len(losses), seconds)
        if not training.first_step_end:
            training.first_step_end = now
            self.after_first_step()
        for step, loss in enumerate(losses, training.step - len(losses) + 1):
            training.times.add("train", self.shapes[step - 1], seconds / len(losses))
            training.seconds += seconds / len(losses)
            self._report(step, loss)

    def _report(self, step: int, loss: float) -> None:
        rate = partial(learning_rate, self.session.model)
        report = StepReport(step, loss, int(self.examples[step - 1]), self.training.seconds, rate)
        if not np.isfinite(loss):
            raise TrainingError(
                f"the loss is no longer a finite number at step {step} of {len(self.shapes)}",
                expected="a finite loss at every step",
                received=f"{loss} at learning rate {report.learning_rate:.3g}",
                fix="lower the learning rate (schedule.initial_learning_rate), warm up with the linear schedule, "
                'clip gradients with optimizer.clipnorm = 1.0, or use engine.precision = "float32"',
            )
        for observer in self.observers:
            observer.step(report)

    def _end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Validate, and put the results into the logs, where callbacks look for them."""
        report = self._evaluated(EpochReport, epoch + 1, float(logs["loss"]))
        logs |= {"val_loss": report.validation_loss} | {f"val_{name}": value for name, value in report.metrics.items()}
        self.training.epochs.append(report)
        for observer in self.observers:
            observer.epoch(report)

    def _evaluate(self, loss: float) -> None:
        """Validate within an epoch; callbacks are not told."""
        epoch = round(self.training.step / self.session.batches.steps_per_epoch, 6)
        report = self._evaluated(MidEpochReport, epoch, loss)
        self.training.mid_epochs.append(report)
        for observer in self.observers:
            observer.mid_epoch(report)

    def _evaluated(self, kind: type[Report], epoch: Any, loss: float) -> Report:
        """Validate; return the report of the training after it."""
        validation = self._validate(epoch)
        return kind(
            epoch=epoch,
            step=validation.step,
            loss=loss,
            validation_loss=validation.loss,
            metrics=validation.metrics,
            seconds=time.perf_counter() - self.training.epoch_begin,
        )

    def _validate(self, epoch: float) -> ValidationReport:
        session, split = self.session, self.session.primary_split
        try:
            logits = predict(session.model, session.evaluation[split], self.training.times, of_run=True)
        except KeyboardInterrupt:
            # The validation counts as not begun: the state is that after the last step.
            if self.training.first_step_end:
                self._settle()
            raise
        loss = session.loss.mean(logits, session.encoded[split].labels)
        report = ValidationReport(self.training.step, epoch, logits, loss, session.score(split, logits))
        self.training.validation_logits = logits
        if self.training.kept is not None:
            model = self.training.model
            self.training.kept.offer(model, report.metrics, step=report.step, epoch=epoch, logits=logits)
        for observer in self.observers:
            observer.validation(report)
        return report


def _look_at_batches(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether one of the callbacks is called at each batch, and so must find the training at that batch."""
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return any(
        getattr(getattr(getattr(callback, "built", callback), name), "__func__", None)
        is not getattr(keras.callbacks.Callback, name)
        for callback in callbacks
        for name in names
    )


@contextmanager
def _not_finalized(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Keep `fit` from putting averaged weights (`use_ema`) in the place of the trained ones, which go on."""
    optimizer.finalize_variable_values = lambda variables: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values
