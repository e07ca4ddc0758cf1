"""ELECTRA (Clark et al., 2020, arXiv:2003.10555): BERT's blocks, and embeddings that may have a size of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from glueft_encoders.post_norm import BERT_DEFAULTS, BERT_MODULES, PostNorm


class Electra(PostNorm):
    """ELECTRA's discriminator; its embeddings may be smaller than its states."""

    name = "electra"
    architecture = "ElectraForSequenceClassification"
    prefix = "electra."
    defaults: ClassVar[Mapping[str, Any]] = {
        **BERT_DEFAULTS,
        "embedding_size": 128,
        "hidden_size": 256,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    }
    modules: ClassVar[Mapping[str, str]] = {**BERT_MODULES, "embeddings_projection": "embeddings_project"}
    head_dense = "classifier.dense"
    head_output = "classifier.out_proj"
    # gelu where BERT has tanh, whatever hidden_act says.
    head_activation = "gelu"
    head_drops_first = True
