"""`glueft report`: a run or a study as one page of HTML."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from glueft.cli.options import AsJsonAlone, PluginFiles, Trust, print_json
from glueft.errors import StudyError
from glueft.text import counted, say

EPILOG = """\b
Examples:
  glueft report runs/mrpc-20260131-120000-a1b2c3
  glueft report runs/mrpc-20260131-120000-a1b2c3 --output mrpc.html
  glueft report runs/mrpc-20260131-120000-a1b2c3 --force --data-dir glue_data
  glueft report studies/glue --force --runs
"""


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run folder, or its model/; or the folder of a study. It may be unfinished."
        ),
    ],
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="The file to write; report.html in the folder by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Read the texts of the rows from this folder, if the run's own source is gone."
        ),
    ] = None,
    runs: Annotated[
        bool, typer.Option("--runs", help="Of a study: also write the report of each finished run that has none.")
    ] = False,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJsonAlone = False,
) -> None:
    """Write the report of a run, or of a study, as one HTML page.

    The page needs no other file and no network. That of a run shows metrics with intervals beside the baseline and
    published scores, learning curves, scores of each label, confusion matrix, calibration, slices by length, the worst
    mistakes and the least sure right rows with their texts, lengths, time, environment and recipe. That of a study
    shows its table, each task's runs as points, learning curves over seeds, scores against hyperparameters, what was
    chosen and why, and time; it links to the reports of its runs.
    """
    from glueft.report.write import write_report
    from glueft.studies.result_file import is_study_folder

    options: dict[str, Any] = {"data_dir": data_dir, "plugins": plugins or [], "trust": trust}
    if is_study_folder(run):
        _report_study(run, output, force=force, runs=runs, as_json=as_json, **options)
        return
    if runs:
        raise StudyError(
            f"{run} is not the folder of a study",
            expected="with --runs a folder with a study.json",
            received="a folder without one" if Path(run).is_dir() else "no folder",
            fix="leave --runs out, or name the folder of a study, such as studies/glue",
        )
    written = write_report(run, output, force=force, **options)
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


def _report_study(study: str, output: str | None, *, force: bool, runs: bool, as_json: bool, **options: Any) -> None:
    """Write the report of a study; `options` are those of `write_report`, for the reports of its runs."""
    from glueft.studies.display.status import study_status
    from glueft.studies.report.write import report_place, write_run_reports, write_study_report

    if not runs and any(options.values()):
        raise StudyError(
            "--data-dir, --plugin and --trust are for the reports of runs",
            expected="with them --runs, or the folder of a run",
            received=f"the study {study} without --runs",
            fix="add --runs, or leave them out",
        )
    result = study_status(study).result
    place = report_place(result, output, force=force)
    written, notes = write_run_reports(result, **options) if runs else ([], [])
    path = write_study_report(result, place)
    if as_json:
        print_json(
            {
                "report": str(path),
                "study": str(result.folder),
                "status": "done" if result.finished else "unfinished",
                "bytes": path.stat().st_size,
                "runs": [*map(str, written)],
                "notes": notes,
            }
        )
        return
    for note in notes:
        say(f"note: {note}", stream=sys.stderr)
    if written:
        say(f"{counted(len(written), 'report')} of runs written")
    say(f"report written: {shown(path)} ({path.stat().st_size / 1024:,.0f} KiB)")


def shown(path: Path) -> str:
    """A path as text, relative to the working folder if it is in there."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
