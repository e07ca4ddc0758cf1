"""The folder of a study: where its parts lie, and what has come of a run by what lies there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from glueft.errors import GlueftError, RunFolderError
from glueft.files import write_text
from glueft.metrics import lower_is_better
from glueft.runs.history import NAME as HISTORY
from glueft.runs.how_far import HowFar
from glueft.runs.inputs import changed_inputs
from glueft.runs.lease import is_running
from glueft.runs.record import Record, read_record
from glueft.studies.result import RecipeResult, StudyRun
from glueft.studies.tables.summary import metric_mean
from glueft.system.plain_file import UnreadableError, read_json


class Notes(BaseModel):
    """What drivers note of a run beside its run folders, in `job.json`.

    Attributes:
        executor, id: where the job was handed to, and what finds it again there.
        failures: times that its process ended without a result, other than by a signal that asks it to end.
        error: of the last of them, in one line.
        pruned: why the run was stopped before its end; None if it was not.
        anew: whether its last attempt could not be resumed, such as after an update of a package.
    """

    executor: str | None = None
    id: str | None = None
    failures: int = 0
    error: str | None = None
    pruned: str | None = None
    anew: bool = False


class StudyFolder:
    """The folder of a study; nothing of it need be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.runs = self.path / "runs"
        self.study_file = self.path / "study.toml"
        self.tokens = self.path / "tokens"

    def __fspath__(self) -> str:
        return str(self.path)

    def of_run(self, name: str) -> Path:
        """The folder that holds the run folders of a run's attempts, and its log."""
        return self.runs / name

    def recipe(self, name: str) -> Path:
        """The complete recipe of a run."""
        return self.path / "recipes" / f"{name}.toml"

    def log(self, name: str) -> Path:
        """What the processes of a run have printed."""
        return self.of_run(name) / "log.txt"

    def notes(self, name: str) -> Notes:
        """What drivers have noted of a run; nothing where that cannot be read."""
        with suppress(UnreadableError, OSError, ValueError):
            return Notes.model_validate(read_json(self.of_run(name) / "job.json"))
        return Notes()

    def note(self, name: str, notes: Notes) -> None:
        """Write what is noted of a run."""
        self.of_run(name).mkdir(exist_ok=True)  # It may have been deleted while the run was going on.
        write_text(self.of_run(name) / "job.json", notes.model_dump_json(indent=2) + "\n")

    def logged(self, name: str) -> int:
        """How many bytes the log of a run has."""
        try:
            return self.log(name).stat().st_size
        except OSError:
            return 0

    def last_words(self, name: str, logged: int, code: int | None) -> str:
        """Return in one line why a process has ended that has left no record of it.

        Args:
            name: of the run.
            logged: bytes of the log that were there before.
            code: its exit code; None where it was lost.
        """
        lines: list[str] = []
        with suppress(OSError), self.log(name).open("rb") as log:
            log.seek(logged)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        if (
            code == 2 and lines
        ):  # An error of glueft: a line, and below it what was expected, received and is to be done
            message = max((number for number, line in enumerate(lines) if not line.startswith(" ")), default=0)
            received = [line.split(":", 1)[1].strip() for line in lines[message:] if line.startswith("  received:")]
            return ": ".join([lines[message].strip(), *received])
        how = "it was lost" if code is None else f"signal {-code} ended it" if code < 0 else f"exit code {code}"
        return f"{how}; the last line it printed: {lines[-1].strip()}" if lines else how

    def attempts(self, name: str) -> list[Path]:
        """The run folders of a run, the earliest first."""
        try:
            folders = [path for path in self.of_run(name).iterdir() if not path.name.startswith(".") and path.is_dir()]
        except OSError:
            return []
        return sorted(folders, key=lambda path: path.name)

    def look(
        self,
        run: StudyRun,
        recipe: RecipeResult,
        *,
        retries: int,
        prunes: bool = True,
        parent: Mapping[str, str] | None = None,
        claimed: bool = False,
        with_model: bool = False,
    ) -> StudyRun:
        """Return a run with what has come of it.

        Args:
            run: as it was planned.
            recipe: its recipe.
            retries: times that a run is begun again after it has failed.
            prunes: whether the study stops runs early; if not, one that was stopped is run to its end.
            parent: SHA-256 of the model files that it must have begun with, by name; None where it begins with the
                checkpoint of the recipe.
            claimed: whether this process holds the claim on the run, so that nobody else's counts.
            with_model: whether a run whose model was removed is to be done again.
        """
        attempts = self.attempts(run.name)
        notes = self.notes(run.name)
        blank = replace(
            StudyRun(run.name, run.recipe, run.task, run.stage, run.setting, run.seed, run.trial, fold=run.fold),
            attempts=len(attempts),
            asked_precision=run.asked_precision,
        )
        latest: StudyRun | None = None
        for folder in reversed(attempts):
            record = _record(folder)
            if record is None or why_not_of(record, parent, run.asked_precision):
                continue
            if record.status == "done":
                if not changed_inputs(record) and ((folder / "model").is_dir() or not with_model):
                    return self._done(blank, recipe, folder, record)
                continue
            latest = latest or self._open(blank, recipe, folder, record)
        latest = latest or blank
        if notes.pruned is not None and prunes:
            return replace(latest, state="pruned", error=notes.pruned)
        if latest.state == "running" or (not claimed and self.is_claimed(run.name)):
            return replace(latest, state="running")
        if notes.failures > retries:
            return replace(latest, state="failed", error=notes.error or latest.error)
        return replace(latest, state="waiting")

    def is_claimed(self, name: str) -> bool:
        """Whether a driver that is alive has a run in hand."""
        return bool(is_running(self.of_run(name), None))

    def to_resume(self, name: str, parent: Mapping[str, str] | None) -> Record | None:
        """Return the last attempt of a run if it was ended from outside: it goes on, and does not begin anew."""
        record = next((record for folder in reversed(self.attempts(name)) if (record := _record(folder))), None)
        ended = record is not None and record.status in ("running", "interrupted") and not why_not_of(record, parent)
        return record if ended and not self.notes(name).anew else None

    def left_out(
        self, planned: Mapping[str, StudyRun], parents: Mapping[str, Mapping[str, str] | None]
    ) -> list[tuple[str, str]]:
        """Return what lies in `runs/` and belongs to no planned run, or is an attempt whose result is not used.

        Args:
            planned: all runs of the study, by name.
            parents: by recipe, the hashes of the model that its runs must have begun with.
        """
        found = []
        try:
            folders = sorted(path for path in self.runs.iterdir() if not path.name.startswith(".") and path.is_dir())
        except OSError:
            return []
        for folder in folders:
            run = planned.get(folder.name)
            if run is None:
                if any(_record(attempt) for attempt in self.attempts(folder.name)):
                    found.append((str(folder), "the study as it is now does not ask for it"))
            elif run.attempts > 1 or (run.attempts and run.folder is None):
                found += [
                    (str(attempt), self.why_unused(attempt, parents.get(run.recipe), run.asked_precision))
                    for attempt in self.attempts(folder.name)
                    if attempt != run.folder
                ]
        return found

    def why_unused(self, attempt: Path, parent: Mapping[str, str] | None, precision: str | None = None) -> str:
        """Return why an attempt is not the result of its run."""
        record = _record(attempt)
        if record is None:
            return "its run.json cannot be read"
        if reason := why_not_of(record, parent, precision):
            return reason
        if record.status == "failed":
            return f"it failed: {_first_line(record.error)}"
        changed = changed_inputs(record)
        return "; ".join(changed) if changed else "another attempt took its place"

    def _done(self, run: StudyRun, recipe: RecipeResult, folder: Path, record: Record) -> StudyRun:
        return replace(
            run,
            state="done",
            folder=folder,
            collapsed=record.collapse is not None and record.collapse.result,
            score=score_of(record.shown_metrics().get(record.primary_split, {}) | _result_loss(record), recipe),
            metrics={split: _defined(metrics) for split, metrics in record.all_metrics().items()},
            validations=_validations(record.epochs, recipe),
            step=record.num_train_steps,
            steps=record.num_train_steps,
            seconds=record.seconds.get("total"),
            has_model=(folder / "model").is_dir(),
            device=record.fingerprints.machine.device,
            threads=record.fingerprints.machine.intra_op_threads,
            backend=record.engine.backend,
            precision=record.engine.precision,
        )

    def _open(self, run: StudyRun, recipe: RecipeResult, folder: Path, record: Record) -> StudyRun:
        far = HowFar.of(folder, record)
        alive = is_running(folder, record.process if record.status == "running" else None)
        return replace(
            run,
            state="running" if alive else "waiting",
            folder=folder,
            error=_first_line(record.error) if record.status == "failed" else None,
            validations=_history(folder, recipe),
            step=far.step or None,
            steps=far.planned,
            seconds=record.seconds.get("total"),
            device=record.fingerprints.machine.device,
            threads=record.fingerprints.machine.intra_op_threads,
            backend=record.engine.backend,
            precision=record.engine.precision,
        )


