"""`glueft plan`: what a run would do, without training."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.options import AsJson, Verbose, print_json, takes_recipe

if TYPE_CHECKING:
    from glueft.recipe import Recipe

EPILOG = """\b
Examples:
  glueft plan recipes/mrpc.toml
  glueft plan mrpc --sample                    no network: shipped rows, packaged encoder
  glueft plan mrpc --data-dir glue_data --checkpoint ./bert --set training.batch_size=16
  glueft plan sst2 --no-probe                  rows, steps and batches alone, without loading the model
  glueft plan mrpc --sample --json > plan.json
"""


@takes_recipe
def plan(
    recipe: Recipe,
    *,
    context: typer.Context,
    output_dir: Annotated[str, typer.Option(metavar="DIR", help="Where the run folder would be made.")] = "runs",
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Time a few steps to estimate a run's time and memory.")
    ] = True,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Tell what a run would do, without training.

    It shows rows, steps, batches, parameters, time and memory. Time and memory are estimates, from a few real steps on
    a model that is thrown away. No file is written.
    """
    from glueft.terminal.plan_table import plan_tables
    from glueft.terminal.progress import make_progress
    from glueft.training.plan import plan_recipe

    progress = make_progress(sys.stdout)
    planned = plan_recipe(
        recipe, output_dir=output_dir, probe=probe, progress=progress, verbose=verbose, begin=context.obj
    )
    if as_json:
        print_json(planned)
    else:
        progress.tables(*plan_tables(planned))
