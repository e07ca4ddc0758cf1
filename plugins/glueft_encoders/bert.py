"""BERT (Devlin et al., 2019, arXiv:1810.04805): the pattern of the others."""

from __future__ import annotations

from typing import ClassVar

from glueft_encoders.post_norm import PostNorm


class Bert(PostNorm):
    """BERT, and encoders of its form, such as MiniLM."""

    name = "bert"
    architecture = "BertForSequenceClassification"
    relatives: ClassVar[tuple[str, ...]] = (
        "big-bird",
        "bert-generation",
        "convbert",
        "ernie",
        "fnet",
        "funnel",
        "layoutlm",
        "megatron-bert",
        "mobilebert",
        "mra",
        "nystromformer",
        "rembert",
        "roc-bert",
        "splinter",
        "squeezebert",
        "yoso",
    )
    prefix = "bert."
    head_dense = "bert.pooler.dense"
    head_output = "classifier"
    dense_is_pooler = True
