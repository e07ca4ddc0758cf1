"""A tokenizer's settings run no code, read no file from elsewhere, and make nothing but a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.data.encoding import encode
from glueft.data.rows import Rows
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
from glueft.errors import CheckpointError
from reference_checkpoints import copy_checkpoint

CONFIG, SPECIAL_TOKENS = "tokenizer_config.json", "special_tokens_map.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_checkpoint("bert", tmp_path / "tiny")


def add(file: Path, **keys: Any) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | keys))


def refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(find_checkpoint(str(folder)))
    assert all((caught.value.message, caught.value.expected, caught.value.received, caught.value.fix))
    return caught.value


@pytest.mark.parametrize("file", [CONFIG, "config.json"])
def test_a_class_that_would_ask_to_run_code(file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = folder / "was run"
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Evil: pass\n")
    processor = {"auto_map": {"AutoProcessor": "evil.Evil"}, "processor_class": "Evil"}
    (folder / "processor_config.json").write_text(json.dumps(processor))
    if file == "config.json":
        settings = json.loads((folder / CONFIG).read_text())
        del settings["tokenizer_class"]
        (folder / CONFIG).write_text(json.dumps(settings))
    add(folder / file, tokenizer_class="AutoProcessor")
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "y")
    error = refused(folder)
    assert not asked and not trace.exists()
    assert "is no tokenizer" in error.message and error.received == 'tokenizer_class = "AutoProcessor"'


@pytest.mark.parametrize("name", ["BertConfig", "AutoTokenizer", "RagTokenizer", "pipeline", "", ["BertTokenizer"], 5])
def test_other_classes_that_are_no_tokenizers(name: object, folder: Path) -> None:
    add(folder / CONFIG, tokenizer_class=name)
    if name == "":
        assert load_tokenizer(find_checkpoint(str(folder)))
    else:
        assert "is no tokenizer" in refused(folder).message


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "SomebodysTokenizer"])
def test_the_usual_classes_and_those_that_nobody_knows(name: str, folder: Path) -> None:
    add(folder / CONFIG, tokenizer_class=name, auto_map={"AutoTokenizer": ["evil.Evil", None]})
    assert load_tokenizer(find_checkpoint(str(folder))).is_fast


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        (CONFIG, "vocab", "SECRET"),
        (CONFIG, "merges", "SECRET"),
        (CONFIG, "gguf_file", "../SECRET"),
        (CONFIG, "init_inputs", ["SECRET"]),
        (CONFIG, "fast_tokenizer_files", ["tokenizer.4.0.0.json", "tokenizer.json"]),
        (CONFIG, "sudachi_kwargs", {"sudachi_config_path": "SECRET"}),
        (CONFIG, "sudachi_kwargs", {"sudachi_resource_dir": "SECRET"}),
        (CONFIG, "mecab_kwargs", {"mecab_dic": None, "mecab_option": "-r SECRET"}),
        (CONFIG, "sp_model_kwargs", {"model_file": "SECRET"}),
        (SPECIAL_TOKENS, "vocab_file", "SECRET"),
        (SPECIAL_TOKENS, "tokenizer_file", "SECRET"),
        (SPECIAL_TOKENS, "sudachi_kwargs", {"sudachi_config_path": "SECRET"}),
    ],
)
def test_keys_that_name_files(file: str, key: str, value: Any, folder: Path) -> None:
    add(folder / file, **{key: value})
    error = refused(folder)
    assert error.message.startswith(f"{folder / file}: {key}")
    assert "asks for more than a tokenizer" in error.message


def test_keys_that_name_no_file_or_none_that_is_read(folder: Path) -> None:
    add(
        folder / CONFIG,
        tokenizer_file="/home/somebody/tokenizer.json",
        vocab_file="/home/somebody/vocab.txt",
        name_or_path="/home/somebody/bert",
        special_tokens_map_file=None,
        init_inputs=[],
        fast_tokenizer_files=["tokenizer.json"],
        sp_model_kwargs={},
        mecab_kwargs={"mecab_dic": "ipadic", "mecab_option": None},
        sudachi_kwargs={"sudachi_split_mode": "A", "sudachi_dict_type": "core"},
    )
    add(folder / SPECIAL_TOKENS, pad_token="[PAD]", additional_special_tokens=["[PAD]"])
    assert len(load_tokenizer(find_checkpoint(str(folder)))("w4")["input_ids"]) == 3


@pytest.mark.parametrize("file", [CONFIG, SPECIAL_TOKENS])
@pytest.mark.parametrize(
    ("text", "reason"),
    [('{"a":' + "[" * 99 + "]" * 99 + "}", "more than 20 deep"), ("[]", "a JSON list"), ("", "empty")],
)
def test_settings_that_cannot_be_read(file: str, text: str, reason: str, folder: Path) -> None:
    (folder / file).write_text(text)
    error = refused(folder)
    assert error.message == f"{folder / file}: it cannot be read" and reason in error.received


def test_a_tokenizer_larger_than_any(folder: Path) -> None:
    with (folder / "tokenizer.json").open("r+b") as file:
        file.truncate(129 << 20)
    error = refused(folder)
    assert "it is no file that can be read" in error.message and "135,266,304 bytes" in error.received


def test_a_fault_in_rust_is_a_sentence(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["post_processor"]["special_tokens"] = {}
    add(folder / CONFIG, tokenizer_class="PreTrainedTokenizerFast")
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    assert refused(folder).received == "PanicException: no entry found for key"


def test_a_text_that_the_tokenizer_fails_at(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["model"]["unk_token"] = "[NOTHING]"
    words = settings["model"]["vocab"]
    words["a"], words["b"] = words.pop("w5"), words.pop("w6")  # with which a tokenizer is tried
    add(folder / CONFIG, tokenizer_class="PreTrainedTokenizerFast", unk_token="[PAD]")
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    tokenizer = load_tokenizer(find_checkpoint(str(folder)))
    rows = Rows("validation", (["w4"] * 9 + ["\u1234"],), np.zeros(10, np.int32), ("no", "yes"))
    with pytest.raises(CheckpointError, match="the tokenizer fails at a text of the validation rows") as caught:
        encode(rows, tokenizer, 8)
    assert "Missing" in caught.value.received and caught.value.received.endswith("(in rows 0 to 9)")
    with pytest.raises(CheckpointError, match=r"\(in row 0\)"):
        encode(Rows("input", (["\u1234"],), np.zeros(1, np.int32), ("no", "yes")), tokenizer, 8)
