"""RoBERTa (Liu et al., 2019, arXiv:1907.11692): BERT's blocks, other positions, another head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from glueft_encoders.post_norm import BERT_DEFAULTS, PostNorm


class Roberta(PostNorm):
    """RoBERTa; its positions start behind the padding id."""

    name = "roberta"
    architecture = "RobertaForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = ("data2vec-text", "ibert", "longformer", "luke", "roberta-prelayernorm")
    prefix = "roberta."
    defaults: ClassVar[Mapping[str, Any]] = {**BERT_DEFAULTS, "vocab_size": 50265, "pad_token_id": 1}
    head_dense = "classifier.dense"
    head_output = "classifier.out_proj"
    head_drops_first = True
    positions_from_padding = True
