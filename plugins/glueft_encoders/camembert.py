"""CamemBERT (Martin et al., 2020, arXiv:1911.03894)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from glueft_encoders.post_norm import BERT_DEFAULTS
from glueft_encoders.roberta import Roberta


class Camembert(Roberta):
    """CamemBERT: RoBERTa in French."""

    name = "camembert"
    architecture = "CamembertForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = ("flaubert",)
    defaults: ClassVar[Mapping[str, Any]] = {**BERT_DEFAULTS, "pad_token_id": 1}
