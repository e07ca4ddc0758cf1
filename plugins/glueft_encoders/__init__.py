"""First-party families of encoders: one file each, upon the blocks that they share (`post_norm*.py`, `rotary*.py`)."""

from __future__ import annotations

import glueft
from glueft_encoders.albert import Albert
from glueft_encoders.bert import Bert
from glueft_encoders.camembert import Camembert
from glueft_encoders.deberta_v2 import DebertaV2
from glueft_encoders.distilbert import DistilBert
from glueft_encoders.electra import Electra
from glueft_encoders.eurobert import EuroBert
from glueft_encoders.modernbert import ModernBert
from glueft_encoders.mpnet import MPNet
from glueft_encoders.nomic_bert import NomicBert
from glueft_encoders.roberta import Roberta
from glueft_encoders.xlm_roberta import XLMRoberta


@glueft.hookimpl
def glueft_encoders() -> list[type[glueft.Encoder]]:
    """The families of this package."""
    return [
        Albert,
        Bert,
        Camembert,
        DebertaV2,
        DistilBert,
        Electra,
        EuroBert,
        ModernBert,
        MPNet,
        NomicBert,
        Roberta,
        XLMRoberta,
    ]
