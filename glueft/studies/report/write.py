"""A study -> report.html."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from glueft.errors import GlueftError, StudyError
from glueft.files import check_place, write_text, writing
from glueft.page.html import FILE_NAME, render_page
from glueft.report.write import write_report
from glueft.studies.result import StudyResult


def report_place(result: StudyResult, output: str | os.PathLike[str] | None = None, *, force: bool = False) -> Path:
    """Return where the report of a study is written: `output`, or `report.html` in its folder.

    Raises:
        StudyError: it exists already and `force` is not given, or it cannot be written.
    """
    path = result.folder / FILE_NAME if output is None else Path(output).absolute()
    check_place(path, StudyError, force=force, example=FILE_NAME)
    return path


def write_study_report(result: StudyResult, place: Path | None = None) -> Path:
    """Write the report of a study: one HTML file that needs no other and no network. It links to the reports of runs.

    Args:
        result: of the study, which need not be finished.
        place: of the file, which is replaced if it exists; `report.html` in the folder of the study if None.

    Raises:
        StudyError: it cannot be written.
    """
    from glueft.studies.report.content import collect

    path = result.folder / FILE_NAME if place is None else place
    page = render_page("glueft.studies.report", {"content": collect(result, path)})
    with writing(path, StudyError, fix="make room, or name another file with --output; nothing was left behind"):
        write_text(path, page)
    return path


def write_run_reports(result: StudyResult, **options: Any) -> tuple[list[Path], list[str]]:
    """Write the report of each run of a study that is done and has none.

    Args:
        result: of the study.
        options: of `glueft.report.write.write_report`.

    Returns:
        The reports, and notes on what they do not show, or why one could not be written.
    """
    written, notes = [], []
    for run in result.runs:
        if run.state != "done" or run.folder is None or (run.folder / FILE_NAME).exists():
            continue
        try:
            report = write_report(run.folder, **options)
        except GlueftError as error:
            notes.append(f"{run.name}: no report: {str(error).splitlines()[0]}")
            continue
        written.append(report.path)
        notes += [f"{run.name}: {note}" for note in report.notes]
    return written, notes
