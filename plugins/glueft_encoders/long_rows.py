"""Attention that does without a score between every two tokens where rows are long. This module imports Keras.

What is masked has `HIDDEN` subtracted from its score. It is not added as a bias as in `glueft.encoder.layers`: for a
product and a sum in a branch or loop, TensorFlow 2.21 with oneDNN may return an empty tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from glueft.encoder.dropout import ByteDropout
from glueft.encoder.fused_ops import gradients_follow, step_is_compiled
from glueft.encoder.layers import MASKED

HIDDEN = -MASKED

# In longer rows, the other way is quicker or takes far less memory (tests/benchmarks/NOTES.md).
LONG = 1024
LONG_FOR_LOCAL = 512
LONG_FOR_LOCAL_COMPILED = 256
# So many queries have their scores at once.
PART = 256
# The fewest tokens of a block: smaller products are slow.
BLOCK = 32


def by_length(length: Any, most: int, short: Callable[[], Any], long: Callable[[], Any]) -> Any:
    """`short()` for rows of at most `most` tokens, `long()` for others.

    Where the length is open while TensorFlow traces, the graph decides. XLA compiles no such choice: there it is short.
    """
    if isinstance(length, int):
        return short() if length <= most else long()
    return short() if step_is_compiled() else ops.cond(length <= most, short, long)


def _longest_for_local() -> int:
    return LONG_FOR_LOCAL_COMPILED if step_is_compiled() else LONG_FOR_LOCAL


def hidden_padding(attention_mask: Any, dtype: Any) -> Any:
    """Return what is subtracted from the scores, (batch, 1, 1, length)."""
    return _hidden(ops.cast(attention_mask, "bool")[:, None, None, :], dtype)


def hidden_far_tokens(attention_mask: Any, window: int, dtype: Any) -> Any:
    """Return what is subtracted from the scores of local attention, (batch, 1, length, length).

    In long rows, where it is not needed, (batch, 1, 1, 1).
    """
    length = ops.shape(attention_mask)[1]
    mask = ops.cast(attention_mask, "bool")[:, None, None, :]

    def short() -> Any:
        positions = ops.arange(length, dtype="int32")
        near = ops.abs(positions[:, None] - positions[None, :]) <= window
        return _hidden(ops.logical_and(mask, near), dtype)

    return by_length(length, _longest_for_local(), short, lambda: _hidden(mask[..., :1], dtype))


def _hidden(seen: Any, dtype: Any) -> Any:
    return ops.cast(ops.logical_not(seen), dtype) * HIDDEN


def _attention(query: Any, key: Any, value: Any, hidden: Any, dropout: ByteDropout | None, training: bool) -> Any:
    """Attention of (..., queries, size) to (..., length, size); the query is scaled."""
    weights = ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)) - hidden, axis=-1)
    if dropout is not None:
        weights = dropout(weights, training=training)
    return ops.matmul(weights, value)


def local_attention(
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    hidden: Any,
    *,
    window: int,
    dropout: ByteDropout | None,
    training: bool,
) -> Any:
    """Attention to the tokens that are at most `window` away.

    Args:
        query: (batch, heads, length, size), scaled.
        key, value: (batch, heads, length, size).
        attention_mask: (batch, length).
        hidden: from `hidden_far_tokens`.
        window: tokens to each side.
        dropout: of the attention weights.
        training: whether dropout is applied.

    Returns:
        (batch, heads, length, size).
    """
    return by_length(
        ops.shape(query)[2],
        _longest_for_local(),
        lambda: _attention(query, key, value, hidden, dropout, training),
        lambda: _in_blocks(query, key, value, attention_mask, window, dropout, training),
    )


def _in_blocks(
    query: Any, key: Any, value: Any, attention_mask: Any, window: int, dropout: ByteDropout | None, training: bool
) -> Any:
    """Local attention of blocks of at least `window` tokens, each to itself and the two beside it alone."""
    batch, heads, length, size = ops.shape(query)
    block = max(window, BLOCK)
    count = (length + block - 1) // block
    filling = count * block - length

    def with_neighbours(states: Any) -> Any:
        states = ops.pad(states, ((0, 0), (0, 0), (block, filling + block), (0, 0)))
        states = ops.reshape(states, (batch, -1, count + 2, block, states.shape[3]))
        return ops.concatenate([states[:, :, :-2], states[:, :, 1:-1], states[:, :, 2:]], axis=3)

    mask = with_neighbours(ops.cast(attention_mask, "int32")[:, None, :, None])
    own, others = ops.arange(block, dtype="int32"), ops.arange(3 * block, dtype="int32") - block
    near = ops.abs(others[None, :] - own[:, None]) <= window
    hidden = _hidden(ops.logical_and(ops.swapaxes(mask, -1, -2) > 0, near), query.dtype)
    queries = ops.pad(query, ((0, 0), (0, 0), (0, filling), (0, 0)))
    queries = ops.reshape(queries, (batch, heads, count, block, size))
    attended = _attention(queries, with_neighbours(key), with_neighbours(value), hidden, dropout, training)
    return ops.reshape(attended, (batch, heads, count * block, size))[:, :, :length]


def full_attention(
    query: Any, key: Any, value: Any, hidden: Any, *, dropout: ByteDropout | None, training: bool
) -> Any:
    """Attention to all tokens of the row; in long rows, the scores of some queries are there after those of others.

    They are computed again for the gradient. With dropout, which would be drawn again, all are there at once.

    Args:
        query: (batch, heads, length, size), scaled.
        key, value: (batch, heads, length, size).
        hidden: from `hidden_padding`.
        dropout: of the attention weights.
        training: whether dropout is applied.

    Returns:
        (batch, heads, length, size).
    """

    def short() -> Any:
        return _attention(query, key, value, hidden, dropout, training)

    if dropout is not None and training:
        return short()
    return by_length(ops.shape(query)[2], LONG, short, lambda: _in_parts(query, key, value, hidden))


def _in_parts(query: Any, key: Any, value: Any, hidden: Any) -> Any:
    batch, heads, length, size = ops.shape(query)
    count = (length + PART - 1) // PART

    def parts(states: Any) -> Any:
        states = ops.pad(states, ((0, 0), (0, 0), (0, count * PART - length), (0, 0)))
        return ops.transpose(ops.reshape(states, (batch, heads, count, PART, size)), (2, 0, 1, 3, 4))

    def whole(states: Any) -> Any:
        states = ops.reshape(ops.transpose(states, (1, 2, 0, 3, 4)), (batch, heads, count * PART, size))
        return states[:, :, :length]

    def in_parts(query: Any, key: Any, value: Any, hidden: Any) -> Any:
        return whole(ops.map(lambda part: _attention(part, key, value, hidden, None, False), parts(query)))

    if not gradients_follow():
        return in_parts(query, key, value, hidden)

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def attended(query: Any, key: Any, value: Any, hidden: Any) -> Any:
        def gradient(*upstreams: Any, upstream: Any = None) -> Any:
            queries, upstreams_of_parts = parts(query), parts(upstreams[0] if upstream is None else upstream)

            def add_part(number: Any, sums: Any) -> Any:
                of_queries, of_key, of_value = sums
                query, upstream = (ops.take(states, number, axis=0) for states in (queries, upstreams_of_parts))
                weights = ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)) - hidden, axis=-1)
                of_weights = ops.matmul(upstream, ops.swapaxes(value, -1, -2))
                of_scores = weights * (of_weights - ops.sum(weights * of_weights, axis=-1, keepdims=True))
                here = ops.equal(ops.arange(count, dtype="int32"), number)[:, None, None, None, None]
                return (
                    ops.where(here, ops.matmul(of_scores, key), of_queries),
                    of_key + ops.matmul(ops.swapaxes(of_scores, -1, -2), query),
                    of_value + ops.matmul(ops.swapaxes(weights, -1, -2), upstream),
                )

            nothing = (ops.zeros_like(queries), ops.zeros_like(key), ops.zeros_like(value))
            of_queries, of_key, of_value = ops.fori_loop(0, count, add_part, nothing)
            return whole(of_queries), of_key, of_value, ops.zeros_like(hidden)

        return in_parts(query, key, value, hidden), gradient

    # TensorFlow finds what the gradient needs among the arguments alone.
    return attended(query, key, value, hidden)
