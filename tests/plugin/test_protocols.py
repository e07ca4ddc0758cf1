"""`glueft.Run` and `glueft.Source` say what runs and sources offer; mypy holds the types, this file the names."""

from __future__ import annotations

from pathlib import Path

import pytest

import glueft
from glueft.data.sources import FolderSource, HubSource, OwnFiles, SampleSource
from glueft.runs.run import Run


def offered(protocol: type) -> set[str]:
    """The public members of a protocol."""
    return {name for name in {*vars(protocol), *vars(protocol).get("__annotations__", {})} if not name.startswith("_")}


@pytest.mark.parametrize("source", [HubSource(), FolderSource("x"), SampleSource(), OwnFiles()], ids=lambda it: it.kind)
def test_a_source_offers_what_its_protocol_says(source: glueft.Source) -> None:
    assert offered(glueft.Source) - {*dir(source)} == set()


def test_a_run_offers_what_its_protocol_says(tmp_path: Path) -> None:
    run: glueft.Run = Run.of(glueft.load_recipe("mrpc"), tmp_path)
    assert offered(glueft.Run) - {*dir(run)} == set()
    assert "tables" in dir(run.recipe)
