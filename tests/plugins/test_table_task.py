"""The table task: what its options refuse, where its paths begin, and whole runs on files of one's own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import glueft
from glueft.data.rows import load_rows
from glueft.data.sources import OwnFiles, make_source
from glueft.metrics import known_metrics
from glueft.metrics.choice import choose_metrics, options_of
from glueft.plugin.registry import load_registry
from glueft.recipe import RecipeError, load_recipe

TABLE: Any = load_registry().find("task", "table").cls
FAST = ["training.epochs=1", "training.batch_size=16", "engine.jit_compile=false"]
LABELS = ("=1+1", "NA", "<script>alert(1)</script>")
TEXTS = ("a fine film with good songs", "a dull and needlessly long film", "nobody minded the rain")

RECIPE = """
[task]
plugin = "table"
train = "data/train.csv"
text = "text"
label = "label"
{task}

[model]
checkpoint = "{checkpoint}"

[optimizer]
plugin = "adamw"

[schedule]
plugin = "linear"
initial_learning_rate = 1e-3
"""


def recipe_in(folder: Path, task: str = "validation_fraction = 0.25", checkpoint: str = "x/y") -> Path:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(task=task, checkpoint=checkpoint))
    return path


def task_of(**options: Any) -> Any:
    """The task as a recipe with these options makes it."""
    some = {"train": "t.csv", "text": "t", "label": "l", "validation_fraction": 0.1}
    task = TABLE(options_of(TABLE)(**some | options))
    choose_metrics(task)
    return task


# Options.


def problem(tmp_path: Path, task: str, overrides: list[str] = [], **flags: Any) -> str:  # noqa: B006
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_in(tmp_path, task), overrides, **flags)
    (found,) = caught.value.problems
    assert all([found.message, found.expected, found.received, found.fix])
    return f"{found.place}: {found.message}\n{found.fix}"


@pytest.mark.parametrize(
    ("task", "parts"),
    [
        ("", ("there are no validation rows", 'add validation = "dev.csv" below [task], or validation_fraction = 0.1')),
        ('validation = "d.csv"\nvalidation_fraction = 0.1', ("contradict each other", "remove one of them")),
        ('validation = "data/train.csv"', ("two splits have the same file", "validation_fraction")),
        ('validation = "d.csv"\ntest = "data/train.csv"', ("two splits have the same file",)),
        ("validation_fraction = 0.0", ("a number above 0 and below 1", "validation_fraction = 0.1")),
        ("validation_fraction = 1.0", ("a number above 0 and below 1",)),
        ("validation_fraction = 0.1\nsplit_sed = 1", ("unknown key", 'did you mean "split_seed"?')),
        ("validation_fraction = 0.1\nsplit_seed = -1", ("a whole number from 0 to 4294967295",)),
        ('validation_fraction = 0.1\ntext_pair = "text"', ("name a column twice", "correct the names")),
        ('validation_fraction = 0.1\ntext_pair = "label"', ("name a column twice",)),
        ('validation_fraction = 0.1\nlabels = ["a"]', ("two names or more",)),
        ("validation_fraction = 0.1\nlabels = []", ("two names or more",)),
        ('validation_fraction = 0.1\nlabels = ["a", "a"]', ("each once",)),
        ('validation_fraction = 0.1\nlabels = ["a", "b\\n"]', ("with a line break or tab",)),
        ('validation_fraction = 0.1\nlabels = ["a", 1]', ("task.labels.1", 'put it in quotes: "1"')),
        ('validation_fraction = 0.1\nregression = true\nlabels = ["a", "b"]', ("a regression has no labels", "remove")),
        ('validation_fraction = 0.1\nmetrics = ["acuracy"]', ("task.metrics.0", 'did you mean "accuracy"?')),
        (
            'validation_fraction = 0.1\nregression = true\nmetrics = ["f1"]',
            ('"f1" of task "table" does not suit',),
        ),
        (
            'validation_fraction = 0.1\nlabels = ["a", "b", "c"]\nmetrics = ["f1"]',
            ('"f1" of task "table" does not suit a task with 3 labels', "metrics that suit it are accuracy"),
        ),
        ('validation_fraction = 0.1\ndelimiter = "ab"', ("one character between the fields",)),
        ("validation_fraction = 0.1\ndelimiter = '\"'", ("one character between the fields",)),
        (
            "validation_fraction = 0.1\nregression = true\nmulti_label = true",
            ("a regression has no labels", "remove regression = true, or multi_label"),
        ),
        ('validation_fraction = 0.1\nlabel_columns = ["a", "b"]', ("label and label_columns contradict", "remove one")),
        ('validation_fraction = 0.1\nlabel_separator = "|"', ("label_separator is for rows of several", "multi_label")),
        (
            'validation_fraction = 0.1\nmulti_label = true\nlabel_separator = " "',
            ('must be what stands between two names, such as ";"',),
        ),
        (
            'validation_fraction = 0.1\nmulti_label = true\npositive_label = "a"',
            ("positive_label is for tasks of one label a row", "leave it out"),
        ),
        (
            'validation_fraction = 0.1\nmulti_label = true\nmetrics = ["accuracy"]',
            ('"accuracy" of task "table" does not suit a multi-label task', "metrics that suit it are f1_macro"),
        ),
        (
            'validation_fraction = 0.1\nlabels = ["a", "b"]\nmetrics = ["hamming_loss"]',
            ('"hamming_loss" of task "table" does not suit a task with 2 labels',),
        ),
        ('validation = "dev.cvs"', ("must end in .csv, .tsv, .jsonl", 'did you mean ".csv"?')),
        ('validation = "dev.json"', ("this is .json: write JSON Lines",)),
        ('validation = ""', ("must not be empty",)),
        ('validation = "a\\nb.csv"', ("must not hold control characters",)),
    ],
)
def test_options_that_are_wrong_are_told_when_the_recipe_is_checked(
    task: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    told = problem(tmp_path, task)
    assert told.startswith("task")
    for part in parts:
        assert part in told


def test_keys_that_contradict_each_other_are_told_all_at_once(tmp_path: Path) -> None:
    names = 'labels = ["a", "b"]\nlabel_names = { "0" = "a", "1" = "b" }'
    wrong = f'{names}\nlabel_separator = "|"\nregression = true'
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_in(tmp_path, wrong))
    assert [problem.message for problem in caught.value.problems] == [
        "there are no validation rows",
        "a regression has no labels",
        "labels and label_names contradict each other",
        "label_separator is for rows of several labels",
    ]


def test_metrics_that_do_not_suit_hide_no_other_problem(tmp_path: Path) -> None:
    wrong = ['task.metrics=["accuracy"]', "data.per_label=4", "training.sampler=balanced"]
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_in(tmp_path, "validation_fraction = 0.1\nmulti_label = true"), wrong)
    found = ["task.metrics", "data.per_label", "training.sampler"]
    assert [problem.path for problem in caught.value.problems] == found
    assert "does not suit a multi-label task" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("overrides", "flags", "place"),
    [
        ([], {"data_dir": "glue"}, "data.source (--data-dir glue)"),
        ([], {"sample": True}, "data.source (--sample)"),
        (["data.source=sample"], {}, "data.source (--set data.source=sample)"),
        (["data.revision=v1"], {}, "data.revision (--set data.revision=v1)"),
    ],
)
def test_no_other_source_of_rows_is_taken(
    overrides: list[str], flags: dict[str, Any], place: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe_in(tmp_path), overrides, **flags)
    found = {problem.place: problem for problem in caught.value.problems}
    assert found[place].message == 'not read: task "table" names its own files'
    assert "remove --" in found[place].fix


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"label": None}, "no column holds the labels"),
        ({"label": None, "label_columns": ("a", "t")}, "a column holds a text and a label"),
        ({"label": None, "label_columns": ("a", "b"), "labels": ("a", "b")}, "label_columns and labels contradict"),
        ({"label": None, "label_columns": ("a", "b"), "fold_labels": True}, "label_columns and fold_labels contradict"),
        (
            {"label": None, "label_columns": ("a", "b"), "label_separator": "|"},
            "label_columns and label_separator contradict",
        ),
    ],
)
def test_the_columns_of_labels_agree_with_the_other_options(options: dict[str, Any], told: str) -> None:
    with pytest.raises(glueft.DataError, match=told) as caught:
        task_of(**options)
    assert all([caught.value.expected, caught.value.received, caught.value.fix])


def test_the_metrics_fit_the_labels() -> None:
    assert task_of().metrics == ("accuracy",)  # for now: the rows will tell
    assert task_of(labels=("b", "a")).metrics == ("accuracy", "f1")
    assert task_of(labels=("b", "a"), metrics=("matthews_correlation",)).metrics == ("matthews_correlation",)
    assert task_of(labels=("a", "b", "c")).metrics == ("accuracy",)
    assert task_of(regression=True).metrics == ("pearson", "spearmanr")
    task_of(regression=True, metrics=("spearmanr",))
    several = task_of(label=None, label_columns=("a", "b"))
    assert several.multi_label and several.labels == ("a", "b") and several.predicts == "multi_label"
    assert several.metrics == ("micro_f1", "macro_f1", "subset_accuracy")
    assert several.default_loss() == "binary_cross_entropy"
    assert task_of(multi_label=True, metrics=("roc_auc", "hamming_loss")).metrics == ("roc_auc", "hamming_loss")
    for name in known_metrics():
        task_of(metrics=(name,))  # whether it suits is known once the labels are


def test_the_positive_label_is_one_of_two() -> None:
    assert task_of(labels=("b", "a"), positive_label="b").positive_index == 0
    assert task_of(labels=("b", "a")).positive_index == 1
    with pytest.raises(glueft.DataError, match="positive_label names no label"):
        task_of(labels=("b", "a"), positive_label="c")
    with pytest.raises(glueft.DataError, match="positive_label is for tasks of two labels"):
        task_of(labels=("a", "b", "c"), positive_label="a")
    with pytest.raises(glueft.DataError, match="positive_label is for tasks of two labels"):
        task_of(regression=True, positive_label="a")


def test_metrics_that_do_not_fit_the_labels_that_are_found(tmp_path: Path) -> None:
    path = write_rows(tmp_path, 12)
    task = task_of(train=str(path), text="text", label="label", validation_fraction=0.5, metrics=("f1",))
    with pytest.raises(glueft.PluginError, match='"f1" of task "table" does not suit a task with 3 labels'):
        load_rows(task, make_source(load_recipe(recipe_in(tmp_path)).data, task))


def test_a_task_that_reads_its_own_files_and_does_not() -> None:
    class Forgetful(glueft.Task):
        """Says that it reads files of its own, and has no `load`."""

        name = "forgetful"
        inputs = ("text",)
        reads_own_files = True

    with pytest.raises(glueft.DataError, match=r'the task "forgetful" does not read its files'):
        Forgetful().load(make_source(load_recipe("mrpc").data, Forgetful()))


# Paths.


def test_paths_begin_at_the_recipe_and_files_need_not_exist_to_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = recipe_in(tmp_path, 'validation = "../dev.tsv"\ntest = "~/test.parquet"')
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.chdir("/")
    recipe = load_recipe(path)
    options: Any = recipe.task.options
    assert options.train == str(tmp_path / "data" / "train.csv")
    assert options.validation == str(tmp_path / ".." / "dev.tsv")
    assert options.test == "/home/somebody/test.parquet"
    there = tmp_path / "elsewhere.toml"
    there.write_text(recipe.to_toml())
    assert load_recipe(there) == recipe
    assert "source" not in recipe.tables()["data"]
    from_shell: Any = load_recipe(path, ["task.train=rows.jsonl"]).task.options
    assert (from_shell.train, from_shell.validation) == ("/rows.jsonl", options.validation)
    whole = 'task={plugin="table", train="a.csv", text="t", label="l", validation_fraction=0.1}'
    assert load_recipe("mrpc", [whole]).task.options.train == "/a.csv"


def test_a_missing_file_is_told_before_anything_is_trained(tiny_bert: Path, tmp_path: Path) -> None:
    recipe = load_recipe(recipe_in(tmp_path, checkpoint=str(tiny_bert)))
    with pytest.raises(glueft.DataError, match=r"data/train\.csv cannot be read"):
        glueft.run(recipe, output_dir=tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())


def test_the_shipped_recipe_reads_its_rows() -> None:
    recipe = load_recipe("table")
    rows = load_rows(recipe.task, OwnFiles())
    assert recipe.task.labels == ("praise", "problem", "question")
    assert {name: len(split) for name, split in rows.items()} == {"train": 45, "validation": 15}


# Runs.


def write_rows(folder: Path, count: int, name: str = "train.csv") -> Path:
    rows = [f'"{TEXTS[row % 3]}, number {row}",{LABELS[row % 3]}\n' for row in range(count)]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,label\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def classified(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, glueft.Result]:
    """A run on three labels, with validation rows taken from the training rows and test rows without labels."""
    folder = tmp_path_factory.mktemp("own")
    write_rows(folder, 60, "data/train.csv")
    (folder / "new.tsv").write_text("text\nsome news\nother news\n")
    path = recipe_in(folder, 'validation_fraction = 0.25\ntest = "new.tsv"', str(tiny_bert))
    recipe = load_recipe(path, [*FAST, "data.limit_train=32", 'data.predict=["validation", "test"]'])
    return folder, glueft.run(recipe, output_dir=folder / "runs")


def test_a_run_says_which_files_and_labels_it_had(classified: tuple[Path, glueft.Result]) -> None:
    folder, result = classified
    data = result.record["data"]
    digest = hashlib.sha256((folder / "data" / "train.csv").read_bytes()).hexdigest()
    assert data["source"] == "files"
    assert data["files"]["train"] == {"path": str(folder / "data" / "train.csv"), "sha256": digest}
    assert data["files"].keys() == {"train", "test"}
    assert (data["validation_fraction"], data["split_seed"]) == (0.25, 42)
    assert data["labels"] == sorted(LABELS)
    assert {name: split["rows"] for name, split in data["splits"].items()} == {"train": 32, "validation": 15, "test": 2}
    assert result.record["metrics"].keys() == {"accuracy"}
    assert result.record["majority_accuracy"] == pytest.approx(1 / 3)


def test_the_labels_that_were_found_name_the_head_and_the_predictions(classified: tuple[Path, glueft.Result]) -> None:
    _, result = classified
    config = json.loads((result.folder / "model" / "config.json").read_text())
    assert config["id2label"] == {str(index): name for index, name in enumerate(sorted(LABELS))}
    lines = [line.split("\t") for line in (result.folder / "predictions" / "validation.tsv").read_text().splitlines()]
    assert lines[0][3:] == [f"probability_{name}" for name in sorted(LABELS)]
    assert {line[1] for line in lines[1:]} == set(LABELS)
    test = (result.folder / "predictions" / "test.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in test[1:]] == ["", ""]


def test_the_saved_recipe_reads_the_same_rows_from_any_folder(
    classified: tuple[Path, glueft.Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result = classified
    monkeypatch.chdir("/")
    again = load_recipe(result.folder / "recipe.toml")
    rows = load_rows(again.task, OwnFiles(), again.data.selection)
    recorded = {name: split["sha256"] for name, split in result.record["data"]["splits"].items()}
    assert {name: split.sha256 for name, split in rows.items()} == recorded


@pytest.mark.slow  # one more graph to trace; the other runs hold the rest
def test_a_run_on_pairs(tiny_bert: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [{"text": TEXTS[row % 3], "reply": TEXTS[row // 3 % 3], "label": row % 2} for row in range(24)]
    (tmp_path / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = ["text,reply,label", *(f"{row['text']},{row['reply']},{row['label']}" for row in rows)]
    (tmp_path / "data" / "train.csv").write_text("\n".join(lines) + "\n")
    task = 'text_pair = "reply"\nvalidation = "dev.jsonl"\nlabels = ["1", "0"]'
    result = glueft.run(load_recipe(recipe_in(tmp_path, task, str(tiny_bert)), FAST), output_dir=tmp_path / "runs")
    assert result.record["metrics"].keys() == {"accuracy", "f1"}
    assert result.record["data"]["labels"] == ["1", "0"]
    assert result.record["data"]["splits"]["train"]["sha256"] == result.record["data"]["splits"]["validation"]["sha256"]
    config = json.loads((result.folder / "model" / "config.json").read_text())
    assert config["label2id"] == {"1": 0, "0": 1}


def test_a_run_on_pairs_with_scores(tiny_bert: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rows = [f"{TEXTS[row % 3]},{TEXTS[row // 3 % 3]},{row % 3 + row / 100}" for row in range(40)]
    (tmp_path / "data" / "train.csv").write_text("\n".join(["text,reply,label", *rows]) + "\n")
    task = 'text_pair = "reply"\nregression = true\nvalidation_fraction = 0.2'
    result = glueft.run(load_recipe(recipe_in(tmp_path, task, str(tiny_bert)), FAST), output_dir=tmp_path / "runs")
    assert result.record["metrics"].keys() == {"pearson", "spearmanr"}
    assert result.record["data"]["splits"]["validation"]["rows"] == 8
    assert result.record["data"]["labels"] == []
    config = json.loads((result.folder / "model" / "config.json").read_text())
    assert config["problem_type"] == "regression"
