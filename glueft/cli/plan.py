"""`glueft plan`: what a run would do, without training."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.json_option import AsJson, print_json
from glueft.cli.plugin_option import PluginFiles, Trust
from glueft.cli.recipe_options import (
    CheckpointName,
    DataDir,
    Overrides,
    RecipeName,
    Sample,
    Unset,
    Verbose,
    begin_of,
    read_recipe,
)

EPILOG = """\b
Examples:
  glueft plan recipes/mrpc.toml
  glueft plan mrpc --sample                    no network: shipped rows, packaged encoder
  glueft plan mrpc --data-dir glue_data --checkpoint ./bert --set training.batch_size=16
  glueft plan sst2 --no-probe                  rows, steps and batches alone, without loading the model
  glueft plan mrpc --sample --json > plan.json
"""


def plan(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    unset: Unset = None,
    data_dir: DataDir = None,
    checkpoint: CheckpointName = None,
    sample: Sample = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
    output_dir: Annotated[str, typer.Option(metavar="DIR", help="Where the run folder would be made.")] = "runs",
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Time a few steps to estimate a run's time and memory.")
    ] = True,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Tell what a run would do, without training: rows, steps, batches, parameters, time and memory.

    Time and memory are estimates, from a few real steps on a model that is thrown away. No file is written.
    """
    begin = begin_of(context)
    checked = read_recipe(
        recipe,
        overrides,
        data_dir=data_dir,
        checkpoint=checkpoint,
        sample=sample,
        plugins=plugins,
        trust=trust,
        unset=unset,
    )
    from glueft.terminal.plan_table import plan_tables
    from glueft.terminal.progress import make_progress
    from glueft.training.plan import plan_recipe

    progress = make_progress(sys.stderr if as_json else sys.stdout)
    planned = plan_recipe(checked, output_dir=output_dir, probe=probe, progress=progress, verbose=verbose, begin=begin)
    if as_json:
        print_json(planned)
    else:
        progress.tables(*plan_tables(planned))
