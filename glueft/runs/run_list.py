"""The runs in a folder, each read from its run.json alone."""

from __future__ import annotations

import math
import re
import time
import tomllib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError, RunFolderError
from glueft.metrics import known_metrics, metric_title
from glueft.runs.folder import is_published, remove_leftovers_of_run
from glueft.runs.how_far import HowFar
from glueft.runs.lease import NAME as HEARTBEAT
from glueft.runs.lease import is_running
from glueft.runs.run import Run
from glueft.suggest import did_you_mean

if TYPE_CHECKING:
    from glueft.recipe import Recipe

STATUSES = {
    "done": "complete",
    "running": "run.json says so, and its process is not known to be gone",
    "died": "run.json says running, or was never written, but the process is gone: killed, or out of memory",
    "interrupted": "stopped by Ctrl-C, SIGTERM, SIGUSR1 or SIGHUP",
    "failed": "ended by an error",
    "broken": "the folder cannot be read",
}
# What a run can be sorted by, beside its metrics.
KEYS = ("folder", "task", "checkpoint", "time", "seed", "status", "started")
# What a run writes into its folder, beside run.json.
_TRACES = ("recipe.toml", "history.jsonl", "predictions", "model")
# Keys of [engine] that an unfinished run of before they came does not have, with their defaults.
_LATER_KEYS = dict.fromkeys(("backend", "devices"), "auto")
# The default before "auto".
_EARLIER_PRECISION = "float32"
# Seconds within which a run writes its first record, with time to spare.
_MOMENT = 10.0
_NAME = re.compile(r".+-\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True)
class ListedRun:
    """One line of the list; what is not known is None.

    Attributes:
        folder: its name in the folder that is listed.
        path: absolute.
        status: a key of STATUSES.
        note: why it is broken, failed or died, and how it goes on; or how long ago a running one last wrote.
        checkpoint: as the recipe names it.
        metrics: of the primary split; empty until the run is done.
        metric_labels: the label of each metric that is of one label.
        seconds: of the whole run.
        started: in UTC, ISO 8601.
        step: the last that it is known to have done.
        num_train_steps: the planned ones.
        saved_step: that of the newest saved state, from which `glueft resume` goes on.
        collapse: what showed that the model told nothing apart, and whether it was so to the end; None if nothing did.
        split: the primary one, which the metrics are of.
    """

    folder: str
    path: str
    status: str
    note: str | None = None
    task: str | None = None
    checkpoint: str | None = None
    metrics: dict[str, float] | None = None
    metric_labels: dict[str, str] | None = None
    seconds: float | None = None
    seed: int | None = None
    started: str | None = None
    step: int | None = None
    num_train_steps: int | None = None
    saved_step: int | None = None
    collapse: str | None = None
    split: str | None = None


def list_runs(folder: Path) -> list[ListedRun]:
    """Return the runs in a folder, or the one that the folder itself is, by name. Other folders are left out.

    Raises:
        RunFolderError: there is no such folder, or it cannot be read.
    """
    try:
        if (folder / "run.json").exists():
            return [listed(folder)]
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise RunFolderError(
            f"{folder}: there are no runs to list",
            expected="a folder with run folders in it",
            received="no such folder" if missing else error.strerror or str(error),
            fix="name the folder that `glueft run --output-dir` was given, or start a run: glueft run mrpc --sample",
        ) from None
    return [listed(path) for path in inside if _is_meant_to_be_a_run(path)]


def listed(folder: Path) -> ListedRun:
    """Read one run folder; one that cannot be read is "broken"."""
    path = str(folder.absolute())
    name = folder.name or path
    if _has_only_begun(folder):
        begun = _last_sign(folder, ("recipe.toml", "."))
        if time.time() - begun < _MOMENT or is_running(folder, None):
            return ListedRun(name, path, "running", "it has not written run.json yet")
        remove_leftovers_of_run(folder)
        return ListedRun(name, path, "died", f"it was ended before it wrote run.json, {_ago(begun)} ago")
    try:
        run = Run.open(folder, finished=False, tolerant=True)
    except RunFolderError as error:
        what = error.message.removeprefix(f"{path}/").removeprefix(f"{path}: ")
        return ListedRun(name, path, "broken", f"{what} (expected {error.expected}; received {error.received})")
    except OSError as error:
        return ListedRun(name, path, "broken", error.strerror or str(error))
    record, how_far = run.record, HowFar.of(folder, run.record)
    status, note = _status(run, how_far, folder)
    return ListedRun(
        name,
        path,
        status,
        note,
        task=record.task,
        checkpoint=record.checkpoint.name,
        metrics={key: value for key, value in record.metrics.items() if math.isfinite(value)},
        metric_labels=record.metric_labels,
        seconds=record.seconds.get("total"),
        seed=record.seed,
        started=record.started,
        step=how_far.step or None,
        num_train_steps=how_far.planned,
        saved_step=how_far.saved,
        collapse=None if record.collapse is None else record.collapse.text(ended=status == "done"),
        split=record.primary_split or None,
    )


def unfinished_run(recipe: Recipe, folder: Path) -> Path | None:
    """Return the newest run of a recipe in a folder that is not done; None if there is none."""
    started: dict[Path, str] = {}
    wanted = tomllib.loads(recipe.to_toml())
    for path in folder.glob("[!.]*/run.json"):
        with suppress(GlueftError, OSError):
            run = Run.open(path.parent, finished=False)
            settings = run.recipe_settings()
            settings["engine"] = _LATER_KEYS | settings["engine"]
            if settings["engine"].get("precision") == _EARLIER_PRECISION and wanted["engine"]["precision"] == "auto":
                settings["engine"]["precision"] = "auto"
            if run.record.status != "done" and settings == wanted:
                started[path.parent] = run.record.started
    return max(started, key=lambda path: (started[path], path.name), default=None)


def chosen(runs: Iterable[ListedRun], *, task: str | None, statuses: Sequence[str]) -> list[ListedRun]:
    """Return the runs of a task and of any of the statuses; all by default.

    Raises:
        GlueftError: there is no such status.
    """
    for status in statuses:
        if status not in STATUSES:
            raise GlueftError(
                f'there is no status called "{status}"',
                expected=f"one of {', '.join(STATUSES)}",
                received=f'"{status}"',
                fix=did_you_mean(status, STATUSES).strip() or "leave out --status to see all",
            )
    return [run for run in runs if task in (None, run.task) and (not statuses or run.status in statuses)]


def ordered(runs: Sequence[ListedRun], key: str, *, reverse: bool = False) -> list[ListedRun]:
    """Return the runs sorted by one of KEYS or a metric; those without a value come first, equal ones keep their order.

    Raises:
        GlueftError: runs have no such key.
    """
    metrics = metric_names(runs)
    if key not in KEYS and key not in metrics and key not in known_metrics():
        valid = (*KEYS, *metrics)
        raise GlueftError(
            f'runs cannot be sorted by "{key}"',
            expected=f"one of {', '.join(valid)}",
            received=f'"{key}"',
            fix=did_you_mean(key, valid).strip() or "leave out --sort: the newest then comes last",
        )

    def value(run: ListedRun) -> tuple[bool, Any]:
        found = (run.metrics or {}).get(key) if key not in KEYS else run.seconds if key == "time" else getattr(run, key)
        return (found is not None, 0 if found is None else found)

    return sorted(runs, key=value, reverse=reverse)


def metric_names(runs: Iterable[ListedRun]) -> list[str]:
    """Return the metrics that the runs have, glueft's own in their usual order first."""
    found = {name for run in runs for name in run.metrics or {}}
    known = known_metrics()
    return [*(name for name in known if name in found), *sorted(found.difference(known))]


def metric_titles(runs: Iterable[ListedRun]) -> list[str]:
    """Return the titles of these metrics, with a label where all runs that have the metric agree on it."""
    runs = [run for run in runs if run.metrics]
    titles = []
    for name in metric_names(runs):
        labels = {(run.metric_labels or {}).get(name) for run in runs if name in (run.metrics or {})}
        label = labels.pop() if len(labels) == 1 else None
        titles.append(metric_title(name, {} if label is None else {name: label}))
    return titles


def _is_meant_to_be_a_run(folder: Path) -> bool:
    try:
        if not folder.is_dir():
            return False
        names = {path.name for path in folder.iterdir()}
    except OSError:  # Also one that may not be read.
        return _NAME.fullmatch(folder.name) is not None
    if is_published(folder):
        return False
    traces = names.intersection(_TRACES)
    # A folder with a model, or a data set, may have any name and lacks the other traces.
    return "run.json" in names or ("recipe.toml" in traces and len(traces) > 1) or bool(_NAME.fullmatch(folder.name))


def _has_only_begun(folder: Path) -> bool:
    """Whether a run's folder holds at most its recipe: the record is written next."""
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError:
        return False
    return names <= {"recipe.toml", HEARTBEAT}


def _status(run: Run, how_far: HowFar, folder: Path) -> tuple[str, str | None]:
    """Return the status and the note; the command of the note names the folder as the user did."""
    record, status = run.record, run.record.status
    on = f"{how_far}; {how_far.resume(folder)}"
    if status in ("failed", "interrupted") and run.is_running():
        return "running", f"{status} before, and it is being resumed"
    if status == "failed":
        why = ((record.error or "").strip().splitlines() or ["run.json does not say why"])[0]
        return status, f"{why}; once its cause is gone, {how_far.resume(folder)}" if how_far.saved else why
    if status == "interrupted":
        return status, on
    if status != "running":
        return (status, None) if status in STATUSES else ("broken", f"run.json has the unknown status {status!r}")
    heard = f"last wrote {_ago(_last_sign(run.folder))} ago"
    if run.has_died():
        return "died", f"its process is gone, killed or out of memory; it {heard}; {on}"
    if run.is_running() is None:
        return status, f"{heard}; whether its process still lives cannot be known from here"
    return status, heard


def _last_sign(folder: Path, names: Sequence[str] = ("run.json", "history.jsonl")) -> float:
    """When the run last wrote, in seconds since the epoch."""
    times = [0.0]
    for name in names:
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return max(times)


def _ago(moment: float) -> str:
    seconds = max(0.0, time.time() - moment)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{seconds:.0f} s"
