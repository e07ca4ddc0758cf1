"""Files of a run folder appear whole or not at all, and say what they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from glueft.errors import RunFolderError
from glueft.run_folder import new_run_folder, write_predictions


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


def test_predictions_name_labels_and_give_a_probability_each(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "validation.tsv"
    logits = np.array([[0.0, 0.0], [0.0, np.log(3.0)], [800.0, -800.0]], np.float32)
    write_predictions(path, np.array([1, 0, -1]), logits, ("no", "yes"))
    assert path.read_text().splitlines() == [
        "id\tlabel\tprediction\tprobability_no\tprobability_yes",
        "0\tyes\tno\t0.500000\t0.500000",
        "1\tno\tyes\t0.250000\t0.750000",
        "2\t\tno\t1.000000\t0.000000",
    ]


def test_scores_have_no_probability(tmp_path: Path) -> None:
    path = tmp_path / "predictions" / "test.tsv"
    write_predictions(path, np.array([2.5, np.nan], np.float32), np.array([[2.25], [4.0]], np.float32), ())
    assert path.read_text().splitlines() == ["id\tlabel\tprediction", "0\t2.5\t2.250000", "1\t\t4.000000"]
