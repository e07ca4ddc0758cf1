"""The conformance suite on optimizers, schedules and callbacks that are wrong in one way each."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from typing import Any

import keras
import numpy as np
import pytest
from test_conformance import broken, run

import glueft
from glueft import testing
from glueft.plugin.registry import load_registry


class Base(glueft.Optimizer):
    """An optimizer."""

    name = "base"

    def build(self, learning_rate: Any) -> Any:
        return keras.optimizers.SGD(learning_rate)


class NotKeras(Base):
    """Returns something else."""

    def build(self, learning_rate: Any) -> Any:
        return "sgd"


class OwnRate(Base):
    """Looks at the rate once."""

    def build(self, learning_rate: Any) -> Any:
        return keras.optimizers.SGD(0.01)


class BuiltAlready(Base):
    """Builds too early."""

    def build(self, learning_rate: Any) -> Any:
        optimizer = keras.optimizers.SGD(learning_rate)
        optimizer.build([keras.Variable([1.0])])
        return optimizer


class Uphill(Base):
    """Goes the wrong way."""

    def build(self, learning_rate: Any) -> Any:
        class Up(keras.optimizers.SGD):  # type: ignore[misc]
            def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
                super().update_step(-gradient, variable, learning_rate)

        return Up(learning_rate)


class Forgetful(Base):
    """Forgets its momentum."""

    def build(self, learning_rate: Any) -> Any:
        class Forgets(keras.optimizers.SGD):  # type: ignore[misc]
            @classmethod
            def from_config(cls, config: dict[str, Any]) -> Any:
                return keras.optimizers.SGD.from_config(config | {"momentum": 0.0})

        return Forgets(learning_rate, momentum=0.5)


class Unspeakable(Base):
    """Has a setting that no file can hold."""

    def build(self, learning_rate: Any) -> Any:
        class Odd(keras.optimizers.SGD):  # type: ignore[misc]
            def get_config(self) -> dict[str, Any]:
                return super().get_config() | {"odd": object()}

        return Odd(learning_rate)


class Counting(Base):
    """Counts its updates in Python."""

    def build(self, learning_rate: Any) -> Any:
        class Counts(keras.optimizers.SGD):  # type: ignore[misc]
            count = 0

            def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
                self.count += 1
                super().update_step(gradient / self.count, variable, learning_rate)

        return Counts(learning_rate)


class Noisy(Base):
    """Draws its noise from NumPy."""

    def build(self, learning_rate: Any) -> Any:
        class Noise(keras.optimizers.SGD):  # type: ignore[misc]
            def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
                super().update_step(gradient * np.random.rand(), variable, learning_rate)

        return Noise(learning_rate)


class Shared(Base):
    """Draws its noise from Keras, as it should."""

    def build(self, learning_rate: Any) -> Any:
        class Noise(keras.optimizers.SGD):  # type: ignore[misc]
            def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
                noise = keras.random.uniform(variable.shape)
                super().update_step(gradient * noise, variable, learning_rate)

        return Noise(learning_rate)


RESUMED = "resumed after step 3, it has at step 6 other values in "


@pytest.mark.parametrize(
    ("optimizer", "check", "told"),
    [
        (Counting, "resume", RESUMED),
        (Noisy, "resume", RESUMED),
        (NotKeras, "builds", "`build` must return a keras.optimizers.Optimizer, and returned a str"),
        (OwnRate, "builds", "its learning rate is 0.01 before the first step, and the schedule says 0.5"),
        (BuiltAlready, "builds", "built on variables already"),
        (Uphill, "lowers a loss", "20 steps do not lower the loss of a small network: "),
        (Forgetful, "is saved", "from_config loses momentum of its configuration"),
        (Unspeakable, "is saved", "its get_config holds a value that JSON does not have"),
    ],
)
def test_a_wrong_optimizer(
    optimizer: type[glueft.Optimizer], check: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glueft.testing.optimizer.RATES", (1e-2,))
    assert told in broken(optimizer, check)


def test_an_optimizer_that_can_be_resumed() -> None:
    assert run(Shared, "resume") == "resumed after step 3, the same 6 variables at step 6 to the last bit"


class Rates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule by a function."""

    def __init__(self, function: Any = lambda step: 1.0) -> None:
        self.function = function

    def __call__(self, step: Any) -> Any:
        return self.function(float(step))

    def get_config(self) -> dict[str, Any]:
        return {}


