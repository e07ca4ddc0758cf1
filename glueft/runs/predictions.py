"""Writes and reads a run's predictions/<split>.tsv."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from glueft.encoder.labels import listed
from glueft.errors import RunFolderError
from glueft.files import write_text
from glueft.metrics.decision import PLAIN, DecisionRule
from glueft.metrics.label_sets import read_sets, set_texts
from glueft.runs.folder import writing_in_run
from glueft.system.plain_file import refuse_irregular
from glueft.text import number_text, shortest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("id", "label", "prediction")
PREFIX = "probability_"
FIX = "restore the file from a copy, or repeat the run: glueft run recipe.toml"


@dataclass(frozen=True)
class Predictions:
    """The predictions of one split, in the order of its rows.

    Attributes:
        ids: the number of each row, from "0".
        labels: the reference label by name, or the text of the score in regression; "" if a row has none. In a
            multi-label task the names as a JSON list in index order: `["a","c"]`, or `[]` for none of the labels.
        predictions: the predicted label by name, the names as such a list, or the text of the score in regression.
        probabilities: of each label in index order, (rows, labels) float64; (rows, 0) in regression.
    """

    ids: list[str]
    labels: list[str]
    predictions: list[str]
    probabilities: NDArray[np.float64]


def value_of(cell: str, labels: Sequence[str], *, multi_label: bool) -> str | float | list[str] | None:
    """Return a cell of `Predictions.labels` or `.predictions` as Python and JSON have it.

    Args:
        cell: its text.
        labels: of the model; empty in regression.
        multi_label: whether a row has any number of labels.

    Returns:
        The label, the list of labels of a multi-label task, or the score in regression; None where a row has none.
    """
    if not cell:
        return None
    if not labels:
        return float(cell)
    names: list[str] = json.loads(cell) if multi_label else []
    return names if multi_label else cell


def write_predictions(
    path: Path,
    labels: NDArray[Any],
    logits: NDArray[np.float32],
    label_names: Sequence[str],
    rule: DecisionRule = PLAIN,
) -> None:
    """Write one split's predictions as TSV: id, label, prediction, and a `probability_<label>` column a label.

    Numbers have all their digits: scores read back to the same float32, probabilities to the same float64. So the
    metrics of the file are those of the run, and by the plain rule the largest probability of a row is that of its
    prediction. In a multi-label task label and prediction are JSON lists of names.

    Args:
        path: the file; its folder is made if it is missing.
        labels: (rows,), label indices with -1 for an unlabelled row, or scores with NaN for one; in a multi-label task
            0 and 1, (rows, labels), or -1 for all of an unlabelled row.
        logits: (rows, labels), or (rows, 1) in regression.
        label_names: the labels in index order; empty in regression.
        rule: how labels are decided.
    """
    from glueft.tables.delimited import raw_tsv

    if label_names:
        header = [*COLUMNS, *(PREFIX + name for name in label_names)]
        decided = rule.decide(logits)
        if rule.multi_label:
            references, predicted = set_texts(labels, label_names), set_texts(decided.labels, label_names)
        else:
            references = [label_names[label] if label >= 0 else "" for label in labels]
            predicted = [label_names[label] for label in decided.labels]
        probabilities = [[number_text(value) for value in row] for row in decided.probabilities.tolist()]
    else:
        header = [*COLUMNS]
        references = ["" if label != label else number_text(label) for label in shortest(labels)]
        predicted = [number_text(score) for score in shortest(logits[:, 0])]
        probabilities = [[] for _ in labels]
    rows = zip(map(str, range(len(labels))), references, predicted, probabilities, strict=True)
    text = raw_tsv([header, *([row, label, guess, *shares] for row, label, guess, shares in rows)])
    with writing_in_run(path, needed=len(text)):
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)


def read_label_names(path: Path) -> tuple[str, ...]:
    """Return the labels that a predictions file's header names, in index order; () in regression.

    Raises:
        RunFolderError: there is no such file, or its header is another one.
    """
    return _labels_of_header(path, _lines(path)[0])


def read_predictions(
    path: Path, label_names: Sequence[str], rows: int | None, *, multi_label: bool = False
) -> Predictions:
    """Read a predictions file and check it.

    Args:
        path: the file.
        label_names: the expected labels, in index order; empty in regression.
        rows: the expected number of rows; None if unknown.
        multi_label: whether label and prediction are lists of labels.

    Raises:
        RunFolderError: the file is missing, truncated, of other labels or of another number of rows, or holds a label
            or a number that cannot be one.
    """
    import numpy as np

    header, *lines = _lines(path)
    named = _labels_of_header(path, header)
    if named != tuple(label_names):
        _refuse(path, "it is about other labels", f"the labels {listed(label_names)}", listed(named))
    if rows is not None and len(lines) != rows:
        _refuse(path, "rows are missing or too many", f"{rows:,} rows, as run.json says", f"{len(lines):,} rows")
    width = len(COLUMNS) + len(named)
    cells = [line.split("\t") for line in lines]
    probabilities = np.empty((len(lines), len(named)))
    sets: dict[str, str] = {}
    for number, row in enumerate(cells):
        where = f"in line {number + 2}"
        if len(row) != width:
            _refuse(path, "a line is broken", f"{width} fields in every line", f"{len(row)} {where}")
        if row[0] != str(number):
            _refuse(path, "its rows are not in order", f"the id {number}", f"{row[0]!r} {where}")
        if named:
            if multi_label:
                for column, cell in ((1, row[1]), (2, row[2] or " ")):  # Only a reference may be missing.
                    if cell not in sets:
                        sets[cell] = _checked_set(path, cell, named, where)
                    row[column] = sets[cell]
            else:
                for label in (row[1] or named[0], row[2]):
                    if label not in named:
                        _refuse(path, "there is an unknown label", f"one of {listed(named)}", f"{label!r} {where}")
            probabilities[number] = [_number(path, share, where, least=0.0, most=1.0) for share in row[3:]]
        else:
            for score in (row[1] or "0", row[2]):
                _number(path, score, where)
    ids, labels, predictions = ([row[column] for row in cells] for column in range(len(COLUMNS)))
    return Predictions(ids, labels, predictions, probabilities)


def _lines(path: Path) -> list[str]:
    """The header and the lines of the file, which ends with a line feed."""
    try:
        refuse_irregular(path)
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        there = sorted(file.name for file in path.parent.glob("*.tsv")) if path.parent.is_dir() else []
        _refuse(path, "there is no such file", "the predictions of the split", ", ".join(there) or "nothing there")
    except UnicodeDecodeError as error:
        _refuse(path, "it is not text", "a TSV file in UTF-8", f"a byte that is not UTF-8, number {error.start + 1}")
    except OSError as error:
        _refuse(path, "it cannot be read", "a TSV file", error.strerror or str(error))
    if not text.endswith("\n"):
        ending = repr(text[-40:]) if text else "an empty file"
        _refuse(path, "it is cut off", "a line feed at its end", ending)
    return text.removesuffix("\n").split("\n")


def _labels_of_header(path: Path, header: str) -> tuple[str, ...]:
    columns = header.split("\t")
    known, shares = columns[: len(COLUMNS)], columns[len(COLUMNS) :]
    if tuple(known) != COLUMNS or not all(column.startswith(PREFIX) for column in shares):
        wanted = f"{', '.join(COLUMNS)}, and a {PREFIX}<label> for each label"
        _refuse(path, "its header is not that of predictions", wanted, ", ".join(columns)[:200])
    return tuple(column.removeprefix(PREFIX) for column in shares)


def _checked_set(path: Path, text: str, labels: Sequence[str], where: str) -> str:
    """A list of labels in index order; "" for a row without a reference."""
    try:
        (row,) = read_sets([text], labels)
    except ValueError:
        _refuse(path, "there is no list of labels", f"a JSON list of {listed(labels)}", f"{text.strip()!r} {where}")
    return set_texts(row[None], labels)[0]


def _number(path: Path, text: str, where: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most or math.isinf(value):
        wanted = "a finite number" if math.isinf(most) else "a probability from 0 to 1"
        _refuse(path, "there is a value that is no number it could hold", wanted, f"{text!r} {where}")
    return value


def _refuse(path: Path, message: str, expected: str, received: Any) -> NoReturn:
    raise RunFolderError(f"{path}: {message}", expected=expected, received=str(received), fix=FIX)
