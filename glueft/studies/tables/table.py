"""The table of a study: on the terminal, and as table.md, table.tex (booktabs) and table.csv (a row a run)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.files import write_text
from glueft.push.markdown import escaped
from glueft.studies.result import RecipeResult, StudyResult, StudyRun
from glueft.studies.tables.notes import cut, notes
from glueft.studies.tables.summary import SCORE, Average, Line, average, best_of, lines, title_of
from glueft.studies.words import setting_text
from glueft.system.console import Table
from glueft.text import printable, printable_line, score_text

NAMES = ("table.md", "table.tex", "table.csv")

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # the usual font encoding has no straight one
    "±": r"$\pm$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def write_tables(result: StudyResult) -> list[Path]:
    """Write the three files into the folder of the study, and return their paths.

    Raises:
        OSError: one cannot be written.
    """
    paths = [result.folder / name for name in NAMES]
    for path, text in zip(paths, (markdown(result), latex(result), run_csv(result)), strict=True):
        write_text(path, text)
    return paths


def table(result: StudyResult) -> Table:
    """Return the table for the terminal, with fewer columns than table.md has; `notes` are said below it."""
    shown, mean = lines(result), average(result)
    model = next((model for line in shown for model in line.published), "")
    published = f" (published: {model})" if model else ""
    found = Table(
        title=f"{result.name}: {result.checkpoint}{published}", title_justify="left", box=None, pad_edge=False
    )
    found.add_column("task", overflow="fold", min_width=12)
    for header in ("n", "mean ± sd", "95 % interval", "baseline", *["published"] * bool(model)):
        found.add_column(header, justify="right", no_wrap=True)
    title = ""
    for line in shown:
        name = f"  {line.metric_title}"
        if line.title != title:
            name = line.title + (name if line.metric != SCORE else "")
        title = line.title
        name += f" ({line.collapsed} collapsed)" if line.collapsed else ""
        scores = (_score(line.baseline), *[_score(line.published.get(model))] * bool(model))
        found.add_row(name, _runs(line), _spread(line), _interval(line), *scores)
    if mean is not None:
        found.add_row(mean.name, "", score_text(mean.mean), _average_interval(mean))
    return found


def markdown(result: StudyResult) -> str:
    """Return table.md: scores, chosen settings, the expected best of k runs, and notes."""
    parts = [f"# {escaped(result.name)}", f"Checkpoint: {escaped(result.checkpoint)}"]
    for grid in grids(result):
        header, *rows = ([escaped(cell) for cell in row] for row in (grid.header, *grid.rows))
        rule = ["---" if number < grid.texts else "---:" for number in range(len(header))]
        parts += [f"## {grid.title}", "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))]
    parts += ["## Notes", "\n".join(f"- {escaped(note)}" for note in notes(result))]
    return "\n\n".join(parts) + "\n"


def latex(result: StudyResult) -> str:
    """Return table.tex, for `\\input`; it needs the package booktabs."""
    parts = [f"% {_comment(result.name)}: {_comment(result.checkpoint)}; needs \\usepackage{{booktabs}}"]
    for grid in grids(result):
        columns = "l" * grid.texts + "r" * (len(grid.header) - grid.texts)
        header, *rows = (" & ".join(map(latex_text, row)) + r" \\" for row in (grid.header, *grid.rows))
        body = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule", *rows, r"\bottomrule"]
        parts.append("\n".join([f"% {grid.title}", *body, r"\end{tabular}"]))
    parts.append("\n".join(f"% {_comment(note)}" for note in notes(result)))
    return "\n\n".join(parts) + "\n"


def latex_text(text: str) -> str:
    """Return a text as LaTeX shows it unchanged."""
    return "".join(_LATEX.get(character, character) for character in printable_line(text))


def run_rows(result: StudyResult) -> list[dict[str, Any]]:
    """Return a row for each run, those that failed or wait too; None where there is no value.

    `in_table` says whether the row counts in the table; settings have the keys of recipes, metrics are `SPLIT.METRIC`.
    """
    runs = [(recipe, run) for recipe in result.recipes for run in recipe.runs]
    settings = [*dict.fromkeys(key for _, run in runs for key in run.setting)]
    metrics = [
        *dict.fromkeys((split, name) for _, run in runs for split, values in run.metrics.items() for name in values)
    ]
    reported = {id(run) for recipe in result.recipes for run in recipe.reported}
    return [
        {name: column(result, recipe, run, id(run) in reported) for name, column in _RUN_COLUMNS.items()}
        | {key: run.setting.get(key) for key in settings}
        | {f"{split}.{name}": run.metrics.get(split, {}).get(name) for split, name in metrics}
        for recipe, run in runs
    ]


def run_csv(result: StudyResult) -> str:
    """Return table.csv: the rows of `run_rows`, all numbers with all their digits."""
    rows = run_rows(result)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_csv_cell, rows[0] if rows else _RUN_COLUMNS))
    writer.writerows(map(_csv_cell, row.values()) for row in rows)
    # All at once: to look for secrets in each of some ten thousand cells takes a second.
    return printable(text.getvalue())


_RUN_COLUMNS: dict[str, Callable[[StudyResult, RecipeResult, StudyRun, bool], Any]] = {
    "recipe": lambda result, recipe, run, reported: run.recipe,
    "task": lambda result, recipe, run, reported: run.task,
    "run": lambda result, recipe, run, reported: run.name,
    "stage": lambda result, recipe, run, reported: run.stage,
    "seed": lambda result, recipe, run, reported: run.seed,
    "trial": lambda result, recipe, run, reported: run.trial,
    "state": lambda result, recipe, run, reported: run.state,
    "in_table": lambda result, recipe, run, reported: reported,
    "chosen_run": lambda result, recipe, run, reported: run.name == recipe.chosen_run,
    "collapsed": lambda result, recipe, run, reported: run.collapsed,
    "attempts": lambda result, recipe, run, reported: run.attempts,
    "score": lambda result, recipe, run, reported: run.score,
    "step": lambda result, recipe, run, reported: run.step,
    "steps": lambda result, recipe, run, reported: run.steps,
    "seconds": lambda result, recipe, run, reported: run.seconds,
    "folder": lambda result, recipe, run, reported: _place(result, run),
    "error": lambda result, recipe, run, reported: run.error,
}


def _place(result: StudyResult, run: StudyRun) -> Path | None:
    """The run folder, as seen from that of the study where it lies there."""
    if run.folder is None or not run.folder.is_relative_to(result.folder):
        return run.folder
    return run.folder.relative_to(result.folder)


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).replace("\n", "\\n")


@dataclass(frozen=True)
class Grid:
    """A table of texts; the first `texts` columns are words, the others numbers."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: int