class Scheduled(glueft.Schedule):
    """A schedule."""

    name = "scheduled"

    def build(self, total_steps: int) -> Any:
        return Rates(lambda step: 1.0 - step / total_steps)


class Number(Scheduled):
    """Returns a number."""

    def build(self, total_steps: int) -> Any:
        return 0.1


class Negative(Scheduled):
    """Falls too far."""

    def build(self, total_steps: int) -> Any:
        return Rates(lambda step: 1.0 - 2.0 * step / total_steps)


class Undefined(Scheduled):
    """Divides by a warm-up of no steps."""

    def build(self, total_steps: int) -> Any:
        return Rates(lambda step: math.nan if step == 0 else 1.0)


class Short(Scheduled):
    """Thinks that every run has 1,000 steps."""

    def build(self, total_steps: int) -> Any:
        return Rates(lambda step: max(0.0, 1.0 - step / 1000))


class Nothing(Scheduled):
    """Never learns."""

    def build(self, total_steps: int) -> Any:
        return Rates(lambda step: 0.0)


class Silent(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A schedule that does not say how it was made."""

    def __init__(self, peak: float, total_steps: int) -> None:
        self.peak, self.total_steps = peak, total_steps

    def __call__(self, step: Any) -> Any:
        return self.peak


class NoConfig(Scheduled):
    """Cannot be saved."""

    def build(self, total_steps: int) -> Any:
        return Silent(1.0, total_steps)


class Forgetful(NoConfig):
    """Returns nothing from its get_config."""

    def build(self, total_steps: int) -> Any:
        return type("Silent", (Silent,), {"get_config": lambda self: None})(1.0, total_steps)


class Misnamed(NoConfig):
    """Says another name than its constructor."""

    def build(self, total_steps: int) -> Any:
        return type("Silent", (Silent,), {"get_config": lambda self: {"top": self.peak}})(1.0, total_steps)


class Remembering(Scheduled):
    """Falls with each call."""

    def build(self, total_steps: int) -> Any:
        rates: list[float] = [1.0]

        def rate(step: float) -> float:
            rates.append(rates[-1] * 0.99)
            return rates[-1]

        return Rates(rate)


MUST_RETURN = (
    "it must return the arguments of its constructor by name: "
    'return {"peak": self.peak, "total_steps": self.total_steps}'
)


@pytest.mark.parametrize(
    ("schedule", "check", "told"),
    [
        (Number, "builds", "LearningRateSchedule, and returned a float"),
        (Negative, "rates", "in a run of 1 steps the learning rate of step 1 is -1"),
        (Undefined, "rates", "the learning rate of step 0 is nan"),
        (Short, "whole run", "in a run of 5000 steps the learning rate is already 0 after step 996"),
        (Remembering, "resume", "the rate of step 100 is 0.362372 after the steps before it, and 0.99 without them: "),
        (Nothing, "whole run", "in a run of 7 steps every learning rate is 0"),
        (NoConfig, "is saved", f"its class Silent has no get_config; {MUST_RETURN}"),
        (Forgetful, "is saved", f"its get_config returned nothing; {MUST_RETURN}"),
        (Misnamed, "is saved", MUST_RETURN),
        (Scheduled, "is saved", "after from_config the rate of step 1 is 1 and was 0.99"),
    ],
)
def test_a_wrong_schedule(schedule: type[glueft.Schedule], check: str, told: str) -> None:
    assert told in broken(schedule, check)


class Nobody(glueft.Callback):
    """Builds nothing."""

    name = "nobody"

    def build(self, run: Any) -> Any:
        return None


class Clumsy(Nobody):
    """Falls over."""

    def build(self, run: Any) -> Any:
        return run.no_such_thing


class Asking(glueft.Callback):
    """Asks its run before the training."""

    name = "asking"

    def build(self, run: Any) -> Any:
        assert run.validation_answers is None and len(run.validation_rows.texts) == 2
        assert run.predict([("a text", "another")]).probabilities.shape == (1, 2)
        assert run.tokenizer("a text")["input_ids"]
        return keras.callbacks.Callback()


def test_a_callback_that_asks_its_run_builds() -> None:
    (check,) = (check for check in testing.checks(Asking) if check.name == "builds")
    assert check.run() == "Callback"


def test_a_wrong_callback() -> None:
    assert "must return a keras.callbacks.Callback, and returned nothing" in broken(Nobody, "builds")
    told = broken(Clumsy, "builds")
    assert "it raised AttributeError: 'Run' object has no attribute 'no_such_thing', in " in told
    assert "test_conformance_of_builders.py, line" in told


class Lines(glueft.Callback):
    """Writes the number of each step."""

    name = "lines"

    def build(self, run: Any) -> Any:
        self.path, self.step = run.folder / "own" / "lines.txt", 0
        self.path.parent.mkdir(exist_ok=True)
        self.path.touch()

        def write(batch: int, logs: Any) -> None:
            self.step += 1
            with self.path.open("a") as file:
                file.write(f"{self.step}\n")

        return keras.callbacks.LambdaCallback(on_train_batch_end=write)


class Appending(Lines):
    """Leaves the lines of steps that come again."""

    def state(self) -> dict[str, Any]:
        return {"step": self.step}

    def restore(self, state: Any) -> None:
        self.step = state["step"]


class Kept(Appending):
    """Takes those lines back, as it should."""

    def state(self) -> dict[str, Any]:
        return super().state() | {"bytes": self.path.stat().st_size}

    def restore(self, state: Any) -> None:
        super().restore(state)
        os.truncate(self.path, state["bytes"])


class Uncounted(Kept):
    """Counts the steps anew."""

    def restore(self, state: Any) -> None:
        os.truncate(self.path, state["bytes"])


class OneWay(Lines):
    """Gives and does not take."""

    def state(self) -> dict[str, Any]:
        return {"step": self.step}


class Odd(Kept):
    """Keeps what no file can hold."""

    def state(self) -> dict[str, Any]:
        return super().state() | {"path": self.path}


class Timed(Kept):
    """Notes the time as well, which is another each time."""

    def build(self, run: Any) -> Any:
        run.record["begun"] = time.perf_counter()
        return super().build(run)


class Stopping(glueft.Callback):
    """Stops at the second epoch that is no better than the best, and forgets the best."""

    name = "stopping"

    def build(self, run: Any) -> Any:
        self.built = keras.callbacks.EarlyStopping("val_accuracy", patience=1, mode="max")
        return self.built

    def state(self) -> dict[str, Any]:
        return {}


LEAVES = "in a run that is saved after step 3, killed and resumed, "


@pytest.mark.parametrize(
    ("callback", "told"),
    [
        (Appending, f"{LEAVES}the file own/lines.txt differs from those of a run in one piece: let `state` return"),
        (Uncounted, f"{LEAVES}the file own/lines.txt differs"),
        (Stopping, f"{LEAVES}the last step and the weights differ from"),
        (Odd, "the state cannot be saved: path holds what is neither JSON nor an array"),
        (OneWay, 'the callback "lines" cannot be resumed (expected a `restore` that takes what its `state` has'),
    ],
)
def test_a_callback_that_cannot_be_resumed(callback: type[glueft.Callback], told: str) -> None:
    assert told in broken(callback, "resume")


@pytest.mark.parametrize("callback", [Kept, Timed])
def test_a_callback_that_can_be_resumed(callback: type[glueft.Callback]) -> None:
    assert run(callback, "resume") == "after a resume the same: the last step, the weights, the file own/lines.txt"


def test_a_callback_that_does_not_say_what_it_keeps_is_not_checked() -> None:
    with pytest.raises(testing.NotCheckedError, match="it has no `state`: a run with it can be resumed, but not exac"):
        run(Lines, "resume")


class Calling(Kept):
    """Asks somebody else."""

    def build(self, run: Any) -> Any:
        with contextlib.suppress(OSError):
            socket.create_connection(("tracker.example", 80))
        return super().build(run)


def test_a_callback_that_opens_a_connection_is_not_checked() -> None:
    with pytest.raises(
        testing.NotCheckedError, match=r"it opens a connection \(tracker.example\), which is refused here"
    ):
        run(Calling, "resume")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("optimizer", marks=pytest.mark.slow),
        "schedule",
        pytest.param("callback", marks=pytest.mark.slow),
    ],
)
def test_glueft_s_own_pass(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")  # Nobody has logged in.
    names = {
        "optimizer": ["builds", "is saved", "resume"],
        "schedule": ["builds", "rates", "whole run", "is saved", "resume"],
        "callback": ["builds", "resume"],
    }
    for plugin in load_registry().all(kind):
        for check in ("name", "docstring", "options", "declaration", *names[kind]):
            run(plugin.cls, check)
