"""The rows of a split that the page lists: the worst predictions, and some that are right."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from glueft.metrics.label_sets import label_sets
from glueft.page.row_list import MOST_ROWS, Answer, Filter, ListedRow, RowList
from glueft.page.words import row_text
from glueft.report.scores import DRAWN_LABELS, Classified, LabelSets, Regressed, surest_wrong, worst
from glueft.text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.page.texts import SplitTexts

MOST_RIGHT = 100
# Of each cell of the confusion matrix, whose link leads to them; of many cells fewer each, and one at least.
OF_A_CELL = 5
MOST_OF_CELLS = 400
REMEDY = "glueft report RUN --force --data-dir DIR"
EXPLAIN = "glueft explain RUN --row N"


def row_list(
    key: str, scores: Classified | LabelSets | Regressed, texts: SplitTexts, leaked: Collection[int] = ()
) -> RowList:
    """Return the rows that are listed of a split.

    Args:
        key: of the split.
        scores: its predictions.
        texts: of its rows.
        leaked: the numbers of the rows that stand in train too, as far as they are known.
    """
    if isinstance(scores, Classified):
        heading, summary, filters, rows = _classified(scores)
    else:
        heading, summary, filters, rows = _label_sets(scores) if isinstance(scores, LabelSets) else _regressed(scores)
    if any(row.number in leaked for row in rows):
        filters = [*filters, Filter("train", "Stands in train too", ("yes", "no"))]
        rows = [replace(row, groups=(*row.groups, "yes" if row.number in leaked else "no")) for row in rows]
    rows = [replace(row, texts=[row_text(column[row.number]) for column in texts.texts]) for row in rows]
    return RowList(rows_key(key), heading, summary, texts.missing, REMEDY, EXPLAIN, texts.columns, filters, rows)


def rows_key(key: str) -> str:
    """Return the id of the list of a split's rows."""
    return f"{key}-rows"


# Heading, summary, filters and rows.
_Listed = tuple[str, str, list[Filter], list[ListedRow]]


def _classified(scores: Classified) -> _Listed:
    wrong, _ = worst(scores, MOST_ROWS)
    hits = np.flatnonzero(scores.labelled & ~scores.wrong)
    right = hits[np.argsort(scores.confidence[hits], kind="stable")][:MOST_RIGHT].tolist()
    extra = [row for row in _of_cells(scores) if row not in {*wrong, *right}]
    numbers = sorted([*wrong, *right, *extra], key=lambda row: not scores.wrong[row])
    rows = [_labelled_row(scores, row) for row in numbers]
    used = [{row.groups[place] for row in rows} for place in range(3)]
    asked = (
        ("answer", "Prediction is", ("wrong", "right")),
        ("true", "True label", scores.labels),
        ("predicted", "Predicted label", scores.labels),
    )
    filters = [
        Filter(key, question, [name for name in names if name in there])
        for (key, question, names), there in zip(asked, used, strict=True)
    ]
    summary = _surest_first(scores, len(wrong), len(right))
    summary += f"; and of each cell of the confusion matrix up to {_of_a_cell(scores)}." if extra else "."
    return _SUREST_FIRST, summary, filters, rows


def _label_sets(scores: LabelSets) -> _Listed:
    """By the surest wrong label of a row, or where all are right by the least sure one."""
    wrong, _ = worst(scores, MOST_ROWS)
    hits, least = np.flatnonzero(scores.labelled & ~scores.wrong), scores.confidence.min(axis=1)
    right = hits[np.argsort(least[hits], kind="stable")][:MOST_RIGHT].tolist()
    numbers, surest = [*wrong, *right], surest_wrong(scores)
    true, predicted, missed, too_many = (
        label_sets(of[numbers], scores.labels)
        for of in (
            scores.true,
            scores.predicted,
            scores.wrong_labels & (scores.true == 1),
            scores.wrong_labels & (scores.predicted == 1),
        )
    )
    rows = []
    for place, row in enumerate(numbers):
        is_right, faults = place >= len(wrong), len(missed[place]) + len(too_many[place])
        answers = (Answer("is", _listed(true[place])), Answer("predicted", _listed(predicted[place]), is_right))
        measure = f"{100 * least[row]:.1f} % sure of each label or more"
        if not is_right:
            measure = f"{faults} of {counted(len(scores.labels), 'label')} wrong, {100 * surest[row]:.1f} % sure"
        groups = ("right" if is_right else "wrong", missed[place], too_many[place])
        rows.append(ListedRow(row, answers, measure, groups))
    asked = (("missed", "Label that is missed", missed), ("too_many", "Label that is too many", too_many))
    filters = [Filter("answer", "Prediction is", [*dict.fromkeys(str(row.groups[0]) for row in rows)])]
    for key, question, of_rows in asked:
        there = {label for labels in of_rows for label in labels}
        filters.append(Filter(key, question, [label for label in scores.labels if label in there]))
    return _SUREST_FIRST, _surest_first(scores, len(wrong), len(right)) + ".", filters, rows


