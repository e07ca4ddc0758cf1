"""The padded lengths of batches: few of them, since backends prepare something for every shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Compiling a training step takes as long as training on about this many tokens: 5 to 9 s a shape for MiniLM, on JAX
# and by XLA on TensorFlow, against 0.4 to 0.6 ms a token (tests/benchmarks/NOTES.md). Both grow with the model.
SHAPE_TOKENS = 15_000
# On a GPU, also by XLA: what making a length's programs takes where they are kept already (4.6 s for BERT-base on an
# H200), against 37,000 tokens a second. Compiled anew they take six times as long, but the lengths, which change the
# last digits of a result, must not depend on what is kept.
SHAPE_TOKENS_ON_GPU = 170_000
# Where no program is compiled: oneDNN makes some forty products and conversions for each shape, 20 to 25 ms for MiniLM
# against 0.25 ms a token, and keeps them, 5 to 9 MiB (the same notes). A long run has all the lengths that occur.
SHAPE_TOKENS_UNCOMPILED = 200


def choose_buckets(
    longest: NDArray[np.int64], rows: NDArray[Any], shape_tokens: float = SHAPE_TOKENS
) -> NDArray[np.int64]:
    """Return the padded lengths of least total cost, ascending. More of them mean less padding, but more to prepare.

    Every batch is padded to the smallest of them that holds it. The optimum is found by dynamic programming over the
    lengths that occur: the longest of a group of neighbours serves the group.

    Args:
        longest: the longest row of each batch, (batches,).
        rows: the rows of each batch, (batches,); these are weights and may be fractions.
        shape_tokens: the cost of one more padded length, in tokens.
    """
    candidates, places = np.unique(longest, return_inverse=True)
    before = np.concatenate([[0.0], np.cumsum(np.bincount(places, weights=rows))])
    # best[j]: the least cost of the batches up to the j-th candidate; cut[j]: where its last group begins.
    best = np.zeros(len(candidates) + 1)
    cut = np.zeros(len(candidates) + 1, np.int64)
    for end in range(1, len(candidates) + 1):
        costs = best[:end] + (before[end] - before[:end]) * candidates[end - 1] + shape_tokens
        cut[end] = costs.argmin()
        best[end] = costs[cut[end]]
    chosen = []
    end = len(candidates)
    while end:
        chosen.append(candidates[end - 1])
        end = cut[end]
    return np.array(chosen[::-1], np.int64)


def padded_length(longest: Any, buckets: NDArray[np.int64] | None) -> Any:
    """Return the padded length of batches with these longest rows: the next bucket, or without buckets the length."""
    return longest if buckets is None else buckets[np.searchsorted(buckets, longest)]
