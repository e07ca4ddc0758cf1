"""Rows that look like a GLUE task's, made on the spot: the benchmarks need no file but the sample encoder's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glueft.data.encoding import Encoded
from glueft.data.rows import Rows

# Of the words that a text draws, one in so many is two words run together, which the tokenizer takes apart again: names
# and rare words of real text do the same to it.
RARE_EVERY = 12


def vocabulary(tokenizer: Any) -> list[str]:
    """The tokenizer's whole words in lower-case ASCII letters, most frequent first.

    The ids of BERT's vocabulary run from frequent words to rare ones.
    """
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    return [word for word, _ in by_id if len(word) > 1 and word.isascii() and word.isalpha() and word.islower()]


def texts(words: list[str], lengths: NDArray[np.int64], random: np.random.Generator) -> list[str]:
    """Questions of so many words each, drawn by Zipf's law: the word of rank r has a weight of 1 / r."""
    drawn = draw(len(words), int(lengths.sum()), random)
    chosen = [words[index] for index in drawn.tolist()]
    for place, index in enumerate(draw(len(words), len(chosen) // RARE_EVERY, random).tolist()):
        chosen[place * RARE_EVERY] += words[index]
    ends = np.cumsum(lengths).tolist()
    return [" ".join(chosen[start:end]).capitalize() + "?" for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def draw(ranks: int, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw ranks from 0 by Zipf's law."""
    cumulative = np.cumsum(1 / np.arange(1, ranks + 1))
    return np.searchsorted(cumulative, random.random(count) * cumulative[-1])


def question_pairs(tokenizer: Any, count: int, *, seed: int = 0) -> Rows:
    """Pairs like those of QQP: some 11 words a question, 3 at least, a few of 40 and more; about 30 tokens a pair."""
    random = np.random.default_rng(seed)
    words = vocabulary(tokenizer)
    columns = tuple(
        texts(words, np.maximum(random.lognormal(2.25, 0.5, count), 3).astype(np.int64), random) for _ in range(2)
    )
    labels = (random.random(count) < 0.37).astype(np.int32)  # 37 % of QQP's pairs are duplicates
    return Rows("train", columns, labels, ("not_duplicate", "duplicate"))


def sentences(tokenizer: Any, count: int, *, seed: int = 1) -> Rows:
    """Sentences as long as those of SST-2's validation split: 2 to 47 words, 19.5 in the mean; about 25 tokens."""
    random = np.random.default_rng(seed)
    lengths = np.clip(random.normal(19.5, 8.8, count), 2, 47).astype(np.int64)
    labels = np.arange(count, dtype=np.int32) % 2
    return Rows("validation", (texts(vocabulary(tokenizer), lengths, random),), labels, ("negative", "positive"))


def held_bytes(encoded: Encoded) -> int:
    """Return the bytes held for the tokens of all rows."""
    return encoded.ids.nbytes + encoded.token_types.nbytes + encoded.offsets.nbytes