def _listed(labels: list[str]) -> str:
    return ", ".join(labels) or "none"


_SUREST_FIRST = "Rows, the surest mistakes first"


def _surest_first(scores: Classified | LabelSets, wrong: int, right: int) -> str:
    """How many rows are wrong, and which of both kinds are listed."""
    mistakes, rows = int(scores.wrong.sum()), int(scores.labelled.sum())
    listed = [f"{_part(wrong, mistakes)} wrong, the surest first"] if wrong else []
    listed += [f"{_part(right, rows - mistakes)} right, the least sure first"] if right else []
    told = (
        f"{mistakes:,} of {counted(rows, 'row')} {'is' if mistakes == 1 else 'are'}"
        if mistakes
        else (f"None of {counted(rows, 'row')} is" if rows > 1 else "The row is not")
    )
    return f"{told} wrong. Listed {'is' if rows == 1 else 'are'} {', and '.join(listed)}"


def _labelled_row(scores: Classified, row: int) -> ListedRow:
    true, guess = scores.labels[scores.true[row]], scores.labels[scores.predicted[row]]
    is_right = not scores.wrong[row]
    answers = (Answer("is", true), Answer("predicted", guess, is_right))
    groups = ("right" if is_right else "wrong", true, guess)
    return ListedRow(row, answers, f"{100 * scores.confidence[row]:.1f} % sure", groups)


def _of_cells(scores: Classified) -> list[int]:
    """The first rows of each cell of the confusion matrix, if it is drawn."""
    if len(scores.labels) > DRAWN_LABELS:
        return []
    known, most = np.flatnonzero(scores.labelled), _of_a_cell(scores)
    cells = _cells(scores)
    return [int(row) for cell in np.unique(cells) for row in known[cells == cell][:most]]


def _of_a_cell(scores: Classified) -> int:
    return max(1, min(OF_A_CELL, MOST_OF_CELLS // max(len(np.unique(_cells(scores))), 1)))


def _cells(scores: Classified) -> NDArray[np.int64]:
    """The number of each labelled row's cell."""
    known = scores.labelled
    cells: NDArray[np.int64] = scores.true[known] * len(scores.labels) + scores.predicted[known]
    return cells


def _regressed(scores: Regressed) -> _Listed:
    by_error, of = worst(scores, int(scores.labelled.sum()))
    numbers = by_error if of <= MOST_ROWS + MOST_RIGHT else [*by_error[:MOST_ROWS], *by_error[-MOST_RIGHT:]]
    mean = float(np.abs(scores.error[scores.labelled]).mean())
    rows = []
    for row in numbers:
        error = scores.error[row]
        leaning = "too high" if error > 0 else "too low"
        answers = (Answer("is", f"{scores.true[row]:.2f}"), Answer("predicted", f"{scores.predicted[row]:.2f}"))
        groups = ("above the mean" if abs(error) > mean else "up to the mean", leaning)
        rows.append(ListedRow(row, answers, f"{abs(error):.2f} {leaning}", groups))
    filters = [
        Filter("error", "Absolute error", ("above the mean", "up to the mean")),
        Filter("answer", "Prediction", ("too high", "too low")),
    ]
    summary = f"{counted(of, 'row')}, the largest error first; the mean absolute error is {mean:.3f}."
    if len(numbers) < of:
        summary += f" Listed are the {MOST_ROWS} with the largest errors, and the {MOST_RIGHT} with the smallest."
    return "Rows, the farthest from the true score first", summary, filters, rows


def _part(some: int, of: int) -> str:
    if some < of:
        return f"{some:,} of {of:,}"
    return f"all {of:,}" if of > 1 else "the only one"
