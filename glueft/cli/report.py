"""`glueft report`: a run as one page of HTML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from glueft.cli.json_option import AsJsonAlone, print_json
from glueft.cli.plugin_option import PluginFiles, Trust
from glueft.text import say

EPILOG = """\b
Examples:
  glueft report runs/mrpc-20260131-120000-a1b2c3
  glueft report runs/mrpc-20260131-120000-a1b2c3 --output mrpc.html
  glueft report runs/mrpc-20260131-120000-a1b2c3 --force --data-dir glue_data
"""


def report(
    run: Annotated[str, typer.Argument(help="A run folder, or its model/. The run need not be done.")],
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file to write; report.html in the run folder by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Read the texts of the mistakes from this folder, where the run's own source is gone."
        ),
    ] = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJsonAlone = False,
) -> None:
    """Write what a run did and what came out as one HTML page.

    It needs no other file and no network: metrics beside the baseline and published scores, learning curves, confusion
    matrix, calibration, the worst mistakes with their texts, lengths, time, environment and recipe.
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
    """Return a path as short as it can be said from the working folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
