"""The engine trains a tiny real BERT, stops at a loss that is no number, and repeats itself to the last bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from glueft.data.batches import EvaluationBatches, TrainingBatches
from glueft.data.encoding import Encoded
from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.errors import TrainingError
from glueft.training import engine
from glueft.training.backend import dtype_policy, seed_backend
from glueft.training.evaluation_steps import evaluated_steps
from glueft.training.feed import feed
from glueft.training.loss import loss_of
from glueft.training.model import compile_for_prediction, compile_model
from glueft.training.observers import EpochReport, MidEpochReport, Observer, StepReport, Training, ValidationReport
from glueft.training.state import TrainState


def rows(count: int, *, regression: bool = False, seed: int = 0) -> Encoded:
    """Rows whose label is whether (or how often) token 7 occurs: a task that a tiny encoder learns."""
    random = np.random.default_rng(seed)
    lengths = random.integers(4, 12, count)
    ids = random.integers(8, 60, lengths.sum()).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    labels = np.arange(count) % 2
    ids[offsets[:-1][labels == 1]] = 7
    return Encoded(
        ids,
        np.zeros(len(ids), np.uint8),
        offsets,
        labels.astype(np.float32 if regression else np.int32),
        pad_id=0,
        truncated=0,
    )


def tiny_model(folder: Path, *, seed: int = 1, regression: bool = False) -> keras.Model:
    seed_backend(seed, jit_compile=False)
    labels = () if regression else ("no", "yes")
    return load_classifier(find_checkpoint(str(folder)), labels=labels, regression=regression, seed=seed).model


def compiled(model: keras.Model, learning_rate: Any = 2e-3, *, regression: bool = False) -> keras.Model:
    loss = loss_of(() if regression else ("no", "yes"))
    compile_model(model, keras.optimizers.Adam(learning_rate), loss, jit_compile=False)
    return model


def fit(
    model: keras.Model,
    learning_rate: Any = 2e-3,
    *,
    epochs: int = 4,
    regression: bool = False,
    observers: Sequence[Observer] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    eager: bool = False,  # quicker than to trace a few steps
    prepare: Callable[[keras.Model], None] = lambda model: None,  # once it is compiled
    start: TrainState | None = None,
    every: float | None = None,
    kept_metric: str | None = None,
    accuracies: Iterator[float] | None = None,  # instead of the true ones
) -> Training:
    training, held_out = rows(96, regression=regression), rows(40, regression=regression, seed=9)

    def score(split: str, logits: np.ndarray) -> dict[str, float]:
        if regression:
            return {"error": float(np.abs(logits[:, 0] - held_out.labels).mean())}
        if accuracies is not None:
            return {"accuracy": next(accuracies)}
        return {"accuracy": float((logits.argmax(1) == held_out.labels).mean())}

    batches = TrainingBatches(training, batch_size=10, epochs=epochs, seed=3)
    session: Any = SimpleNamespace(
        model=compiled(model, learning_rate, regression=regression),
        loss=loss_of(() if regression else ("no", "yes")),
        batches=batches,
        evaluation={"validation": EvaluationBatches(held_out, batch_size=16)},
        encoded={"validation": held_out},
        primary_split="validation",
        score=score,
        evaluated=evaluated_steps(every, batches.steps_per_epoch, batches.epochs),
        kept_metric=kept_metric,
    )
    prepare(model)
    model.run_eagerly = eager
    return engine.train(session, observers, callbacks, start)


class Noting(Observer):
    """Notes what it is told, and whether the first two steps' reports are those of the training."""

    def __init__(self, calls: list[str] | None = None, *, stop_at: int = 0) -> None:
        self.calls: list[str] = [] if calls is None else calls
        self.stop_at = stop_at
        self.steps: list[StepReport] = []
        self.epochs: list[EpochReport] = []
        self.mid_epochs: list[MidEpochReport] = []
        self.validations: list[ValidationReport] = []

    def begin(self, training: Training) -> None:
        self.training, self.begun = training, time.perf_counter()
        self.calls.append("begin")

    def step(self, report: StepReport) -> None:
        self.steps.append(report)
        self.calls.append("step")
        if report.step == self.stop_at:
            self.training.stop()

    def validation(self, report: ValidationReport) -> None:
        self.validations.append(report)
        self.calls.append("validation")

    def mid_epoch(self, report: MidEpochReport) -> None:
        self.mid_epochs.append(report)
        self.calls.append("mid_epoch")

    def epoch(self, report: EpochReport) -> None:
        self.epochs.append(report)
        self.calls.append("epoch")

    def settled(self) -> None:
        self.calls.append("settled")
        # What a state to resume from would hold is that of this step.
        optimizer = self.training.model.optimizer
        assert int(optimizer.iterations) == self.training.step == self.steps[-1].step

    def end(self, error: BaseException | None) -> None:
        self.calls.append(f"end {type(error).__name__}")


