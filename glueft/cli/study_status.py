"""`glueft study status`: how a study stands, from another shell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.options import AsJsonAlone, print_json
from glueft.text import duration, score_text

if TYPE_CHECKING:
    from glueft.studies.display.status import Status
    from glueft.system.console import Table

EPILOG = """\b
Examples:
  glueft study status studies/glue
  glueft study status studies/glue --all       every run, also those that wait or are done
  watch glueft study status studies/glue
  glueft study status studies/glue --json
"""

# With more runs than these, those that are done or wait are counted only.
MOST_RUNS = 40


def status(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The folder of a study.")],
    every: Annotated[
        bool, typer.Option("--all", help=f"List every run, also if they are more than {MOST_RUNS}.")
    ] = False,
    as_json: AsJsonAlone = False,
) -> None:
    """Say how a study stands that runs, has stopped or is done: its runs, and how far those are that run now.

    It reads the folder of the study, on any machine that sees it; nothing is changed.
    """
    from glueft.studies.display.status import study_status
    from glueft.terminal.progress import make_progress

    found = study_status(folder)
    if as_json:
        print_json(found.as_dict())
        return
    progress = make_progress(sys.stdout)
    progress.say(headline(found))
    progress.tables(recipe_table(found))
    shown = run_table(found, every=every)
    if shown.row_count:
        progress.say("")
        progress.tables(shown)
    for run in found.result.runs:
        if run.state == "failed":
            progress.say(f"{run.name} failed: {(run.error or 'no reason is known').splitlines()[0]}")
    if found.state == "stopped":
        progress.say(f"it goes on with: {found.result.command}")


def headline(status: Status) -> str:
    """Return `glue: running; 40 runs: 12 done, 2 running, 26 waiting; about 24:10 left`."""
    from glueft.studies.words import counts_text

    left = "" if status.seconds_left is None else f"; about {duration(status.seconds_left)} left"
    return f"{status.result.name}: {status.state}; {counts_text(status.counts)}{left}"


def recipe_table(status: Status) -> Table:
    """Return a row a recipe."""
    from statistics import fmean

    from glueft.studies.words import setting_text
    from glueft.system.console import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("recipe", no_wrap=True)
    for header in ("done", "running", "failed", "pruned", "waiting", "mean score"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("chosen setting", overflow="fold")
    for recipe in status.result.recipes:
        states = [run.state for run in recipe.runs]
        scores = [run.score for run in recipe.reported if run.score is not None]
        table.add_row(
            recipe.name,
            f"{states.count('done')}/{len(states)}",
            *(str(states.count(state) or "") for state in ("running", "failed", "pruned", "waiting")),
            score_text(fmean(scores)) if scores else "",
            "" if recipe.chosen is None else setting_text(recipe.chosen),
        )
    return table


def run_table(status: Status, *, every: bool) -> Table:
    """Return a row a run: all where they are few or asked for, else those that run, have stopped or failed."""
    from glueft.studies.display import progress

    runs = status.result.runs
    if not every and len(runs) > MOST_RUNS:
        runs = [run for run in runs if run.state in ("running", "failed") or (run.state == "waiting" and run.step)]
    return progress.run_table([(run, status.now.get(run.name)) for run in runs])
