"""XLM-RoBERTa (Conneau et al., 2020, arXiv:1911.02116)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from glueft_encoders.post_norm import BERT_DEFAULTS
from glueft_encoders.roberta import Roberta


class XLMRoberta(Roberta):
    """XLM-RoBERTa: RoBERTa in a hundred languages."""

    name = "xlm-roberta"
    architecture = "XLMRobertaForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = ("xlm", "xlm-roberta-xl", "xmod")
    defaults: ClassVar[Mapping[str, Any]] = {**BERT_DEFAULTS, "pad_token_id": 1}
