"""What a task loads is held against its promises; the fingerprint says which rows they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

import glueft
from glueft.data.rows import Rows, load_rows
from glueft.data.selection import Selection
from glueft.data.sources import FolderSource, Source
from glueft.errors import DataError

LABELS = datasets.ClassLabel(names=["different", "same"])
GOOD = {"sentence1": ["a dog", "rain"], "sentence2": ["one dog", "sun"], "label": [1, 0]}


class Pairs(glueft.Task):
    """Pairs."""

    name = "pairs"
    inputs = ("sentence1", "sentence2")
    labels = ("different", "same")


class Scores(Pairs):
    """A regression."""

    labels = ()
    metrics = ("pearson",)


def split(columns: dict[str, Any], label: Any = LABELS, **features: Any) -> datasets.Dataset:
    types = {name: features.get(name, label if name == "label" else datasets.Value("string")) for name in columns}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(types))


def load(splits: Any, task: type[glueft.Task] = Pairs, **limits: int) -> dict[str, Rows]:
    """What `load_rows` makes of a task whose `load` returns `splits`."""

    class Loaded(task):  # type: ignore[misc, valid-type]
        def load(self, source: Source) -> Any:
            return splits

    return load_rows(Loaded(), FolderSource("nowhere"), Selection(**limits))


def test_bars_of_the_library_are_hidden_while_a_task_loads() -> None:
    class Loaded(Pairs):
        def load(self, source: Source) -> Any:
            assert datasets.are_progress_bars_disabled()
            return splits()

    load_rows(Loaded(), FolderSource("nowhere"), Selection())
    assert not datasets.are_progress_bars_disabled()


def splits(**columns: Any) -> datasets.DatasetDict:
    """Good splits, with some columns of the training split replaced."""
    return datasets.DatasetDict(train=split(GOOD | columns), validation=split(GOOD))


def refused(splits: Any, message: str, task: type[glueft.Task] = Pairs) -> DataError:
    with pytest.raises(DataError) as raised:
        load(splits, task)
    assert message in raised.value.message
    return raised.value


def test_good_rows() -> None:
    loaded = load(datasets.DatasetDict(train=split(GOOD), validation=split(GOOD), test=split(GOOD), more=split(GOOD)))
    assert list(loaded) == ["train", "validation", "test"]
    rows = loaded["train"]
    assert rows.name == "train" and len(rows) == 2
    assert rows.texts == (["a dog", "rain"], ["one dog", "sun"])
    assert rows.labels.dtype == np.int32 and rows.labels.tolist() == [1, 0]
    assert rows.label_names == ("different", "same")


def told(**provenance: Any) -> FolderSource:
    """The source after a `load` that says what it has read, and warns."""

    class Telling(Pairs):
        def load(self, source: Source) -> Any:
            source.provenance |= provenance
            for text in ("row 3 is\n doubtful ", 5, "", "5"):
                source.warn(text)  # type: ignore[arg-type]
            return splits()

    source = FolderSource("nowhere")
    load_rows(Telling(), source)
    return source


def test_what_a_load_tells_can_be_written_down() -> None:
    source = told(file=Path("rows.csv"), counts=np.array([1, 2]), share=float("nan"))
    assert source.provenance == {"source": "folder", "file": "rows.csv", "counts": [1, 2], "share": None}
    assert source.warnings == ["row 3 is  doubtful", "5"]
    with pytest.raises(glueft.PluginError, match=r'the task "pairs": "seen" of source[.]provenance has no form'):
        told(seen={1, 2})


def test_the_fingerprint_is_the_documented_one() -> None:
    text = '["a dog","one dog","same"]\n["rain","sun","different"]\n'
    assert load(splits())["train"].sha256 == hashlib.sha256(text.encode()).hexdigest()
    text = '["a \\"dé\\"\\n","x","same"]\n'
    rows = load(splits(sentence1=['a "dé"\n'], sentence2=["x"], label=[1]))["train"]
    assert rows.sha256 == hashlib.sha256(text.encode()).hexdigest()
    scores = datasets.DatasetDict(
        train=split(GOOD | {"label": [0.5, 3.8]}, datasets.Value("float64")),
        validation=split(GOOD | {"label": [1.0, 2.0]}, datasets.Value("float32")),
        test=split(GOOD | {"label": [None, None]}, datasets.Value("float32")),
    )
    loaded = load(scores, Scores)
    assert loaded["train"].labels.dtype == np.float32
    text = f'["a dog","one dog",0.5]\n["rain","sun",{float(np.float32(3.8))}]\n'
    assert loaded["train"].sha256 == hashlib.sha256(text.encode()).hexdigest()
    text = '["a dog","one dog",null]\n["rain","sun",null]\n'
    assert loaded["test"].sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_rows_that_differ_have_other_fingerprints() -> None:
    prints = {
        load(splits(**columns))["train"].sha256
        for columns in (
            {},
            {"label": [0, 0]},
            {"sentence1": ["rain", "a dog"]},
            {"sentence1": GOOD["sentence2"], "sentence2": GOOD["sentence1"]},
            {"sentence1": ["a dog", "rain "]},
            {"sentence1": ["a dog one", "rain"], "sentence2": ["dog", "sun"]},
            {"sentence1": ["a"], "sentence2": ["b"], "label": [0]},
            {"sentence1": ["a", "c"], "sentence2": ["b", "d"], "label": [0, 0]},
        )
    }
    assert len(prints) == 8


def test_the_source_makes_no_difference_to_the_fingerprint(tmp_path: Path) -> None:
    class Filed(Pairs):
        tsv = glueft.TSVLayout(
            "Pairs", {"sentence1": "one", "sentence2": "two", "label": "gold"}, label_text=("n", "y")
        )

    (tmp_path / "Pairs").mkdir()
    for file in ("train.tsv", "dev.tsv"):
        (tmp_path / "Pairs" / file).write_text("gold\tone\ttwo\ny\ta dog\tone dog\nn\train\tsun\n")
    read = load_rows(Filed(), FolderSource(tmp_path))
    assert read["train"].sha256 == load(splits())["train"].sha256


def test_limits_take_the_first_rows() -> None:
    loaded = load(splits(), limit_train=1, limit_validation=10)
    assert loaded["train"].texts == (["a dog"], ["one dog"])
    assert loaded["train"].sha256 != load(splits())["train"].sha256
    assert len(loaded["validation"]) == 2


def test_limits_draw_by_label_if_they_are_told_to() -> None:
    rows = {"sentence1": list("abcdef"), "sentence2": list("ghijkl"), "label": [1, 1, 1, 0, 0, 0]}
    both = datasets.DatasetDict(train=split(rows), validation=split(rows))
    drawn, again = (load(both, limit_train=2, limit_validation=9, draw_seed=7) for _ in range(2))
    assert sorted(drawn["train"].labels.tolist()) == [0, 1]
    assert [(split.limited_from, split.stratified) for split in drawn.values()] == [(6, True), (None, False)]
    assert drawn["train"].sha256 == again["train"].sha256 != load(both, limit_train=2)["train"].sha256
    for first, second, label in zip(*drawn["train"].texts, drawn["train"].labels, strict=True):
        assert (first, second, label) in zip(*rows.values(), strict=True)


def test_a_limit_is_told_and_other_splits_have_none() -> None:
    loaded = load(datasets.DatasetDict(splits(), test=split(GOOD)), limit_train=1, limit_validation=2)
    assert {name: rows.limited_from for name, rows in loaded.items()} == {"train": 2, "validation": None, "test": None}


def test_a_task_with_several_splits_of_a_sort() -> None:
    class Genres(Pairs):
        validation_splits = ("matched", "mismatched")
        test_splits = ("hidden", "open")

    hidden = split(GOOD | {"label": [-1, -1]})
    all_of_them = datasets.DatasetDict(
        open=split(GOOD), matched=split(GOOD), train=split(GOOD), hidden=hidden, mismatched=split(GOOD)
    )
    loaded = load(all_of_them, Genres, limit_validation=1)
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "train": 2, "matched": 1, "mismatched": 1, "hidden": 2, "open": 2,
    }  # fmt: skip
    assert list(loaded) == ["train", "matched", "mismatched", "hidden", "open"]
    assert loaded["hidden"].labels.tolist() == [-1, -1] and loaded["open"].labels.tolist() == [1, 0]
    del all_of_them["mismatched"]
    error = refused(all_of_them, 'the task "pairs" has no mismatched split', Genres)
    assert error.expected == "the splits train and matched and mismatched"
    assert error.fix == "let the plugin's `load` return all of them"


def test_empty_texts_where_the_task_permits_them() -> None:
    class Loose(Pairs):
        empty_text = True

    loaded = load(splits(sentence1=["", " "]), Loose)
    assert loaded["train"].texts[0] == ["", " "]
    assert "rows without text" in refused(splits(sentence1=["a", None]), "has rows without text", Loose).message


def test_rows_that_were_selected_or_shuffled() -> None:
    shuffled = datasets.DatasetDict(train=split(GOOD).select([1, 0]), validation=split(GOOD))
    assert load(shuffled, limit_train=1)["train"].texts == (["rain"], ["sun"])


def test_test_rows_need_no_labels() -> None:
    for test in (split(GOOD | {"label": [-1, -1]}), split(GOOD).remove_columns("label")):
        rows = load(datasets.DatasetDict(splits(), test=test))["test"]
        assert rows.labels.tolist() == [-1, -1] and rows.labels.dtype == np.int32
    scores = split(GOOD | {"label": [1.0, 0.0]}, datasets.Value("float32"))
    test = split(GOOD | {"label": [-1.0, -1.0]}, datasets.Value("float32"))
    rows = load(datasets.DatasetDict(train=scores, validation=scores, test=test), Scores)["test"]
    assert np.isnan(rows.labels).all() and rows.labels.dtype == np.float32


def a_generator() -> Iterator[dict[str, str]]:
    yield {"sentence1": "a"}


@pytest.mark.parametrize(
    ("loaded", "received"),
    [
        pytest.param(None, "builtins.NoneType", id="nothing"),
        pytest.param(a_generator(), "builtins.generator", id="generator"),
        pytest.param({"train": split(GOOD)}, "builtins.dict of datasets.arrow_dataset.Dataset", id="dict"),
        pytest.param(split(GOOD), "datasets.arrow_dataset.Dataset", id="one split"),
        pytest.param(
            datasets.IterableDatasetDict({"train": split(GOOD).to_iterable_dataset()}),
            "datasets.dataset_dict.IterableDatasetDict of datasets.iterable_dataset.IterableDataset",
            id="stream",
        ),
        pytest.param(
            datasets.DatasetDict({"train": [1]}), "datasets.dataset_dict.DatasetDict of builtins.list", id="no Dataset"
        ),
    ],
)
def test_not_a_dataset_dict(loaded: Any, received: str) -> None:
    assert refused(loaded, 'the task "pairs" did not load a DatasetDict').received == received


def test_a_missing_split() -> None:
    error = refused(datasets.DatasetDict(train=split(GOOD), dev=split(GOOD)), "has no validation split")
    assert error.received == '"train", "dev"'
    assert refused(datasets.DatasetDict(), "has no train split").received == "no splits"


def test_a_missing_column() -> None:
    wrong = datasets.DatasetDict(train=split(GOOD).rename_column("sentence2", "sentence_2"), validation=split(GOOD))
    error = refused(wrong, 'the train split of the task "pairs" has no column "sentence2"')
    assert 'rename "sentence_2" to "sentence2"' in error.fix
    wrong = datasets.DatasetDict(train=split(GOOD).remove_columns("label"), validation=split(GOOD))
    error = refused(wrong, 'has no column "label"')
    assert 'add the column "label"' in error.fix


def test_text_that_is_no_text() -> None:
    numbers = split(GOOD | {"sentence2": [1, 2]}, sentence2=datasets.Value("int64"))
    error = refused(
        datasets.DatasetDict(train=numbers, validation=split(GOOD)), 'column "sentence2" of the train split'
    )
    assert error.received == "Value('int64')"
    lists = split(GOOD | {"sentence1": [["a"], ["b"]]}, sentence1=datasets.List(datasets.Value("string")))
    assert "is not text" in refused(datasets.DatasetDict(train=lists, validation=split(GOOD)), "").message


@pytest.mark.parametrize(("text", "shown"), [(None, "None in row 1"), ("", "'' in row 1"), (" \t", r"' \t' in row 1")])
def test_rows_without_text(text: str | None, shown: str) -> None:
    error = refused(splits(sentence1=["a", text]), 'the column "sentence1" of the train split')
    assert "has rows without text" in error.message
    assert error.received.startswith(shown)


def test_many_bad_rows_are_counted() -> None:
    rows = {"sentence1": [""] * 1000, "sentence2": ["x"] * 1000, "label": [0] * 1000}
    assert "in row 4 and 995 more" in refused(splits(**rows), "without text").received


def test_labels_in_another_order() -> None:
    swapped = datasets.ClassLabel(names=["same", "different"])
    wrong = datasets.DatasetDict(train=split(GOOD, swapped), validation=split(GOOD))
    error = refused(wrong, 'the labels of the train split of the task "pairs" are in another order than the task\'s')
    assert error.expected == '"different", "same"' and error.received == '"same", "different"'
    other = datasets.DatasetDict(train=split(GOOD, datasets.ClassLabel(names=["no", "yes"])), validation=split(GOOD))
    assert "are other ones than" in refused(other, "").message


def test_labels_without_names() -> None:
    wrong = datasets.DatasetDict(train=split(GOOD, datasets.Value("int64")), validation=split(GOOD))
    error = refused(wrong, "have no names")
    assert "cast_column" in error.fix


def test_scores_that_are_no_numbers() -> None:
    wrong = datasets.DatasetDict(train=split(GOOD), validation=split(GOOD))
    assert "float32" in refused(wrong, "are not scores", Scores).expected
    bad = split(GOOD | {"label": [1.0, float("inf")]}, datasets.Value("float32"))
    error = refused(datasets.DatasetDict(train=bad, validation=bad), "out of range", Scores)
    assert error.received.startswith("inf in row 1")
    bad = split(GOOD | {"label": [1.0, float("nan")]}, datasets.Value("float32"))
    refused(datasets.DatasetDict(train=bad, validation=bad), "has rows without a label", Scores)


def test_labels_out_of_range() -> None:
    # A ClassLabel checks what goes through it, not what an Arrow table already holds.
    table = split(GOOD | {"label": [1, 7]}, datasets.Value("int64")).data.table
    features = datasets.Features({**split(GOOD).features})
    wrong = datasets.Dataset(table, info=datasets.DatasetInfo(features=features))
    error = refused(datasets.DatasetDict(train=wrong, validation=split(GOOD)), "are out of range")
    assert error.received.startswith("7 in row 1")
    assert error.expected == '0 to 1 ("different", "same")'


@pytest.mark.parametrize("label", [None, -1])
def test_training_rows_need_labels(label: int | None) -> None:
    error = refused(splits(label=[1, label]), "has rows without a label")
    assert error.received.startswith(f"{label} in row 1")


def test_an_empty_split() -> None:
    empty: dict[str, list[Any]] = {"sentence1": [], "sentence2": [], "label": []}
    refused(splits(**empty), 'the train split of the task "pairs" is empty')
