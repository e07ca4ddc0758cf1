"""`glueft receipt`: what it takes to train a run again, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glueft.text import json_text, say

EPILOG = """\b
Examples:
  glueft receipt runs/mrpc-20260131-120000-a1b2c3 > receipt.json
  glueft receipt runs/mrpc-20260131-120000-a1b2c3 --output receipt.json
  glueft reproduce receipt.json
"""


def receipt(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run folder.")],
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file to write; standard output by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Write the receipt of a run: one JSON file that a paper can attach.

    It has the recipe, the fingerprints of rows, tokens, checkpoint, batches, logits and model, versions and machine,
    losses and metrics; no local paths, and no names of hosts and users. `glueft reproduce` takes it like the run.
    """
    from glueft.errors import OutputError
    from glueft.files import check_place, write_text, writing
    from glueft.reproduce.receipt import receipt_of
    from glueft.runs.run import Run

    text = json_text(receipt_of(Run.open(run)).as_dict(), indent=2)
    if output is None:
        say(*text.split("\n"))
        return
    path = Path(output)
    check_place(path, OutputError, force=force, example="receipt.json")
    with writing(path, OutputError, fix="make room, or name another file with --output; nothing was left behind"):
        write_text(path, text + "\n")
    say(f"receipt written: {path}")