def grids(result: StudyResult) -> Iterable[Grid]:
    """Yield the scores, the chosen settings and the expected best of k runs, as far as there are any."""
    yield _main(result)
    settings = [
        (title_of(recipe), setting_text(recipe.chosen), recipe.reason) for recipe in result.recipes if recipe.chosen
    ]
    if settings:
        yield Grid("Chosen settings", ("task", "setting", "why"), settings, 3)
    best = best_of(result)
    if best:
        most = sorted({k for found in best for k in found.best})
        rows = [
            (
                found.title,
                found.score,
                str(found.runs),
                str(found.settings),
                *(score_text(found.best[k]) if k in found.best else "" for k in most),
            )
            for found in best
        ]
        yield Grid("Expected best of k runs", ("task", "score", "runs", "settings", *map(str, most)), rows, 2)


def _main(result: StudyResult) -> Grid:
    shown, mean = lines(result), average(result)
    models = [*dict.fromkeys(model for line in shown for model in line.published)]
    numbers = ("n", "mean", "sd", "95 % interval", "median", "IQM", "min", "max", "collapsed", "baseline")
    rows, title = [], ""
    for line in shown:
        found = line.summary
        middle = (found.mean, found.sd) if found else (None, None)
        rest = (found.median, found.iqm, found.minimum, found.maximum) if found else (None,) * 4
        rows.append(
            (
                "" if line.title == title else line.title,
                line.metric_title,
                _runs(line),
                *map(_score, middle),
                _interval(line),
                *map(_score, rest),
                str(line.collapsed),
                _score(line.baseline),
                *(_score(line.published.get(model)) for model in models),
            )
        )
        title = line.title
    if mean is not None:
        row = (mean.name, "score", "", score_text(mean.mean), "", _average_interval(mean))
        rows.append((*row, *[""] * (2 + len(numbers) + len(models) - len(row))))
    return Grid("Scores", ("task", "metric", *numbers, *(f"published: {model}" for model in models)), rows, 2)


def _runs(line: Line) -> str:
    """How many runs have a score, and how many were asked for if that is another number."""
    return f"{len(line.scores)}" + (f" of {line.asked}" if line.asked != len(line.scores) else "")


def _spread(line: Line) -> str:
    found = line.summary
    if found is None:
        return ""
    return score_text(found.mean) + (f" ± {score_text(found.sd)}" if found.sd is not None else "")


def _interval(line: Line) -> str:
    return cut(line.summary.interval, line.bounds) if line.summary and line.summary.interval else ""


def _average_interval(mean: Average) -> str:
    return cut(mean.interval, (None, 1.0)) if mean.interval else ""


def _score(value: float | None) -> str:
    return "" if value is None else score_text(value)


def _comment(text: str) -> str:
    """A text for a comment of LaTeX, which ends with its line."""
    return re.sub(r"\s+", " ", printable_line(text))
