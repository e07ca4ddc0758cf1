"""DistilBERT (Sanh et al., 2019, arXiv:1910.01108): BERT without token types and pooler, its keys under other names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import glueft
from glueft_encoders.post_norm import PostNorm, PostNormConfig


class DistilBert(PostNorm):
    """DistilBERT: half of BERT's layers, and no token types."""

    name = "distilbert"
    architecture = "DistilBertForSequenceClassification"
    prefix = "distilbert."
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 30522,
        "dim": 768,
        "n_layers": 6,
        "n_heads": 12,
        "hidden_dim": 3072,
        "activation": "gelu",
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "max_position_embeddings": 512,
        "position_embedding_type": "absolute",
        "initializer_range": 0.02,
        "pad_token_id": 0,
    }
    # transformers' attribute_map.
    aliases: ClassVar[Mapping[str, str]] = {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
    }
    keys: ClassVar[Mapping[str, str]] = {
        **aliases,
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    }
    modules: ClassVar[Mapping[str, str]] = {
        "word_embeddings": "embeddings.word_embeddings",
        "position_embeddings": "embeddings.position_embeddings",
        "embeddings_norm": "embeddings.LayerNorm",
        "query": "transformer.layer.{block}.attention.q_lin",
        "key": "transformer.layer.{block}.attention.k_lin",
        "value": "transformer.layer.{block}.attention.v_lin",
        "projection": "transformer.layer.{block}.attention.out_lin",
        "attention_norm": "transformer.layer.{block}.sa_layer_norm",
        "intermediate": "transformer.layer.{block}.ffn.lin1",
        "output": "transformer.layer.{block}.ffn.lin2",
        "output_norm": "transformer.layer.{block}.output_layer_norm",
    }
    head_dense = "pre_classifier"
    head_output = "classifier"
    head_activation = "relu"

    def read_config(self, values: glueft.ConfigReader) -> PostNormConfig:
        # Nothing is dropped out after the attention.
        return replace(super().read_config(values), projection_dropout=0.0)

    def head_dropout(self, values: glueft.ConfigReader, hidden_dropout: float) -> float:
        return values.rate("seq_classif_dropout")
