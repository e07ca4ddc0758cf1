"""What a task predicts, and which tasks a loss or a metric suits."""

from __future__ import annotations

from typing import Any, Literal, get_args

Predicts = Literal["labels", "scores", "multi_label"]
"""One of the task's labels a row, the score of a regression, or any number of labels a row."""

Suits = Predicts | tuple[Predicts, ...]
"""One kind of task, or `("labels", "multi_label")` for both that have labels."""

# What messages say that a task of each kind has.
KIND_WORDS: dict[Predicts, str] = {
    "labels": "labels",
    "scores": "scores",
    "multi_label": "any number of labels a row (multi_label)",
}


def kinds_of(suits: Suits) -> tuple[Predicts, ...]:
    """Return the kinds of tasks that `suits` names."""
    return suits if isinstance(suits, tuple) else (suits,)


def suits_breach(where: str, suits: Any) -> str | None:
    """How the `suits` of a loss or a metric breaks the contract; None if it keeps it."""
    if suits in get_args(Predicts) or suits in (("labels", "multi_label"), ("multi_label", "labels")):
        return None
    return f'{where} needs `suits`, "labels", "scores", "multi_label" or ("labels", "multi_label"), and has {suits!r}'
