"""The valid name that a user most likely meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable
from itertools import islice

# How other tools call what glueft calls otherwise.
OTHER_NAMES = {
    "lr": "learning_rate",
    "name": "plugin",
    "wd": "weight_decay",
    "bs": "batch_size",
    "max_len": "max_length",
}

# What is compared: a table may have a hundred thousand columns, and a name of theirs may be a book.
LONGEST = 100
MOST = 1000


def nearest(name: str, valid: Iterable[str], cutoff: float = 0.6, favoured: Container[str] = ()) -> str | None:
    """Return the one of `valid` that looks most like `name`, or None if none comes near.

    Args:
        name: what the user wrote.
        valid: the names that would have been right.
        cutoff: the least likeness that counts, from 0 to 1; `difflib`'s ratio.
        favoured: names that win a close race, such as keys that must be given.
    """
    name = OTHER_NAMES.get(name.lower(), name.lower())[:LONGEST]
    best, best_score = None, 0.0
    for candidate in sorted(islice(valid, MOST)):
        score = _likeness(name, candidate[:LONGEST].lower())
        if score < cutoff:
            continue
        score += 0.1 * (candidate in favoured)
        if score > best_score:
            best, best_score = candidate, score
    return best


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return `did you mean "adam"? ` with a space after it, or nothing if no valid name comes near."""
    match = nearest(name, valid)
    return f'did you mean "{match}"? ' if match else ""


def _likeness(name: str, candidate: str) -> float:
    ratio = difflib.SequenceMatcher(None, name, candidate).ratio()
    # "per_device_train_batch_size" holds all the words of "batch_size", and all the words of "lerning_rate", or nearly,
    # stand in "initial_learning_rate": near, however long the rest.
    few, many = sorted((_words(name), _words(candidate)), key=len)
    if few and all(difflib.get_close_matches(word, many, n=1, cutoff=0.8) for word in few):
        return max(ratio, 0.75 + ratio / 5)
    return ratio


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name)
