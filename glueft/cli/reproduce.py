"""`glueft reproduce`: train a run again, and say whether and where its numbers differ."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.installed import warn_of_failures
from glueft.cli.options import (
    AsJson,
    CheckpointName,
    DataDir,
    Overrides,
    PluginFiles,
    Quiet,
    Trust,
    Verbose,
    print_json,
)
from glueft.text import printable_line

EPILOG = """\b
Examples:
  glueft reproduce runs/mrpc-20260131-120000-a1b2c3
  glueft reproduce runs/mrpc-20260131-120000-a1b2c3 --steps 20        a quick look
  glueft reproduce receipt.json --data-dir glue_data --checkpoint ./bert
  glueft reproduce runs/mrpc-20260131-120000-a1b2c3 --json > comparison.json
"""
DIFFERENT = 2


def reproduce(
    run: Annotated[str, typer.Argument(metavar="RUN|RECEIPT", help="A run folder, or a file from glueft receipt.")],
    data_dir: DataDir = None,
    checkpoint: CheckpointName = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Stop after so many optimizer steps, and compare up to there."),
    ] = None,
    overrides: Overrides = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train a run again, and compare every stage.

    It trains as the run's recipe says and compares recipe, versions, machine, rows, tokens, checkpoint, batches,
    losses, logits, metrics and model files, bit by bit. The first difference is told with its size and what explains
    it. Other inputs end it before anything is trained; other versions or another machine alone do not. Exit code 0:
    all numbers are equal; 2: they are not. Nothing is written.
    """
    from glueft.reproduce.reproduce import reproduce as train_again
    from glueft.terminal.progress import make_progress

    warn_of_failures()
    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    result = train_again(
        run,
        overrides or [],
        progress=progress,
        data_dir=data_dir,
        checkpoint=checkpoint,
        plugins=plugins or [],
        trust=trust,
        steps=steps,
        verbose=verbose,
    )
    if as_json:
        print_json(result)
    else:
        if result["explanations"]:
            progress.say("these changed no number:" if result["equal"] else "what can explain it:")
        for line in result["explanations"]:
            progress.say(printable_line(f"- {line}"))
        progress.say(printable_line(result["summary"]))
    if not result["equal"]:
        raise typer.Exit(DIFFERENT)
