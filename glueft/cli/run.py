"""`glueft run`: train and evaluate as a recipe says."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from glueft.cli.plugin_option import PluginFiles

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
    recipe: Annotated[str, typer.Argument(help="A TOML recipe, or the name of a packaged one (mrpc, sst2).")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the recipe; VALUE is TOML. Repeatable."),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Read the rows from a folder in GLUE's own TSV layout (DIR/MRPC/train.tsv)."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Start from this checkpoint: a hub name, a folder, or package:module/path.")
    ] = None,
    sample: Annotated[
        bool,
        typer.Option("--sample", help="Train on the small sample that ships with the task; needs no network."),
    ] = False,
    plugins: PluginFiles = None,
    output_dir: Annotated[str, typer.Option(metavar="DIR", help="Where the run folder is made.")] = "runs",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object; progress goes to standard error.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what TensorFlow and the others log.")] = False,
) -> None:
    """Fine-tune and evaluate as a recipe says; leave the result in a run folder."""
    begin = time.perf_counter()
    from glueft.cli.plugin_commands import warn_of_failures
    from glueft.progress import make_progress
    from glueft.recipe import load_recipe
    from glueft.runner import run_recipe

    warn_of_failures()
    checked = load_recipe(
        recipe, overrides or [], data_dir=data_dir, checkpoint=checkpoint, sample=sample, plugins=plugins or []
    )
    progress = make_progress(sys.stderr if as_json else sys.stdout)
    result = run_recipe(checked, output_dir=Path(output_dir), progress=progress, verbose=verbose, begin=begin)
    if as_json:
        print(json.dumps(result.record, ensure_ascii=False))
