"""Observers: what the engine reports of a training, and to whom. Importing this module does not import Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from glueft.training.model import synced
from glueft.training.progress import Progress
from glueft.training.step_times import StepTimes

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.runs.record import Record
    from glueft.training.kept import Kept
    from glueft.training.session import Session


@dataclass(frozen=True)
class StepReport:
    """The training after a step.

    Attributes:
        step: optimizer steps done, from 1.
        loss: mean loss of the epoch's steps so far.
        examples: rows trained on so far, over all epochs.
        seconds: spent in training steps so far (validation, callbacks and observers left out).
        rate: returns the learning rate of a step, in about a millisecond.
    """

    step: int
    loss: float
    examples: int
    seconds: float
    rate: Callable[[int], float]

    @cached_property
    def learning_rate(self) -> float:
        """That of this step."""
        return self.rate(self.step)


@dataclass(frozen=True)
class ValidationReport:
    """A validation: the logits of the primary split, (rows, labels), its mean loss and its metrics by name.

    `epoch` is the number of the epoch that has ended, or of a validation within one how many are done, such as 1.5.
    """

    step: int
    epoch: float
    logits: NDArray[np.float32]
    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class MidEpochReport:
    """The training after a validation within an epoch.

    Attributes:
        epoch: epochs done, such as 1.5.
        step: optimizer steps done.
        loss: mean training loss of the epoch's steps so far.
        validation_loss: mean loss of the primary split.
        metrics: of the primary split, by name.
        seconds: since the epoch began.
    """

    epoch: float
    step: int
    loss: float
    validation_loss: float
    metrics: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class EpochReport(MidEpochReport):
    """The training after an epoch and its validation; `epoch` is its number, from 1."""

    epoch: int


@dataclass
class Training:
    """The state of a training, during and after it. Only the engine changes it.

    Attributes:
        session: the recipe, the batches, the model with its optimizer and metrics.
        callbacks: the Keras callbacks of the recipe's plugins, in its order.
        times: the seconds of each train and predict step of this process.
        step: optimizer steps done.
        seconds: spent in training steps.
        epoch_begin: `time.perf_counter()` at the beginning of the epoch; earlier in a resumed one, by what it took.
        first_step_end: `time.perf_counter()` at the end of the first step of this process; 0 before.
        epochs: a report for each epoch that has ended.
        mid_epochs: one for each validation within an epoch.
        validation_logits: of the last validation, in the order of the split; None at the end where the optimizer has
            put averaged weights in place.
        kept: the best validation so far, which the model goes back to at the end; None to keep the last weights.
    """

    session: Session
    callbacks: list[keras.callbacks.Callback]
    times: StepTimes
    step: int = 0
    seconds: float = 0.0
    epoch_begin: float = 0.0
    first_step_end: float = 0.0
    epochs: list[EpochReport] = field(default_factory=list)
    mid_epochs: list[MidEpochReport] = field(default_factory=list)
    validation_logits: NDArray[np.float32] | None = None
    kept: Kept | None = None

    @property
    def evaluations(self) -> list[MidEpochReport]:
        """The reports of all validations, those of epochs included, in the order of their steps."""
        return sorted([*self.epochs, *self.mid_epochs], key=lambda report: report.step)

    @property
    def model(self) -> Classifier:
        """The model with its current weights, optimizer variables and metrics."""
        return synced(self.session.model)

    def stop(self) -> None:
        """End the training after the current step; validation and the end of the epoch follow as usual."""
        self.session.model.stop_training = True


class Observer:
    """Follows a training. The methods of this class do nothing.

    The engine calls them in the thread that trains, for one observer after the other. An exception ends the training.
    An observer reads the training and may `stop` it; it does not change the model or the optimizer.

    At the end of a step: `step`, the Keras callbacks of plugins, `settled`; if a validation within the epoch is due,
    then `validation`, `mid_epoch`, `settled`. At the end of an epoch: `validation`, `epoch`, the callbacks, `settled`.
    An interruption waits for the next `settled`, after which it is raised; it ends a validation early, which then
    counts as not begun.
    """

    def begin(self, training: Training) -> None:
        """Before the first step; the model is compiled and the callbacks are built.

        In a training that is resumed, `training.step` steps are done already.
        """

    def resumed(self) -> None:
        """Before the next step of a training that is resumed: all of its state is restored."""

    def step(self, report: StepReport) -> None:
        """After each optimizer step."""

    def validation(self, report: ValidationReport) -> None:
        """After a validation."""

    def mid_epoch(self, report: MidEpochReport) -> None:
        """After a validation within an epoch."""

    def epoch(self, report: EpochReport) -> None:
        """After an epoch and its validation."""

    def settled(self) -> None:
        """After the callbacks of a step or epoch, or a validation within one: here the training can be saved."""

    def end(self, error: BaseException | None) -> None:
        """At the end, with the weights that are kept, or when an error or interruption ends the training.

        Always called after `begin`.
        """


class RunProgress(Progress, Observer):
    """Shows a run: phases and lines, its training and its result. This class shows nothing."""

    def finished(self, record: Record) -> None:
        """Show the result."""