def decay() -> Any:
    return keras.optimizers.schedules.PolynomialDecay(2e-3, 40, 0.0)


@pytest.fixture(scope="module")
def noting(tiny_bert: Path) -> Noting:
    """An observer of a whole training."""
    noting = Noting()
    fit(tiny_model(tiny_bert), decay(), observers=[noting])
    return noting


@dataclass
class Stopped:
    """A training from another seed that a callback has stopped after two epochs, and the logs that it saw."""

    seen: list[dict[str, float]]
    training: Training


@pytest.fixture(scope="module")
def stopped(tiny_bert: Path) -> Stopped:
    seen: list[dict[str, float]] = []

    class StopAfterTwo(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            seen.append(dict(logs or {}))
            self.model.stop_training = epoch == 1

    return Stopped(seen, fit(tiny_model(tiny_bert, seed=2), decay(), callbacks=[StopAfterTwo()]))


def test_it_learns_and_reports(noting: Noting) -> None:
    trained, steps, epochs = noting.training, noting.steps, noting.epochs
    assert trained.epochs == epochs
    assert [report.epoch for report in epochs] == [1, 2, 3, 4]
    assert [report.step for report in steps] == [*range(1, 41)]
    assert trained.step == epochs[-1].step == 40
    assert epochs[-1].metrics["accuracy"] > 0.9
    assert epochs[-1].loss < epochs[0].loss
    assert steps[-1].examples == 4 * 96
    # 40 steps of training, and 3 of validation in each epoch.
    seconds = trained.times.seconds
    assert {kind: len(seconds[kind][0, 0]) for kind in ("train", "predict")} == {"train": 40, "predict": 12}
    assert sum(seconds["train"][0, 0]) == pytest.approx(trained.seconds)
    assert 0 < trained.first_step_end - noting.begun < trained.seconds + sum(epoch.seconds for epoch in epochs)
    for report in (steps[0], steps[1], steps[-1]):
        assert report.learning_rate == pytest.approx(2e-3 * (1 - (report.step - 1) / 40), rel=1e-5)
    for validation, epoch in zip(noting.validations, epochs, strict=True):
        assert (validation.step, validation.loss, validation.metrics) == (
            epoch.step, epoch.validation_loss, epoch.metrics,
        )  # fmt: skip
    assert trained.validation_logits is noting.validations[-1].logits
    one_step, one_epoch = ["step", "settled"], ["validation", "epoch", "settled"]
    assert noting.calls == ["begin", *(one_step * 10 + one_epoch) * 4, "end NoneType"]


def test_an_observer_hears_before_the_callbacks_and_saves_after_them_and_may_stop(tiny_bert: Path) -> None:
    calls: list[str] = []

    class Calling(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            calls.append("callback")

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            calls.append("callback")

    trained = fit(tiny_model(tiny_bert), observers=[Noting(calls, stop_at=2)], callbacks=[Calling()], eager=True)
    step, epoch = ["step", "callback", "settled"], ["validation", "epoch", "callback", "settled"]
    assert calls == ["begin", *step * 2, *epoch, "end NoneType"]
    assert trained.step == 2 and len(trained.epochs) == 1


def weights(model: keras.Model) -> list[bytes]:
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in model.trainable_variables]


class Weighing(Noting):
    """Notes the weights at each validation, and at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: dict[int, list[bytes]] = {}

    def validation(self, report: ValidationReport) -> None:
        super().validation(report)
        self.weights[report.step] = weights(self.training.model)

    def end(self, error: BaseException | None) -> None:
        super().end(error)
        self.at_the_end = weights(self.training.model)


def test_validations_within_epochs_do_not_change_the_training_and_the_best_is_kept(
    noting: Noting, tiny_bert: Path
) -> None:
    plain, noting = noting, Weighing()
    values = iter([0.5, 0.75, 0.75, np.nan, 0.625, 0.5, 0.0])
    trained = fit(
        tiny_model(tiny_bert), decay(), observers=[noting], every=12, kept_metric="accuracy", accuracies=values
    )
    step, mid, end = ["step", "settled"], ["validation", "mid_epoch", "settled"], ["validation", "epoch", "settled"]
    calls = ["begin", *step * 10, *end]
    for before in (2, 4, 6):
        calls += [*step * before, *mid, *step * (10 - before), *end]
    assert noting.calls == [*calls, "end NoneType"]
    assert [(report.epoch, report.step) for report in noting.mid_epochs] == [(1.2, 12), (2.4, 24), (3.6, 36)]
    assert [report.step for report in trained.evaluations] == [10, 12, 20, 24, 30, 36, 40]
    assert noting.mid_epochs[0].loss == noting.steps[11].loss
    assert trained.seconds == pytest.approx(sum(trained.times.seconds["train"][0, 0]))
    # The training is that without them, and only at its end come the weights of the first of the equal best.
    assert [report.loss for report in noting.steps] == [report.loss for report in plain.steps]
    assert noting.validations[-1].logits.tobytes() == plain.validations[-1].logits.tobytes()
    assert trained.kept is not None
    assert (trained.kept.step, trained.kept.epoch, trained.kept.value) == (12, 1.2, 0.75)
    assert trained.kept.logits is noting.validations[1].logits
    assert noting.at_the_end == noting.weights[12] != noting.weights[40]


def test_a_run_that_is_stopped_within_an_epoch_is_evaluated_once(tiny_bert: Path) -> None:
    noting = Noting(stop_at=2)
    fit(tiny_model(tiny_bert), observers=[noting], eager=True, every=2)
    assert noting.calls == ["begin", *["step", "settled"] * 2, "validation", "epoch", "settled", "end NoneType"]


def test_what_an_observer_raises_ends_the_training_and_all_hear_of_it(tiny_bert: Path) -> None:
    class Full(Noting):
        def step(self, report: StepReport) -> None:
            raise OSError("no room")

    first, second = Noting(), Full()
    with pytest.raises(OSError, match="no room"):
        fit(tiny_model(tiny_bert), observers=[first, second], eager=True)
    assert first.calls == ["begin", "step", "end OSError"]
    assert second.calls == ["begin", "end OSError"]


def test_the_reported_validation_loss_is_that_of_keras() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (11, 3)).astype(np.float32)
    labels = np.arange(11, dtype=np.int32) % 3
    loss = loss_of(("a", "b", "c"))
    assert loss.mean(logits, labels) == pytest.approx(float(loss.build()(labels, logits)), rel=1e-6)
    scores, squared = labels.astype(np.float32), loss_of(())
    expected = float(squared.build()(scores[:, None], logits[:, :1]))
    assert squared.mean(logits[:, :1], scores) == pytest.approx(expected, rel=1e-6)


def test_regression_trains_on_the_squared_error(tiny_bert: Path) -> None:
    trained = fit(tiny_model(tiny_bert, regression=True), regression=True, epochs=5)
    assert trained.epochs[-1].metrics["error"] < 0.35
    # Without broadcasting: a (rows, 1) prediction against (rows,) labels must not become a matrix.
    assert trained.epochs[-1].validation_loss < 0.2


def test_the_same_seed_gives_the_same_numbers(noting: Noting, stopped: Stopped, tiny_bert: Path) -> None:
    again = fit(tiny_model(tiny_bert), decay()).validation_logits
    assert again is not None and np.array_equal(again, noting.validations[-1].logits)
    other = stopped.training.validation_logits
    assert other is not None and not np.array_equal(other, noting.validations[1].logits)


def test_predictions_are_in_the_order_of_the_split(tiny_bert: Path) -> None:
    model, held_out = compiled(tiny_model(tiny_bert)), rows(23)
    at_once = engine.predict(model, EvaluationBatches(held_out, batch_size=23), engine.step_times(model))
    one_by_one = engine.predict(model, EvaluationBatches(held_out, batch_size=1), engine.step_times(model))
    assert at_once.shape == (23, 2)
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-5)


def test_few_batches_take_the_same_program_without_a_pipeline(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = compiled(tiny_model(tiny_bert)), EvaluationBatches(rows(23), batch_size=5)
    through_pipeline = engine.predict(model, batches)
    programs = model._others_function.experimental_get_tracing_count()
    monkeypatch.setattr(engine, "FEW_BATCHES", len(batches))
    monkeypatch.setattr(engine, "feed", None)
    seen: list[int] = []
    assert engine.predict(model, batches, on_rows=seen.append).tobytes() == through_pipeline.tobytes()
    assert model._others_function.experimental_get_tracing_count() == programs and seen == [5, 5, 5, 5, 3]
    # A signal that waits for the end of a step ends the run's own predictions after it.
    monkeypatch.setattr(engine, "received", lambda: True)

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "raise_received", interrupt)
    seen.clear()
    with pytest.raises(KeyboardInterrupt):
        engine.predict(model, batches, of_run=True, on_rows=seen.append)
    assert seen == [5]


def test_few_batches_on_jax_leave_no_second_copy_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        _jax_state: Any = None

        def predict_on_batch(self, inputs: Any) -> Any:
            self._jax_state = {"trainable_variables": [inputs]}
            return inputs

    model: Any = Model()
    watch = engine.Stopwatch(engine.StepTimes(by_shape=True), np.array([[2, 8], [1, 8]]))
    monkeypatch.setattr(engine.keras.backend, "backend", lambda: "jax")
    batches: Any = [np.ones((2, 3)), np.ones((1, 3))]
    assert engine._predict_few(model, batches, watch).shape == (3, 3) and model._jax_state is None


def test_a_loss_that_is_no_number_stops_the_run(tiny_bert: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        fit(tiny_model(tiny_bert), 1e30, eager=True)
    message = str(caught.value)
    assert "at step 2 of 40" in message or "at step 3 of 40" in message
    assert "1e+30" in message
    assert "lower the learning rate" in message


@pytest.mark.parametrize(("training", "fix"), [(True, "lower the learning rate"), (False, "choose another model")])
def test_logits_that_are_no_numbers_are_refused(training: bool, fix: str, tiny_bert: Path) -> None:
    model = tiny_model(tiny_bert)
    if training:
        compiled(model)
    else:
        compile_for_prediction(model, jit_compile=False)
    model.trainable_variables[-1].assign(np.full(model.trainable_variables[-1].shape, np.nan))
    with pytest.raises(TrainingError, match="logits are not finite") as caught:
        engine.predict(model, EvaluationBatches(rows(5), batch_size=2), engine.step_times(model))
    assert caught.value.fix.startswith(fix)


def test_callbacks_see_the_validation_metrics_and_may_stop_the_run(stopped: Stopped) -> None:
    assert [set(logs) for logs in stopped.seen] == [{"loss", "val_loss", "val_accuracy"}] * 2
    assert stopped.training.step == 20


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_half_precision_trains_with_float32_weights(tiny_bert: Path, precision: str) -> None:
    with dtype_policy(precision):
        model = tiny_model(tiny_bert)
    assert keras.config.dtype_policy().name == "float32"
    trained = fit(model, epochs=2)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert trained.epochs[-1].loss < trained.epochs[0].loss
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (precision == "mixed_float16")


def test_no_tuner_holds_up_the_end_of_a_run() -> None:
    for batches in (TrainingBatches(rows(9), batch_size=4, epochs=1, seed=0), EvaluationBatches(rows(9), batch_size=4)):
        with feed(batches) as fed:
            assert fed.options().autotune.enabled is False
