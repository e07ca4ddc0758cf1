"""EuroBERT (Boizard et al., 2025, arXiv:2503.05500): blocks of a decoder of 2024, which see the whole row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import glueft
from glueft import CheckpointTensor
from glueft.encoder.activations import ACTIVATIONS
from glueft_encoders.rotary import Rotary, RotaryConfig, Sight, read_theta

POOLING = {"bos": "first", "mean": "mean", "late": "each"}


class EuroBert(Rotary):
    """EuroBERT: European languages and code, rows of up to 8,192 tokens."""

    name = "eurobert"
    architecture = "EuroBertForSequenceClassification"
    prefix = "model."
    poolings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "first": {"classifier_pooling": "bos"},
        "mean": {"classifier_pooling": "mean"},
    }
    # What EuroBERT's own checkpoints name as their code; transformers has taken it over.
    own_code: ClassVar[tuple[str, ...]] = ("modeling_eurobert",)
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128256,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_key_value_heads": None,
        "head_dim": None,
        "hidden_act": "silu",
        "max_position_embeddings": 8192,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-5,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "rope_parameters": None,
        "rope_scaling": None,
        "rope_theta": 10_000.0,
        "classifier_pooling": "late",
    }

    def read_config(self, values: glueft.ConfigReader) -> RotaryConfig:
        heads, layers = values.whole("num_attention_heads"), self.num_layers(values)
        shared = heads if values["num_key_value_heads"] is None else values.whole("num_key_value_heads")
        if heads % shared:
            raise values.inconsistent(
                "the heads cannot share their keys and values",
                "num_attention_heads that is a multiple of num_key_value_heads",
                f"{heads} heads, {shared} for keys and values",
            )
        return RotaryConfig(
            vocab_size=values.whole("vocab_size"),
            hidden_size=values.whole("hidden_size"),
            num_layers=layers,
            max_positions=values.whole("max_position_embeddings"),
            initializer_range=values.positive("initializer_range"),
            num_heads=heads,
            num_key_value_heads=shared,
            head_size=self.head_size(values),
            intermediate_size=values.whole("intermediate_size"),
            activation=values.choice("hidden_act", ACTIVATIONS, "activation"),
            rms_norm=True,
            norm_eps=values.positive("rms_norm_eps"),
            norm_bias=False,
            embeddings_norm=False,
            attention_bias=values.flag("attention_bias"),
            feed_forward_bias=values.flag("mlp_bias"),
            sights=(Sight(read_theta(values, values["rope_theta"])),) * layers,
            attention_dropout=values.rate("attention_dropout"),
            pooling=POOLING[values.choice("classifier_pooling", POOLING, "pooling of the head")],
            head_activation="gelu",
        )

    def tensors(self, config: RotaryConfig, outputs: int) -> Iterator[CheckpointTensor]:
        dense, norm, hidden = CheckpointTensor.dense, CheckpointTensor.norm, config.hidden_size
        inner, size, biased = config.intermediate_size, config.head_size, config.attention_bias
        all_heads, shared = config.num_heads * size, config.num_key_value_heads
        group = config.num_heads // shared
        # Keys and values are narrower than queries; their parts count in their own width.
        products = (("q", config.num_heads, 0), ("k", shared, group), ("v", shared, group + 1))
        words = "encoder.embeddings.word_embeddings"
        yield from CheckpointTensor.embedding("model.embed_tokens", words, config.vocab_size, hidden)
        for index in range(config.num_layers):
            name, block = f"model.layers.{index}", f"encoder.blocks.{index}"
            for layer, heads, part in products:
                attention = f"{name}.self_attn.{layer}_proj"
                yield from dense(attention, f"{block}.query_key_value", heads * size, hidden, bias=biased, part=part)
            yield from dense(f"{name}.self_attn.o_proj", f"{block}.projection", hidden, all_heads, bias=biased)
            for part, layer in enumerate(("gate", "up")):
                gate = f"{name}.mlp.{layer}_proj"
                yield from dense(gate, f"{block}.gates", inner, hidden, bias=config.feed_forward_bias, part=part)
            output = f"{name}.mlp.down_proj"
            yield from dense(output, f"{block}.output_dense", hidden, inner, bias=config.feed_forward_bias)
            yield from norm(f"{name}.input_layernorm", f"{block}.attention_norm", hidden, bias=False)
            yield from norm(f"{name}.post_attention_layernorm", f"{block}.feed_forward_norm", hidden, bias=False)
        yield from norm("model.norm", "encoder.final_norm", hidden, bias=False)
        yield from dense("dense", "head.dense", hidden, hidden, role="head")
        yield from dense("classifier", "head.output_dense", outputs, hidden, role="output")
