"""Studies from Python: what they have found, as lists that `pandas.DataFrame` takes."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glueft.studies.definition.file import load_study
from glueft.studies.definition.study import Study
from glueft.studies.result import StudyResult
from glueft.studies.result_file import read_result
from glueft.studies.run import run_study
from glueft.studies.tables.notes import notes
from glueft.studies.tables.summary import average, lines
from glueft.studies.tables.table import run_rows, table
from glueft.studies.words import counts_text
from glueft.system.console import for_notebook


@dataclass(frozen=True, repr=False)
class Findings:
    """What a study has found so far.

    Attributes:
        result: all of it: the recipes, their runs, what was chosen and why.
    """

    result: StudyResult

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        return self.result.folder

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each task, split and metric: n, mean, sd, median, interval (`low`, `high`) and so on."""
        return [line.as_dict() for line in lines(self.result)]

    def runs(self) -> list[dict[str, Any]]:
        """Return a row for each run, as in table.csv; run folders as seen from `folder`."""
        return run_rows(self.result)

    def average(self) -> dict[str, Any] | None:
        """Return the average of the tasks as the benchmark has it; None where there is none."""
        found = average(self.result)
        return None if found is None else asdict(found)

    def __repr__(self) -> str:
        return f"Findings({self.result.name}: {counts_text(Counter(run.state for run in self.result.runs))})"

    def _repr_html_(self) -> str:
        """In a notebook: the table of the terminal, with its notes."""
        return for_notebook(table(self.result), *notes(self.result, short=True))["text/html"]


def find(study: Study | str | os.PathLike[str], **options: Any) -> Findings:
    """Run what a study asks for and has not been done yet, and write its tables and its report.

    Args:
        study: from `glueft.load_study`, or a file or name for it.
        options: those of `glueft.studies.run.run_study`: `output_dir`, "studies" by default.

    Raises:
        RecipeError: the study cannot be used; nothing was run.
        GlueftError: the runs cannot be run. One that fails stands in the table as failed.
    """
    return Findings(run_study(study if isinstance(study, Study) else load_study(study), **options))


def read_findings(folder: str | os.PathLike[str]) -> Findings:
    """Read what was found so far in the folder of a study.

    Raises:
        StudyError: no study was run there.
    """
    return Findings(read_result(folder))
