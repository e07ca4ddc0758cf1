"""The graph of a classifier in ONNX, layer by layer as in `glueft.encoder.encoder` and `glueft.encoder.classifier`.

It is written here rather than by `keras.Model.export(format="onnx")`: with tf2onnx 1.17, Keras 3.15.1 and TensorFlow
2.21 the exact GELU becomes an operation Erfc that ONNX does not have, and the file is written all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from glueft.encoder.encoder import MASKED
from glueft.export.format import INPUT_NAMES
from glueft.export.onnx_graph import ACTIVATIONS, Graph

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier


def onnx_model(model: Classifier) -> Any:
    """Return the ModelProto of a classifier: `INPUT_NAMES`, int64 (batch, length), -> `logits`, (batch, outputs).

    Args:
        model: from `plain_model.plain_copy`.
    """
    from glueft.version import __version__

    graph = Graph()
    config = model.config
    states = _embeddings(graph, model)
    mask = _mask(graph)
    *order, last = model.encoder.block_order
    for depth, index in enumerate(order):
        graph.scope = f"layer_{depth}"
        states = _block(graph, model.encoder.blocks[index], config.activation, states, mask)
    graph.scope = f"layer_{len(order)}"
    states = _block(graph, model.encoder.blocks[last], config.activation, states, mask, first_token=True)
    graph.scope = "head"
    state = graph("Squeeze", states, graph.whole(1))
    state = ACTIVATIONS[config.family.head.activation](graph, _dense(graph, model.head.dense, state))
    _dense(graph, model.head.output_dense, state, output="logits")
    outputs = len(model.labels) or 1
    made = graph.model(config.family.architecture, [*INPUT_NAMES], "logits", outputs, producer=("glueft", __version__))
    if model.labels:
        import json

        onnx.helper.set_model_props(made, {"labels": json.dumps(model.labels, ensure_ascii=False)})
    return made


def _embeddings(graph: Graph, model: Classifier) -> str:
    """Sum and normalise the embeddings: (batch, length) -> (batch, length, hidden)."""
    graph.scope = "embeddings"
    layers = model.encoder.embeddings
    input_ids, _, token_type_ids = INPUT_NAMES
    if layers.padding_index is None:
        length = graph("Gather", graph("Shape", input_ids), graph.whole(1, scalar=True))
        positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
    else:
        padding = graph.whole(layers.padding_index, scalar=True)
        token = graph("Cast", graph("Not", graph("Equal", input_ids, padding)), to=onnx.TensorProto.INT64)
        counted = graph("CumSum", token, graph.whole(1, scalar=True))
        positions = graph("Add", graph("Mul", counted, token), padding)
    states = _lookup(graph, layers.word_embeddings, input_ids)
    if layers.token_type_embeddings is not None:
        states = graph("Add", states, _lookup(graph, layers.token_type_embeddings, token_type_ids))
    states = graph("Add", states, _lookup(graph, layers.position_embeddings, positions))
    states = _norm(graph, layers.embeddings_norm, states)
    if layers.embeddings_projection is not None:
        states = _dense(graph, layers.embeddings_projection, states)
    return states


def _mask(graph: Graph) -> str:
    """Return what is added to the attention scores, (batch, 1, 1, length)."""
    graph.scope = "mask"
    padding = graph("Not", graph("Cast", "attention_mask", to=onnx.TensorProto.BOOL))
    scores = graph("Mul", graph("Cast", padding, to=onnx.TensorProto.FLOAT), graph.number(MASKED))
    return graph("Unsqueeze", scores, graph.whole(1, 2))


def _block(graph: Graph, block: Any, activation: str, states: str, mask: str, first_token: bool = False) -> str:
    """Map states (batch, length, hidden) to new ones, or with `first_token` to (batch, 1, hidden)."""
    attended = _dense(graph, block.projection, _attention(graph, block, states, mask, first_token))
    if first_token:
        states = _first(graph, states)
    states = _norm(graph, block.attention_norm, graph("Add", attended, states))
    intermediate = ACTIVATIONS[activation](graph, _dense(graph, block.intermediate, states))
    output = _dense(graph, block.output_dense, intermediate)
    return _norm(graph, block.output_norm, graph("Add", output, states))


def _attention(graph: Graph, block: Any, states: str, mask: str, first_token: bool) -> str:
    """Self-attention with a product each for query, key and value, which runtimes know how to fuse."""
    kernels = np.split(np.asarray(block.query_key_value.kernel), 3, axis=1)
    biases = np.split(np.asarray(block.query_key_value.bias), 3)
    # Scaling the weights is scaling the query.
    kernels[0], biases[0] = kernels[0] * block.head_size**-0.5, biases[0] * block.head_size**-0.5
    heads = graph.whole(0, 0, block.num_heads, block.head_size)

    def part(index: int, inputs: str, axes: tuple[int, ...]) -> str:
        path = f"{block.path}/{('query', 'key', 'value')[index]}"
        product = graph("MatMul", inputs, graph.weight(f"{path}/kernel", kernels[index]))
        product = graph("Add", product, graph.weight(f"{path}/bias", biases[index]))
        return graph("Transpose", graph("Reshape", product, heads), perm=axes)

    query = part(0, _first(graph, states) if first_token else states, (0, 2, 1, 3))
    scores = graph("Add", graph("MatMul", query, part(1, states, (0, 2, 3, 1))), mask)
    attended = graph("MatMul", graph("Softmax", scores, axis=-1), part(2, states, (0, 2, 1, 3)))
    return graph("Reshape", graph("Transpose", attended, perm=(0, 2, 1, 3)), graph.whole(0, 0, block.hidden_size))


def _first(graph: Graph, states: str) -> str:
    """The first token of each row: (batch, length, hidden) -> (batch, 1, hidden)."""
    return graph("Slice", states, graph.whole(0), graph.whole(1), graph.whole(1))


def _lookup(graph: Graph, layer: Any, ids: str) -> str:
    return graph("Gather", graph.weight(layer.embeddings.path, layer.embeddings), ids)


def _dense(graph: Graph, layer: Any, states: str, output: str | None = None) -> str:
    product = graph("MatMul", states, graph.weight(layer.kernel.path, layer.kernel))
    return graph("Add", product, graph.weight(layer.bias.path, layer.bias), output=output)


def _norm(graph: Graph, layer: Any, states: str) -> str:
    gamma, beta = graph.weight(layer.gamma.path, layer.gamma), graph.weight(layer.beta.path, layer.beta)
    return graph("LayerNormalization", states, gamma, beta, axis=-1, epsilon=layer.epsilon)
