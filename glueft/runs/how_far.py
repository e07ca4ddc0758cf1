"""How far a run that is not done has come, and how it goes on."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.files import size
from glueft.runs.checkpoints import newest_step
from glueft.runs.history import NAME as HISTORY
from glueft.runs.history import last_step
from glueft.runs.lease import Heartbeat
from glueft.runs.record import Record


@dataclass(frozen=True)
class HowFar:
    """How far a run has come.

    Attributes:
        step: the last that it is known to have done; 0 if it is known of none.
        planned: its steps; None where it had not read its rows yet.
        saved: the step of its newest saved state; None if there is none.
    """

    step: int
    planned: int | None
    saved: int | None

    @classmethod
    def of(cls, folder: Path, record: Record) -> HowFar:
        """Look into a run folder. Nothing is raised: a file that cannot be read tells nothing."""
        saved = newest_step(folder)
        epochs = record.epochs[-1].step if record.epochs else 0
        return cls(max(last_step(folder / HISTORY), saved or 0, epochs), record.num_train_steps, saved)

    def __str__(self) -> str:
        if not self.step:
            return "it came to no step"
        of_all = f" of {self.planned:,}" if self.planned else ""
        return f"it came to step {self.step:,}{of_all} and saved " + (f"step {self.saved:,}" if self.saved else "none")

    def resume(self, folder: Path) -> str:
        """Return how the run in a folder goes on, with the command for it."""
        return ("go on" if self.saved else "begin it again") + f" with: glueft resume {shlex.quote(str(folder))}"


def seconds_left(folder: Path, record: Record, how_far: HowFar) -> float | None:
    """Estimate the seconds that a run still has to train, from the steps that its process has done so far.

    The process writes run.json right before it trains, and then history.jsonl alone; compiling counts as training.

    Returns:
        None where no step of the process is known.
    """
    try:
        begin, last = ((folder / name).stat().st_mtime for name in ("run.json", HISTORY))
    except OSError:
        return None
    done = how_far.step - (record.parts[-1].from_step if record.parts else 0)
    if how_far.planned is None or done <= 0 or last <= begin:
        return None
    left = (last - begin) / done * (how_far.planned - how_far.step)
    return max(0.0, left - max(0.0, time.time() - last))


def why_died(beat: Heartbeat | None) -> str:
    """Return why a process that is gone may have ended, from what it has left."""
    held = ""
    if beat is not None and beat.peak_memory:
        of_all = f" of {size(beat.memory)}" if beat.memory else ""
        held = f" (it had held {size(beat.peak_memory)}{of_all})"
    return f"it was killed, or memory ran out{held}"


def less_memory(settings: Mapping[str, Any]) -> str:
    """Return the options with which a recipe takes less memory, with the same updates where that can be had."""
    training, length = settings["training"], settings.get("data", {}).get("max_length")
    changes = [f"data.max_length={max(8, (length if isinstance(length, int) else 128) // 2)}"]
    rows, batches = training.get("batch_size"), training.get("gradient_accumulation_steps", 1)
    if isinstance(rows, int) and isinstance(batches, int) and rows > 1:
        part = next(number for number in range(2, rows + 1) if rows % number == 0)
        changes = [f"training.batch_size={rows // part}", f"training.gradient_accumulation_steps={batches * part}"]
    return " ".join(f"--set {change}" for change in changes)
