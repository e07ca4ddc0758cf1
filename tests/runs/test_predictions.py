"""Predictions are written with all their digits, and a broken file is refused."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from glueft.errors import RunFolderError
from glueft.metrics.decision import DecisionRule, sigmoid
from glueft.runs.predictions import read_predictions, write_predictions
from glueft.runs.run import Run

HEADER = "id\tlabel\tprediction\tprobability_not_equivalent\tprobability_equivalent\n"


@pytest.fixture
def folder(finished_run: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(finished_run, tmp_path / "run")


def test_predictions_name_labels_and_give_a_probability_each(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "validation.tsv"
    logits = np.array([[0.0, 0.0], [0.0, 1.0], [800.0, -800.0]], np.float32)
    write_predictions(path, np.array([1, 0, -1]), logits, ("no", "yes"))
    header, even, uneven, sure = path.read_text().splitlines()
    assert header == "id\tlabel\tprediction\tprobability_no\tprobability_yes"
    assert (even, sure) == ("0\tyes\tno\t0.5\t0.5", "2\t\tno\t1\t0")
    *answer, no, yes = uneven.split("\t")
    assert answer == ["1", "no", "yes"]
    assert [float(no), float(yes)] == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e)], rel=1e-15)


def test_scores_have_no_probability(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "test.tsv"
    write_predictions(path, np.array([2.5, np.nan], np.float32), np.array([[2.25], [4.0]], np.float32), ())
    assert path.read_text().splitlines() == ["id\tlabel\tprediction", "0\t2.5\t2.25", "1\t\t4"]


def test_sets_of_labels_are_lists_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "validation.tsv"
    rule = DecisionRule(multi_label=True, thresholds=(0.5, 0.2))
    logits = np.array([[0.0, -1.0], [-1.0, -5.0], [9.0, -5.0]], np.float32)
    write_predictions(path, np.array([[0, 1], [0, 0], [-1, -1]]), logits, ("no", "[]"), rule)
    assert [line.split("\t")[:3] for line in path.read_text().splitlines()] == [
        ["id", "label", "prediction"],
        ["0", '["[]"]', '["no","[]"]'],
        ["1", "[]", "[]"],
        ["2", "", '["no"]'],
    ]
    found = read_predictions(path, ("no", "[]"), 3, multi_label=True)
    assert found.labels == ['["[]"]', "[]", ""] and found.predictions == ['["no","[]"]', "[]", '["no"]']
    assert (found.probabilities == sigmoid(logits)).all()
    path.write_text(path.read_text().replace('["no","[]"]', '["[]", "no"]'))
    assert read_predictions(path, ("no", "[]"), 3, multi_label=True).predictions == found.predictions
    for cell in ("no", '["yes"]', ""):
        path.write_text(f"id\tlabel\tprediction\tprobability_no\tprobability_[]\n0\t[]\t{cell}\t0.1\t0.2\n")
        with pytest.raises(RunFolderError, match="there is no list of labels") as caught:
            read_predictions(path, ("no", "[]"), 1, multi_label=True)
        assert caught.value.received == f"{cell!r} in line 2"
    for share in ("-0.25", "1.25", "nan"):
        path.write_text(f"id\tlabel\tprediction\tprobability_no\tprobability_[]\n0\t[]\t[]\t0.1\t{share}\n")
        with pytest.raises(RunFolderError, match="no number it could hold") as caught:
            read_predictions(path, ("no", "[]"), 1, multi_label=True)
        assert caught.value.expected == "a probability from 0 to 1"


@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1.0, 1e6, 1e30])
def test_scores_of_any_scale_read_back_to_the_same_float32(tmp_path: Path, scale: float) -> None:
    random = np.random.default_rng(0)
    given, said = (random.normal(1, 1e-3, 200) * scale).astype(np.float32), random.normal(1, 1, (200, 1))
    said = (said * scale).astype(np.float32)
    write_predictions(tmp_path / "predictions" / "test.tsv", given, said, ())
    cells = [line.split("\t") for line in (tmp_path / "predictions" / "test.tsv").read_text().splitlines()[1:]]
    np.testing.assert_array_equal(np.array([float(row[1]) for row in cells], np.float32), given)
    np.testing.assert_array_equal(np.array([float(row[2]) for row in cells], np.float32), said[:, 0])


def test_the_largest_probability_is_that_of_the_prediction(tmp_path: Path) -> None:
    above = np.nextafter(np.float32(0.1), np.float32(1))
    logits = np.array([[0.1, above, -3], [above, 0.1, -3], [1e-30, 2e-30, 0], [50, 50, 50]], np.float32)
    write_predictions(tmp_path / "predictions" / "test.tsv", np.full(4, -1), logits, ("a", "b", "c"))
    lines = (tmp_path / "predictions" / "test.tsv").read_text().splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    assert [row[2] for row in cells] == ["b", "a", "b", "a"]
    assert ["abc"[int(np.argmax([float(share) for share in row[3:]]))] for row in cells] == ["b", "a", "b", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "0\tequivalent\tequivalent\t0.1\t0.9", "it is cut off"),
        ("", "it is cut off"),
        (HEADER + "0\tequivalent\tequivalent\t0.1\t0.9\n", "rows are missing or too many"),
        ("id,label,prediction\n", "its header is not that of predictions"),
        (HEADER.replace("_equivalent", "_same"), "it is about other labels"),
        ("id\tlabel\tprediction\n", "it is about other labels"),
    ],
)
def test_broken_predictions_are_refused(folder: Path, text: str, message: str) -> None:
    path = folder / "predictions" / "validation.tsv"
    path.write_text(text)
    with pytest.raises(RunFolderError, match=message) as caught:
        Run.open(folder).predictions("validation")
    assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0\tequivalent\tequivalent\t0.1", "a line is broken"),
        ("7\tequivalent\tequivalent\t0.1\t0.9", "its rows are not in order"),
        ("0\tequivalent\tperhaps\t0.1\t0.9", "there is an unknown label"),
        ("0\tperhaps\tequivalent\t0.1\t0.9", "there is an unknown label"),
        ("0\tequivalent\t\t0.1\t0.9", "there is an unknown label"),
        ("0\t\tequivalent\tmany\t0.9", "no number it could hold"),
        ("0\t\tequivalent\t1.5\t0.9", "no number it could hold"),
        ("0\t\tequivalent\tnan\t0.9", "no number it could hold"),
    ],
)
def test_a_broken_line_is_named(folder: Path, line: str, message: str) -> None:
    path = folder / "predictions" / "validation.tsv"
    rest = path.read_text().splitlines()[2:]
    path.write_text(HEADER + "\n".join([line, *rest]) + "\n")
    with pytest.raises(RunFolderError, match=message) as caught:
        Run.open(folder).predictions("validation")
    assert "in line 2" in caught.value.received


def test_a_broken_score_is_named(finished_regression_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_regression_run, tmp_path / "run")
    path = folder / "predictions" / "validation.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "0\t2.5\tinf", *lines[2:]]) + "\n")
    with pytest.raises(RunFolderError, match="no number it could hold"):
        Run.open(folder).predictions("validation")


def test_missing_predictions_are_told(folder: Path) -> None:
    with pytest.raises(RunFolderError, match="there is no such file") as caught:
        Run.open(folder).predictions("test")
    assert caught.value.received == "validation.tsv"
    (folder / "predictions" / "validation.tsv").write_bytes(b"id\xff\n")
    with pytest.raises(RunFolderError, match="it is not text"):
        Run.open(folder).predictions("validation")
