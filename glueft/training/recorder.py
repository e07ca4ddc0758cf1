"""Writes the course of a training into its run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from glueft.runs.record import Epoch, KeptEvaluation, MidEpoch
from glueft.training.observers import EpochReport, MidEpochReport, Observer, StepReport, Training, ValidationReport

if TYPE_CHECKING:
    from glueft.runs.run import Run

# About this many steps are written to the history, however long the run is.
HISTORY_STEPS = 200


class Recorder(Observer):
    """Writes history.jsonl, and `epochs`, `mid_epochs`, `baseline`, `kept` and the throughput of run.json.

    Args:
        run: its own record and history.
        history_bytes: for a run that is resumed, the length of its history in the state that it is resumed from.
    """

    def __init__(self, run: Run, history_bytes: int = 0) -> None:
        self.run = run
        self.history_bytes = history_bytes

    def begin(self, training: Training) -> None:
        self.training = training
        self.num_train_steps = training.session.batches.num_train_steps
        self.stride = max(1, -(-self.num_train_steps // HISTORY_STEPS))

        self.run.validation_logits = training.validation_logits

    def resumed(self) -> None:
        # Once more: callbacks may have logged something while they began again.
        self.run.cut_history(self.history_bytes)

    def step(self, report: StepReport) -> None:
        if report.step % self.stride == 0 or report.step in (1, self.num_train_steps):
            self.run.log(kind="step", step=report.step, loss=report.loss, learning_rate=report.learning_rate)

    def validation(self, report: ValidationReport) -> None:
        self.run.validation_logits = report.logits

    def epoch(self, report: EpochReport) -> None:
        if report.epoch == 1:
            # Not sooner: the metrics' libraries take seconds to import, and the first step need not wait for them.
            session = self.training.session
            self.run.record.baseline = session.baseline(session.primary_split)
        entry = _entry(report)
        self.run.record.epochs.append(Epoch.model_validate(entry))
        self.run.log(kind="epoch", **entry)

    def mid_epoch(self, report: MidEpochReport) -> None:
        entry = _entry(report)
        self.run.record.mid_epochs.append(MidEpoch.model_validate(entry))
        self.run.log(kind="mid_epoch", **entry)

    def end(self, error: BaseException | None) -> None:
        if self.run.record.parts:
            self.run.record.parts[-1].to_step = self.training.step
        if error is not None:
            return
        batches, steps, seconds = self.training.session.batches, self.training.step, self.training.seconds
        real, padding = batches.tokens(steps)
        self.run.record.update(
            examples_per_second=round(int(batches.sizes()[:steps].sum()) / seconds, 3),
            tokens_per_second=round(real / seconds, 1),
            padding_waste=round(padding / (real + padding), 5),
        )
        if (kept := self.training.kept) is not None:
            self.run.record.kept = KeptEvaluation(
                metric=kept.metric,
                value=kept.value,
                step=kept.step,
                epoch=kept.epoch,
                evaluations=len(self.training.evaluations),
            )


def _entry(report: MidEpochReport) -> dict[str, Any]:
    return asdict(report) | {"seconds": round(report.seconds, 3)}
