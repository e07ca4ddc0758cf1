"""The ONNX graph of a classifier with rotary positions, layer by layer as in `rotary_layers`.

Every row has a score between every two tokens: parts and blocks would be a graph of each length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import TensorProto

from glueft.encoder.layers import MASKED
from glueft_encoders.rotary import frequencies

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.export.onnx_graph import Graph
    from glueft_encoders.rotary import Sight


class _View:
    """What the layers with one sight see: cosines and sines (length, size / 2), and what is added to their scores."""

    def __init__(self, graph: Graph, sight: Sight, head_size: int, positions: str, padding: str) -> None:
        graph.scope = f"positions_{sight.theta}_{sight.window}"
        column = graph("Unsqueeze", positions, graph.whole(1))
        steps = graph.weight(f"frequencies {sight.theta}", frequencies(sight.theta, head_size))
        angles = graph("Mul", graph("Cast", column, to=TensorProto.FLOAT), steps)
        self.cosines, self.sines = graph("Cos", angles), graph("Sin", angles)
        self.bias = padding
        if sight.window is not None:
            far = graph("Greater", graph("Abs", graph("Sub", positions, column)), graph.whole(sight.window))
            self.bias = graph(
                "Add", padding, graph("Mul", graph("Cast", far, to=TensorProto.FLOAT), graph.number(MASKED))
            )


def write_classifier(graph: Graph, model: Classifier) -> None:
    config, encoder = model.config, model.encoder
    input_ids, attention_mask, _ = graph.inputs
    padding = graph.attention_mask_bias()
    length = graph("Gather", graph("Shape", input_ids), graph.whole(1, scalar=True))
    positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
    views = {sight: _View(graph, sight, config.head_size, positions, padding) for sight in dict.fromkeys(config.sights)}
    graph.scope = "embeddings"
    states = graph.lookup(encoder.embeddings.word_embeddings, input_ids)
    states = graph.norm(encoder.embeddings.embeddings_norm, states)
    for index, (block, sight) in enumerate(zip(encoder.blocks, config.sights, strict=True)):
        graph.scope = f"layer_{index}"
        last = index == config.num_layers - 1
        states = _block(graph, block, config, states, views[sight], first_token=last and model.head.first_token)
    graph.scope = "head"
    states = graph.norm(encoder.final_norm, states)
    state = graph("Squeeze", states, graph.whole(1)) if model.head.first_token else _mean(graph, states, attention_mask)
    state = graph.activation(config.head_activation, graph.dense(model.head.dense, state))
    graph.dense(model.head.output_dense, graph.norm(model.head.norm, state), output="logits")


def _block(graph: Graph, block: Any, config: Any, states: str, view: _View, *, first_token: bool) -> str:
    """Map states (batch, length, hidden) to new ones, or with `first_token` to (batch, 1, hidden)."""
    normed = states if block.attention_norm is None else graph.norm(block.attention_norm, states)
    attended = graph.dense(block.projection, _attention(graph, block, normed, view, first_token))
    if first_token:
        states = graph.first_token(states)
    states = graph("Add", states, attended)
    gates = graph.dense(block.gates, graph.norm(block.feed_forward_norm, states))
    up, gate = _halves(graph, gates, config.intermediate_size, axis=2)
    inner = graph("Mul", graph.activation(config.activation, up), gate)
    return graph("Add", states, graph.dense(block.output_dense, inner))


def _attention(graph: Graph, block: Any, states: str, view: _View, first_token: bool) -> str:
    heads, size = block.num_heads, block.head_size
    parts = graph("Reshape", graph.dense(block.query_key_value, states), graph.whole(0, 0, 3 * heads, size))
    parts = graph("Transpose", parts, perm=(0, 2, 1, 3))
    query, key, value = (_slice(graph, parts, part * heads, (part + 1) * heads, axis=1) for part in range(3))
    query = graph("Mul", _rotated(graph, query, size, view), graph.number(size**-0.5))
    bias = view.bias
    if first_token:
        query, bias = (_slice(graph, name, 0, 1, axis=2) for name in (query, bias))
    key = graph("Transpose", _rotated(graph, key, size, view), perm=(0, 1, 3, 2))
    weights = graph("Softmax", graph("Add", graph("MatMul", query, key), bias), axis=-1)
    attended = graph("Transpose", graph("MatMul", weights, value), perm=(0, 2, 1, 3))
    return graph("Reshape", attended, graph.whole(0, 0, heads * size))


def _rotated(graph: Graph, states: str, size: int, view: _View) -> str:
    first, second = _halves(graph, states, size // 2, axis=3)
    turned = (
        graph("Sub", graph("Mul", first, view.cosines), graph("Mul", second, view.sines)),
        graph("Add", graph("Mul", second, view.cosines), graph("Mul", first, view.sines)),
    )
    return graph("Concat", *turned, axis=-1)


def _mean(graph: Graph, states: str, attention_mask: str) -> str:
    mask = graph("Unsqueeze", graph("Cast", attention_mask, to=TensorProto.FLOAT), graph.whole(2))
    total = graph("ReduceSum", graph("Mul", states, mask), graph.whole(1), keepdims=0)
    count = graph("Max", graph("ReduceSum", mask, graph.whole(1), keepdims=0), graph.number(1.0))
    return graph("Div", total, count)


def _halves(graph: Graph, states: str, half: int, *, axis: int) -> tuple[str, str]:
    return _slice(graph, states, 0, half, axis=axis), _slice(graph, states, half, 2 * half, axis=axis)


def _slice(graph: Graph, states: str, start: int, end: int, *, axis: int) -> str:
    return graph("Slice", states, graph.whole(start), graph.whole(end), graph.whole(axis))
