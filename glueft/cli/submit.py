"""`glueft submit`: the file to upload to a benchmark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.options import AsJson, DataDir, PluginFiles, Quiet, Trust, Verbose, print_json
from glueft.cli.streams import go_on_without_output

if TYPE_CHECKING:
    from glueft.system.console import Table

EPILOG = """\b
Examples:
  glueft submit studies/glue                 the chosen run of every task of a study
  glueft submit runs/*                       one run of every GLUE task
  glueft submit runs/mrpc-20260131-120000-a1b2c3 --fill-missing
  glueft submit runs/* --data-dir glue_data --output upload.zip --force
"""


def submit(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help="Run folders, one for each task, or the folder of a study.")
    ],
    output: Annotated[str, typer.Option(metavar="FILE", help="The zip file.")] = "submission.zip",
    fill_missing: Annotated[
        bool, typer.Option("--fill-missing", help="For a task without a run, write the most common label.")
    ] = False,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the zip file if there is one.")] = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Write the zip file to upload to GLUE, from a run of each task.

    Of a study it takes the run of each task that the study has chosen. A run without predictions of its test split
    makes them with the saved model; MNLI's run also predicts the diagnostic set. The files of any other benchmark whose
    tasks are installed are written in the same way.
    """
    from glueft.studies.upload import chosen_runs
    from glueft.submit.submit import submit
    from glueft.terminal.progress import make_progress

    go_on_without_output()
    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    chosen, notes = chosen_runs(runs, fill_missing=fill_missing)
    result = submit(
        chosen,
        output,
        fill_missing=fill_missing,
        data_dir=data_dir,
        force=force,
        plugins=plugins or [],
        trust=trust,
        progress=progress,
        verbose=verbose,
    )
    result["notes"] = [*notes, *result["notes"]]
    if as_json:
        print_json(result)
        return
    progress.tables(_table(result))
    for note in result["notes"]:
        progress.say(f"note: {note}")
    progress.say(f"{result['output']}: {len(result['files'])} files, {result['bytes']:,} bytes; read back and checked")


def _table(result: dict[str, Any]) -> Table:
    from glueft.system.console import Table

    table = Table(title=f"upload to {result['benchmark']}", title_justify="left")
    table.add_column("file")
    table.add_column("rows", justify="right")
    table.add_column("run", overflow="fold")
    table.add_column("predicted", overflow="fold")
    for file in result["files"]:
        counts = file["predicted"]
        if isinstance(counts, dict):
            predicted = ", ".join(f"{label}: {count:,}" for label, count in counts.items())
        else:
            low, high = counts
            predicted = f"{low:g} to {high:g}" if low != high else f"always {low:g}"
            moved = file["moved_into_range"]
            predicted += f" ({moved:,} moved into the range)" if moved else ""
        run = Path(file["run"]).name if file["run"] else "none: filled"
        table.add_row(file["file"], f"{file['rows']:,}", run, predicted)
    return table
