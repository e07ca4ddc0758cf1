"""Folders and samples as sources, on real files. The hub's tests are in test_hub_dataset.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import glueft
from glueft.data.rows import load_rows
from glueft.data.sources import FolderSource, HubSource, SampleSource, Source, make_source
from glueft.errors import DataError
from glueft_tasks.mrpc import MRPC
from glueft_tasks.sst2 import SST2


@pytest.fixture
def mrpc(tmp_path: Path) -> Path:
    """DATA_DIR with a small MRPC folder."""
    folder = tmp_path / "glue" / "MRPC"
    folder.mkdir(parents=True)
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    (folder / "train.tsv").write_text(header + '1\t1\t2\tA "dog.\tOne dog.\n0\t3\t4\tRain.\tSun.\n')
    (folder / "dev.tsv").write_text(header + "1\t5\t6\tA cat.\tOne cat.\n")
    return tmp_path / "glue"


def test_the_splits_of_a_folder(mrpc: Path) -> None:
    source = FolderSource(mrpc)
    splits = source.read(MRPC())
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 2, "validation": 1}
    assert splits["train"][0] == {"sentence1": 'A "dog.', "sentence2": "One dog.", "label": 1}
    assert splits["train"].features["label"].names == ["not_equivalent", "equivalent"]
    assert source.provenance == {"source": "folder", "folder": str(mrpc / "MRPC")}


def test_the_folder_of_the_task_itself_will_do(mrpc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mrpc)
    source = FolderSource("MRPC")
    assert len(source.read(MRPC())["train"]) == 2
    assert source.provenance["folder"] == str(mrpc / "MRPC")


def test_a_test_file_without_labels(mrpc: Path) -> None:
    (mrpc / "MRPC" / "test.tsv").write_text("index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n")
    assert FolderSource(mrpc).read(MRPC())["test"]["label"] == [-1]


def test_a_missing_dev_file(mrpc: Path) -> None:
    (mrpc / "MRPC" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"dev\.tsv cannot be read") as raised:
        FolderSource(mrpc).read(MRPC())
    assert '"train.tsv"' in raised.value.fix


def test_a_folder_without_the_task(mrpc: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not hold the task's files") as raised:
        FolderSource(mrpc).read(SST2())
    assert raised.value.received == 'a folder with: "MRPC/"'
    assert raised.value.expected == "SST-2/train.tsv in that folder, or train.tsv itself"
    with pytest.raises(DataError) as raised:
        FolderSource(tmp_path / "none").read(MRPC())
    assert raised.value.received == "no such file or directory"
    with pytest.raises(DataError) as raised:
        FolderSource(mrpc / "MRPC" / "train.tsv").read(MRPC())
    assert raised.value.received == "not a directory"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as raised:
        FolderSource(tmp_path / "empty").read(MRPC())
    assert raised.value.received == "an empty folder"


@pytest.mark.parametrize("task", [MRPC, SST2])
def test_the_shipped_samples(task: type[glueft.Task]) -> None:
    source = SampleSource()
    splits = load_rows(task(), source)
    assert len(splits["train"]) >= 320
    assert len(splits["validation"]) >= 120
    assert all(set(rows.labels.tolist()) == {0, 1} for rows in splits.values())
    assert source.provenance == {"source": "sample", "package": "glueft_tasks", "task": task.name}


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package outside the project whose task inherits a sample."""
    (tmp_path / "third_party_task.py").write_text(
        "from glueft_tasks.mrpc import MRPC\nclass Mine(MRPC):\n    '''Mine.'''\n    name = 'mine'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import third_party_task

    yield third_party_task
    del sys.modules["third_party_task"]


def test_an_inherited_sample_is_found_where_its_owner_put_it(third_party: Any) -> None:
    source = SampleSource()
    assert len(source.read(third_party.Mine())["train"]) >= 320
    assert source.provenance == {"source": "sample", "package": "glueft_tasks", "task": "mine"}


def test_tasks_that_cannot_be_read_so() -> None:
    class Bare(glueft.Task):
        """A task without data."""

        name = "bare"
        inputs = ("sentence",)
        labels = ("a", "b")

    class NoSample(MRPC):
        sample = None

    for source, task, message in [
        (FolderSource("."), Bare, "cannot be read from files"),
        (SampleSource(), Bare, "cannot be read from files"),
        (SampleSource(), NoSample, "ships no sample"),
        (HubSource(), Bare, "is not on the hub"),
    ]:
        with pytest.raises(DataError, match=message):
            source.read(task())


def test_the_recipe_names_the_source() -> None:
    def settings(source: str, folder: str | None = None, revision: str | None = None) -> SimpleNamespace:
        return SimpleNamespace(source=source, folder=folder, revision=revision)

    hub = make_source(settings("hub", revision="v1"))
    assert isinstance(hub, HubSource) and hub.revision == "v1"
    assert isinstance(make_source(settings("sample")), SampleSource)
    folder = make_source(settings("folder", folder="~/glue"))
    assert isinstance(folder, FolderSource) and folder.folder == Path.home() / "glue"
    assert hub.provenance == {"source": "hub"}


def test_a_source_of_no_kind_reads_nothing() -> None:
    class Mine(Source):
        kind = "mine"

    with pytest.raises(NotImplementedError):
        Mine().read(MRPC())


class CoLA(glueft.Task):
    """Files without a header line."""

    name = "cola"
    inputs = ("sentence",)
    labels = ("unacceptable", "acceptable")
    tsv = glueft.TSVLayout("CoLA", {"sentence": 3, "label": 1}, header=False)


class STSB(glueft.Task):
    """A regression."""

    name = "stsb"
    inputs = ("sentence1", "sentence2")
    metrics = ("pearson",)
    tsv = glueft.TSVLayout("STS-B", {"sentence1": "sentence1", "sentence2": "sentence2", "label": "score"})


@pytest.mark.parametrize(
    ("task", "counts"),
    [
        (MRPC, {"train": 3668, "validation": 408, "test": 1725}),
        (SST2, {"train": 67349, "validation": 872, "test": 1821}),
        (CoLA, {"train": 8551, "validation": 1043}),
        (STSB, {"train": 5746, "validation": 1499}),
    ],
)
def test_the_real_files(glue_data: Path, task: type[glueft.Task], counts: dict[str, int]) -> None:
    splits = load_rows(task(), FolderSource(glue_data))
    assert {name: len(rows) for name, rows in splits.items()} == counts
