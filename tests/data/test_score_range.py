"""Scores that no row can have are refused, with the lines, wherever rows come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft.data.rows import load_rows
from glueft.data.sources import FolderSource
from glueft.errors import DataError
from glueft.plugin.contract import declaration_breach
from glueft.plugin.registry import load_registry
from glueft.plugin.task import Task

HEADER = "sentence1\tsentence2\tscore\n"


def stsb() -> Task:
    return load_registry().find("task", "stsb").cls()  # type: ignore[no-any-return]


def test_files(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(HEADER + "a\tb\t0\na\tb\t5.000\n")
    (tmp_path / "dev.tsv").write_text(HEADER + "a\tb\t2.5\n")
    (tmp_path / "test.tsv").write_text(HEADER + "a\tb\t-1\na\tb\t3\n")
    assert load_rows(stsb(), FolderSource(tmp_path))["train"].labels.tolist() == [0, 5]
    (tmp_path / "dev.tsv").write_text(HEADER + "a\tb\t2.5\na\tb\t-1\na\tb\t5.2\n")
    with pytest.raises(DataError) as caught:
        load_rows(stsb(), FolderSource(tmp_path))
    assert 'dev.tsv, line 3: the score "-1" is not one of this task\'s; 2 problems in all' in caught.value.message
    assert caught.value.expected == "a score from 0 to 5" and "line 4" in caught.value.received
    assert caught.value.fix == "correct the score, or remove the row on purpose"


@pytest.mark.parametrize(
    ("scores", "message"),
    [([2.0, 5.5], "labels of .* are out of range"), ([2.0, -1.0], "has rows without a label")],
)
def test_the_hub_and_plugins(scores: list[float], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    task = stsb()
    features = datasets.Features(
        {
            "sentence1": datasets.Value("string"),
            "sentence2": datasets.Value("string"),
            "label": datasets.Value("float32"),
        }
    )
    good = datasets.Dataset.from_dict({"sentence1": ["a"], "sentence2": ["b"], "label": [5.0]}, features=features)
    columns = {"sentence1": ["a", "a"], "sentence2": ["b", "b"], "label": scores}
    bad = datasets.Dataset.from_dict(columns, features=features)
    hidden = datasets.Dataset.from_dict(columns | {"label": [-1.0, 4.0]}, features=features)
    splits = datasets.DatasetDict(train=good, validation=good, test=hidden)
    monkeypatch.setattr(task, "load", lambda source: splits)
    assert len(load_rows(task, FolderSource("."))) == 3
    splits["validation"] = bad
    with pytest.raises(DataError, match=message) as caught:
        load_rows(task, FolderSource("."))
    assert caught.value.expected == "scores from 0 to 5" and "in row 1" in caught.value.received


@pytest.mark.parametrize("wrong", [(5.0, 0.0), (0.0,), [0.0, 5.0], (0.0, float("inf")), ("0", "5"), 5])
def test_what_is_no_range(wrong: object) -> None:
    cls = type("Wrong", (type(stsb()),), {"score_range": wrong, "__doc__": "Wrong.", "submission": None})
    assert "`score_range` of class Wrong must be two numbers" in str(declaration_breach(cls))
    classes = type("Classes", (type(stsb()),), {"labels": ("a", "b"), "metrics": ("accuracy",), "submission": None})
    assert "of a regression" in str(declaration_breach(classes))
