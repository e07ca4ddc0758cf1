"""Which run gives which file of a benchmark's upload, decided before anything is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.data.sources import FolderSource, Source, make_source
from glueft.errors import SubmissionError
from glueft.inference.split_predictions import refuse_other_task
from glueft.plugin.registry import load_registry
from glueft.plugin.task import Task
from glueft.runs.run import Run
from glueft.submit.files import UploadFile


@dataclass(frozen=True)
class Plan:
    """The planned upload.

    Attributes:
        benchmark: its name.
        runs: the run of each file that has one.
        missing: the files without a run, with a description of each.
    """

    benchmark: str
    runs: dict[UploadFile, Run]
    missing: dict[UploadFile, str]


def plan_submission(runs: Sequence[Run], data_dir: str | Path | None) -> Plan:
    """Decide which run gives which file.

    A run gives the files of its own task, and those of a task that names it in `predicted_by` and has no run itself.

    Args:
        runs: one or more.
        data_dir: where the rows are read; None for the source of each run.

    Raises:
        SubmissionError: a run's task belongs to no benchmark or to another one, or two runs are for one file.
        RunFolderError: a run folder is incomplete.
    """
    benchmark = _benchmark(runs)
    claimed: dict[str, tuple[UploadFile, Run]] = {}
    for run in runs:
        for file in upload_files(run.task):
            _claim(claimed, file, run)
    missing: dict[UploadFile, str] = {}
    for name, files in _wanted(runs, benchmark).items():
        if name in claimed:
            continue
        possible = [(file, run) for file in files for run in runs if file.submission.predicted_by == run.task.name]
        able = [(file, run) for file, run in possible if _is_at_hand(run, file, data_dir)]
        for file, run in able:
            refuse_other_task(run, file.task)
            _claim(claimed, file, run)
        if not able:
            lacking = "".join(f": no {file.split} rows in {_place(run, file, data_dir)}" for file, run in possible[:1])
            missing[files[0]] = f"{name} ({files[0].task.name}{lacking})"
    in_order = sorted(claimed.values(), key=lambda pair: pair[0].name)
    return Plan(benchmark, dict(in_order), dict(sorted(missing.items(), key=lambda pair: pair[0].name)))


def upload_files(task: Task | type[Task]) -> list[UploadFile]:
    submission = task.submission
    return [UploadFile(name, task, split) for split, name in submission.files.items()] if submission else []


def has_predictions(run: Run, file: UploadFile) -> bool:
    return file.split in run.splits()


def source_of(run: Run, task: Task | type[Task], data_dir: str | Path | None) -> Source:
    if data_dir is not None and not task.reads_own_files:
        return FolderSource(data_dir)
    return make_source(run.parts.data, task)


def refuse_without_rows(plan: Plan, data_dir: str | Path | None) -> None:
    """Raise SubmissionError if a run has neither the predictions of a file nor rows to predict."""
    lost = [(run, file) for file, run in plan.runs.items() if not _is_at_hand(run, file, data_dir)]
    if lost:
        raise SubmissionError(
            f"{lost[0][0].folder} has no {lost[0][1].split} predictions, and there are no rows to predict",
            expected=f"the rows of {', '.join(f'{file.task.name} ({file.split})' for _, file in lost)}",
            received=", ".join(dict.fromkeys(f"none in {_place(run, file, data_dir)}" for run, file in lost)),
            fix="name the folder with the benchmark's own files: --data-dir DIR",
        )


def refuse_missing(plan: Plan) -> None:
    """Raise SubmissionError if files have no run."""
    if not plan.missing:
        return
    few = "1 file has" if len(plan.missing) == 1 else f"{len(plan.missing)} files have"
    raise SubmissionError(
        f"the upload to {plan.benchmark} is not complete: {few} no run",
        expected=f"a run for each of its {len(plan.runs) + len(plan.missing)} files",
        received=f"none for {', '.join(plan.missing.values())}",
        fix="name the runs of these tasks too, or fill the files with the commonest label: --fill-missing",
    )


def _benchmark(runs: Sequence[Run]) -> str:
    found: dict[str, Run] = {}
    for run in runs:
        if run.record.multi_label:
            raise SubmissionError(
                f'{run.folder}: the task "{run.task.name}" gives a row any number of labels',
                expected="a task that gives a row one label or a score, as the files of a benchmark have it",
                received="a multi-label task",
                fix="leave this run out",
            )
        submission = run.task.submission
        if submission is None:
            raise SubmissionError(
                f'{run.folder}: the task "{run.task.name}" belongs to no benchmark',
                expected="a task whose class sets `submission`",
                received=f"{type(run.task).__name__}.submission = None",
                fix="leave this run out",
            )
        found.setdefault(submission.benchmark, run)
    if len(found) > 1:
        raise SubmissionError(
            "the runs are for uploads to different benchmarks",
            expected="runs of one benchmark's tasks",
            received=", ".join(f"{name} ({run.task.name} in {run.folder})" for name, run in found.items()),
            fix="write an upload for each of them",
        )
    return next(iter(found))


def _wanted(runs: Sequence[Run], benchmark: str) -> dict[str, list[UploadFile]]:
    """The files of a benchmark by name, each for every task that declares it."""
    files: dict[str, list[UploadFile]] = {}
    for registry in (load_registry(), *(run.parts.registry for run in runs)):
        for plugin in registry.all("task"):
            task = plugin.cls
            if issubclass(task, Task) and task.submission is not None and task.submission.benchmark == benchmark:
                for file in upload_files(task):
                    known = files.setdefault(file.name, [])
                    known.extend([] if file in known else [file])
    return files


def _claim(claimed: dict[str, tuple[UploadFile, Run]], file: UploadFile, run: Run) -> None:
    if file.name in claimed:
        other = claimed[file.name][1]
        raise SubmissionError(
            f"{file.name} would come from two runs",
            expected="one run for each file of the upload",
            received=" and ".join(f"{one.folder} ({one.task.name})" for one in (other, run)),
            fix="leave one of them out",
        )
    claimed[file.name] = (file, run)


def _is_at_hand(run: Run, file: UploadFile, data_dir: str | Path | None) -> bool:
    """Whether a run has the predictions of a file, or rows to predict."""
    return has_predictions(run, file) or source_of(run, file.task, data_dir).holds(file.made_task, file.split)


def _place(run: Run, file: UploadFile, data_dir: str | Path | None) -> str:
    source = source_of(run, file.task, data_dir)
    return str(source.folder) if isinstance(source, FolderSource) else f"the {source.kind} of {file.task.name}"
