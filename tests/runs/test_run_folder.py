"""Files of a run folder appear whole or not at all, and say what they should."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

import numpy as np
import pytest

from glueft.errors import RunFolderError
from glueft.runs.folder import new_run_folder
from glueft.runs.predictions import write_predictions


def test_a_run_folder_is_named_for_task_and_time(tmp_path: Path) -> None:
    first, second = (new_run_folder(tmp_path / "runs", "mrpc") for _ in range(2))
    assert first != second
    assert first.parent == tmp_path / "runs"
    assert first.name.startswith("mrpc-20")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError) as caught:
        new_run_folder(tmp_path / "file", "mrpc")
    assert "--output-dir" in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)


def test_what_lies_beside_it_keeps_no_run_from_going(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert new_run_folder(tmp_path, "mrpc").is_dir()


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
