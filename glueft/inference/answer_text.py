"""One row's answer as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glueft.tables.problems import shown
from glueft.text import number_text

if TYPE_CHECKING:
    from glueft.runs.answers import Answers

LABELS_SHOWN = 10


def answer_lines(answers: Answers, labels: tuple[str, ...], row: int = 0) -> list[str]:
    """Return the labels of a row with their probabilities, the highest first, or its score."""
    numbers = answers.probabilities[row].tolist()
    if not labels:
        return [f"score {number_text(numbers[0])}"]
    ranked = sorted(zip(numbers, map(_name, labels), strict=True), key=lambda pair: -pair[0])
    width = max(len(name) for _, name in ranked[:LABELS_SHOWN])
    lines = [f"{name:{width}}  {number:.4f}" for number, name in ranked[:LABELS_SHOWN]]
    return lines + ([f"... and {len(ranked) - LABELS_SHOWN} more"] if len(ranked) > LABELS_SHOWN else [])


def answer_object(answers: Answers, labels: tuple[str, ...], texts: tuple[str, ...], row: int) -> dict[str, Any]:
    """Return a row's answer for JSON."""
    numbers = answers.probabilities[row].tolist()
    if not labels:
        return {"texts": list(texts), "score": numbers[0]}
    return {
        "texts": list(texts),
        "label": answers.labels[row],
        "probabilities": dict(zip(labels, numbers, strict=True)),
    }


def _name(label: str) -> str:
    """A label that holds control characters could move a terminal's cursor."""
    return label if label.isprintable() else shown(label)[1:-1]
