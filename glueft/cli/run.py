"""`glueft run`: train and evaluate as a recipe says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from glueft.cli.plugin_option import PluginFiles
from glueft.cli.recipe_options import (
    AsJson,
    CheckpointName,
    DataDir,
    Overrides,
    RecipeName,
    Sample,
    Verbose,
    begin_of,
    read_recipe,
)

EPILOG = """\b
Examples:
  glueft run recipes/mrpc.toml
  glueft run mrpc --sample                     no network: shipped rows, packaged encoder
  glueft run mrpc --data-dir glue_data --checkpoint ./bert
  glueft run sst2 --set training.epochs=1 --set optimizer.plugin=adamw
  glueft run mrpc --sample --json > result.json
  glueft run mrpc --plugin my_task.py --set task.plugin=my_task --data-dir DATA
"""


def run(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    data_dir: DataDir = None,
    checkpoint: CheckpointName = None,
    sample: Sample = False,
    plugins: PluginFiles = None,
    output_dir: Annotated[str, typer.Option(metavar="DIR", help="Where the run folder is made.")] = "runs",
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Fine-tune and evaluate as a recipe says; leave the result in a run folder."""
    begin = begin_of(context)
    from glueft.progress import make_progress
    from glueft.runner import run_recipe

    checked = read_recipe(recipe, overrides, data_dir=data_dir, checkpoint=checkpoint, sample=sample, plugins=plugins)
    progress = make_progress(sys.stderr if as_json else sys.stdout)
    result = run_recipe(checked, output_dir=Path(output_dir), progress=progress, verbose=verbose, begin=begin)
    if as_json:
        print(json.dumps(result.record, ensure_ascii=False))
