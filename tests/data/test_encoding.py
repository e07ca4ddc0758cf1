"""Tokens are the tokenizer's own, held in flat arrays."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.data.encoding import Encoded, encode
from glueft.errors import DataError

FIRST = ["The harbour council voted.", "A price of wheat", "rain", "What a long, long, long film this turned out to be"]
SECOND = ["They widened the bridge on Monday.", "fell", "minded by nobody at all on the island", "no"]


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_bert)


class FakeRows(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.texts[0])


def encode_texts(tokenizer: Any, max_length: int, *texts: list[str]) -> Encoded:
    rows: Any = FakeRows(name="train", texts=texts, labels=np.zeros(len(texts[0]), np.int32))
    return encode(rows, tokenizer, max_length)


def as_lists(encoded: Encoded, values: Any) -> list[list[int]]:
    return [values[start:end].tolist() for start, end in zip(encoded.offsets, encoded.offsets[1:], strict=False)]


@pytest.mark.parametrize("max_length", [128, 14, 6])
@pytest.mark.parametrize("texts", [(FIRST,), (FIRST, SECOND)])
def test_tokens_are_those_of_the_transformers_call(tokenizer: Any, texts: tuple[list[str]], max_length: int) -> None:
    encoded = encode_texts(tokenizer, max_length, *texts)
    expected = tokenizer(*texts, truncation=True, max_length=max_length)
    assert as_lists(encoded, encoded.ids) == expected["input_ids"]
    assert as_lists(encoded, encoded.token_types) == expected["token_type_ids"]
    untruncated = tokenizer(*texts)["input_ids"]
    assert encoded.truncated == sum(len(row) > max_length for row in untruncated)
    assert encoded.pad_id == tokenizer.pad_token_id


def test_a_tokenizer_without_token_types_gives_zeros(tiny_bert: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_bert, model_input_names=["input_ids", "attention_mask"])
    assert "token_type_ids" not in tokenizer(FIRST, SECOND)
    assert not encode_texts(tokenizer, 128, FIRST, SECOND).token_types.any()


def test_many_chunks_join_without_a_seam(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode_texts(tokenizer, 16, FIRST, SECOND)
    monkeypatch.setattr("glueft.data.encoding.CHUNK_ROWS", 3)
    chunked = encode_texts(tokenizer, 16, FIRST, SECOND)
    for name in ("ids", "token_types", "offsets"):
        assert np.array_equal(getattr(whole, name), getattr(chunked, name))


def test_tokens_are_held_compactly(tokenizer: Any) -> None:
    encoded = encode_texts(tokenizer, 128, FIRST * 500, SECOND * 500)
    assert encoded.ids.dtype == np.uint16
    assert encoded.nbytes < 8 * len(encoded.ids)


def test_a_length_without_room_for_text_is_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError) as caught:
        encode_texts(tokenizer, 4, FIRST, SECOND)
    assert "max_length" in str(caught.value)
    assert "at least 5" in str(caught.value)


def test_real_rows_are_those_of_the_transformers_call(glue_data: Path, minilm: str) -> None:
    from glueft.checkpoint import find_checkpoint, load_tokenizer
    from glueft.data.rows import load_rows
    from glueft.data.sources import FolderSource
    from glueft.registry import load_registry

    tokenizer = load_tokenizer(find_checkpoint(minilm))
    splits = load_rows(load_registry().find("task", "mrpc").cls(), FolderSource(glue_data), limit_train=300)
    encoded = encode(splits["train"], tokenizer, 48)
    expected = tokenizer(*splits["train"].texts, truncation=True, max_length=48)
    assert as_lists(encoded, encoded.ids) == expected["input_ids"]
    assert as_lists(encoded, encoded.token_types) == expected["token_type_ids"]
