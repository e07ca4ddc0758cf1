"""`glueft report`: a run as one page of HTML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from glueft.cli.options import AsJsonAlone, PluginFiles, Trust, print_json
from glueft.text import say

EPILOG = """\b
Examples:
  glueft report runs/mrpc-20260131-120000-a1b2c3
  glueft report runs/mrpc-20260131-120000-a1b2c3 --output mrpc.html
  glueft report runs/mrpc-20260131-120000-a1b2c3 --force --data-dir glue_data
"""


def report(
    run: Annotated[str, typer.Argument(help="A run folder, or its model/. The run may be unfinished.")],
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file to write; report.html in the run folder by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Read the texts of the mistakes from this folder, if the run's own source is gone."
        ),
    ] = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJsonAlone = False,
) -> None:
    """Write the report of a run as one HTML page.

    The page needs no other file and no network. It shows metrics beside the baseline and published scores, learning
    curves, confusion matrix, calibration, the worst mistakes with their texts, lengths, time, environment and recipe.
    """
    from glueft.report.write import write_report

    written = write_report(run, output, data_dir=data_dir, force=force, plugins=plugins or [], trust=trust)
    if as_json:
        told = {
            "report": str(written.path),
            "run": str(written.run),
            "status": written.status,
            "bytes": written.path.stat().st_size,
            "texts": written.texts,
            "notes": written.notes,
        }
        print_json(told)
        return
    for note in written.notes:
        say(f"note: {note}", stream=sys.stderr)
    say(f"report written: {shown(written.path)} ({written.path.stat().st_size / 1024:,.0f} KiB)")


def shown(path: Path) -> str:
    """A path as text, relative to the working folder if it is in there."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
