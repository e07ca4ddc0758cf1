"""`glueft list-runs`: the runs in a folder."""

from __future__ import annotations

from typing import Annotated

import typer

from glueft.cli.options import AsJsonAlone, print_json

EPILOG = """\b
Examples:
  glueft list-runs
  glueft list-runs runs --task mrpc --sort accuracy      the best one comes last
  glueft list-runs --status failed --status died
  glueft list-runs --sort time --reverse --json
  glueft list-runs studies/glue --status failed
"""


def status_names() -> list[str]:
    """For completion in the shell."""
    from glueft.runs.run_list import STATUSES

    return list(STATUSES)


def sort_keys() -> list[str]:
    """For completion in the shell; a run's own metrics are keys too."""
    from glueft.metrics import known_metrics
    from glueft.runs.run_list import KEYS

    return [*KEYS, *known_metrics()]


def list_runs(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="The folder that holds the run folders, or that of a study.")
    ] = "runs",
    sort: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            help="folder, task, checkpoint, time, seed, status, started, or a metric; the largest comes last.",
            autocompletion=sort_keys,
        ),
    ] = "started",
    reverse: Annotated[bool, typer.Option("--reverse", help="The largest comes first.")] = False,
    task: Annotated[str | None, typer.Option(metavar="NAME", help="Only the runs of this task.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",  # named, as `--port` of serve is
            metavar="STATUS",
            help="Only done, running, died, interrupted, failed or broken ones. Repeatable.",
            autocompletion=status_names,
        ),
    ] = None,
    as_json: AsJsonAlone = False,
) -> None:
    """List the runs in a folder; the newest comes last.

    It shows checkpoint, metrics, time, seed and status. A run has died if its record says that it is running and its
    process is gone. A folder that cannot be read is listed with the reason.
    """
    import dataclasses
    import sys
    from pathlib import Path

    from glueft.runs import run_list
    from glueft.studies.list_runs import list_study_runs
    from glueft.studies.result_file import is_study_folder, studies_in

    found = list_study_runs(Path(folder)) if is_study_folder(folder) else run_list.list_runs(Path(folder))
    # Sorted first: a metric that none of the chosen runs has is still a valid key.
    runs = run_list.chosen(run_list.ordered(found, sort, reverse=reverse), task=task, statuses=status or [])
    left_out = len(found) - len(runs)
    if as_json:
        listed = {
            "folder": str(Path(folder).absolute()),
            "runs": [*map(dataclasses.asdict, runs)],
            "left_out": left_out,
        }
        print_json(listed)
        return
    from glueft.terminal.progress import RichProgress, make_progress
    from glueft.terminal.run_list_table import notes, run_table

    progress = make_progress(sys.stdout)
    if runs:
        progress.tables(run_table(runs, progress.width if isinstance(progress, RichProgress) else None))
    elif left_out:
        progress.say(f"no runs in {folder} that were asked for")
    else:
        studies = studies_in(folder)
        progress.say(f"no runs in {folder}" + (f"; of a study: glueft list-runs {studies[0]}" if studies else ""))
    lines = notes(runs)
    if left_out:
        lines.append(f"{left_out} of {len(found)} left out: of another task or status")
    for line in ["", *lines] if runs and lines else lines:
        # A command is copied: a break of ours would be part of it.
        (progress.say_unbroken if ": glueft " in line else progress.say)(line)
