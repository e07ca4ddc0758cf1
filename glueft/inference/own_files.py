"""The benchmark's own TSV files among those to predict: without quotes, and some of them without a header line."""

from __future__ import annotations

from glueft.plugin.task import TSVFile
from glueft.plugin.task_description import TaskDescription


def headerless_file(task: TaskDescription | None, name: str, first: list[str]) -> TSVFile | None:
    """Return the file of a task's layout that has this name and no header line; None if there is none.

    A file whose first line names the task's columns has a header after all.
    """
    if task is None:
        return None
    for file in _files(task):
        positions = [column for column in (file.columns or {}).values() if isinstance(column, int)]
        if (
            not file.header
            and name.lower().startswith(file.name)
            and max(positions) < len(first)
            and not {*task.inputs} & {*first}
        ):
            return file
    return None


def is_own_header(task: TaskDescription | None, first: list[str]) -> bool:
    """Whether a header line is that of one of the task's files."""
    if task is None:
        return False
    files = [file.columns or {} for file in _files(task) if file.header]
    return any(all(columns[name] in first for name in task.inputs) for columns in files)


def column_names(file: TSVFile, width: int) -> tuple[str, ...]:
    """Name the columns of a file without a header line: as the task does where it can, else by number."""
    named = {position: name for name, position in (file.columns or {}).items()}
    return tuple(named.get(position, f"column_{position + 1}") for position in range(width))


def _files(task: TaskDescription) -> list[TSVFile]:
    if task.tsv is None:
        return []
    return [file for split in task.tsv.files for file in task.tsv.candidates(split)]
