"""`glueft resume`: go on with a run that was interrupted, has failed or was killed."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Annotated

import typer

from glueft.cli.options import (
    AsJson,
    Coordinator,
    PluginFiles,
    Process,
    Processes,
    Quiet,
    Trust,
    Verbose,
    Wait,
    in_processes,
    print_json,
)
from glueft.cli.run import WithReport, next_commands, write_report
from glueft.cli.streams import go_on_without_output

EPILOG = """\b
Examples:
  glueft resume runs/mrpc-20260131-120000-a1b2c3
  glueft resume RUN --anyway        with another version of a package, or on another machine
  glueft run recipes/mrpc.toml --resume     the newest run of this recipe that is not done, or a new one
"""

Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway", help="Go on with other versions of packages, or on another machine: last digits may then differ."
    ),
]


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The folder of a run that is not done.")],
    *,
    context: typer.Context,
    anyway: Anyway = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process: Process = None,
    wait: Wait = 300.0,
    report: WithReport = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a run that was interrupted, has failed or was killed.

    It goes on in its folder, after the last step whose state was saved, and ends with the numbers of a run that was
    never ended. It is refused if recipe, rows or checkpoint are not those that the run began with.
    """
    go_on_without_output()
    from glueft.launch import resume_run
    from glueft.processes.place import find_place
    from glueft.runs.run import Run
    from glueft.terminal.progress import make_progress

    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    place = find_place(coordinator, processes, process, os.environ)
    if place is not None:
        place = replace(place, doing="resume")
    with in_processes(place, wait=wait, say=progress.say, verbose=verbose) as team:
        result = resume_run(
            run,
            anyway=anyway,
            plugins=plugins or [],
            trust=trust,
            progress=progress,
            verbose=verbose,
            begin=context.obj,
            team=team,
        )
        if team.leads and result is not None and report:
            write_report(result.folder, progress.say_unbroken, force=True)
        if team.leads and as_json:
            print_json(Run.open(run).record.as_dict() if result is None else result.record)
        elif team.leads and result is not None and not quiet:
            for line in next_commands(result, reported=report):
                progress.say_unbroken(line)
