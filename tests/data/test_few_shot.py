"""As many training rows of each label: drawn by a number, of those that all else leaves."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pytest

import glueft
from glueft.data.limited_draw import FewShotDraw
from glueft.data.rows import Rows, load_rows, load_split
from glueft.data.sources import FolderSource
from glueft.data.splits import describe_leaks, describe_split, size_notes
from glueft.errors import DataError
from glueft.plugin.task import Source
from glueft.recipe import load_recipe
from glueft.recipe.problems import RecipeError
from glueft.recipe.sections import Data

LABELS = ("wind", "rain", "fog")


class Weather(glueft.Task):
    """Three kinds of weather: 40 rows of wind, 12 of rain, 8 of fog; two of the texts are validated too."""

    name = "weather"
    inputs = ("text",)
    labels = LABELS

    def load(self, source: Source) -> datasets.DatasetDict:
        columns = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=[*LABELS])})
        train = {"text": [f"Text {row}." for row in range(60)], "label": [0] * 40 + [1] * 12 + [2] * 8}
        return datasets.DatasetDict(
            train=datasets.Dataset.from_dict(train, features=columns),
            validation=datasets.Dataset.from_dict(
                {"text": ["Text 41.", "Text 59."], "label": [1, 2]}, features=columns
            ),
        )


def load(**settings: Any) -> dict[str, Rows]:
    return load_rows(Weather(), FolderSource("nowhere"), Data(**settings).selection)


def numbers(rows: Rows) -> set[int]:
    return {int(text[5:-1]) for text in rows.texts[0]}


def test_as_many_rows_of_each_label() -> None:
    train = load(per_label=4)["train"]
    assert np.bincount(train.labels).tolist() == [4, 4, 4] and list(train.labels) == sorted(train.labels)
    assert (train.sha256, len(load(per_label=4)["validation"])) == (load(per_label=4, draw=1)["train"].sha256, 2)
    draws = [numbers(load(per_label=4, draw=draw)["train"]) for draw in range(4)]
    assert all(one != other for place, one in enumerate(draws) for other in draws[:place])
    assert numbers(train) < numbers(load(per_label=7)["train"])
    described = describe_split(Weather(), train, None)
    assert {key: described[key] for key in described if key != "sha256"} == {
        "rows": 12,
        "drawn_from": 60,
        "labels": dict.fromkeys(train.label_names, 4),
    }
    assert size_notes(Weather(), {"train": train}, {}) == ["train is 4 rows of each label, drawn from 60"]


def test_rows_that_are_held_out_are_held_out_first() -> None:
    whole, few = load(held_out=0.25), load(held_out=0.25, per_label=4)
    assert few["held_out"].sha256 == whole["held_out"].sha256 and len(few["train"]) == 12
    assert numbers(few["train"]) < numbers(whole["train"])
    assert few["train"].drawn_from == len(whole["train"]) == 45


def test_leaks_are_those_of_the_rows_that_are_drawn() -> None:
    loaded = load(per_label=8)  # all of fog, with one that is validated too
    assert 59 in numbers(loaded["train"]) and describe_leaks(loaded)["validation"]["rows"] in (1, 2)
    found = {draw: describe_leaks(load(per_label=1, draw=draw))["validation"]["rows"] for draw in range(12)}
    assert set(found.values()) >= {0, 1}
    dropped = load(per_label=7, leaks="drop")["train"]
    assert len(dropped) == 21 and not numbers(dropped) & {41, 59} and (dropped.dropped, dropped.drawn_from) == (2, 58)
    alone = load_split(Weather(), FolderSource("no"), "train", Data(per_label=7, leaks="drop").selection)
    assert alone.sha256 == dropped.sha256
    assert load_split(Weather(), FolderSource("no"), "train", Data(per_label=7).selection).drawn_from == 60


def test_too_few_rows_of_a_label() -> None:
    with pytest.raises(DataError, match=r"fewer train rows of a label than data.per_label = 16") as caught:
        load(per_label=16)
    error = caught.value
    assert (error.expected, error.received, error.fix) == (
        "16 train rows or more of each label",
        '12 rows of "rain", 8 rows of "fog"',
        "set data.per_label to 8 or less",
    )


def test_rows_with_scores() -> None:
    with pytest.raises(DataError, match="draws by label, and the rows have scores"):
        FewShotDraw(2, 1).positions(np.zeros(8, np.float32), ())


@pytest.mark.parametrize(
    ("task", "settings", "path", "message"),
    [
        ("mrpc", ["draw=3"], "data.draw", "the number of a draw of per_label, which is not there"),
        ("stsb", ["per_label=16"], "data.per_label", 'task "stsb" has scores, not labels'),
        ("mrpc", ["per_label=16", "limit_train=100"], "data.limit_train", "and limit_train too"),
        ("mrpc", ["per_label=16", "limit_draw=stratified"], "data.limit_draw", "no rows are drawn by it"),
    ],
)
def test_settings_that_contradict_each_other(task: str, settings: list[str], path: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(task, [f"data.{setting}" for setting in settings])
    (problem,) = caught.value.problems
    assert problem.path == path and message in problem.message


def test_settings_that_go_together() -> None:
    for settings in (["limit_draw=stratified", "limit_validation=40"], ["held_out=0.1"], ["leaks=drop"], ["draw=0"]):
        load_recipe("mrpc", ["data.per_label=16", *(f"data.{setting}" for setting in settings)])


def test_scores_of_own_files_are_told_of_with_all_else() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("table", ["task.regression=true", "data.per_label=4", "training.sampler=balanced"])
    assert [problem.path for problem in caught.value.problems] == ["data.per_label", "training.sampler"]
