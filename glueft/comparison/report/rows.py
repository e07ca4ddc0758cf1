"""The rows on which the runs of a comparison disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.comparison.mcnemar import differing_rows
from glueft.page.parts import DataTable
from glueft.page.row_list import MOST_ROWS, Answer, Filter, ListedRow, RowList
from glueft.page.words import label_texts, listed, row_text
from glueft.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.comparison.rows import ComparedRows
    from glueft.page.texts import SplitTexts

KEY = "rows"
# Runs whose predictions have a filter each.
MOST_FILTERS = 4
REMEDY = "glueft compare RUN RUN --html FILE --force --data-dir DIR"


def disagreements(names: Sequence[str], rows: ComparedRows, texts: SplitTexts) -> RowList:
    """Return the rows that not all runs predict alike, those first on which they are the farthest apart.

    Args:
        names: of the runs.
        rows: with their predictions.
        texts: of the rows.
    """
    heading, summary, filters, found = _labels(names, rows) if rows.labels else _scores(names, rows)
    listed_rows = [replace(row, texts=[row_text(column[row.number]) for column in texts.texts]) for row in found]
    return RowList(KEY, heading, summary, texts.missing, REMEDY, "", texts.columns, filters, listed_rows)


_Found = tuple[str, str, list[Filter], list[ListedRow]]


def _labels(names: Sequence[str], rows: ComparedRows) -> _Found:
    labels = label_texts(rows.labels)
    # The choice of rows with no label at all is another than that of any label.
    no_label = "none of the labels"
    while no_label in labels:
        no_label = f"({no_label})"
    predictions = rows.predictions
    apart = np.flatnonzero(np.any([differing_rows(predictions[0], other) for other in predictions[1:]], axis=0))
    probabilities = np.stack(rows.probabilities)[:, apart]
    distance = (probabilities.max(axis=0) - probabilities.min(axis=0)).max(axis=1)
    chosen = apart[np.argsort(-distance, kind="stable")][:MOST_ROWS]
    right = [~differing_rows(rows.references, said) for said in predictions]
    found = []
    for row in chosen.tolist():
        true, *told = (_names(of[row], labels) for of in (rows.references, *predictions))
        answers = [Answer("is", ", ".join(true) or "none")]
        for run, name in enumerate(names):
            said = ", ".join(told[run]) or "none"
            if not rows.multi_label:
                said += f" {100 * rows.probabilities[run][row, predictions[run][row]]:.0f} %"
            answers.append(Answer(name, said, bool(right[run][row])))
        who = listed([name for name, is_right in zip(names, right, strict=True) if is_right[row]]) or "none"
        groups = (who, *(names_of_row or [no_label] for names_of_row in (true, *told[:MOST_FILTERS])))
        found.append(ListedRow(row, answers, f"right: {who}", groups))
    asked = [("true", "True label"), *((name, f"{name} predicts") for name in names[:MOST_FILTERS])]
    who_is_right = sorted({str(row.groups[0]) for row in found}, key=lambda who: (who == "none", who))
    filters = [Filter("right", "Right", who_is_right)]
    for place, (key, question) in enumerate(asked, start=1):
        there = {label for row in found for label in row.groups[place]}
        filters.append(Filter(key, question, [label for label in (*labels, no_label) if label in there]))
    cut = f"; here are the {len(chosen):,} with the most different probabilities" if len(chosen) < len(apart) else ""
    summary = f"The runs disagree on {len(apart):,} of {counted(len(rows.references), 'row')}{cut}."
    return "Rows on which they disagree", summary, filters, found


def _names(value: NDArray[Any], labels: Sequence[str]) -> list[str]:
    """The names of a row's labels: of the one by its index, or of those that are 1."""
    return [labels[int(index)] for index in (np.flatnonzero(value) if value.ndim else [value])]


def _scores(names: Sequence[str], rows: ComparedRows) -> _Found:
    predictions = np.stack(rows.predictions)
    spread = predictions.max(axis=0) - predictions.min(axis=0)
    errors = np.abs(predictions - rows.references)
    chosen = np.argsort(-spread, kind="stable")[:MOST_ROWS]
    chosen = chosen[spread[chosen] > 0]
    found = []
    for row in chosen.tolist():
        nearest = names[int(errors[:, row].argmin())]
        answers = [Answer(name, f"{said:.2f}") for name, said in zip(names, predictions[:, row], strict=True)]
        reference = Answer("is", f"{rows.references[row]:.2f}")
        measure = f"{spread[row]:.2f} apart, {nearest} is nearest"
        found.append(ListedRow(row, [reference, *answers], measure, (nearest,)))
    there = [name for name in names if any(name in row.groups for row in found)]
    filters = [Filter("nearest", "Nearest to the true score", there)]
    summary = f"{len(found):,} of {counted(len(rows.references), 'row')}, "
    summary += "those first on which the scores are the farthest apart."
    return "Rows on which they differ most", summary, filters, found


def agreement(names: Sequence[str], rows: ComparedRows) -> DataTable | None:
    """Return how often each run and the first are right on the same rows; None in regression."""
    if not rows.labels:
        return None
    first = ~differing_rows(rows.references, rows.predictions[0])
    table = []
    for name, said in zip(names[1:], rows.predictions[1:], strict=True):
        other = ~differing_rows(rows.references, said)
        same_mistake = int((~first & ~differing_rows(rows.predictions[0], said)).sum())
        counts = (first & other, first & ~other, ~first & other, ~first & ~other)
        table.append((name, *(f"{int(each.sum()):,}" for each in counts), f"{same_mistake:,}"))
    a = names[0]
    columns = ("run", f"both right (with {a})", f"only {a} right", "only it right", "both wrong", "with the same label")
    return DataTable(columns, table)
