"""Tokens that are kept for other runs: the same as those made anew, whatever has become of their file."""

from __future__ import annotations

import multiprocessing
import os
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.data import array_files, token_cache
from glueft.data.encoding import Encoded, encode
from glueft.data.rows import Rows
from glueft.data.token_cache import TokenCache
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer

FILES = {"tokenizer.json": "a" * 64}


def rows(*texts: str, name: str = "train") -> Rows:
    return Rows(name, (list(texts),), np.zeros(len(texts), np.int32), ("no", "yes"))


ROWS = rows("a dog", "one dog and another", "rain " * 20)


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return load_tokenizer(find_checkpoint(str(tiny_bert)))


def assert_same(one: Encoded, other: Encoded) -> None:
    for name in ("ids", "token_types", "offsets", "labels"):
        here, there = getattr(one, name), getattr(other, name)
        assert here.dtype == there.dtype and np.array_equal(here, there), name
    assert (one.pad_id, one.truncated) == (other.pad_id, other.truncated)


class Counting:
    """Counts the splits that are tokenized."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.splits = 0
        monkeypatch.setattr(token_cache, "encode", self)

    def __call__(self, *arguments: Any) -> Encoded:
        self.splits += 1
        return encode(*arguments)


def test_tokens_are_made_once_for_the_same_rows(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting, said = Counting(monkeypatch), []
    for _ in range(3):
        cache = TokenCache(tmp_path / "tokens", FILES, said.append)
        for length in (8, 16):
            assert_same(cache.encode(ROWS, tokenizer, length), encode(ROWS, tokenizer, length))
    assert counting.splits == len([*(tmp_path / "tokens").iterdir()]) == 2 and said == []
    # Labels are those of the rows, and the name of the split is no part of them.
    assert cache.encode(rows(*ROWS.texts[0], name="held_out"), tokenizer, 8).labels is not None
    assert counting.splits == 2


def test_what_changes_tokens_makes_others(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)

    def cached(split: Rows, files: dict[str, str], tokens_of: Any = tokenizer, length: int = 8) -> None:
        TokenCache(tmp_path, files, print).encode(split, tokens_of, length)

    cached(ROWS, FILES)
    cached(ROWS, FILES | {"model.safetensors": "b" * 64, "config.json": "c" * 64})
    assert counting.splits == 1
    cached(rows("a dog", "one dog and another"), FILES)
    cached(ROWS, {"tokenizer.json": "b" * 64})
    cached(ROWS, FILES, length=9)
    cached(Rows("train", (ROWS.texts[0], ROWS.texts[0]), ROWS.labels, ROWS.label_names), FILES)
    assert counting.splits == 5
    monkeypatch.setattr(token_cache.importlib.metadata, "version", lambda package: "another")
    cached(ROWS, FILES)
    assert counting.splits == 6


def test_a_tokenizer_in_python_depends_on_all_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    package = namedtuple("package", ["name", "version"])
    monkeypatch.setattr(token_cache.importlib.metadata, "distributions", lambda: [package("dictionary", "7")])
    assert token_cache._versions(everything=True)["dictionary"] == "7"
    assert "dictionary" not in token_cache._versions(everything=False)


@pytest.mark.parametrize(
    "damage", ["cut", "bit", "empty", "text", "other", "list", "pipe", "folder", "short", "renamed"]
)
def test_a_damaged_file_is_passed_over(tokenizer: Any, tmp_path: Path, damage: str) -> None:
    said: list[str] = []
    cache = TokenCache(tmp_path, FILES, said.append)
    whole = cache.encode(ROWS, tokenizer, 8)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if damage in ("pipe", "folder"):
        path.unlink()
        os.mkfifo(path) if damage == "pipe" else path.mkdir()
    elif damage == "renamed":
        cache.encode(rows("rain", "a", "one"), tokenizer, 8)
        (other,) = {*tmp_path.iterdir()} - {path}
        other.replace(path)
    elif damage in ("other", "list", "short"):
        arrays = {
            "other": {"ids": whole.ids, "token_types": whole.token_types, "offsets": whole.offsets[:-1]},
            "list": {"ids": np.array([{}], object), "token_types": whole.token_types, "offsets": whole.offsets},
            "short": {"ids": whole.ids[:-1], "token_types": whole.token_types[:-1], "offsets": whole.offsets},
        }[damage]
        np.savez(path.open("wb"), **arrays, truncated=0, key=path.stem)
    else:
        middle = len(content) // 2
        path.write_bytes(
            {
                "cut": content[:middle],
                "bit": content[:200] + bytes([content[200] ^ 1]) + content[201:],
                "empty": b"",
                "text": b"no tokens",
            }[damage]
        )
    assert_same(cache.encode(ROWS, tokenizer, 8), whole)
    if damage == "folder":  # It stays, and the run goes on.
        assert len(said) == 1 and said[0].startswith(f"the tokens are not kept in {tmp_path}: ")
    else:
        assert path.read_bytes() == content and said == []


def test_a_folder_that_cannot_be_written_and_a_disk_with_little_room(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    cache = TokenCache(tmp_path / "file", FILES, said.append)
    for length in (8, 9):
        assert_same(cache.encode(ROWS, tokenizer, length), encode(ROWS, tokenizer, length))
    usage = namedtuple("usage", ["total", "used", "free"])(1000, 1000, 0)
    monkeypatch.setattr(array_files.shutil, "disk_usage", lambda folder: usage)
    TokenCache(tmp_path / "full", FILES, said.append).encode(ROWS, tokenizer, 8)
    assert said == [
        f"the tokens are not kept in {tmp_path / 'file'}: File exists",
        f"the tokens are not kept in {tmp_path / 'full'}: there is little room on the disk",
    ]
    assert not [*(tmp_path / "full").iterdir()]


def _fill(folder: Path, checkpoint: str) -> None:
    # The tokenizer's threads, which an earlier test may have started, are not in a forked process.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    cache = TokenCache(folder, FILES, print)
    tokenizer = load_tokenizer(find_checkpoint(checkpoint))
    for number in range(20):
        cache.encode(rows(*(f"row {number}" for _ in range(50))), tokenizer, 8)


def test_several_processes_at_once(tiny_bert: Path, tokenizer: Any, tmp_path: Path) -> None:
    processes = [
        multiprocessing.get_context("fork").Process(target=_fill, args=(tmp_path, str(tiny_bert))) for _ in "ab"
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len([*tmp_path.iterdir()]) == 20
    cache = TokenCache(tmp_path, FILES, print)
    assert_same(cache.encode(rows(*["row 3"] * 50), tokenizer, 8), encode(rows(*["row 3"] * 50), tokenizer, 8))
