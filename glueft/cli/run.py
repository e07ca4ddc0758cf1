"""`glueft run`: train and evaluate as a recipe says."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.options import (
    AsJson,
    Coordinator,
    Process,
    Processes,
    Quiet,
    Verbose,
    Wait,
    in_processes,
    print_json,
    takes_recipe,
    told_to_others,
)
from glueft.cli.streams import go_on_without_output
from glueft.errors import GlueftError
from glueft.files import from_here

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.result import Result

EPILOG = """\b
Examples:
  glueft run recipes/mrpc.toml
  glueft run mrpc --sample                     no network: shipped rows, packaged encoder
  glueft run mrpc --data-dir glue_data --checkpoint ./bert
  glueft run sst2 --epochs 1 --set optimizer.plugin=adamw
  glueft run mrpc --sample --report            with report.html at the end
  glueft run mrpc --sample --json > result.json
  glueft run recipes/mrpc.toml --seeds 5       five runs and their table, see glueft study
  glueft run recipes/mrpc.toml --resume        on machines that may be taken away
  srun glueft run mrpc --backend jax           one run on several machines, see docs/devices.md
  glueft run mrpc --plugin my_task.py --set task.plugin=my_task --data-dir DATA
"""

WithReport = Annotated[
    bool, typer.Option("--report", help="Write report.html into the run folder at the end, as `glueft report`.")
]


@takes_recipe
def run(
    read: Callable[[], Recipe],
    *,
    context: typer.Context,
    output_dir: Annotated[str, typer.Option(metavar="DIR", help="Where the run folder is made.")] = "runs",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the newest run of this very recipe in DIR that is not done; if none, start."
        ),
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Run it on the seeds 1 to N, as a study with a table, in a folder of DIR."
        ),
    ] = None,
    token_cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep the tokens here for other runs on the same rows, and read them if they are there."
        ),
    ] = None,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process: Process = None,
    wait: Wait = 300.0,
    report: WithReport = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Fine-tune and evaluate as a recipe says; make a run folder."""
    go_on_without_output()
    if seeds is not None:
        if context.params.get("seed") is not None:
            raise GlueftError(
                "--seeds runs the seeds 1 to N, and --seed names one",
                expected="one of the two",
                received=f"--seeds {seeds} and --seed {context.params['seed']}",
                fix="leave one of them out; other seeds: glueft study, with seeds = [7, 8] in [study]",
            )
        if coordinator is not None or process is not None or processes not in (None, 1):
            raise GlueftError(
                "--seeds makes a study, whose runs have a process each",
                expected="--seeds, or --coordinator, --processes and --process",
                received="both",
                fix="leave one of them out; several runs at once: glueft study, with [study.executor]",
            )
        from glueft.cli.study import run_and_tell
        from glueft.studies.definition.file import study_of

        study = study_of(read(), range(1, seeds + 1))
        return run_and_tell(
            study, output_dir, token_cache=token_cache, report=report, as_json=as_json, verbose=verbose, quiet=quiet
        )
    from glueft.launch import resume_run, run_recipe
    from glueft.processes.place import find_place
    from glueft.runs.run_list import unfinished_run
    from glueft.terminal.progress import make_progress
    from glueft.training.backend import use_backend
    from glueft.training.in_processes import refuse_other_backends

    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    place = find_place(coordinator, processes, process, os.environ)
    with told_to_others(place):
        recipe = read()
        if place is not None:
            refuse_other_backends(use_backend(recipe.engine.backend).value, place)
    with in_processes(place, wait=wait, say=progress.say, verbose=verbose) as team:
        options: dict[str, Any] = {
            "token_cache": token_cache,
            "progress": progress,
            "verbose": verbose,
            "begin": context.obj,
            "team": team,
        }
        unfinished = unfinished_run(recipe, Path(output_dir)) if resume and team.leads else None
        goes_on = team.from_first(unfinished is not None)
        result = None
        if goes_on:
            if team.leads:
                progress.say_unbroken(f"resuming {unfinished}")
            files = [file.path for file in recipe.plugin_files]
            result = resume_run(unfinished or team.folder, plugins=files, **options)
        if result is None:
            result = run_recipe(recipe, output_dir=Path(output_dir), **options)
        if team.leads and report:
            write_report(result.folder, progress.say_unbroken, force=goes_on)
        if team.leads and as_json:
            print_json(result.record)
        elif team.leads and not quiet:
            for line in next_commands(result, reported=report):
                progress.say_unbroken(line)
    return None


def next_commands(result: Result, *, reported: bool) -> Iterator[str]:
    """Yield the lines with what is mostly done next with a run, to be copied; `reported` is whether it has a report."""
    run = shlex.quote(from_here(result.folder))
    texts = '"A text."' if len(result.record["task_description"]["inputs"]) == 1 else '"A first text." "Its second."'
    commands = [f"glueft predict {run} {texts}"]
    if not reported:
        commands.insert(0, f"glueft report {run}")
    yield from (f"{'next: ' if number == 0 else '      '}{command}" for number, command in enumerate(commands))


def write_report(folder: Path, say: Callable[[str], None], *, force: bool = False) -> None:
    """Write the report of a run that is done, with `force` over one from before; if that fails, warn."""
    from glueft.report import write

    try:
        written = write.write_report(folder, force=force, trust=True)  # its plugin files have just been run
    except Exception as error:
        reason = str(error).splitlines()[0] if isinstance(error, GlueftError) else f"{type(error).__name__}: {error}"
        say(f"warning: the report could not be written, the run is done all the same: {reason}")
        return
    for note in written.notes:
        say(f"report: {note}")
    say(f"report: {written.path}")
