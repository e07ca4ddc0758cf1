"""Long rows in windows: the tokenizer's own, trained on one by one, and pooled by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glueft.data.batches import EvaluationBatches, TrainingBatches
from glueft.data.encoding import Encoded, encode
from glueft.data.rows import Rows
from glueft.data.token_cache import TokenCache
from glueft.data.windows import Pool, Windowing, WindowsOfRows
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
from glueft.errors import CheckpointError, DataError
from glueft.recipe import load_recipe
from glueft.recipe.problems import RecipeError
from reference_checkpoints import copy_with_python_tokenizer

WORDS = ["good", "bad", "film", "the", "a", "story", "is", "of"]
TEXTS = [" ".join(WORDS[place % 8] for place in range(count)) for count in (3, 40, 8, 0, 25)]
LABELS = np.array([0, 1, 1, 0, 1], np.int32)


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return load_tokenizer(find_checkpoint(str(tiny_bert)))


def windows(tokenizer: Any, stride: int = 3, pool: Pool = "mean", length: int = 10) -> Encoded:
    return encode(Rows("train", (TEXTS,), LABELS, ("bad", "good")), tokenizer, length, Windowing(stride, pool))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("stride", [0, 3, 7])
def test_they_are_the_tokenizer_s_own(tokenizer: Any, stride: int, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "truncation_side", side)
    monkeypatch.setattr("glueft.data.encoding.CHUNK_ROWS", 2)
    encoded = windows(tokenizer, stride)
    told = tokenizer(TEXTS, truncation=True, max_length=10, stride=stride, return_overflowing_tokens=True)
    assert [ids.tolist() for ids in np.split(encoded.ids, encoded.offsets[1:-1])] == told["input_ids"]
    assert encoded.windows is not None
    assert encoded.windows.rows_of(np.arange(len(encoded))).tolist() == told["overflow_to_sample_mapping"]
    assert encoded.windows.counts.sum() == len(encoded) > len(TEXTS) and encoded.truncated == 0
    assert encoded.labels.tolist() == LABELS.tolist()
    # The first window is what is left where texts are cut.
    cut = encode(Rows("train", (TEXTS,), LABELS, ("bad", "good")), tokenizer, 10)
    for row, window in enumerate(encoded.windows.first):
        ours, theirs = encoded.offsets[window : window + 2], cut.offsets[row : row + 2]
        assert encoded.ids[slice(*ours)].tolist() == cut.ids[slice(*theirs)].tolist()


def test_short_rows_are_one_window_each(tokenizer: Any) -> None:
    rows = Rows("train", (TEXTS,), LABELS, ("bad", "good"))
    encoded, cut = encode(rows, tokenizer, 64, Windowing(3, "mean")), encode(rows, tokenizer, 64)
    assert np.array_equal(encoded.ids, cut.ids) and np.array_equal(encoded.offsets, cut.offsets)
    assert encoded.windows is not None and encoded.windows.first.tolist() == [0, 1, 2, 3, 4]


def test_a_training_batch_has_the_label_of_each_window_s_row(tokenizer: Any) -> None:
    encoded = windows(tokenizer)
    batches = TrainingBatches(encoded, batch_size=4, epochs=1, seed=1)
    rows = encoded.windows.rows_of(np.arange(len(encoded)))  # type: ignore[union-attr]
    seen = 0
    for plan, (inputs, labels, *_) in zip(batches.plan, batches, strict=True):
        assert labels.tolist() == LABELS[rows[plan]].tolist() and len(inputs["input_ids"]) == len(plan)
        seen += len(plan)
    assert seen == len(encoded)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("mean", [[1, 1], [4, 3], [6, 0]]),
        ("max", [[1, 1], [5, 4], [6, 0]]),
        ("first", [[1, 1], [2, 4], [6, 0]]),
    ],
)
def test_results_are_pooled_by_row(pool: Pool, expected: list[list[float]]) -> None:
    results = np.array([[1, 1], [2, 4], [5, 2], [5, 3], [6, 0]], np.float32)
    pooled = WindowsOfRows(np.array([0, 1, 4]), 5, pool).pooled(results)
    assert pooled.dtype == np.float32 and pooled.tolist() == expected


def test_an_evaluation_gives_a_result_a_row(tokenizer: Any) -> None:
    encoded = windows(tokenizer, pool="max")
    assert encoded.windows is not None
    for batches in (EvaluationBatches(encoded, batch_size=3), EvaluationBatches(encoded, batch_size=3).filled(2)):
        results = np.concatenate([batch["attention_mask"].sum(axis=1, keepdims=True) for batch in batches])
        assert batches.restore(results)[:, 0].tolist() == [5, 10, 10, 2, 10]
        assert sum(batches.rows_begun(batch) for batch in range(len(batches))) == len(TEXTS)


def test_they_are_kept_in_the_cache(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows("train", (TEXTS,), LABELS, ("bad", "good"))
    cache = TokenCache(tmp_path, {}, say=pytest.fail)
    made = cache.encode(rows, tokenizer, 10, Windowing(3, "mean"))
    assert (
        len(cache.encode(rows, tokenizer, 10)) == 5 and len(cache.encode(rows, tokenizer, 10, Windowing(2, "max"))) > 5
    )
    assert len([*tmp_path.iterdir()]) == 3
    monkeypatch.setattr("glueft.data.token_cache.encode", lambda *_: pytest.fail("made anew"))
    kept = cache.encode(rows, tokenizer, 10, Windowing(3, "max"))
    assert kept.windows is not None and made.windows is not None
    assert np.array_equal(kept.windows.first, made.windows.first) and kept.windows.pool == "max"
    assert np.array_equal(kept.ids, made.ids)


def test_what_cannot_be_cut_into_windows(tokenizer: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the rows are pairs"):
        encode(Rows("train", (TEXTS, TEXTS), LABELS, ("bad", "good")), tokenizer, 10, Windowing(3, "mean"))
    with pytest.raises(DataError, match="stride leaves no new token") as caught:
        windows(tokenizer, stride=8)
    assert caught.value.expected.startswith("less than 8:")
    python = load_tokenizer(find_checkpoint(str(copy_with_python_tokenizer("Phobert", tmp_path / "python"))))
    with pytest.raises(CheckpointError, match="cuts no text into windows") as unable:
        windows(python)
    assert "PhobertTokenizer, which is written in Python" in unable.value.received


@pytest.mark.parametrize(
    ("task", "given", "path", "message"),
    [
        ("mrpc", "{stride=64}", "data.windows", 'task "mrpc" has pairs of texts, and windows are of one'),
        ("sst2", "{stride=64, pool='median'}", "data.windows.pool", 'expected one of "mean", "max", "first"'),
        ("sst2", "{pool='max'}", "data.windows.stride", "missing"),
        ("sst2", "{stride=126}", "data.windows.stride", "leaves no new token in a window of max_length = 128 tokens"),
    ],
)
def test_settings_that_cannot_be(task: str, given: str, path: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(task, ["data.max_length=128", f"data.windows={given}"])
    (problem,) = caught.value.problems
    assert problem.path == path and message in problem.message


def test_a_recipe_with_windows_is_read_again_as_it_is(tmp_path: Path) -> None:
    recipe = load_recipe("sst2", ["data.windows={stride=16}"])
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    again = load_recipe(str(tmp_path / "again.toml"))
    assert again == recipe and again.data.windowing == Windowing(16, "mean")
