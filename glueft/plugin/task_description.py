"""A task as run.json records it: predict, push and evaluate need no more, and not its plugin."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic

from glueft.plugin.attribution import attributed
from glueft.plugin.task import HubDataset, TableLayout, Task, TSVFile, TSVLayout


@dataclass(frozen=True)
class TaskDescription:
    """A task in plain data.

    Attributes:
        description: the first line of the task's docstring.
        inputs, labels, metrics: of the task in the run, also where it learned them from its rows.
        validation_splits, test_splits, reads_own_files, empty_text, hub, tsv: as in `Task`.
        table_layout: from the task's `table_layout`.
        multi_label: as in `Task`; absent in the records of runs from before there was such a task.
    """

    description: str
    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    validation_splits: tuple[str, ...]
    test_splits: tuple[str, ...]
    reads_own_files: bool
    empty_text: bool
    hub: HubDataset | None
    tsv: TSVLayout | None
    table_layout: TableLayout
    multi_label: bool = False

    def as_record(self) -> dict[str, Any]:
        """Return it as run.json has it."""
        recorded: dict[str, Any] = _adapter().dump_python(self, mode="json")
        if not self.multi_label:
            del recorded["multi_label"]
        return recorded


def describe_task(task: Task) -> TaskDescription:
    """Describe a task whose rows have been read: only then it knows its labels.

    Raises:
        PluginError: its `table_layout` fails; the message names the plugin.
    """
    with attributed(task, "table_layout"):
        layout = task.table_layout()
    return TaskDescription(
        description=type(task).description(),
        inputs=tuple(task.inputs),
        labels=tuple(task.labels),
        metrics=tuple(task.metrics),
        validation_splits=tuple(task.validation_splits),
        test_splits=tuple(task.test_splits),
        reads_own_files=task.reads_own_files,
        empty_text=task.empty_text,
        hub=task.hub,
        tsv=task.tsv,
        table_layout=layout,
        multi_label=task.multi_label,
    )


def read_description(recorded: Any) -> TaskDescription:
    """Return a description from run.json.

    Raises:
        ValueError: it is not valid; the message says why, on one line.
    """
    try:
        found = _adapter().validate_python(recorded)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else str(first["msg"])) from None
    if len(found.inputs) not in (1, 2) or not set(found.inputs) <= set(found.table_layout.columns):
        raise ValueError("inputs: one or two names, each with its columns in table_layout")
    if found.tsv is not None and not all(_names_inputs(file, found.inputs) for file in _files(found.tsv)):
        raise ValueError("tsv: files with a column for each input, by number where they have no header")
    return found


def _files(layout: TSVLayout) -> Iterator[TSVFile]:
    for split in layout.files:
        yield from layout.candidates(split)


def _names_inputs(file: TSVFile, inputs: Sequence[str]) -> bool:
    columns = [(file.columns or {}).get(name) for name in inputs]
    return all(isinstance(column, (str, int) if file.header else int) for column in columns)


@functools.cache
def _adapter() -> pydantic.TypeAdapter[TaskDescription]:
    return pydantic.TypeAdapter(TaskDescription)
