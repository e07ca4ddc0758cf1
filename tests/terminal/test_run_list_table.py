"""The table of `list-runs` on terminals of several widths."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len

from glueft.runs.run_list import ListedRun
from glueft.system.console import PlainConsole, Table
from glueft.terminal.run_list_table import run_table

LONG = "a label that is a whole sentence and goes on and on"
SCORES: list[dict[str, float]] = [
    {"matthews_correlation": 0.5},
    {"pearson": 0.9, "spearmanr": 0.8},
    {"accuracy": 0.8578, "f1": 0.9},
    {"accuracy": 0.7, "f1": 0.6},
]
RUNS = [
    ListedRun(f"task-20261127-05043{number}-7c230b", "/x", "done", task="task", metrics=scores, seconds=363.0, seed=42)
    for number, scores in enumerate(SCORES)
]
RUNS[-1] = ListedRun(**vars(RUNS[-1]) | {"metric_labels": {"f1": LONG}})
RUNS.append(ListedRun("task-20261127-050439-7c230b", "/x", "interrupted", task="task", seed=42))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_names_and_states_of_runs_are_whole_on_any_terminal(width: int) -> None:
    console = PlainConsole(io.StringIO(), width=width, record=True)
    console.print(run_table(RUNS, width))
    header, *lines = console.export_text().splitlines()
    assert max(map(cell_len, [header, *lines])) <= width
    for run, line in zip(RUNS, lines, strict=True):
        assert line.split()[0] == run.folder and run.status in line
    assert "0.8578" in lines[2] and LONG not in lines[3]
    assert ("spearmanr" in header) == (width == 200)
    assert ("0.5000 matthews_correlation" in lines[0]) == (80 <= width < 200)


def test_a_title_that_is_longer_than_its_table_stays_on_one_line() -> None:
    console = PlainConsole(io.StringIO(), width=60)
    table = Table("a title of several words", box=None)
    table.add_column("n")
    table.add_row("1")
    with console.capture() as captured:
        console.print(table)
    assert captured.get().splitlines()[0].strip() == "a title of several words"
