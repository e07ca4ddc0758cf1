"""Saves the state of a training into its run folder: from time to time, and when the run is interrupted.

The steps wait for the copy to memory alone; a thread writes it. A state that cannot be saved stops no run.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.files import NO_ROOM, cannot_write, free_bytes, os_error, sync
from glueft.metrics import lower_is_better
from glueft.runs.checkpoints import FOLDER, checkpoint_folder, remove_states, saved_steps
from glueft.runs.history import NAME as HISTORY
from glueft.system.interruption import received
from glueft.training.disk_space import bytes_of_run
from glueft.training.observers import EpochReport, Observer, Training
from glueft.training.state import TrainState
from glueft.training.state_files import PackedState

if TYPE_CHECKING:
    from glueft.runs.clock import Clock
    from glueft.runs.run import Run

# How many of the last states are kept, beside that of the best evaluation.
KEPT = 2
# At the end of an epoch a state is saved if the last one is older than this part of `checkpoint_minutes`.
EPOCH_PART = 1 / 3


class StateSaver(Observer):
    """Saves states as `[training] checkpoint_minutes` says, not 0; the last of the observers: all others are done.

    Args:
        run: gets the states, in `checkpoints/`.
        clock: of the run.
    """

    def __init__(self, run: Run, clock: Clock) -> None:
        settings = run.recipe.training
        self.run = run
        self.clock = clock
        self.interval = 60.0 * settings.checkpoint_minutes
        self.keeps_all_along = settings.keep_checkpoints
        self.epoch_ended = False
        self.writer: threading.Thread | None = None
        self.told: set[str] = set()

    def begin(self, training: Training) -> None:
        self.training = training
        self.needed_at_the_end = bytes_of_run(training.session)
        self.last = time.perf_counter()
        self.begun = self.last - training.seconds

    def epoch(self, report: EpochReport) -> None:
        self.epoch_ended = True

    def settled(self) -> None:
        epoch_ended, self.epoch_ended = self.epoch_ended, False
        if received():
            self.run.say(
                f"interrupted: saving the state after step {self.training.step:,}; a second signal ends the run at once"
            )
            self.told.clear()
            self._save()
            self._finish_writing()
        elif self._is_due(epoch_ended=epoch_ended):
            self._save()

    def end(self, error: BaseException | None) -> None:
        self._finish_writing()

    def _is_due(self, *, epoch_ended: bool) -> bool:
        if epoch_ended and self.keeps_all_along:
            return True
        if self.writer is not None and self.writer.is_alive():
            return False
        now = time.perf_counter()
        is_long = now - self.begun >= self.interval
        return now - self.last >= self.interval * (EPOCH_PART if epoch_ended and is_long else 1)

    def _finish_writing(self) -> None:
        if self.writer is not None:
            self.writer.join()
            self.writer = None

    def _save(self) -> None:
        """Copy the state, and have it written, once the one before is."""
        self._finish_writing()
        self.last = time.perf_counter()
        step = self.training.step
        try:
            packed = PackedState.of(self._content())
        except (GlueftError, MemoryError, OSError) as error:
            self._tell(step, error)
            return
        best = _best(self.training, saved_steps(self.run.folder))
        self.writer = threading.Thread(target=self._write, args=(step, packed, best), name="glueft-state")
        self.writer.start()

    def _content(self) -> dict[str, Any]:
        history = self.run.folder / HISTORY
        self.clock.seconds["compile"] = self.training.times.compile_seconds()
        if self.training.first_step_end:
            self.clock.first_step(self.training.first_step_end)
        return TrainState.of(self.training).content | {
            "record": self.run.record.as_dict(),
            "history_bytes": history.stat().st_size if history.exists() else 0,
            "clock": self.clock.readings(),
        }

    def _write(self, step: int, packed: PackedState, best: int | None) -> None:
        """Write a state, and remove those that it takes the place of."""
        # What the run leaves at its end must find room beside the states.
        needed = packed.bytes + self.needed_at_the_end
        try:
            try:
                self._write_once(step, packed, needed)
            except Exception as error:
                fault = os_error(error)
                full = fault is not None and fault.errno in NO_ROOM
                if not full or not remove_states(self.run.folder, self._saved(step)[-1:]):
                    raise
                self._write_once(step, packed, needed)
            remove_states(self.run.folder, [*self._saved(step)[-KEPT:], best])
        except Exception as error:
            self._tell(step, error, needed)

    def _saved(self, step: int) -> list[int]:
        """The saved steps up to this one. A later one was damaged when the run was resumed."""
        return [saved for saved in saved_steps(self.run.folder) if saved <= step]

    def _write_once(self, step: int, packed: PackedState, needed: int) -> None:
        room = free_bytes(self.run.folder)
        if room is not None and room < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        history = self.run.folder / HISTORY
        if history.exists():
            sync(history)  # It must not be shorter than the state says.
        packed.write(checkpoint_folder(self.run.folder, step))

    def _tell(self, step: int, error: BaseException, needed: int | None = None) -> None:
        """Warn of a state that could not be saved; once of each reason."""
        fault = os_error(error)
        if isinstance(error, GlueftError) or fault is None:
            reason = kind = str(error).splitlines()[0] if str(error) else type(error).__name__
        else:
            shown = cannot_write(self.run.folder / FOLDER, fault, needed=needed)
            reason, kind = f"{shown.message}: {shown.received}", str(fault.errno)
        if kind not in self.told:
            self.told.add(kind)
            self.run.say(f"warning: the state after step {step:,} was not saved, and the run goes on: {reason}")


def _best(training: Training, saved: Sequence[int]) -> int | None:
    """Return the step of the best evaluation among the saved ones; None if none of them was evaluated."""
    metric = training.session.task.metrics[0]
    sign = -1 if lower_is_better(metric) else 1
    values = {report.step: sign * report.metrics[metric] for report in training.evaluations}
    known = [step for step in {*saved, training.step} if values.get(step, float("nan")) == values.get(step)]
    return max(known, key=lambda step: (values[step], -step), default=None)
