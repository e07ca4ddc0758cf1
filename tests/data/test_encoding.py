"""Tokens are the tokenizer's own, held in flat arrays."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.data.encoding import Encoded, encode
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
from glueft.errors import DataError
from reference_checkpoints import FAMILIES, copy_checkpoint, copy_with_python_tokenizer, edit_tokenizer

LETTERS = (["a b c d e", "ab abba", "", "\u200b", "a " * 30, "日 a"], ["b", "c d e g h i", "a b", " ", "a", "b b b b"])
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


def assert_the_call(tokenizer: Any, texts: tuple[list[str], ...], max_length: int) -> None:
    """What is encoded is what transformers' own call gives."""
    encoded = encode_texts(tokenizer, max_length, *texts)
    expected = tokenizer(*texts, truncation=True, max_length=max_length)
    ids = expected["input_ids"]
    assert as_lists(encoded, encoded.ids) == ids
    assert as_lists(encoded, encoded.token_types) == expected.get("token_type_ids", [[0] * len(row) for row in ids])
    assert encoded.truncated == sum(len(row) > max_length for row in tokenizer(*texts)["input_ids"])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokenizer_s_own_side_is_cut(family: str, side: str, tmp_path: Path) -> None:
    folder = copy_checkpoint(family, tmp_path / family)
    edit_tokenizer(folder, truncation_side=side)
    tokenizer = load_tokenizer(find_checkpoint(str(folder)))
    texts = [" ".join(f"w{word}" for word in range(4, end)) for end in (6, 12, 20)]
    for max_length in (6, 9, 16):
        assert_the_call(tokenizer, (texts,), max_length)
        assert_the_call(tokenizer, (texts, texts[::-1]), max_length)
    kept = tokenizer.convert_ids_to_tokens(encode_texts(tokenizer, 6, texts[2:]).ids)
    assert kept[1:-1] == (["w16", "w17", "w18", "w19"] if side == "left" else ["w4", "w5", "w6", "w7"])


def test_a_side_that_tokenizer_json_alone_names(tmp_path: Path) -> None:
    folder = copy_checkpoint("bert", tmp_path / "tiny")
    truncation = {"direction": "Left", "max_length": 7, "strategy": "OnlyFirst", "stride": 2}
    edit_tokenizer(folder, "tokenizer.json", truncation=truncation)
    tokenizer = load_tokenizer(find_checkpoint(str(folder)))
    encoded = encode_texts(tokenizer, 5, ["w4 w5 w6 w7 w8"])
    assert tokenizer.convert_ids_to_tokens(encoded.ids) == ["[CLS]", "w6", "w7", "w8", "[SEP]"]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["Bertweet", "Phobert", "BertJapanese"])
def test_tokenizers_in_python_alone(kind: str, side: str, tmp_path: Path) -> None:
    folder = copy_with_python_tokenizer(kind, tmp_path / kind, truncation_side=side)
    tokenizer = load_tokenizer(find_checkpoint(str(folder)))
    assert not tokenizer.is_fast
    for max_length in (7, 8, 40):
        assert_the_call(tokenizer, LETTERS[:1], max_length)
        assert_the_call(tokenizer, LETTERS, max_length)


@pytest.mark.parametrize("side", ["left", "right"])
def test_no_special_tokens_at_all(tokenizer: Any, side: str) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.backend_tokenizer.post_processor = None
    bare.truncation_side = side
    for max_length in (3, 40):
        assert_the_call(bare, LETTERS[:1], max_length)
        assert_the_call(bare, LETTERS, max_length)


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
    held = sum(array.nbytes for array in (encoded.ids, encoded.token_types, encoded.offsets))
    assert held < 8 * len(encoded.ids)


def test_a_length_without_room_for_text_is_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError) as caught:
        encode_texts(tokenizer, 4, FIRST, SECOND)
    assert "max_length" in str(caught.value)
    assert "at least 5" in str(caught.value)


def test_real_rows_are_those_of_the_transformers_call(glue_data: Path, minilm: str) -> None:
    from glueft.data.rows import load_rows
    from glueft.data.selection import Selection
    from glueft.data.sources import FolderSource
    from glueft.plugin.registry import load_registry

    tokenizer = load_tokenizer(find_checkpoint(minilm))
    splits = load_rows(load_registry().find("task", "mrpc").cls(), FolderSource(glue_data), Selection(300))
    encoded = encode(splits["train"], tokenizer, 48)
    expected = tokenizer(*splits["train"].texts, truncation=True, max_length=48)
    assert as_lists(encoded, encoded.ids) == expected["input_ids"]
    assert as_lists(encoded, encoded.token_types) == expected["token_type_ids"]
