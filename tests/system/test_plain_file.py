"""Files that somebody else may have made: pipes, devices, nesting, links that lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glueft.encoder.checkpoint import find_checkpoint
from glueft.system.plain_file import UnreadableError, leaving_link, parse_json, read_bytes, read_json
from reference_checkpoints import copy_checkpoint


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, reason in {
        "pipe": "a named pipe in place of a file",
        "zero": "a device in place of a file",
        ".": "Is a directory",
    }.items():
        with pytest.raises(UnreadableError) as caught:
            read_bytes(tmp_path / name)
        assert str(caught.value) == reason
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "nothing")


def test_the_size_and_the_text_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b'{"a": 1}')
    assert read_json(file, 8) == {"a": 1}
    with pytest.raises(UnreadableError, match="more than 7 bytes"):
        read_json(file, 7)
    file.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(UnreadableError, match="not UTF-8, number 8"):
        read_json(file)


@pytest.mark.parametrize("text", ["[" * 22 + "]" * 22, '{"a":' * 500 + "1" + "}" * 500, "[" * 10**6])
def test_nesting_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(UnreadableError, match="nested more than 20 deep"):
        parse_json(text)
    assert parse_json("[" * 20 + "]" * 20)


def test_a_number_of_thousands_of_digits() -> None:
    with pytest.raises(UnreadableError, match="digits"):
        parse_json("1" * 5000)


def test_json_that_would_be_many_objects(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text("[" + "{}," * (3 << 20) + "1]")
    with pytest.raises(UnreadableError, match="more than 8,388,608 bytes"):
        read_json(file)
    with pytest.raises(UnreadableError, match="more than 8,388,608 characters"):
        parse_json(file.read_text())


def test_links_that_stay_and_links_that_leave(tmp_path: Path) -> None:
    model = tmp_path / "run" / "model"
    (model / "inside").mkdir(parents=True)
    (model / "file").write_text("")
    (model / "stays").symlink_to("file")
    (model / "inside" / "stays too").symlink_to("../file")
    (tmp_path / "a link to the folder").symlink_to(model)
    assert leaving_link(model) is None and leaving_link(tmp_path / "a link to the folder") is None
    for target in (tmp_path, "../..", "/etc/hostname", "nothing/../../../x", "loop"):
        (model / "inside" / "loop").symlink_to(target)
        assert leaving_link(model) == model / "inside" / "loop"
        (model / "inside" / "loop").unlink()


def test_the_cache_of_the_hub_is_made_of_links(tmp_path: Path) -> None:
    repository = tmp_path / "models--a--b"
    source = copy_checkpoint("bert", tmp_path / "tiny")
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(source.iterdir())):
        file.rename(repository / "blobs" / f"{number:064}")
        (snapshot / file.name).symlink_to(f"../../blobs/{number:064}")
    assert find_checkpoint(str(snapshot)).config["model_type"] == "bert"
    assert leaving_link(snapshot) is None
    (snapshot / "vocab.txt").symlink_to("../../refs")
    assert leaving_link(snapshot) == snapshot / "vocab.txt"
