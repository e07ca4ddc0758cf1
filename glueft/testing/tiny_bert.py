"""A tiny real BERT checkpoint for tests: a WordPiece tokenizer trained on given texts, and random weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}

WORDS = (
    "The harbour council voted on Monday to widen the old stone bridge.",
    "A small orchestra played outdoors, and nobody minded the rain at all.",
    "He said the price of wheat had fallen by two per cent since March.",
    "What a dull, lifeless and needlessly long film this turned out to be!",
    "Researchers counted 412 seabirds on the island; last year they found 390.",
)


def make_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=vocab_size, special_tokens=list(SPECIAL.values()), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def make_tiny_bert(
    folder: Path,
    *,
    texts: Iterable[str] = WORDS,
    vocab_size: int = 400,
    hidden: int = 32,
    layers: int = 2,
    positions: int = 128,
    dropout: float = 0.1,
    seed: int = 0,
    scale: float = 0.1,
    config: dict[str, Any] | None = None,
) -> Path:
    """Write config.json, model.safetensors and the tokenizer files of a headless BertModel; return the folder.

    Weights are normal(0, `scale`); a scale of 1e25 overflows in the first attention scores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(texts, vocab_size)
    vocab_size = tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer_config: dict[str, Any] = {f"{name}_token": token for name, token in SPECIAL.items()}
    tokenizer_config |= {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": positions}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    values = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocab_size,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * hidden,
        "hidden_act": "gelu",
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "max_position_embeddings": positions,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(values | (config or {})))
    save_file(bert_weights(vocab_size, hidden, layers, positions, seed, scale), folder / "model.safetensors")
    return folder


def bert_weights(
    vocab_size: int, hidden: int, layers: int, positions: int, seed: int, scale: float, intermediate: int | None = None
) -> dict[str, Any]:
    """Random tensors under the names of transformers' BertModel; `intermediate` is by default twice `hidden`."""
    random = np.random.default_rng(seed)
    intermediate = intermediate or 2 * hidden

    def dense(name: str, rows: int, columns: int) -> dict[str, Any]:
        weight = random.normal(0, scale, (rows, columns)).astype(np.float32)
        return {f"{name}.weight": weight, f"{name}.bias": np.zeros(rows, np.float32)}

    def norm(name: str) -> dict[str, Any]:
        return {f"{name}.weight": np.ones(hidden, np.float32), f"{name}.bias": np.zeros(hidden, np.float32)}

    tensors = norm("embeddings.LayerNorm") | dense("pooler.dense", hidden, hidden)
    for name, rows in (("word", vocab_size), ("position", positions), ("token_type", 2)):
        tensors[f"embeddings.{name}_embeddings.weight"] = random.normal(0, scale, (rows, hidden)).astype(np.float32)
    for layer in range(layers):
        stem = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            tensors |= dense(f"{stem}.{part}", hidden, hidden)
        tensors |= dense(f"{stem}.intermediate.dense", intermediate, hidden)
        tensors |= dense(f"{stem}.output.dense", hidden, intermediate)
        tensors |= norm(f"{stem}.attention.output.LayerNorm") | norm(f"{stem}.output.LayerNorm")
    return tensors
