"""A family of encoders that glueft does not have, all of it in one file, as a package of someone else would bring it.

Pre-norm blocks without biases: RMS norm (Zhang and Sennrich, 2019, arXiv:1910.07467), rotary positions (Su et al.,
2021, arXiv:2104.09864), GeGLU (Shazeer, 2020, arXiv:2002.05202), every second layer with attention to near tokens
alone, and a head that reads the mean of the tokens' states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import glueft
from glueft import CheckpointTensor


@dataclass(frozen=True, kw_only=True)
class RotaryConfig(glueft.EncoderConfig):
    num_heads: int
    intermediate_size: int
    norm_eps: float
    dropout: float
    window: int

    @property
    def head_size(self):
        return self.hidden_size // self.num_heads

    def angles(self):
        """Cosines and sines of the rotations, each (max_positions, head_size)."""
        frequencies = 10_000.0 ** (-np.arange(0, self.head_size, 2) / self.head_size)
        angles = np.outer(np.arange(self.max_positions), np.concatenate([frequencies, frequencies]))
        return np.cos(angles).astype("float32"), np.sin(angles).astype("float32")


class Rotary(glueft.Encoder):
    """Pre-norm, RMS norm, rotary positions and GeGLU."""

    name = "rotary"
    architecture = "RotaryForSequenceClassification"
    prefix = "model."
    defaults: ClassVar = {
        "vocab_size": 1000,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 512,
        "norm_eps": 1e-5,
        "dropout": 0.1,
        "local_attention": 128,
        "initializer_range": 0.02,
    }
    adapted = ("query_key_value", "projection", "gates", "output_dense")

    def read_config(self, values):
        hidden, heads = values.whole("hidden_size"), values.whole("num_attention_heads")
        if hidden % (2 * heads):
            raise values.inconsistent("the heads have no even size", "an even one", f"{hidden} / {heads}")
        return RotaryConfig(
            vocab_size=values.whole("vocab_size"),
            hidden_size=hidden,
            num_layers=values.whole("num_hidden_layers"),
            max_positions=values.whole("max_position_embeddings"),
            initializer_range=values.positive("initializer_range"),
            num_heads=heads,
            intermediate_size=values.whole("intermediate_size"),
            norm_eps=values.positive("norm_eps"),
            dropout=values.rate("dropout"),
            window=values.whole("local_attention"),
        )

    def tensors(self, config, outputs):
        dense, norm = CheckpointTensor.dense, CheckpointTensor.norm
        hidden, inner = config.hidden_size, config.intermediate_size
        words = "encoder.embeddings.word_embeddings"
        yield from CheckpointTensor.embedding("model.embeddings", words, config.vocab_size, hidden)
        for index in range(config.num_layers):
            name, block = f"model.layers.{index}", f"encoder.blocks.{index}"
            yield from norm(f"{name}.attention_norm", f"{block}.attention_norm", hidden, bias=False)
            yield from dense(f"{name}.qkv", f"{block}.query_key_value", 3 * hidden, hidden, bias=False)
            yield from dense(f"{name}.attention_out", f"{block}.projection", hidden, hidden, bias=False)
            yield from norm(f"{name}.mlp_norm", f"{block}.mlp_norm", hidden, bias=False)
            for part, half in enumerate(("up", "gate")):
                yield from dense(f"{name}.mlp_{half}", f"{block}.gates", inner, hidden, bias=False, part=part)
            yield from dense(f"{name}.mlp_out", f"{block}.output_dense", hidden, inner, bias=False)
        yield from norm("model.final_norm", "encoder.final_norm", hidden, bias=False)
        yield from dense("head.dense", "head.dense", hidden, hidden, role="head")
        yield from dense("classifier", "head.output_dense", outputs, hidden, role="output")

    def build_encoder(self, config, dropouts):
        return _layers()["RotaryEncoder"](config, dropouts, name="encoder")

    def build_head(self, config, outputs, dropouts):
        return _layers()["MeanHead"](config, outputs, dropouts, name="head")

    def onnx(self, graph, model):
        config = model.config
        input_ids, attention_mask, _ = graph.inputs
        graph.scope = "encoder"
        states = graph.lookup(model.encoder.embeddings.word_embeddings, input_ids)
        padding = graph.attention_mask_bias()
        length = graph("Gather", graph("Shape", input_ids), graph.whole(1, scalar=True))
        positions = graph("Range", graph.whole(0, scalar=True), length, graph.whole(1, scalar=True))
        rotations = [
            graph("Gather", graph.weight(name, table), positions)
            for name, table in zip(("cosines", "sines"), config.angles(), strict=True)
        ]
        apart = graph("Abs", graph("Sub", positions, graph("Unsqueeze", positions, graph.whole(1))))
        far = graph("Cast", graph("Greater", apart, graph.whole(config.window // 2, scalar=True)), to=1)
        near = graph("Add", padding, graph("Mul", far, graph.number(-3e4)))
        for index, block in enumerate(model.encoder.blocks):
            graph.scope = f"layer_{index}"
            normed = self._onnx_norm(graph, block.attention_norm, states)
            attended = self._onnx_attention(graph, block, normed, near if index % 2 else padding, rotations)
            states = graph("Add", states, graph.dense(block.projection, attended))
            gates = graph.dense(block.gates, self._onnx_norm(graph, block.mlp_norm, states))
            up = graph("Slice", gates, graph.whole(0), graph.whole(config.intermediate_size), graph.whole(2))
            gate = graph(
                "Slice",
                gates,
                graph.whole(config.intermediate_size),
                graph.whole(2 * config.intermediate_size),
                graph.whole(2),
            )
            output = graph.dense(block.output_dense, graph("Mul", graph.activation("gelu", up), gate))
            states = graph("Add", states, output)
        graph.scope = "head"
        states = self._onnx_norm(graph, model.encoder.final_norm, states)
        mask = graph("Unsqueeze", graph("Cast", attention_mask, to=1), graph.whole(2))
        total = graph("ReduceSum", graph("Mul", states, mask), graph.whole(1), keepdims=0)
        mean = graph("Div", total, graph("ReduceSum", mask, graph.whole(1), keepdims=0))
        state = graph.activation("gelu", graph.dense(model.head.dense, mean))
        graph.dense(model.head.output_dense, state, output="logits")

    def _onnx_norm(self, graph, layer, states):
        mean = graph("ReduceMean", graph("Mul", states, states), axes=[-1], keepdims=1)
        root = graph("Sqrt", graph("Add", mean, graph.number(layer.epsilon)))
        return graph("Mul", graph("Div", states, root), graph.weight(layer.gamma.path, layer.gamma))

    def _onnx_attention(self, graph, block, states, bias, rotations):
        size, heads = block.head_size, block.num_heads
        parts = graph("Reshape", graph.dense(block.query_key_value, states), graph.whole(0, 0, 3, heads, size))
        query, key, value = (
            graph(
                "Transpose",
                graph("Squeeze", graph("Slice", parts, *(graph.whole(n) for n in (part, part + 1, 2))), graph.whole(2)),
                perm=(0, 2, 1, 3),
            )
            for part in range(3)
        )

        def rotated(x):
            first = graph("Slice", x, graph.whole(0), graph.whole(size // 2), graph.whole(3))
            second = graph("Slice", x, graph.whole(size // 2), graph.whole(size), graph.whole(3))
            turned = graph("Concat", graph("Neg", second), first, axis=-1)
            return graph("Add", graph("Mul", x, rotations[0]), graph("Mul", turned, rotations[1]))

        query = graph("Mul", rotated(query), graph.number(size**-0.5))
        scores = graph("Add", graph("MatMul", query, graph("Transpose", rotated(key), perm=(0, 1, 3, 2))), bias)
        attended = graph("MatMul", graph("Softmax", scores, axis=-1), value)
        return graph("Reshape", graph("Transpose", attended, perm=(0, 2, 1, 3)), graph.whole(0, 0, heads * size))


def _layers():
    """The classes of the layers, which need Keras."""
    import keras
    from keras import ops

    from glueft.encoder.activations import ACTIVATIONS
    from glueft.encoder.layers import MASKED, attention, attention_mask_bias, dense_layer
    from glueft.encoder.word_embeddings import WordEmbeddings

    class RMSNorm(keras.layers.Layer):
        def __init__(self, size, epsilon, name):
            super().__init__(name=name)
            self.size, self.epsilon = size, epsilon

        def build(self, input_shape=None):
            self.gamma = self.add_weight(shape=(self.size,), initializer="ones", name="gamma")

        def call(self, states):
            mean = ops.mean(ops.square(states), axis=-1, keepdims=True)
            return states * ops.rsqrt(mean + self.epsilon) * ops.cast(self.gamma, states.dtype)

    class Embeddings(keras.layers.Layer):
        def __init__(self, config, name):
            super().__init__(name=name)
            self.word_embeddings = WordEmbeddings(
                config.vocab_size, config.hidden_size, embeddings_initializer="zeros", name="word_embeddings"
            )

        def build(self, input_shape=None):
            self.word_embeddings.build((None, None))

        def call(self, input_ids):
            return self.word_embeddings(input_ids)

    class Block(keras.layers.Layer):
        def __init__(self, config, dropouts, name):
            super().__init__(name=name)
            self.config = config
            self.num_heads, self.head_size = config.num_heads, config.head_size
            self.attention_norm = RMSNorm(config.hidden_size, config.norm_eps, "attention_norm")
            self.query_key_value = dense_layer(3 * config.hidden_size, "query_key_value", use_bias=False)
            self.attention_dropout = dropouts(config.dropout)
            self.projection = dense_layer(config.hidden_size, "projection", use_bias=False)
            self.mlp_norm = RMSNorm(config.hidden_size, config.norm_eps, "mlp_norm")
            self.gates = dense_layer(2 * config.intermediate_size, "gates", use_bias=False)
            self.output_dense = dense_layer(config.hidden_size, "output", use_bias=False)

        def build(self, input_shape=None):
            states = (None, None, self.config.hidden_size)
            for layer in (self.attention_norm, self.query_key_value, self.projection, self.mlp_norm, self.gates):
                layer.build(states)
            self.output_dense.build((None, None, self.config.intermediate_size))

        def call(self, states, bias, cosines, sines, training=False):
            batch, length = ops.shape(states)[:2]
            heads = (batch, length, 3, self.num_heads, self.head_size)
            parts = ops.reshape(self.query_key_value(self.attention_norm(states)), heads)
            query, key, value = ops.unstack(ops.transpose(parts, (2, 0, 3, 1, 4)), 3)

            def rotated(x):
                first, second = ops.split(x, 2, axis=-1)
                return x * cosines + ops.concatenate([-second, first], axis=-1) * sines

            attended = attention(
                rotated(query), rotated(key), value, bias, dropout=self.attention_dropout, training=training
            )
            states = states + self.projection(ops.reshape(attended, (batch, length, self.config.hidden_size)))
            up, gate = ops.split(self.gates(self.mlp_norm(states)), 2, axis=-1)
            return states + self.output_dense(ACTIVATIONS["gelu"](up) * gate)

    class RotaryEncoder(keras.layers.Layer):
        def __init__(self, config, dropouts, name):
            super().__init__(name=name)
            self.config, self.angles = config, config.angles()
            self.embeddings = Embeddings(config, "embeddings")
            self.blocks = [Block(config, dropouts, f"block_{index}") for index in range(config.num_layers)]
            self.final_norm = RMSNorm(config.hidden_size, config.norm_eps, "final_norm")

        def build(self, input_shape=None):
            for layer in (self.embeddings, *self.blocks, self.final_norm):
                layer.build()

        def call(self, input_ids, attention_mask, token_type_ids, training=False, first_token=False):
            states = self.embeddings(input_ids)
            length = ops.shape(input_ids)[1]
            positions = ops.arange(length)
            cosines, sines = (ops.cast(ops.take(table, positions, axis=0), states.dtype) for table in self.angles)
            everywhere = attention_mask_bias(attention_mask, states.dtype)
            far = ops.abs(positions[None, :] - positions[:, None]) > self.config.window // 2
            near = everywhere + ops.cast(far, states.dtype) * MASKED
            for index, block in enumerate(self.blocks):
                states = block(states, near if index % 2 else everywhere, cosines, sines, training=training)
            return self.final_norm(states)

    class MeanHead(keras.layers.Layer):
        first_token = False

        def __init__(self, config, outputs, dropouts, name):
            super().__init__(name=name)
            self.hidden_size = config.hidden_size
            self.dense = dense_layer(config.hidden_size, "dense", activation=ACTIVATIONS["gelu"])
            self.dropout = dropouts(config.dropout)
            self.output_dense = dense_layer(outputs, "output", dtype="float32")

        def build(self, input_shape=None):
            self.dense.build((None, self.hidden_size))
            self.output_dense.build((None, self.hidden_size))

        def call(self, states, attention_mask, training=False):
            mask = ops.cast(attention_mask, states.dtype)[:, :, None]
            state = self.dense(ops.sum(states * mask, axis=1) / ops.sum(mask, axis=1))
            if self.dropout is not None:
                state = self.dropout(state, training=training)
            return self.output_dense(state)

    return {"RotaryEncoder": RotaryEncoder, "MeanHead": MeanHead}


@glueft.hookimpl
def glueft_encoders():
    return [Rotary]
