"""The names of a checkpoint's files."""

import re

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# How labels are decided from logits, where it is not by the largest one: glueft's own file.
DECISION = "glueft_decision.json"
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
# Endings of weights that are never read: reading them can run code.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".pkl")

# Every file that a tokenizer may be read from.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "chat_template.jinja",
)
