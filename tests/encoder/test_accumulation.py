"""A batch taken in parts gives the update of the batch in one piece, on every backend, compiled or not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import accumulation_checks
from accumulation_checks import compare, updated
from tiny_checkpoint import make_tiny_bert


@pytest.fixture(scope="module")
def no_dropout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without dropout, whose masks differ between a batch and its parts."""
    return make_tiny_bert(tmp_path_factory.mktemp("still") / "bert", dropout=0.0, layers=1)


def test_parts_of_any_size_give_the_update_of_the_whole(no_dropout: Path) -> None:
    # 8 rows are 3 + 3 + 2 or 4 + 4, the last 5 are 3 + 2 or 4 + 1; 30 are more than there are.
    compare(no_dropout, (3, 4, 30))


@pytest.mark.slow
def test_it_holds_in_regression(no_dropout: Path) -> None:
    compare(no_dropout, (3,), regression=True)


def test_it_holds_where_rows_weigh_by_label(no_dropout: Path) -> None:
    """Parts that each took their own weighted mean would give another one."""
    compare(no_dropout, (3,), weighted=True)


@pytest.mark.slow
def test_it_holds_with_a_teacher_whose_part_is_not_weighted_by_label(no_dropout: Path) -> None:
    compare(no_dropout, (3,), weighted=True, taught=True)


@pytest.mark.slow
def test_it_holds_for_several_labels_a_row(no_dropout: Path) -> None:
    compare(no_dropout, (3,), several=True)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the others are compared in their own way")
def test_it_holds_under_xla(no_dropout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Keras refuses XLA where TensorFlow's ops were asked to be deterministic, as earlier tests of this process did.
    monkeypatch.setattr("keras.src.trainers.trainer.model_supports_jit", lambda model: True)
    compare(no_dropout, (3,), jit_compile=True)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_it_holds_on_the_other_backends(no_dropout: Path, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, accumulation_checks.__file__, no_dropout]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == [backend]


@pytest.mark.slow
def test_dropout_differs_from_part_to_part_and_repeats_from_run_to_run(tiny_bert: Path) -> None:
    first, again, still = updated(tiny_bert, 3), updated(tiny_bert, 3), updated(tiny_bert, None)
    assert first[1] == again[1]
    assert first[1] != still[1]
    assert all((tensor == again[0][name]).all() for name, tensor in first[0].items())
