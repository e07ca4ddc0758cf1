"""Every GLUE task reads the files that GLUE offers and the hub's columns, under the benchmark's own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glue_files import DIAGNOSTIC_FULL, FILES, write_file, write_glue
from glueft.data.rows import Rows, load_rows
from glueft.data.sources import FolderSource, SampleSource
from glueft.plugin.registry import load_registry
from glueft.plugin.task import Task

NLI = ("entailment", "neutral", "contradiction")
ANSWERED = ("entailment", "not_entailment")

# As the card of nyu-mll/glue has them: columns, label names in the order of their numbers; the metrics are GLUE's.
GLUE: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "cola": (("sentence",), ("unacceptable", "acceptable"), ("matthews_correlation",)),
    "sst2": (("sentence",), ("negative", "positive"), ("accuracy",)),
    "mrpc": (("sentence1", "sentence2"), ("not_equivalent", "equivalent"), ("accuracy", "f1")),
    "stsb": (("sentence1", "sentence2"), (), ("pearson", "spearmanr")),
    "qqp": (("question1", "question2"), ("not_duplicate", "duplicate"), ("accuracy", "f1")),
    "mnli": (("premise", "hypothesis"), NLI, ("accuracy",)),
    "qnli": (("question", "sentence"), ANSWERED, ("accuracy",)),
    "rte": (("sentence1", "sentence2"), ANSWERED, ("accuracy",)),
    "wnli": (("sentence1", "sentence2"), ("not_entailment", "entailment"), ("accuracy",)),
    "ax": (("premise", "hypothesis"), NLI, ("matthews_correlation",)),
}
# The card's num_examples.
SIZES: dict[str, dict[str, int]] = {
    "cola": {"train": 8551, "validation": 1043, "test": 1063},
    "sst2": {"train": 67349, "validation": 872, "test": 1821},
    "mrpc": {"train": 3668, "validation": 408, "test": 1725},
    "stsb": {"train": 5749, "validation": 1500, "test": 1379},
    "qqp": {"train": 363846, "validation": 40430, "test": 390965},
    "mnli": {
        "train": 392702,
        "validation_matched": 9815,
        "validation_mismatched": 9832,
        "test_matched": 9796,
        "test_mismatched": 9847,
    },
    "qnli": {"train": 104743, "validation": 5463, "test": 5463},
    "rte": {"train": 2490, "validation": 277, "test": 3000},
    "wnli": {"train": 635, "validation": 71, "test": 146},
    "ax": {"train": 392702, "validation_matched": 9815, "diagnostic": 1104},
}


def task(name: str) -> Task:
    plugin = load_registry().find("task", name)
    assert plugin.package == "glueft"
    made = plugin.cls()
    assert isinstance(made, Task)
    return made


def labels_of(rows: Rows) -> list[Any]:
    """The labels by name, or the scores."""
    return (
        [rows.label_names[label] if label >= 0 else None for label in rows.labels]
        if rows.label_names
        else [*rows.labels.tolist()]
    )


@pytest.mark.parametrize("name", GLUE)
def test_names_and_sizes_are_the_benchmarks_own(name: str) -> None:
    found = task(name)
    assert (found.inputs, found.labels, found.metrics) == GLUE[name]
    assert found.sizes == SIZES[name]
    assert set(found.sizes) == {"train", *found.validation_splits, *found.test_splits}
    assert found.hub and (found.hub.path, found.hub.config) == ("nyu-mll/glue", name)


@pytest.mark.parametrize("name", GLUE)
def test_published_scores_are_of_the_tasks_metrics_and_splits(name: str) -> None:
    found = task(name)
    assert found.published or name == "ax"
    for score in found.published:
        assert set(score.metrics) == set(found.metrics)
        assert all(0 < value < 1 for value in score.metrics.values())
        assert score.model and score.source
        assert score.split is None or score.split in found.validation_splits


# What the files of glue_files.py hold: split -> first texts and labels.
LOADED: dict[str, dict[str, tuple[list[str], list[Any]]]] = {
    "cola": {
        "train": (['A "quote.', "Quote a."], ["acceptable", "unacceptable"]),
        "validation": (["Dog the barks."], ["unacceptable"]),
        "test": (["Hidden one.", "Hidden two."], [None, None]),
    },
    "sst2": {
        "train": (['a "quote ', "dull "], ["positive", "negative"]),
        "validation": (["dog the barks ."], ["negative"]),
        "test": (["hidden one", "hidden two"], [None, None]),
    },
    "mrpc": {
        "train": (['A "quote.', "Quote a."], ["equivalent", "not_equivalent"]),
        "validation": (["Dog the barks."], ["not_equivalent"]),
        "test": (["Hidden one.", "Hidden two."], [None, None]),
    },
    "stsb": {
        "train": (['A "quote.', "Quote a."], [5.0, float(np.float32(3.8))]),
        "validation": (["Dog the barks."], [0.25]),
        "test": (["Hidden one.", "Hidden two."], [pytest.approx(np.nan, nan_ok=True)] * 2),
    },
    "qqp": {
        "train": (['A "quote?', "Quote a?"], ["duplicate", "not_duplicate"]),
        "validation": (["Does the dog bark?"], ["not_duplicate"]),
        "test": (["Hidden one?", "Hidden two?"], [None, None]),
    },
    "mnli": {
        "train": (['A "quote.', "Quote a.", "Nobody."], ["neutral", "entailment", "contradiction"]),
        "validation_matched": (["Dog."], ["neutral"]),
        "validation_mismatched": (["Cat.", "x"], ["entailment", "neutral"]),
        "test_matched": (["Hidden one.", "Hidden two."], [None, None]),
        "test_mismatched": (["Hidden three."], [None]),
    },
    "qnli": {
        "train": (['A "quote?', "Quote a?"], ["entailment", "not_entailment"]),
        "validation": (["Does the dog bark?"], ["not_entailment"]),
        "test": (["Hidden one?", "Hidden two?"], [None, None]),
    },
    "rte": {
        "train": (['A "quote.', "Quote a."], ["not_entailment", "entailment"]),
        "validation": (["Dog the barks."], ["entailment"]),
        "test": (["Hidden one.", "Hidden two."], [None, None]),
    },
    "wnli": {
        "train": (['A "quote.', "Quote a."], ["entailment", "not_entailment"]),
        "validation": (["Dog the barks."], ["not_entailment"]),
        "test": (["Hidden one.", "Hidden two."], [None, None]),
    },
    "ax": {
        "train": (['A "quote.', "Quote a.", "Nobody."], ["neutral", "entailment", "contradiction"]),
        "validation_matched": (["Dog."], ["neutral"]),
        "diagnostic": (["It rains.", "It rains."], [None, None]),
    },
}


@pytest.mark.parametrize("name", GLUE)
def test_the_files_that_glue_offers(name: str, tmp_path: Path) -> None:
    splits = load_rows(task(name), FolderSource(write_glue(tmp_path)))
    assert {split: (rows.texts[0], labels_of(rows)) for split, rows in splits.items()} == LOADED[name]
    second = splits["train"].texts[1:]
    assert second == () or second[0][0].startswith("One quote")
    assert splits[task(name).test_splits[0]].texts[1:] in [(), (["x", "y"],), (["It does not rain.", "It pours."],)]


@pytest.mark.parametrize("name", [name for name in GLUE if name != "ax"])
def test_test_files_may_be_absent_and_validation_files_may_not(name: str, tmp_path: Path) -> None:
    write_glue(tmp_path, name)
    found = task(name)
    assert found.tsv
    for split in found.test_splits:
        (tmp_path / found.tsv.folder / found.tsv.candidates(split)[0].name).unlink()
    assert set(load_rows(found, FolderSource(tmp_path))) == {"train", *found.validation_splits}
    last = found.validation_splits[-1]
    (tmp_path / found.tsv.folder / found.tsv.candidates(last)[0].name).unlink()
    with pytest.raises(glueft.DataError, match=r"dev.*\.tsv cannot be read"):
        load_rows(found, FolderSource(tmp_path))


def test_the_diagnostic_rows_with_the_authors_labels(tmp_path: Path) -> None:
    write_glue(tmp_path, "mnli", "ax")
    rows = [
        ("Negation", "", "", "", "News", "It rains.", "It does not rain.", "contradiction"),
        ("", "Passive", "Logic;More", "", "", "It rains.", "It pours.", "neutral"),
    ]
    write_file(tmp_path / "diagnostic" / "diagnostic-full.tsv", DIAGNOSTIC_FULL, rows)
    source = FolderSource(tmp_path)
    splits = load_rows(task("ax"), source)
    assert splits["diagnostic"].texts == (["It rains.", "It rains."], ["It does not rain.", "It pours."])
    assert labels_of(splits["diagnostic"]) == ["contradiction", "neutral"]
    assert source.provenance == {
        "source": "folder",
        "folder": str(tmp_path / "diagnostic"),
        "trained_on": {"source": "folder", "folder": str(tmp_path / "MNLI")},
    }


def test_the_diagnostic_set_needs_mnli_and_its_own_folder(tmp_path: Path) -> None:
    write_glue(tmp_path, "mnli")
    with pytest.raises(glueft.DataError, match="does not hold the task's files") as raised:
        load_rows(task("ax"), FolderSource(tmp_path))
    assert raised.value.expected == "diagnostic/diagnostic-full.tsv in that folder, or diagnostic-full.tsv itself"
    (tmp_path / "diagnostic").mkdir()
    with pytest.raises(glueft.DataError, match="holds none of the task's files") as raised:
        load_rows(task("ax"), FolderSource(tmp_path))
    assert raised.value.expected == "diagnostic-full.tsv or diagnostic.tsv"
    assert raised.value.fix


def test_qqps_broken_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    write_glue(tmp_path, "qqp")
    train = tmp_path / "QQP" / "train.tsv"
    broken = b"7\t8\t9\tWas he\n\tWas he real?\t0\n\n10\t11\t12\tIs it\r\tReally?\t1\n"
    train.write_bytes(train.read_bytes() + broken)
    source = FolderSource(tmp_path)
    splits = load_rows(task("qqp"), source)
    assert splits["train"].texts == (['A "quote?', "Quote a?"], ["One quote?", ""])
    assert source.provenance["left_out"] == {"train": 5}
    assert splits["validation"].texts[0] == ["Does the dog bark?"]

    # More of them than the official file has are an error, as one is for any other task.
    train.write_bytes(train.read_bytes() + b"7\t8\n" * 50)
    with pytest.raises(glueft.DataError, match=r"line 4: 4 fields instead of 6; 55 problems in all"):
        load_rows(task("qqp"), FolderSource(tmp_path))
    header, rows = FILES["rte"]["RTE/train.tsv"]
    write_glue(tmp_path, "rte")
    write_file(tmp_path / "RTE" / "train.tsv", header, [*rows, ("2", "A text.", "")])
    with pytest.raises(glueft.DataError, match="3 fields instead of 4"):
        load_rows(task("rte"), FolderSource(tmp_path))


def test_an_empty_text_is_an_error_for_every_task_but_qqp(tmp_path: Path) -> None:
    assert [name for name in GLUE if task(name).empty_text] == ["qqp"]
    header, rows = FILES["rte"]["RTE/train.tsv"]
    write_glue(tmp_path, "rte")
    write_file(tmp_path / "RTE" / "train.tsv", header, [*rows, ("2", "A text.", "", "entailment")])
    with pytest.raises(glueft.DataError, match="no text in field 3"):
        load_rows(task("rte"), FolderSource(tmp_path))


@pytest.mark.parametrize("name", GLUE)
def test_the_shipped_samples(name: str) -> None:
    found, source = task(name), SampleSource()
    splits = load_rows(found, source)
    assert source.provenance["package"] == "glueft_tasks"
    assert len(splits["train"]) >= 50 and len(splits[found.validation_splits[0]]) >= 24
    texts = [text for rows in splits.values() for text in zip(*rows.texts, strict=True)]
    assert len(set(texts)) == len(texts), "a row comes twice"
    for split, rows in splits.items():
        if found.labels:
            shares = np.bincount(rows.labels, minlength=len(found.labels)) / len(rows)
            assert shares.min() >= 0.6 / len(found.labels), (split, shares)
        else:
            assert rows.labels.min() == 0 and rows.labels.max() == 5 and rows.labels.std() > 1


@pytest.mark.parametrize(
    ("name", "counts", "shares"),
    [
        ("cola", {"train": 8551, "validation": 1043}, [0.31064, 0.68936]),
        ("stsb", {"train": 5746, "validation": 1499}, None),
        ("mrpc", {"train": 3668, "validation": 408, "test": 1725}, [0.31618, 0.68382]),
        ("sst2", {"train": 67349, "validation": 872, "test": 1821}, [0.49083, 0.50917]),
    ],
)
def test_the_real_files(glue_data: Path, name: str, counts: dict[str, int], shares: list[float] | None) -> None:
    splits = load_rows(task(name), FolderSource(glue_data))
    assert {split: len(rows) for split, rows in splits.items()} == counts
    labels = splits["validation"].labels
    if shares is None:
        assert labels.min() >= 0 and labels.max() <= 5
        assert labels.mean() == pytest.approx(2.36, abs=0.02)
    else:
        assert (np.bincount(labels) / len(labels)).tolist() == pytest.approx(shares, abs=1e-4)
