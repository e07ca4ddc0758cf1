"""The names of a checkpoint's files."""

import re

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
README = "README.md"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# How labels are decided from logits, where it is not by the largest one: glueft's own file.
DECISION = "glueft_decision.json"
# How its run cut rows: likewise.
INPUT = "glueft_input.json"
RULE_FILES = (DECISION, INPUT)
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
# Endings of weights that are never read: reading them can run code.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".pkl")

# Keys of CONFIG and TOKENIZER_CONFIG that say from where, by whom and how a checkpoint was read before it was saved.
ORIGIN_KEYS = (
    "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "is_local", "local_files_only",
    "tokenizer_file", "special_tokens_map_file", "cache_dir",
)  # fmt: skip

# Every file that a tokenizer may be read from.
TOKENIZER_FILES = (
    "tokenizer.json",
    TOKENIZER_CONFIG,
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
