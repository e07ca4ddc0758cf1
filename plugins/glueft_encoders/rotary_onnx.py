"""The ONNX graph of a classifier with rotary positions, layer by layer as in `rotary_layers`.

Every row has a score between every two tokens: parts and blocks would be a graph of each length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import TensorProto

from glueft.encoder.layers import MASKED
from glueft_encoders.rotary import frequencies
from glueft_encoders.rotary_layers import RMSNorm

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
    padding = graph.attention_mask_bias()
    length = graph("Gather", graph("Shape", graph.inputs[0]), graph.whole(1, scalar=True))
    positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
    views = {sight: _View(graph, sight, config.head_size, positions, padding) for sight in dict.fromkeys(config.sights)}
    graph.scope = "embeddings"
    states = _embeddings(graph, encoder.embeddings)
    for index, (block, sight) in enumerate(zip(encoder.blocks, config.sights, strict=True)):
        graph.scope = f"layer_{index}"
        last = index == config.num_layers - 1
        states = _block(graph, block, config, states, views[sight], first_token=last and model.head.first_token)
    graph.scope = "head"
    if encoder.final_norm is not None:
        states = _norm(graph, encoder.final_norm, states)
    if config.pooling == "first":
        states = graph("Squeeze", states, graph.whole(1))
    elif config.pooling == "mean":
        states = _mean(graph, states)
    states = graph.activation(config.head_activation, graph.dense(model.head.dense, states))
    if model.head.norm is not None:
        states = _norm(graph, model.head.norm, states)
    if config.pooling == "each":
        _mean(graph, graph.dense(model.head.output_dense, states), output="logits")
    else:
        graph.dense(model.head.output_dense, states, output="logits")


def _embeddings(graph: Graph, layers: Any) -> str:
    input_ids, _, token_type_ids = graph.inputs
    states = graph.lookup(layers.word_embeddings, input_ids)
    if layers.token_type_embeddings is not None:
        states = graph("Add", states, graph.lookup(layers.token_type_embeddings, token_type_ids))
    return states if layers.embeddings_norm is None else _norm(graph, layers.embeddings_norm, states)


def _norm(graph: Graph, layer: Any, states: str) -> str:
    if not isinstance(layer, RMSNorm):
        return graph.norm(layer, states)
    mean = graph("ReduceMean", graph("Mul", states, states), axes=[-1], keepdims=1)
    root = graph("Sqrt", graph("Add", mean, graph.number(layer.epsilon)))
    return graph("Mul", graph("Div", states, root), graph.weight(layer.gamma.path, layer.gamma))


def _block(graph: Graph, block: Any, config: Any, states: str, view: _View, *, first_token: bool) -> str:
    """Map states (batch, length, hidden) to new ones, or with `first_token` to (batch, 1, hidden)."""
    pre, norms = config.pre_norm, (block.attention_norm, block.feed_forward_norm)
    normed = _norm(graph, norms[0], states) if pre and norms[0] is not None else states
    attended = graph.dense(block.projection, _attention(graph, block, normed, view, first_token))
    if first_token:
        states = graph.first_token(states)
    states = graph("Add", states, attended)
    if not pre:
        states = _norm(graph, norms[0], states)
    gates = graph.dense(block.gates, _norm(graph, norms[1], states) if pre else states)
    up, gate = _halves(graph, gates, config.intermediate_size, axis=2)
    inner = graph("Mul", graph.activation(config.activation, up), gate)
    states = graph("Add", states, graph.dense(block.output_dense, inner))
    return states if pre else _norm(graph, norms[1], states)


def _attention(graph: Graph, block: Any, states: str, view: _View, first_token: bool) -> str:
    heads, shared, size = block.num_heads, block.num_key_value_heads, block.head_size
    parts = graph("Reshape", graph.dense(block.query_key_value, states), graph.whole(0, 0, heads + 2 * shared, size))
    parts = graph("Transpose", parts, perm=(0, 2, 1, 3))
    ends = (0, heads, heads + shared, heads + 2 * shared)
    query, key, value = (_slice(graph, parts, *ends[part : part + 2], axis=1) for part in range(3))
    query = graph("Mul", _rotated(graph, query, size, view), graph.number(size**-0.5))
    bias = view.bias
    if first_token:
        query, bias = (_slice(graph, name, 0, 1, axis=2) for name in (query, bias))
    key = _rotated(graph, key, size, view)
    if shared != heads:
        indices = graph.whole(*(head * shared // heads for head in range(heads)))
        key, value = (graph("Gather", part, indices, axis=1) for part in (key, value))
    key = graph("Transpose", key, perm=(0, 1, 3, 2))
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


def _mean(graph: Graph, states: str, output: str | None = None) -> str:
    mask = graph("Unsqueeze", graph("Cast", graph.inputs[1], to=TensorProto.FLOAT), graph.whole(2))
    total = graph("ReduceSum", graph("Mul", states, mask), graph.whole(1), keepdims=0)
    count = graph("Max", graph("ReduceSum", mask, graph.whole(1), keepdims=0), graph.number(1.0))
    return graph("Div", total, count, output=output)


def _halves(graph: Graph, states: str, half: int, *, axis: int) -> tuple[str, str]:
    return _slice(graph, states, 0, half, axis=axis), _slice(graph, states, half, 2 * half, axis=axis)


def _slice(graph: Graph, states: str, start: int, end: int, *, axis: int) -> str:
    return graph("Slice", states, graph.whole(start), graph.whole(end), graph.whole(axis))
