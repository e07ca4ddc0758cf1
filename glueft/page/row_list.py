"""A list of rows that its reader can narrow down; `parts.html` writes it, `rows.js` filters it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

# More would make the page heavy.
MOST_ROWS = 200


@dataclass(frozen=True)
class Answer:
    """A label or a score of a row.

    Attributes:
        whose: words before it: "is", "predicted", the name of a run.
        value: as text.
        right: whether it is; None where that is not asked.
    """

    whose: str
    value: str
    right: bool | None = None


@dataclass(frozen=True)
class ListedRow:
    """One row.

    Attributes:
        number: from 0, as in the predictions file.
        answers: the reference and what was predicted.
        measure: the model's confidence, or its error.
        groups: the row's choice in each of `RowList.filters`; several where it has several.
        texts: one for each column; none if they could not be read.
    """

    number: int
    answers: Sequence[Answer]
    measure: str
    groups: Sequence[str | Sequence[str]]
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Filter:
    """What rows can be narrowed down by.

    Attributes:
        key: its name in the page's address.
        question: as the reader sees it.
        choices: of the rows.
    """

    key: str
    question: str
    choices: Sequence[str]


@dataclass(frozen=True)
class RowList:
    """The rows that are shown.

    Attributes:
        key: its id, and its name in the page's address.
        heading: what they are.
        summary: how many there are, and their order.
        missing: why there are no texts; "" if there are.
        remedy: the command that reads the texts from another folder.
        tip: what else can be asked of a row; "" for nothing.
        columns: the names of the texts.
        filters: to narrow the rows down by.
        rows: in their order.
    """

    key: str
    heading: str
    summary: str
    missing: str
    remedy: str
    tip: str
    columns: Sequence[str]
    filters: Sequence[Filter]
    rows: Sequence[ListedRow]


def address(key: str, **asked: str) -> str:
    """Return the link to a list that is narrowed down: the choice of each filter, by its key."""
    return f"#{key}&{urlencode(asked)}"
