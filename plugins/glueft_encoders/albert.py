"""ALBERT (Lan et al., 2020, arXiv:1909.11942): small embeddings, and layers that share their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import glueft
from glueft_encoders.post_norm import BERT_DEFAULTS, PostNorm, PostNormConfig

# Weights are shared within a group, so they are counted by {group} and {inner}, not by layer.
LAYER = "encoder.albert_layer_groups.{group}.albert_layers.{inner}"


class Albert(PostNorm):
    """ALBERT: groups of layers share their weights."""

    name = "albert"
    architecture = "AlbertForSequenceClassification"
    prefix = "albert."
    defaults: ClassVar[Mapping[str, Any]] = {
        **BERT_DEFAULTS,
        "vocab_size": 30000,
        "embedding_size": 128,
        "hidden_size": 4096,
        "num_hidden_groups": 1,
        "inner_group_num": 1,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "classifier_dropout_prob": 0.1,
    }
    modules: ClassVar[Mapping[str, str]] = {
        "word_embeddings": "embeddings.word_embeddings",
        "position_embeddings": "embeddings.position_embeddings",
        "token_type_embeddings": "embeddings.token_type_embeddings",
        "embeddings_norm": "embeddings.LayerNorm",
        "embeddings_projection": "encoder.embedding_hidden_mapping_in",
        "query": f"{LAYER}.attention.query",
        "key": f"{LAYER}.attention.key",
        "value": f"{LAYER}.attention.value",
        "projection": f"{LAYER}.attention.dense",
        "attention_norm": f"{LAYER}.attention.LayerNorm",
        "intermediate": f"{LAYER}.ffn",
        "output": f"{LAYER}.ffn_output",
        "output_norm": f"{LAYER}.full_layer_layer_norm",
    }
    head_dense = "albert.pooler"
    head_output = "classifier"
    dense_is_pooler = True

    def read_config(self, values: glueft.ConfigReader) -> PostNormConfig:
        return replace(
            super().read_config(values),
            num_groups=values.whole("num_hidden_groups"),
            blocks_per_group=values.whole("inner_group_num"),
            # Nothing is dropped out after the feed-forward layer; the embeddings are mapped whatever their size.
            feed_forward_dropout=0.0,
            project_embeddings=True,
        )

    def head_dropout(self, values: glueft.ConfigReader, hidden_dropout: float) -> float:
        return values.rate("classifier_dropout_prob")
