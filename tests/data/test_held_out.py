"""The rows that are held out of the training: how many, which, and that the validation rows are not looked at."""

from __future__ import annotations

from collections import Counter
from typing import Any

import datasets
import numpy as np
import pytest

import glueft
from glueft.data.held_out import HeldOutDraw, held_out_rows
from glueft.data.rows import Rows, load_rows, load_split
from glueft.data.sources import FolderSource, Source
from glueft.data.splits import describe_split, evaluated_splits, predicted_splits, size_notes
from glueft.errors import DataError
from glueft.recipe.sections import Data

LABELS = datasets.ClassLabel(names=["no", "yes"])


class Weather(glueft.Task):
    """Rain or not; its validation rows are broken."""

    name = "weather"
    inputs = ("text",)
    labels = ("no", "yes")
    sizes = {"train": 40, "validation": 3}  # noqa: RUF012

    def load(self, source: Source) -> datasets.DatasetDict:
        columns = datasets.Features({"text": datasets.Value("string"), "label": LABELS})
        texts = [f"Text {row}." for row in range(40)]
        train = {"text": texts, "label": [int(row % 4 == 0) for row in range(40)]}
        return datasets.DatasetDict(
            train=datasets.Dataset.from_dict(train, features=columns),
            validation=datasets.Dataset.from_dict({"nothing": ["of use"]}),
            test=datasets.Dataset.from_dict({"text": ["Hail."], "label": [-1]}, features=columns),
        )


def load(**settings: Any) -> dict[str, Rows]:
    return load_rows(Weather(), FolderSource("nowhere"), Data(**settings).selection)


def test_a_part_of_each_label_is_held_out_and_nothing_else_is_the_matter_with_the_rest() -> None:
    loaded = load(held_out=0.2)
    assert list(loaded) == ["train", "held_out", "test"]  # The validation rows would be refused.
    train, held = loaded["train"], loaded["held_out"]
    assert (len(train), len(held), held.labels.sum(), train.labels.sum()) == (32, 8, 2, 8)
    assert sorted([*train.texts[0], *held.texts[0]]) == sorted(f"Text {row}." for row in range(40))
    for rows in (train, held):
        numbers = [int(text[5:-1]) for text in rows.texts[0]]
        assert numbers == sorted(numbers)
        assert [int(number % 4 == 0) for number in numbers] == rows.labels.tolist()


def test_a_task_without_training_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = Weather().load(FolderSource("nowhere"))
    monkeypatch.setattr(Weather, "load", lambda self, source: datasets.DatasetDict(test=loaded["test"]))
    with pytest.raises(DataError, match="has no train split") as caught:
        load(held_out=0.2)
    assert (caught.value.expected, caught.value.fix) == ("the split train", "let the plugin's `load` return it")


def test_the_draw_is_that_of_its_seed_and_42_without_one() -> None:
    first, same, other = (load(held_out=0.2, held_out_seed=seed)["held_out"].sha256 for seed in (None, 42, 7))
    assert first == same != other


def test_one_split_is_the_same_as_among_all() -> None:
    for limits in ({}, {"limit_train": 20}, {"limit_train": 20, "limit_draw": "stratified"}):
        loaded = load(held_out=0.25, **limits)
        for name, rows in loaded.items():
            selection = Data(held_out=0.25, **limits).selection
            one = load_split(Weather(), FolderSource("nowhere"), name, selection)
            assert (one.sha256, one.limited_from, one.part_of) == (rows.sha256, rows.limited_from, rows.part_of)


def test_what_is_said_of_the_two_parts() -> None:
    loaded = load(held_out=0.25, limit_train=20)
    assert size_notes(Weather(), loaded, {}) == [
        "train is limited to the first 20 of 40 rows",
        "held_out is 5 of the 20 train rows, drawn by label; the validation rows are not looked at",
    ]
    described = {name: describe_split(Weather(), rows, None) for name, rows in loaded.items()}
    assert [{**described[name], "sha256": ""} for name in ("train", "held_out")] == [
        {
            "rows": 15,
            "sha256": "",
            "limited_from": 40,
            "part_of": 20,
            "official_rows": 40,
            "labels": {"no": 11, "yes": 4},
        },
        {"rows": 5, "sha256": "", "limit_draw": "stratified", "part_of": 20, "labels": {"no": 4, "yes": 1}},
    ]
    assert "official_rows" not in describe_split(Weather(), load(held_out=4)["train"], None)


def test_it_takes_the_place_of_the_validation_splits() -> None:
    assert evaluated_splits(Weather, Data()) == ("validation",)
    assert evaluated_splits(Weather, Data(held_out=0.1)) == ("held_out",)
    assert predicted_splits(Weather(), ["validation", "test"], load(held_out=0.1)) == ("held_out", "test")


@pytest.mark.parametrize(
    ("draw", "rows", "count"),
    [
        (HeldOutDraw(0.1, 42), 3668, 367),
        (HeldOutDraw(0.1, 42), 4, 1),
        (HeldOutDraw(500, 42), 3668, 500),
        (HeldOutDraw(0.1, 42, at_most=60), 3668, 60),
    ],
)
def test_how_many_rows_are_held_out(draw: HeldOutDraw, rows: int, count: int) -> None:
    assert draw.count(rows) == count


def test_equal_texts_are_not_parted_and_each_label_has_its_share() -> None:
    random = np.random.default_rng(0)
    keys = random.integers(0, 1500, 2000).tolist()
    labels = np.array([key % 3 for key in keys])
    held = set(held_out_rows(labels, keys, 200, seed=1).tolist())
    assert len(held) == 200 and not {keys[row] for row in held} & {keys[row] for row in range(2000) if row not in held}
    counts = Counter(labels[[*held]].tolist())
    assert all(abs(counts[label] - 200 * share) <= 1 for label, share in enumerate(np.bincount(labels) / 2000))


def test_equal_texts_are_parted_only_where_there_is_no_other_way() -> None:
    assert len(held_out_rows(np.zeros(10, int), ["same"] * 10, 3, seed=1)) == 3
    # A text with two labels stays in the training, and so does the last row of a label.
    labels, keys = np.array([0] * 9 + [1]), ["both", *"abcdefgh", "both"]
    assert not set(held_out_rows(labels, keys, 3, seed=1).tolist()) & {0, 9}


def test_scores_are_drawn_from_their_whole_range() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(100, dtype=np.float32))
    held = held_out_rows(scores, range(100), 10, seed=3)
    assert sorted(int(score // 10) for score in scores[held]) == list(range(10)) and held.tolist() == sorted(held)


@pytest.mark.parametrize(
    ("settings", "message", "received"),
    [
        ({"held_out": 40}, "data.held_out leaves no row of the 40 train rows for the training", "40"),
        ({"held_out": 0.9, "limit_train": 1}, "leaves no row of the 1 train row", "1"),
        ({"held_out": 1, "limit_train": 2}, "no train row can be held out: each of the 2 train rows", "one of each"),
    ],
)
def test_too_few_rows(settings: dict[str, Any], message: str, received: str) -> None:
    with pytest.raises(glueft.DataError, match=message) as raised:
        load(**settings)
    assert raised.value.received == received and raised.value.expected and raised.value.fix
