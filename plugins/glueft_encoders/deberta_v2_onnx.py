"""The ONNX graph of a DeBERTa-v2 classifier, layer by layer as in `deberta_v2_layers`.

Relative positions as queries and keys depend on no input: they are constants, one for each block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras import ops
from onnx import TensorProto

from glueft.encoder.layers import MASKED
from glueft_encoders.deberta_v2 import CONTENT_TO_POSITION, POSITION_TO_CONTENT
from glueft_encoders.post_norm_onnx import after_attention, attend, heads, write_head

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.export.onnx_graph import Graph


@dataclass(frozen=True)
class _Row:
    """What every block needs to know of the rows; names of tensors in the graph.

    Attributes:
        length: of the padded rows, (1,).
        mask: whether query and key are tokens, boolean (batch, 1, length, length).
        rising, falling: the relative embedding of each distance, from -length to length - 1 and back, (2 * length,).
        size, shape: of the products with positions when they are shifted: length * (2 * length - 1), (1,); and
            (0, 0, length, 2 * length - 1), where 0 stands for what it was before.
    """

    length: str
    mask: str
    rising: str
    falling: str
    size: str
    shape: str


def write_classifier(graph: Graph, model: Classifier) -> None:
    encoder, config = model.encoder, model.config
    states = _embeddings(graph, encoder.embeddings)
    row = _row(graph, encoder.embeddings)
    positions = _positions(encoder.embeddings) if config.relative_terms else None
    for index, block in enumerate(encoder.blocks):
        graph.scope = f"layer_{index}"
        scores = _scores(graph, block, states, row, positions)
        if block is encoder.blocks[-1]:
            scores = graph("Slice", scores, graph.whole(0), graph.whole(1), graph.whole(2))
        attended = attend(graph, block, scores, states)
        if block is encoder.blocks[-1]:
            states = graph.first_token(states)
        states = after_attention(graph, block, config.activation, states, attended)
    write_head(graph, model, config.pooler_activation, states)


def _embeddings(graph: Graph, layers: Any) -> str:
    """Sum, normalise and mask the embeddings: (batch, length) -> (batch, length, hidden)."""
    graph.scope = "embeddings"
    input_ids, attention_mask, token_type_ids = graph.inputs
    states = graph.lookup(layers.word_embeddings, input_ids)
    if layers.position_embeddings is not None:
        length = graph("Gather", graph("Shape", input_ids), graph.whole(1, scalar=True))
        positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
        states = graph("Add", states, graph.lookup(layers.position_embeddings, positions))
    if layers.token_type_embeddings is not None:
        states = graph("Add", states, graph.lookup(layers.token_type_embeddings, token_type_ids))
    if layers.embeddings_projection is not None:
        states = graph.dense(layers.embeddings_projection, states)
    token = graph("Cast", graph("Cast", attention_mask, to=TensorProto.BOOL), to=TensorProto.FLOAT)
    return graph("Mul", graph.norm(layers.embeddings_norm, states), graph("Unsqueeze", token, graph.whole(2)))


def _row(graph: Graph, layers: Any) -> _Row:
    graph.scope = "positions"
    input_ids, attention_mask, _ = graph.inputs
    token = graph("Cast", attention_mask, to=TensorProto.BOOL)
    pairs = graph("Unsqueeze", token, graph.whole(1, 3)), graph("Unsqueeze", token, graph.whole(1, 2))
    length = graph("Slice", graph("Shape", input_ids), graph.whole(1), graph.whole(2))
    middle = graph.whole(len(layers.relative_rows) // 2)
    ends = graph("Sub", middle, length), graph("Add", middle, length)
    rising, falling = (
        graph("Slice", graph.whole(*(int(row) for row in rows)), *ends)
        for rows in (layers.relative_rows, layers.relative_rows[::-1])
    )
    width = graph("Sub", graph("Add", length, length), graph.whole(1))
    shape = graph("Concat", graph.whole(0, 0), length, width, axis=0)
    return _Row(length, graph("And", *pairs), rising, falling, graph("Mul", length, width), shape)


def _positions(layers: Any) -> Any:
    """All relative embeddings, normalised where they are: (positions, hidden)."""
    rows = layers.relative_embeddings(ops.arange(2 * layers.span, dtype="int32"))
    return rows if layers.relative_norm is None else layers.relative_norm(rows)


def _scores(graph: Graph, block: Any, states: str, row: _Row, positions: Any) -> str:
    """The masked scores of a block, (batch, heads, length, length)."""
    query = heads(graph, block, "query", states, (0, 2, 1, 3), scale=block.scale)
    key = heads(graph, block, "key", states, (0, 2, 1, 3))
    scores = graph("MatMul", query, graph("Transpose", key, perm=(0, 1, 3, 2)))
    position_query, position_key = block.projected(positions) if block.terms else (None, None)
    if CONTENT_TO_POSITION in block.terms:
        products = _products(graph, query, f"{block.path}/position_keys", position_key, row.falling)
        start = graph("Sub", row.length, graph.whole(1))
        scores = graph("Add", scores, _diagonals(graph, products, row, start))
    if POSITION_TO_CONTENT in block.terms:
        scaled = position_query * block.scale
        products = _products(graph, key, f"{block.path}/position_queries", scaled, row.rising)
        shifted = _diagonals(graph, products, row, row.length)
        scores = graph("Add", scores, graph("Transpose", shifted, perm=(0, 1, 3, 2)))
    return graph("Where", row.mask, scores, graph.number(MASKED))


def _products(graph: Graph, content: str, name: str, positions: Any, distances: str) -> str:
    """Queries or keys times positions (1, heads, positions, size), by distance: (batch, heads, length, 2 * length)."""
    constant = graph.weight(name, ops.convert_to_numpy(ops.transpose(positions[0], (0, 2, 1))))
    return graph("MatMul", content, graph("Gather", constant, distances, axis=2))


def _diagonals(graph: Graph, products: str, row: _Row, start: str) -> str:
    """As in `deberta_v2_layers`."""
    flat = graph("Reshape", products, graph.whole(0, 0, -1))
    flat = graph("Slice", flat, start, graph("Add", start, row.size), graph.whole(2))
    return graph("Slice", graph("Reshape", flat, row.shape), graph.whole(0), row.length, graph.whole(3))
