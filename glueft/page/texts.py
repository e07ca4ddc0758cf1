"""The rows that were predicted, read again from where the recipe had them; shown only if they are the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.errors import GlueftError
from glueft.recipe.problems import RecipeError
from glueft.text import printable_line

if TYPE_CHECKING:
    from glueft.data.sources import Source
    from glueft.plugin.task import Task
    from glueft.runs.run import Run


@dataclass(frozen=True)
class SplitTexts:
    """The texts of one split, or why they cannot be shown.

    Attributes:
        columns: the names of the task's inputs.
        texts: for each of them, one text a row.
        missing: why there are none; "" if there are.
    """

    columns: tuple[str, ...] = ()
    texts: tuple[list[str], ...] = ()
    missing: str = ""


def read_texts(run: Run, split: str, data_dir: str | Path | None = None) -> SplitTexts:
    """Read the rows of a split again, without a network, and check them against the run's fingerprint.

    Args:
        run: an opened run folder.
        split: one that was predicted.
        data_dir: read them from this folder, in the benchmark's own layout, instead of where the run did.
    """
    from glueft.data.rows import load_split

    described = run.record.data.splits.get(split)
    try:
        task = run.parts.task
        rows = load_split(task, _source(run, task, data_dir), split, run.parts.data.selection)
    except GlueftError as error:
        reason = str(error).splitlines()[0] + (f" (found: {error.received})" if error.received else "")
        if isinstance(error, RecipeError):
            reason = f"{error.problems[0].message}; {error.problems[0].fix}"
        return SplitTexts(missing=f"the rows cannot be read: {reason}")
    except Exception as error:  # whatever a library raises for files that are gone or damaged
        return SplitTexts(missing=f"the rows cannot be read: {printable_line(f'{type(error).__name__}: {error}')}")
    if described is None or rows.sha256 != described.sha256:
        return SplitTexts(missing="the rows that are there now are not those of the run: their SHA-256 differs")
    return SplitTexts(tuple(task.inputs), rows.texts)


def _source(run: Run, task: Task, data_dir: str | Path | None) -> Source:
    from glueft.data.sources import FolderSource, HubSource, make_source

    if data_dir is not None and not task.reads_own_files:
        return FolderSource(data_dir)
    if run.parts.data.source == "hub" and not task.reads_own_files:
        # The same commit, from the local cache: a report opens no connection.
        return HubSource(run.record.data.revision or run.parts.data.revision, cache_only=True)
    return make_source(run.parts.data, task)
