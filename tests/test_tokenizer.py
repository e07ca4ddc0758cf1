from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glueft.checkpoint import find_checkpoint, load_tokenizer
from glueft.errors import CheckpointError
from reference_checkpoints import FAMILIES, copy_checkpoint, edit_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_checkpoint("bert", tmp_path / "tiny")


def refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(find_checkpoint(str(folder)))
    assert all((caught.value.message, caught.value.expected, caught.value.received, caught.value.mend))
    return caught.value


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokenizer_of_each_family_loads(family: str, tmp_path: Path) -> None:
    found = find_checkpoint(str(copy_checkpoint(family, tmp_path / family)))
    pair = load_tokenizer(found)("w4 w5", "w6")
    assert len(pair["input_ids"]) == 6


def test_the_sample_encoder(minilm: str) -> None:
    tokenizer = load_tokenizer(find_checkpoint(minilm))
    assert tokenizer.convert_ids_to_tokens(tokenizer("A cat.", "Two")["input_ids"]) == [
        "[CLS]",
        "a",
        "cat",
        ".",
        "[SEP]",
        "two",
        "[SEP]",
    ]


def test_no_tokenizer_files(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    error = refused(folder)
    assert "there are no tokenizer files" in error.message
    assert error.received == "tokenizer_config.json"


def test_a_broken_tokenizer_file(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version"')
    assert "the tokenizer cannot be read" in refused(folder).message


def test_a_tokenizer_that_wants_its_own_code_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('the code of the checkpoint was run')")
    remote = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"}
    edit(folder / "tokenizer_config.json", lambda content: content.update(remote))
    try:
        load_tokenizer(find_checkpoint(str(folder)))
    except CheckpointError as error:
        assert "the tokenizer cannot be read" in error.message


def test_more_ids_than_embeddings(folder: Path) -> None:
    edit(folder / "tokenizer.json", lambda content: content["model"]["vocab"].update({"late": 64}))
    error = refused(folder)
    assert "the tokenizer does not match the encoder" in error.message
    assert error.expected.startswith("token ids below 64")
    assert error.received == "ids up to 64 ('late')"


def test_a_special_token_out_of_range(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", lambda content: content.update(pad_token="[NEW]"))
    assert refused(folder).received == "ids up to 64 ('[NEW]')"


def test_no_padding_token(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", lambda content: content.pop("pad_token"))
    assert refused(folder).expected == "a padding token"


def test_another_padding_token_than_roberta_counts_from(tmp_path: Path) -> None:
    folder = copy_checkpoint("roberta", tmp_path / "tiny")
    edit_config(folder, pad_token_id=2)
    error = refused(folder)
    assert "the padding token with id 2" in error.expected
    assert error.received == "'[PAD]' with id 1"


def test_token_types_that_the_encoder_does_not_have(folder: Path) -> None:
    edit_config(folder, type_vocab_size=1)
    assert refused(folder).received == "the token type id 1 in an encoded pair"


def test_an_empty_vocabulary(folder: Path) -> None:
    def empty(content: Any) -> None:
        content["model"]["vocab"] = {}
        content["added_tokens"] = []

    edit(folder / "tokenizer.json", empty)
    (folder / "tokenizer_config.json").write_text("{}")
    assert refused(folder).message.endswith(("does not match the encoder", "cannot be read"))