def why_not_of(record: Record, parent: Mapping[str, str] | None, precision: str | None = None) -> str | None:
    """Return why a run is not one that is asked for; None if it is.

    Args:
        record: of the run.
        parent: SHA-256 of the model files that it must have begun with; None for any.
        precision: that it must have; None for any.
    """
    computed = record.engine.precision
    if precision is not None and computed not in (None, precision):
        return f"it was computed in {computed}, and {precision} is asked for"
    if parent is None or not record.checkpoint.sha256:
        return None
    if any(parent.get(name, digest) != digest for name, digest in record.checkpoint.sha256.items()):
        return "it began with another run's encoder"
    return None


def score_of(metrics: Mapping[str, float], recipe: RecipeResult) -> float | None:
    """Return the number by which runs of a recipe are compared; None where a metric, or the loss, is missing."""
    return metric_mean(_defined(metrics), recipe.metrics if recipe.chooses == "score" else [recipe.chooses])


def _defined(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics with 0 for one that is not defined, as runs record it; without those that have no value at all."""
    return {
        name: value if math.isfinite(value) else 0.0
        for name, value in metrics.items()
        if math.isfinite(value) or (math.isnan(value) and not lower_is_better(name))
    }


def _result_loss(record: Record) -> dict[str, float]:
    """The validation loss of the model that was saved, which the metrics do not have; {} if no epoch was evaluated."""
    saved = [entry for entry in record.evaluations() if record.kept is None or entry.step == record.kept.step]
    return {"loss": saved[-1].validation_loss} if saved else {}


@cache
def model_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a run's model, by name.

    Raises:
        RunFolderError: run.json cannot be read.
    """
    return dict(read_record(folder / "run.json", tolerant=True).model.sha256)


def _record(folder: Path) -> Record | None:
    try:
        return read_record(folder / "run.json", tolerant=True)
    except (RunFolderError, OSError):
        return None


def _validations(epochs: Any, recipe: RecipeResult) -> list[tuple[int, int, float]]:
    scores = [
        (entry.epoch, entry.step, score_of(entry.metrics | {"loss": entry.validation_loss}, recipe)) for entry in epochs
    ]
    return [(epoch, step, score) for epoch, step, score in scores if score is not None]


def _history(folder: Path, recipe: RecipeResult) -> list[tuple[int, int, float]]:
    from glueft.runs.history import read_history
    from glueft.runs.record import Epoch

    with suppress(GlueftError, OSError):
        lines = [line for line in read_history(folder / HISTORY) if line["kind"] == "epoch"]
        return _validations([Epoch.model_validate(line) for line in lines], recipe)
    return []


def _first_line(error: str | None) -> str:
    return ((error or "").strip().splitlines() or ["run.json does not say why"])[0]
