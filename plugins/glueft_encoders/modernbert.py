"""ModernBERT (Warner et al., 2024, arXiv:2412.13663): most layers see near tokens alone, and rows may be long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

import glueft
from glueft import CheckpointTensor
from glueft.encoder.activations import ACTIVATIONS
from glueft_encoders.rotary import Rotary, RotaryConfig, Sight, read_theta

FULL, SLIDING = "full_attention", "sliding_attention"
# What the kind of a layer is called where theta is a key of its own.
THETA_KEYS = {FULL: "global_rope_theta", SLIDING: "local_rope_theta"}
POOLING = {"cls": "first", "mean": "mean"}


class ModernBert(Rotary):
    """ModernBERT: rotary positions, local attention in most layers, rows of up to 8,192 tokens."""

    name = "modernbert"
    architecture = "ModernBertForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = ("modernbert-decoder",)
    prefix = "model."
    poolings: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "first": {"classifier_pooling": "cls"},
        "mean": {"classifier_pooling": "mean"},
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 50368,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "num_hidden_layers": 22,
        "num_attention_heads": 12,
        "hidden_activation": "gelu",
        "max_position_embeddings": 8192,
        "initializer_range": 0.02,
        "initializer_cutoff_factor": 2.0,
        "norm_eps": 1e-5,
        "norm_bias": False,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "layer_types": None,
        "global_attn_every_n_layers": 3,
        "rope_parameters": None,
        "rope_scaling": None,
        "global_rope_theta": 160_000.0,
        "local_rope_theta": 10_000.0,
        "local_attention": 128,
        "embedding_dropout": 0.0,
        "mlp_bias": False,
        "mlp_dropout": 0.0,
        "classifier_pooling": "cls",
        "classifier_dropout": 0.0,
        "classifier_bias": False,
        "classifier_activation": "gelu",
    }

    def read_config(self, values: glueft.ConfigReader) -> RotaryConfig:
        layers = self.num_layers(values)
        # A window as wide as the row, or any number beyond it, is the whole row.
        window = min(values.whole("local_attention") // 2, values.whole("max_position_embeddings"))
        sights = {
            FULL: Sight(self._theta(values, FULL)),
            SLIDING: Sight(self._theta(values, SLIDING), window),
        }
        attention_dropout = values.rate("attention_dropout")
        return RotaryConfig(
            vocab_size=values.whole("vocab_size"),
            hidden_size=values.whole("hidden_size"),
            num_layers=layers,
            max_positions=values.whole("max_position_embeddings"),
            initializer_range=values.positive("initializer_range"),
            num_heads=values.whole("num_attention_heads"),
            num_key_value_heads=values.whole("num_attention_heads"),
            head_size=self.head_size(values),
            intermediate_size=values.whole("intermediate_size"),
            activation=values.choice("hidden_activation", ACTIVATIONS, "activation"),
            norm_eps=values.positive("norm_eps"),
            norm_bias=values.flag("norm_bias"),
            attention_bias=values.flag("attention_bias"),
            feed_forward_bias=values.flag("mlp_bias"),
            sights=tuple(sights[kind] for kind in self._layer_types(values, layers)),
            embedding_dropout=values.rate("embedding_dropout"),
            attention_dropout=attention_dropout,
            projection_dropout=attention_dropout,
            gate_dropout=values.rate("mlp_dropout"),
            pooling=POOLING[values.choice("classifier_pooling", POOLING, "pooling of the head")],
            head_activation=values.choice("classifier_activation", ACTIVATIONS, "activation of the head"),
            head_bias=values.flag("classifier_bias"),
            head_norm=True,
            head_dropout=values.rate("classifier_dropout"),
            initializer_cutoff=self._cutoff(values),
        )

    def _cutoff(self, values: glueft.ConfigReader) -> float:
        key = "initializer_cutoff_factor"
        cutoff = 3.0 if values[key] is None else values.positive(key)
        if cutoff < 1:
            raise values.inconsistent(f"{key} leaves out most numbers", "1 or more standard deviations", f"{cutoff}")
        return cutoff

    def _layer_types(self, values: glueft.ConfigReader, layers: int) -> list[str]:
        """The kind of each layer; files of before transformers 5 say only which of them are global."""
        kinds = values["layer_types"]
        if kinds is None:
            every = values.whole("global_attn_every_n_layers")
            return [SLIDING if index % every else FULL for index in range(layers)]
        known = isinstance(kinds, list) and all(kind in (FULL, SLIDING) for kind in kinds)
        values.refuse("layer_types", not known, f'a list of "{FULL}" and "{SLIDING}"')
        if len(kinds) != layers:
            raise values.inconsistent(
                "layer_types does not have a kind for each layer", f"{layers} of them", f"{len(kinds)}"
            )
        return list(kinds)

    def _theta(self, values: glueft.ConfigReader, kind: str) -> float:
        values.refuse("rope_scaling", values["rope_scaling"], "rotary positions as they are, without scaling (null)")
        of_kind = glueft.ConfigReader(values.table("rope_parameters"), f"{values.where}: rope_parameters")
        settings = of_kind.table(kind) if kind in of_kind else {}
        return read_theta(values, values[THETA_KEYS[kind]], settings, f"rope_parameters.{kind}")

    def tensors(self, config: RotaryConfig, outputs: int) -> Iterator[CheckpointTensor]:
        dense = partial(CheckpointTensor.dense, cutoff=config.initializer_cutoff)
        norm = partial(CheckpointTensor.norm, bias=config.norm_bias)
        hidden, inner, words = config.hidden_size, config.intermediate_size, "embeddings.word_embeddings"
        # What is added to the states, and the head's dense layer, begin the smaller the more layers there are.
        small = partial(dense, deviation=config.initializer_range / (2 * config.num_layers) ** 0.5)
        yield from CheckpointTensor.embedding(
            "model.embeddings.tok_embeddings", f"encoder.{words}", config.vocab_size, hidden
        )
        yield from norm("model.embeddings.norm", "encoder.embeddings.embeddings_norm", hidden)
        for index in range(config.num_layers):
            name, block = f"model.layers.{index}", f"encoder.blocks.{index}"
            if index:  # the embeddings of the first are normalised already
                yield from norm(f"{name}.attn_norm", f"{block}.attention_norm", hidden)
            biased = config.attention_bias
            yield from dense(f"{name}.attn.Wqkv", f"{block}.query_key_value", 3 * hidden, hidden, bias=biased)
            yield from small(f"{name}.attn.Wo", f"{block}.projection", hidden, hidden, bias=biased)
            yield from norm(f"{name}.mlp_norm", f"{block}.feed_forward_norm", hidden)
            biased = config.feed_forward_bias
            yield from dense(f"{name}.mlp.Wi", f"{block}.gates", 2 * inner, hidden, bias=biased)
            yield from small(f"{name}.mlp.Wo", f"{block}.output_dense", hidden, inner, bias=biased)
        yield from norm("model.final_norm", "encoder.final_norm", hidden)
        # A language model has these two under the same names, and transformers keeps them under a new classifier.
        yield from small("head.dense", "head.dense", hidden, hidden, bias=config.head_bias, role="pooler")
        yield from norm("head.norm", "head.norm", hidden, role="pooler")
        yield from dense("classifier", "head.output_dense", outputs, hidden, role="output", deviation=hidden**-0.5)
