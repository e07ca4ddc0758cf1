"""One split of a task, read alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glue_files import write_glue
from glueft.data.rows import load_rows, load_split
from glueft.data.sources import FolderSource, HubSource, SampleSource
from glueft.errors import DataError
from glueft.plugin.registry import load_registry


def task(name: str) -> Any:
    return load_registry().find("task", name).cls()


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("mrpc", "test"),
        ("cola", "train"),
        ("mnli", "test_mismatched"),
        ("ax", "diagnostic"),
        ("ax", "validation_matched"),
    ],
)
def test_it_is_that_of_all_of_them(name: str, split: str, tmp_path: Path) -> None:
    source = write_glue(tmp_path, name, "mnli")
    alone = load_split(task(name), FolderSource(source), split)
    assert alone.sha256 == load_rows(task(name), FolderSource(source))[split].sha256
    assert alone.name == split


def test_no_other_file_is_read(tmp_path: Path) -> None:
    folder = write_glue(tmp_path, "mrpc") / "MRPC"
    for other in ("train", "dev"):
        (folder / f"{other}.tsv").unlink()
    for where in (tmp_path, folder):
        assert len(load_split(task("mrpc"), FolderSource(where), "test")) == 2
    write_glue(tmp_path, "ax")
    assert len(load_split(task("ax"), FolderSource(tmp_path), "diagnostic")) == 2


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    folder = write_glue(tmp_path, "mrpc") / "MRPC"
    (folder / "test.tsv").unlink()
    with pytest.raises(DataError, match="holds none of the task's files") as error:
        load_split(task("mrpc"), FolderSource(tmp_path), "test")
    assert error.value.expected == "test.tsv"
    with pytest.raises(DataError, match=r"train.tsv cannot be read"):
        (folder / "train.tsv").unlink()
        load_split(task("mrpc"), FolderSource(tmp_path), "train")


def test_a_load_of_ones_own_that_lacks_the_split(tmp_path: Path) -> None:
    class Own(type(task("mrpc"))):  # type: ignore[misc]
        def load(self, source: Any) -> Any:
            rows = super().load(source)
            rows.pop("test", None)
            return rows

    with pytest.raises(DataError, match="has no test split there"):
        load_split(Own(), FolderSource(write_glue(tmp_path, "mrpc")), "test")


def test_a_source_tells_what_it_holds(tmp_path: Path) -> None:
    mrpc, table = task("mrpc"), load_registry().find("task", "table").cls
    write_glue(tmp_path, "mrpc")
    for folder in (tmp_path, tmp_path / "MRPC"):
        assert FolderSource(folder).holds(mrpc, "test")
        assert not FolderSource(folder).holds(task("ax"), "diagnostic")
    (tmp_path / "MRPC" / "test.tsv").unlink()
    assert not FolderSource(tmp_path).holds(mrpc, "test")
    assert not FolderSource(tmp_path / "none").holds(mrpc, "test")
    assert not FolderSource(tmp_path).holds(table, "test")  # type: ignore[arg-type]  # a class serves as well
    assert SampleSource().holds(mrpc, "validation") and not SampleSource().holds(mrpc, "test")
    assert HubSource().holds(mrpc, "test")
