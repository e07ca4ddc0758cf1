"""Cross-validation: every training row is held out once, stratified by label, equal texts or groups together."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import glueft
from glueft.data.folds import folds_of
from glueft.data.rows import Rows, load_rows, load_split
from glueft.data.sources import HubSource, make_source
from glueft.data.splits import describe_split, evaluated_splits, size_notes
from glueft.errors import DataError
from glueft.hub.datasets import Loaded
from glueft.recipe import load_recipe
from glueft.recipe.problems import RecipeError
from glueft.recipe.sections import Data, Fold


class Sites(glueft.Task):
    """Texts of several sites, on the hub."""

    name = "sites"
    inputs = ("text",)
    labels = ("no", "yes")
    hub = glueft.HubDataset("org/sites")


def table(folder: Path, fold: str, *more: str) -> tuple[Any, Any]:
    """The task and [data] of a table of 60 rows, three a patient, a third of them ill."""
    lines = [f"text {row},{'ill' if row % 3 == 0 else 'well'},patient {row // 3 % 20}" for row in range(60)]
    (folder / "train.csv").write_text("\n".join(["text,label,patient", *lines]) + "\n")
    (folder / "dev.csv").write_text("text,label\nmore,ill\nless,well\n")
    files = f'train="{folder}/train.csv", validation="{folder}/dev.csv"'
    task = f'task={{plugin="table", {files}, text="text", label="label"}}'
    recipe = load_recipe("table", [task, f"data.fold={fold}", *more])
    return recipe.task, recipe.data


def load(folder: Path, fold: str, *more: str) -> dict[str, Rows]:
    task, data = table(folder, fold, *more)
    return load_rows(task, make_source(data, task), data.selection)


def test_each_row_is_held_out_once(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for number in range(1, 6):
        task, data = table(tmp_path, f"{{number={number}, of=5}}")
        loaded = load_rows(task, make_source(data, task), data.selection)
        train, held = loaded["train"], loaded["held_out"]
        assert list(loaded) == ["train", "held_out"] and (len(train), len(held)) == (48, 12)
        assert np.bincount(held.labels).tolist() == [4, 8] and not {*train.texts[0]} & {*held.texts[0]}
        seen.update(held.texts[0])
    assert len(seen) == 60 and set(seen.values()) == {1}
    assert size_notes(task, loaded, {}) == [
        "held_out is 12 of the 60 train rows, fold 5 of 5 by label; the validation rows are not looked at"
    ]


def test_rows_of_a_group_stay_together(tmp_path: Path) -> None:
    def patients(rows: Rows) -> set[Any]:
        assert rows.groups is not None
        return {*rows.groups}

    for number in range(1, 5):
        loaded = load(tmp_path, f'{{number={number}, of=4, group="patient"}}')
        assert patients(loaded["train"]).isdisjoint(patients(loaded["held_out"])) and len(loaded["held_out"]) == 15
        assert np.bincount(loaded["held_out"].labels).tolist() == [5, 10]
    task, data = table(tmp_path, '{number=4, of=4, group="patient"}')
    for name, rows in loaded.items():
        alone = load_split(task, make_source(data, task), name, data.selection)
        assert alone.sha256 == rows.sha256
    (note,) = size_notes(task, loaded, {})
    assert note.startswith('held_out is 15 of the 60 train rows, fold 4 of 4 by label and "patient"; ')
    assert load(tmp_path, '{number=1, of=4, group="text"}')["held_out"].groups is not None  # an input of the task


def test_the_seed_draws_the_folds_and_a_limit_evaluates_a_part_of_one(tmp_path: Path) -> None:
    first, other = (load(tmp_path, "{number=1, of=3}", *seed)["held_out"] for seed in ([], ["data.held_out_seed=7"]))
    assert first.sha256 != other.sha256
    loaded = load(tmp_path, "{number=1, of=3}", "data.limit_validation=6")
    assert len(loaded["held_out"]) == 6 and len(loaded["train"]) == 40
    assert describe_split(table(tmp_path, "{number=1, of=3}")[0], loaded["held_out"], None)["part_of"] == 60


@pytest.mark.parametrize(
    ("fold", "message", "received"),
    [
        ('{number=1, of=4, group="patients"}', "patients", '"patients"'),
        (
            '{number=1, of=30, group="patient"}',
            "fewer groups of train rows than data.fold.of = 30",
            "20 different values of",
        ),
        (
            "{number=1, of=61}",
            "fewer different texts of train rows than data.fold.of = 61",
            "60 different texts in 60 train rows",
        ),
    ],
)
def test_folds_that_cannot_be_made(tmp_path: Path, fold: str, message: str, received: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, fold)
    assert received in str(caught.value)


def test_a_row_without_a_group(tmp_path: Path) -> None:
    task, data = table(tmp_path, '{number=1, of=4, group="patient"}')
    text = (tmp_path / "train.csv").read_text()
    (tmp_path / "train.csv").write_text(text.replace("text 5,well,patient 1", "text 5,well,"))
    with pytest.raises(DataError, match=r'the column "patient" .* has rows without a group') as caught:
        load_rows(task, make_source(data, task), data.selection)
    assert "row 5" in caught.value.received


def test_a_column_that_the_task_does_not_load() -> None:
    recipe = load_recipe("mrpc", ['data.fold={number=1, of=4, group="author"}'], sample=True)
    with pytest.raises(DataError, match=r'no column "author", which data\.fold\.group names'):
        load_rows(recipe.task, make_source(recipe.data, recipe.task), recipe.data.selection)
    recipe = load_recipe("mrpc", ['data.fold={number=1, of=4, group="sentence1"}'], sample=True)
    assert evaluated_splits(recipe.task, recipe.data) == ("held_out",)
    loaded = load_rows(recipe.task, make_source(recipe.data, recipe.task), recipe.data.selection)
    assert {*loaded["train"].texts[0]}.isdisjoint(loaded["held_out"].texts[0])


def test_a_column_of_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"text": ["a", "b", "c", "d"], "site": ["x", "x", "y", "y"], "other": [1, 2, 3, 4]}
    features = {"text": datasets.Value("string"), "site": datasets.Value("string"), "other": datasets.Value("int64")}
    made = datasets.Dataset.from_dict(
        columns | {"label": [0, 1, 0, 1]},
        features=datasets.Features(features | {"label": datasets.ClassLabel(names=["no", "yes"])}),
    )
    found = Loaded(datasets.DatasetDict(train=made, validation=made), "c0ffee", "cache")
    monkeypatch.setattr("glueft.hub.datasets.load_hub_dataset", lambda *_, **__: found)
    selection = Data(fold=Fold(number=1, of=2, group="site")).selection
    loaded = load_rows(Sites(), HubSource(), selection)
    assert {loaded["held_out"].groups, loaded["train"].groups} == {("x", "x"), ("y", "y")}


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        (["fold={number=6, of=5}"], "data.fold.number", "there is no such fold of 5"),
        (["fold={number=1, of=5}", "held_out=0.1"], "data.held_out", "and held_out too"),
        (["fold={number=1, of=1}"], "data.fold.of", "from 2 to 1000"),
        (["fold={of=5}"], "data.fold.number", "missing"),
        (["fold={number=1, of=5}", 'predict=["validation_x"]'], "data.predict.0", '"held_out"'),
    ],
)
def test_settings_that_cannot_be(settings: list[str], path: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", [f"data.{setting}" for setting in settings])
    (problem,) = caught.value.problems
    assert problem.path == path and message in problem.message


def test_labels_are_spread_evenly_beside_groups_of_any_size() -> None:
    random = np.random.default_rng(0)
    keys = np.minimum(random.geometric(0.004, 3000), 900).tolist()
    labels = (random.random(3000) < np.array([0.05 + 0.3 * (key % 3 == 0) for key in keys])).astype(np.int32)
    folds = folds_of(labels, keys, 5, seed=3)
    assert all(len({folds[row] for row in range(3000) if keys[row] == key}) == 1 for key in set(keys))
    counts = np.array([np.bincount(labels[folds == fold], minlength=2) for fold in range(5)])
    assert counts.sum(axis=1).min() > 560 and (np.ptp(counts, axis=0) <= counts.mean(axis=0) * 0.1).all()
    assert np.array_equal(folds, folds_of(labels, keys, 5, seed=3))


def test_scores_are_spread_by_range() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(100, dtype=np.float32))
    folds = folds_of(scores, range(100), 5, seed=3)
    for fold in range(5):
        assert np.bincount((scores[folds == fold] // 10).astype(int)).tolist() == [2] * 10


def test_many_rows_take_a_second_or_two() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 100_000)
    begin = time.process_time()
    folds = folds_of(labels, range(100_000), 10, seed=3)
    assert time.process_time() - begin < 2 and np.ptp(np.bincount(folds)) <= 1


def test_a_column_that_the_files_lack_is_not_said_to_be_the_task_s(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, '{number=1, of=4, group="patients"}')
    assert caught.value.expected == 'a column "patients", as the recipe says'
