from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
from glueft.encoder.tokenizer import save_tokenizer
from glueft.errors import CheckpointError
from reference_checkpoints import FAMILIES, copy_checkpoint, copy_with_python_tokenizer, edit_config, edit_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_checkpoint("bert", tmp_path / "tiny")


def refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(find_checkpoint(str(folder)))
    assert all((caught.value.message, caught.value.expected, caught.value.received, caught.value.fix))
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


@pytest.fixture
def one_type(tmp_path: Path) -> Path:
    """A checkpoint that knows one token type."""
    name = "bert.embeddings.token_type_embeddings.weight"
    folder = copy_checkpoint("bert", tmp_path / "one", lambda file: file | {name: file[name][:1].copy()})
    edit_config(folder, type_vocab_size=1)
    return folder


def test_token_types_that_the_encoder_does_not_have(one_type: Path) -> None:
    folder = one_type
    edit_tokenizer(folder, model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    assert refused(folder).received == "the token type id 1 in an encoded pair"


def test_token_types_that_the_tokenizer_does_not_give_are_zeros(one_type: Path) -> None:
    edit_tokenizer(one_type, model_input_names=["input_ids", "attention_mask"])
    assert "token_type_ids" not in load_tokenizer(find_checkpoint(str(one_type)))("w4", "w5")


def test_no_special_tokens(folder: Path) -> None:
    edit_tokenizer(folder, "tokenizer.json", post_processor=None)
    error = refused(folder)
    assert error.expected.startswith("special tokens around a text")
    assert error.received == "a tokenizer that adds none"
    assert "post_processor" in error.fix


def test_nothing_between_the_texts_of_a_pair(folder: Path) -> None:
    # What the tokenizers library makes of a template for single texts alone.
    template = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["post_processor"]
    template["pair"] = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]
    edit_tokenizer(folder, "tokenizer.json", post_processor=template)
    checkpoint = find_checkpoint(str(folder))
    assert len(load_tokenizer(checkpoint)("w4")["input_ids"]) == 3
    with pytest.raises(CheckpointError, match="nothing between the two texts") as caught:
        load_tokenizer(checkpoint, pair=True)
    assert caught.value.received == '"a" and "b" become [UNK] [UNK]'


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_told_apart(family: str, tmp_path: Path) -> None:
    load_tokenizer(find_checkpoint(str(copy_checkpoint(family, tmp_path / family))), pair=True)


@pytest.mark.parametrize("kind", ["Bertweet", "Phobert", "BertJapanese"])
def test_a_tokenizer_in_python_is_saved_as_it_was_read(kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = copy_with_python_tokenizer(kind, tmp_path / kind, truncation_side="left", padding_side="left")
    checkpoint = find_checkpoint(str(folder))
    assert {"vocab.txt"} | ({"bpe.codes"} if kind != "BertJapanese" else set()) <= checkpoint.fingerprints.keys()
    tokenizer = load_tokenizer(checkpoint, pair=True)
    again = saved(tokenizer, folder, tmp_path / "saved")
    texts = ["ab abba a", "b", "c d e"]
    assert (
        again(texts, texts[::-1])["input_ids"] == AutoTokenizer.from_pretrained(folder)(texts, texts[::-1])["input_ids"]
    )
    assert (again.truncation_side, again.padding_side) == ("left", "right")


def test_a_package_that_a_tokenizer_needs(tmp_path: Path) -> None:
    error = refused(copy_with_python_tokenizer("BertJapanese", tmp_path / "tiny", word_tokenizer_type="jumanpp"))
    assert "rhoknp" in error.received
    assert error.fix.startswith("install the package")


@pytest.mark.parametrize(("family", "model"), [("xlm-roberta", "sentencepiece.bpe.model"), ("deberta-v2", "spm.model")])
def test_a_sentencepiece_model_that_nothing_here_reads(
    family: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "sentencepiece" else found(name)
    )
    folder = copy_checkpoint(family, tmp_path / "tiny")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / model).write_bytes(b"")
    error = refused(folder)
    assert error.received == f"{model} alone, and no sentencepiece in this Python environment"
    assert error.fix == "pip install sentencepiece; or choose a checkpoint with a tokenizer.json"


def test_emoji_without_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "emoji", None)
    error = refused(copy_with_python_tokenizer("Bertweet", tmp_path / "tiny", normalization=True))
    assert error.fix == "install it: pip install emoji"


def saved(tokenizer: Any, folder: Path, place: Path) -> Any:
    """The tokenizer as transformers reads it from where glueft has saved it."""
    from transformers import AutoTokenizer

    place.mkdir()
    save_tokenizer(tokenizer, place, 40)
    shutil.copy(folder / "config.json", place)
    return AutoTokenizer.from_pretrained(place)


def test_the_saved_tokenizer_pads_on_the_right_and_cuts_on_its_own_side(folder: Path, tmp_path: Path) -> None:
    edit_tokenizer(folder, padding_side="left")
    truncation = {"direction": "Left", "max_length": 7, "strategy": "LongestFirst", "stride": 0}
    edit_tokenizer(folder, "tokenizer.json", truncation=truncation)
    again = saved(load_tokenizer(find_checkpoint(str(folder))), folder, tmp_path / "saved")
    assert (again.truncation_side, again.padding_side) == ("left", "right")
    assert len(again("w4 w5 w6 w7 w8 w9 w4 w5")["input_ids"]) == 10


@pytest.mark.parametrize("fault", [{"problem_type": "single_label_classification", "num_labels": 1}, {"dtype": 3}])
def test_faults_of_config_json_are_none_of_the_tokenizer(folder: Path, fault: dict[str, Any]) -> None:
    edit_config(folder, id2label=None, label2id=None, **fault)
    assert len(load_tokenizer(find_checkpoint(str(folder)))("w4")["input_ids"]) == 3


def test_an_empty_vocabulary(folder: Path) -> None:
    def empty(content: Any) -> None:
        content["model"]["vocab"] = {}
        content["added_tokens"] = []

    edit(folder / "tokenizer.json", empty)
    (folder / "tokenizer_config.json").write_text("{}")
    assert refused(folder).message.endswith(("does not match the encoder", "cannot be read"))
