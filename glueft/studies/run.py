"""A study, from its file to its tables."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.errors import GlueftError, StudyError
from glueft.files import write_text, writing
from glueft.studies.display.progress import StudyProgress
from glueft.studies.execution.driver import Driver
from glueft.studies.execution.folder import StudyFolder
from glueft.studies.report.write import write_study_report
from glueft.studies.result import StudyResult
from glueft.studies.tables.table import write_tables
from glueft.system.interruption import listening
from glueft.text import counted

if TYPE_CHECKING:
    from glueft.studies.definition.study import Study


def run_study(
    study: Study,
    *,
    output_dir: str | Path = "studies",
    progress: StudyProgress | None = None,
    retry_failed: bool = False,
    arguments: Sequence[str] = (),
) -> StudyResult:
    """Run what a study asks for and is not done yet, and write its tables and its report.

    Args:
        study: from `load_study`.
        output_dir: its folder is `<output_dir>/<name of the study>`.
        progress: shows the runs; nothing is shown if None.
        retry_failed: begin runs again that have failed for good before.
        arguments: further arguments of each `glueft run`.

    Raises:
        StudyError: the folder cannot be written.
        GlueftError: the executor can run nothing, or a package that draws settings is missing.
        KeyboardInterrupt: Ctrl-C or another signal. The runs have saved their states: calling this again goes on.
    """
    progress = StudyProgress() if progress is None else progress
    folder = StudyFolder(Path(output_dir) / study.name)
    driver = Driver(study, folder, progress, retry_failed=retry_failed, arguments=arguments)
    expected = "a folder that can be written to, on a disk with room"
    fix = "once that is so, the same command goes on; or name another place with --output-dir"
    with listening(), writing(folder.path, StudyError, expected=expected, fix=fix):
        is_new = not folder.path.exists()
        folder.runs.mkdir(parents=True, exist_ok=True)
        write_text(folder.study_file, study.to_toml())
        try:
            result = driver.run()
        except GlueftError:
            if is_new and not any(folder.runs.iterdir()):  # Nothing has begun.
                shutil.rmtree(folder.path, ignore_errors=True)
            raise
        for path in (*write_tables(result), write_study_report(result)):
            progress.say(str(path))
    return result


def refuse_failures(result: StudyResult) -> None:
    """Raise StudyError if runs of a study have failed for good."""
    failed = [run for run in result.runs if run.state == "failed"]
    if not failed:
        return
    told = "; ".join(f"{run.name}: {run.error}" for run in failed[:3]) + ("; ..." if len(failed) > 3 else "")
    raise StudyError(
        f"{result.name}: {counted(len(failed), 'run')} of {len(result.runs)} failed",
        expected="a study all of whose runs end with a result",
        received=told,
        fix=f"see log.txt beside the run folders; once the cause is gone: {result.command} --retry-failed",
    )
