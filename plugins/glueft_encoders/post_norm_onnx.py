"""The ONNX graph of a post-norm classifier, layer by layer as in `post_norm_layers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.export.onnx_graph import Graph

# In the order in which `query_key_value` has them.
PARTS = ("query", "key", "value")


def write_classifier(graph: Graph, model: Classifier, head_activation: str, bias: str | None = None) -> None:
    """Write the graph.

    Args:
        graph: to write to.
        model: whose weights it gets.
        head_activation: in the head.
        bias: added to the scores, (batch, heads, length, length); by default that of padding alone.
    """
    states = _embeddings(graph, model.encoder.embeddings)
    bias_of_first = None if bias is None else graph("Slice", bias, graph.whole(0), graph.whole(1), graph.whole(2))
    bias = bias or graph.attention_mask_bias()
    *order, last = model.encoder.block_order
    activation = model.config.activation
    for depth, index in enumerate(order):
        graph.scope = f"layer_{depth}"
        states = _block(graph, model.encoder.blocks[index], activation, states, bias)
    graph.scope = f"layer_{len(order)}"
    states = _block(graph, model.encoder.blocks[last], activation, states, bias_of_first or bias, first_token=True)
    write_head(graph, model, head_activation, states)


def write_head(graph: Graph, model: Classifier, activation: str, states: str) -> None:
    """Write the head upon the states of the first tokens, (batch, 1, hidden)."""
    graph.scope = "head"
    state = graph("Squeeze", states, graph.whole(1))
    state = graph.activation(activation, graph.dense(model.head.dense, state))
    graph.dense(model.head.output_dense, state, output="logits")


def _embeddings(graph: Graph, layers: Any) -> str:
    """Sum and normalise the embeddings: (batch, length) -> (batch, length, hidden)."""
    graph.scope = "embeddings"
    input_ids, _, token_type_ids = graph.inputs
    if layers.padding_index is None:
        length = graph("Gather", graph("Shape", input_ids), graph.whole(1, scalar=True))
        positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
    else:
        padding = graph.whole(layers.padding_index, scalar=True)
        token = graph("Cast", graph("Not", graph("Equal", input_ids, padding)), to=TensorProto.INT64)
        counted = graph("CumSum", token, graph.whole(1, scalar=True))
        positions = graph("Add", graph("Mul", counted, token), padding)
    states = graph.lookup(layers.word_embeddings, input_ids)
    if layers.token_type_embeddings is not None:
        states = graph("Add", states, graph.lookup(layers.token_type_embeddings, token_type_ids))
    states = graph("Add", states, graph.lookup(layers.position_embeddings, positions))
    states = graph.norm(layers.embeddings_norm, states)
    if layers.embeddings_projection is not None:
        states = graph.dense(layers.embeddings_projection, states)
    return states


def _block(graph: Graph, block: Any, activation: str, states: str, bias: str, first_token: bool = False) -> str:
    """Map states (batch, length, hidden) to new ones, or with `first_token` to (batch, 1, hidden)."""
    attended = _attention(graph, block, states, bias, first_token)
    if first_token:
        states = graph.first_token(states)
    return after_attention(graph, block, activation, states, attended)


def after_attention(graph: Graph, block: Any, activation: str, states: str, attended: str) -> str:
    """Map the old states and what they have attended to, both (batch, queries, hidden), to new states."""
    attended = graph.dense(block.projection, attended)
    states = graph.norm(block.attention_norm, graph("Add", attended, states))
    intermediate = graph.activation(activation, graph.dense(block.intermediate, states))
    output = graph.dense(block.output_dense, intermediate)
    return graph.norm(block.output_norm, graph("Add", output, states))


def _attention(graph: Graph, block: Any, states: str, bias: str, first_token: bool) -> str:
    """Self-attention with a product each for query, key and value, which runtimes know how to fuse."""
    first = graph.first_token(states) if first_token else states
    # Scaling the weights is scaling the query.
    query = heads(graph, block, "query", first, (0, 2, 1, 3), scale=block.head_size**-0.5)
    scores = graph("MatMul", query, heads(graph, block, "key", states, (0, 2, 3, 1)))
    return attend(graph, block, graph("Add", scores, bias), states)


def heads(graph: Graph, block: Any, part: str, states: str, axes: tuple[int, ...], scale: float = 1.0) -> str:
    """Map states to a block's "query", "key" or "value", (batch, length, heads, size) in this order of axes."""
    index = PARTS.index(part)
    kernel = np.split(np.asarray(block.query_key_value.kernel), 3, axis=1)[index]
    bias = np.split(np.asarray(block.query_key_value.bias), 3)[index]
    if scale != 1.0:
        kernel, bias = kernel * scale, bias * scale
    path = f"{block.path}/{part}"
    product = graph("MatMul", states, graph.weight(f"{path}/kernel", kernel))
    product = graph("Add", product, graph.weight(f"{path}/bias", bias))
    shape = graph.whole(0, 0, block.num_heads, block.head_size)
    return graph("Transpose", graph("Reshape", product, shape), perm=axes)


def attend(graph: Graph, block: Any, scores: str, states: str) -> str:
    """Map scores (batch, heads, queries, length) and states to what is attended to, (batch, queries, hidden)."""
    value = heads(graph, block, "value", states, (0, 2, 1, 3))
    attended = graph("MatMul", graph("Softmax", scores, axis=-1), value)
    return graph("Reshape", graph("Transpose", attended, perm=(0, 2, 1, 3)), graph.whole(0, 0, block.hidden_size))
