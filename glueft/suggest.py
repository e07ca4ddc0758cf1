"""The valid name that a user most likely meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable
from itertools import islice

# Names that other tools use, and what glueft calls the same.
OTHER_NAMES = {
    "acc": "accuracy",
    "eps": "epsilon",
    "lr": "learning_rate",
    "name": "plugin",
    "wd": "weight_decay",
    "bs": "batch_size",
    "max_len": "max_length",
    "max_seq_len": "max_length",
    "mcc": "matthews_correlation",
    "torch_compile": "jit_compile",
}

# Characters and names that are compared: a table may have a hundred thousand columns with very long names.
LONGEST = 100
MOST = 1000

# Words around a name that do not change its meaning: `num_train_epochs`, `text_column`.
FILLERS = {
    *("adam", "col", "column", "data", "device", "encoder", "field", "file", "hub", "lr", "mixed", "n", "name", "num"),
    *("number", "of", "path", "per", "score", "seq", "the", "to", "train", "training"),
}

# From this ratio on, two names differ by a typing error.
SLIP = 0.85

# A `cutoff` for names that anyone may have given, such as those of files: short ones are often alike by chance.
SURE = 0.74


def nearest(name: str, valid: Iterable[str], cutoff: float = 0.65, favoured: Container[str] = ()) -> str | None:
    """Return the valid name that is most like `name`, or None if none is close.

    Args:
        name: what the user wrote.
        valid: the valid names.
        cutoff: the lowest likeness that counts, from 0 to 1; `difflib`'s ratio.
        favoured: names to prefer among close ones, such as required keys.
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
    """Return `did you mean "adam"? `, with the space, or an empty text if no valid name is close."""
    match = nearest(name, valid)
    return f'did you mean "{match}"? ' if match else ""


def _likeness(name: str, candidate: str) -> float:
    ratio = difflib.SequenceMatcher(None, name, candidate).ratio()
    near = 0.75 + ratio / 5
    if ratio >= SLIP:
        return near
    said, meant = _words(name), _words(candidate)
    new = [word for word in said if not _stands_in(word, meant)]
    if len(new) == len(said) or len(said) == len(meant) == 1:
        return ratio  # no word in common
    left = [word for word in meant if not any(_stands_in(word, [other]) or _stands_in(other, [word]) for other in said)]
    # "initial_learning_rate" holds all the words of "lerning_rate", or nearly.
    if not new:
        return near
    # "per_device_train_batch_size" holds all the words of "batch_size", and otherwise only fillers.
    if not left and all(word in FILLERS for word in new):
        return near
    # "label_smoothing" is more than "label", and "save_steps" is not "warmup_steps".
    misspelt, right = "".join(new), "".join(left)
    return ratio if left and (right.startswith(misspelt) or _stands_in(misspelt, [right])) else 0.0


def _stands_in(word: str, words: list[str]) -> bool:
    """Whether one of the words is nearly this word, or begins with it."""
    begun = len(word) > 2 and any(other.startswith(word) for other in words)
    return begun or bool(difflib.get_close_matches(word, words, 1, 0.8))


def _words(name: str) -> list[str]:
    return [{"one": "1", "two": "2"}.get(word, word) for word in re.findall(r"[a-z]+|[0-9]+", name)]
