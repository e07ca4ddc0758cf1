"""The worst predictions of a split, with the texts of their rows where they can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glueft.page.words import label_text, row_text
from glueft.report.scores import Classified, Regressed, worst
from glueft.text import counted

if TYPE_CHECKING:
    from glueft.page.texts import SplitTexts

# More would make the page heavy.
MOST = 200


@dataclass(frozen=True)
class Mistake:
    """One row.

    Attributes:
        row: its number from 0, as in the predictions file.
        true, predicted: label names, or scores.
        measure: the model's confidence, or its error.
        groups: the row's choice in each of `Mistakes.filters`.
        texts: one for each column; none if they could not be read.
    """

    row: int
    true: str
    predicted: str
    measure: str
    groups: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True)
class Mistakes:
    """The rows that are shown.

    Attributes:
        heading: what they are.
        summary: how many there are, and their order.
        missing: why there are no texts; "" if there are.
        columns: the names of the texts.
        filters: (question, choices) to filter the rows by.
        rows: the worst first.
    """

    heading: str
    summary: str
    missing: str
    columns: Sequence[str]
    filters: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[Mistake]


def mistakes_of(scores: Classified | Regressed, texts: SplitTexts) -> Mistakes:
    chosen, of = worst(scores, MOST)
    groups: list[tuple[str, ...]]
    filters: list[tuple[str, list[str]]]
    if isinstance(scores, Classified):
        names = [label_text(label) for label in scores.labels]
        true, predicted = ([names[index] for index in column[chosen]] for column in (scores.true, scores.predicted))
        measures = [f"{100 * value:.1f} % sure" for value in scores.confidence[chosen]]
        groups = list(zip(true, predicted, strict=True))
        used = (set(true), set(predicted))
        choices = [[name for name in dict.fromkeys(names) if name in there] for there in used]
        filters = list(zip(("True label", "Predicted label"), choices, strict=True))
        labelled = int(scores.labelled.sum())
        heading = "Wrong with the highest confidence"
        summary = f"{of:,} of {counted(labelled, 'row')} {'is' if of == 1 else 'are'} wrong"
        summary += f"; here are the {MOST} of which the model is surest." if of > MOST else ", the surest first."
    else:
        true, predicted = ([f"{value:.2f}" for value in column[chosen]] for column in (scores.true, scores.predicted))
        errors = scores.error[chosen]
        measures = [f"{abs(error):.2f} too {'high' if error > 0 else 'low'}" for error in errors]
        groups = [("too high" if error > 0 else "too low",) for error in errors]
        filters = [("Prediction", ["too high", "too low"])]
        heading = "Farthest from the true score"
        summary = f"The {len(chosen):,} of {counted(of, 'row')} with the largest error, the largest first."
    rows = [
        Mistake(
            row, true[place], predicted[place], measures[place], groups[place], [row_text(t[row]) for t in texts.texts]
        )
        for place, row in enumerate(chosen)
    ]
    return Mistakes(heading, summary, texts.missing, texts.columns, filters, rows)
