"""`glueft plan`: what a run or a study would do, without training."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.options import AsJson, Quiet, Verbose, print_json, takes_either

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.studies.definition.study import Study

EPILOG = """\b
Examples:
  glueft plan recipes/mrpc.toml
  glueft plan mrpc --sample                    no network: shipped rows, packaged encoder
  glueft plan mrpc --data-dir glue_data --checkpoint ./bert --set training.batch_size=16
  glueft plan sst2 --no-probe                  rows, steps and batches alone, without loading the model
  glueft plan mrpc --sample --json > plan.json
  glueft plan recipes/glue.toml                a study: runs, steps, hours, memory, disk
"""


@takes_either
def plan(
    recipe: Recipe | Study,
    *,
    context: typer.Context,
    output_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where the folder would be made: by default runs, or studies.", show_default=False
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Time a few steps to estimate a run's time and memory.")
    ] = True,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Tell what a run or a study would do, without training.

    Of a run it shows rows, steps, batches, parameters, time and memory; of a study its runs and steps, time, memory and
    disk. Time and memory are estimates, from a few real steps on a model that is thrown away. No file is left behind.
    """
    from glueft.recipe import Recipe
    from glueft.terminal.plan_table import plan_tables
    from glueft.terminal.progress import make_progress
    from glueft.training.plan import plan_recipe

    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    if not isinstance(recipe, Recipe):
        from glueft.studies.display.plan_table import study_plan_tables
        from glueft.studies.plan import plan_study

        planned = plan_study(recipe, output_dir=output_dir or "studies", probe=probe, progress=progress)
        if as_json:
            print_json(planned)
        else:
            progress.tables(*study_plan_tables(planned))
        return
    planned = plan_recipe(
        recipe, output_dir=output_dir or "runs", probe=probe, progress=progress, verbose=verbose, begin=context.obj
    )
    if as_json:
        print_json(planned)
    else:
        for number, table in enumerate(plan_tables(planned)):
            if number:
                progress.say("")
            progress.tables(table)
