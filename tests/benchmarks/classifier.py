"""The classifier that a run would train with default settings, on generated rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from generated_rows import question_pairs, sentences

from glueft import load_recipe
from glueft.data.encoding import Encoded, encode
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
from glueft.training.session import Session

if TYPE_CHECKING:
    from glueft.data.batches import EvaluationBatches
    from glueft.encoder.classifier import Classifier


@dataclass(frozen=True)
class Bench:
    """What the benchmarks of steps work on.

    Attributes:
        model: loaded and compiled as `glueft run` does it.
        training: the tokens of the pairs that it would be trained on.
        sentences: batches of sentences as long as those of SST-2.
    """

    model: Classifier
    training: Encoded
    sentences: EvaluationBatches


def load_tokenizer_of(name: str) -> Any:
    """Return the tokenizer of a checkpoint."""
    return load_tokenizer(find_checkpoint(name))


def load_bench(name: str, tokenizer: Any, *, pairs: int, count: int) -> Bench:
    """Load the checkpoint's classifier for a training on so many pairs, and so many sentences to predict."""
    recipe = load_recipe("mrpc", ['data.source="sample"', f'model.checkpoint="{name}"'])
    max_length = recipe.data.max_length
    splits = {"train": question_pairs(tokenizer, pairs), "validation": sentences(tokenizer, count)}
    encoded = {split: encode(rows, tokenizer, max_length) for split, rows in splits.items()}
    session = Session(recipe, find_checkpoint(name), tokenizer, splits, encoded)
    session.load()
    return Bench(session.model, encoded["train"], session.evaluation["validation"])


def rows_of_one_width(encoded: Encoded, rows: int, width: int) -> Encoded:
    """Return rows of exactly so many tokens each, cut from the tokens of a split; every label is 0 or 1 in turn."""
    needed = rows * width
    return Encoded(
        ids=np.resize(encoded.ids, needed),
        token_types=np.resize(encoded.token_types, needed),
        offsets=np.arange(rows + 1, dtype=np.int64) * width,
        labels=np.arange(rows, dtype=np.int32) % 2,
        pad_id=encoded.pad_id,
        truncated=0,
    )
