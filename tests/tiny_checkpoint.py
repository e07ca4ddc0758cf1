"""The tiny real BERT checkpoint of `glueft.testing`, under the name by which the tests know it."""

from __future__ import annotations

from glueft.testing.tiny_bert import SPECIAL, WORDS, bert_weights, make_tiny_bert, make_tokenizer

__all__ = ["SPECIAL", "WORDS", "bert_weights", "make_tiny_bert", "make_tokenizer"]
