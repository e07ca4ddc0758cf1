"""The floor of a step: the floating-point operations of its matrix products, counted from the encoder's config.

A product of (n, k) with (k, m) is 2 n k m operations. With T = rows x width tokens, hidden size h, intermediate size i
and L layers, a forward pass of the classifier takes

    every layer but the last    2 T h (4 h + 2 i) + 4 T width h
    the last layer              2 T h (2 h) + 2 rows h (2 h + 2 i) + 4 rows width h
    the head                    2 rows h (h + outputs)

for query, key, value and projection (4 h), the feed-forward layers (2 i), and the attention's own products. The head
reads the first token alone: the last layer needs keys and values of every token, and all else of the first one only.
A training step is three forward passes, as each product has two more as its gradients. What is no matrix product
(softmax, GELU, layer norm, dropout, embeddings, the optimizer) is no part of the floor.
"""

from __future__ import annotations

from glueft_encoders.post_norm import PostNormConfig


def forward_flops(config: PostNormConfig, rows: int, width: int, outputs: int) -> int:
    """Return the operations of one forward pass of a classifier on a batch (rows, width)."""
    hidden, intermediate = config.hidden_size, config.intermediate_size
    tokens = rows * width
    layer = 2 * tokens * hidden * (4 * hidden + 2 * intermediate) + 4 * tokens * width * hidden
    keys_and_values = 2 * tokens * hidden * 2 * hidden
    first_tokens = 2 * rows * hidden * (2 * hidden + 2 * intermediate) + 4 * rows * width * hidden
    head = 2 * rows * hidden * (hidden + outputs)
    projection = 2 * tokens * config.embedding_size * hidden if config.project_embeddings else 0
    return projection + (len(config.block_order) - 1) * layer + keys_and_values + first_tokens + head


def training_flops(config: PostNormConfig, rows: int, width: int, outputs: int) -> int:
    """Return the operations of one training step: a forward pass and two products for the gradients of each product."""
    return 3 * forward_flops(config, rows, width, outputs)
