"""The conformance suite fails for a plugin that is wrong in any of the ways it looks at, and says what to fix."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import glueft
from glueft import testing
from glueft.plugin.base import Plugin
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import load_registry
from glueft.testing import learning

TASK = '''
import glueft

class Pairs(glueft.Task):
    """Same or different."""
    name = "pairs"
    inputs = ("text1", "text2")
    labels = ("different", "same")
    metrics = ("accuracy", "f1")
    tsv = glueft.TSVLayout(
        "pairs", columns={"text1": "first 1", "text2": "second 2", "label": "kind"}, label_text=("d", "s")
    )
    sample = "samples"
'''
LOAD = """
    def load(self, source):
        import datasets
        splits = source.read(self)
        {}
        return splits
"""
WORDS = ("boat", "tree", "lamp", "stone", "cloud", "spoon", "wheel", "glove", "chair", "river")
ROWS = [(first, second, "s" if first == second else "d") for first in WORDS for second in (first, WORDS[0])][1:]


def write(folder: Path, source: str = TASK, **splits: list[tuple[str, str, str]]) -> type[Plugin]:
    """A plugin file with its sample beside it; the plugin that is in it."""
    samples = folder / "samples" / "pairs"
    samples.mkdir(parents=True)
    for split, file in (("train", "train.tsv"), ("validation", "dev.tsv")):
        rows = ["\t".join(row) for row in splits.get(split, ROWS)]
        (samples / file).write_text("\n".join(["first 1\tsecond 2\tkind", *rows]) + "\n")
    (folder / "pairs.py").write_text(source)
    registry = load_registry(read_plugin_file(folder / "pairs.py"))
    (plugin,) = (plugin for plugin in registry.all() if plugin.point.file)
    return plugin.cls


def run(plugin: type[Plugin], name: str, **settings: Any) -> str:
    """Run the check of this name."""
    (check,) = (check for check in testing.checks(plugin, **settings) if check.name == name)
    return check.run()


def broken(plugin: type[Plugin], name: str, **settings: Any) -> str:
    """The sentence with which the check of this name fails."""
    with pytest.raises(testing.ContractBrokenError) as caught:
        run(plugin, name, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_task_passes(tmp_path: Path) -> None:
    plugin = write(tmp_path)
    for name in ("name", "docstring", "options", "declaration", "offline load", "labels", "pair order", "bad rows"):
        run(plugin, name)
    assert run(plugin, "labels") == "9 different, 10 same"
    assert run(plugin, "pair order") == 'the encoder reads text1 "boat", then text2 "boat"'
    assert run(plugin, "metrics") == "accuracy 1, f1 1 where every prediction is right"


NO_BUILD = "class Plain(glueft.Optimizer):\n    '''Plain.'''\n    name = 'plain'\n"


class Nameless(glueft.Task):
    """A task."""

    name = "No Name"
    inputs = ("text",)
    labels = ("a", "b")
    hub = glueft.HubDataset("someone/something")


class Undescribed(Nameless):
    name = "undescribed"


class Loose(Nameless):
    """A task."""

    name = "loose"

    class Options(glueft.Options):
        """Takes what it gets."""

        model_config = {"extra": "allow"}  # noqa: RUF012


class Silent(Nameless):
    """A task."""

    name = "silent"

    class Options(glueft.Options):
        """An option without a word."""

        words: int = 3


class Changeable(Nameless):
    """A task."""

    name = "changeable"

    class Options(glueft.Options):
        """A default that one run could change for the next."""

        words: list[str] = glueft.Field(default_factory=list, description="Words.")


class Idle(glueft.Optimizer):
    """Does nothing."""

    name = "idle"


@pytest.mark.parametrize(
    ("plugin", "check", "told"),
    [
        (Nameless, "name", "class Nameless needs a `name` of lower-case letters"),
        (Undescribed, "docstring", "class Undescribed needs a docstring"),
        (Loose, "options", "must stay strict and refuse unknown keys; they set extra='allow'"),
        (Silent, "options", "every option needs a description, and class Silent gives none for words"),
        (Changeable, "options", "in class Changeable, `words` has []: give a tuple"),
        (Idle, "declaration", "class Idle needs a `build` method"),
    ],
)
def test_what_the_class_says_of_itself(plugin: type[Plugin], check: str, told: str) -> None:
    assert told in broken(plugin, check)


class FallsOver(Nameless):
    """A task."""

    name = "falls-over"

    class Options(glueft.Options):
        """A check that does not expect what it is given."""

        words: Any = glueft.Field("a b", description="Words.")

        def model_post_init(self, context: Any) -> None:
            """Falls over what is no text."""
            self.words.split()


class OwnExamples(Nameless):
    """A task."""

    name = "own-examples"

    class Options(glueft.Options):
        """Its own example is out of bounds."""

        words: int = glueft.Field(gt=0, description="Words.", examples=[0])


def test_options_that_fall_over_or_refuse_their_own_examples() -> None:
    told = broken(FallsOver, "options")
    assert "its option `words` does not refuse None clearly: the check of it raised AttributeError" in told
    assert "its options refuse words = 0: Input should be greater than 0" in broken(OwnExamples, "options")


def test_a_class_made_in_a_function_cannot_be_found_by_another_process() -> None:
    class Local(Nameless):
        """A task."""

    with pytest.raises(testing.NotCheckedError, match="defined inside a function"):
        run(Local, "light import")


def test_an_import_that_brings_a_framework(tmp_path: Path) -> None:
    plugin = write(tmp_path, "import datasets\n" + TASK)
    told = broken(plugin, "light import")
    assert "pairs.py imports datasets and pandas" in told or "pairs.py imports datasets" in told
    assert "import them inside the methods that use them" in told


def test_a_task_without_a_sample_has_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(testing.NotCheckedError, match="it ships no sample"):
        run(Nameless, "offline load")
    plugin = write(tmp_path, TASK.replace('    sample = "samples"\n', ""))
    with pytest.raises(testing.NotCheckedError, match="give --data-dir DIR"):
        run(plugin, "offline load")
    assert run(plugin, "offline load", data_dir=tmp_path / "samples") == "19 train, 19 validation rows from its files"


@pytest.mark.parametrize(
    ("load", "told"),
    [
        ("import socket; socket.create_connection(('data.example', 443))", "opened a connection (data.example)"),
        (
            "import urllib.request\n        try: urllib.request.urlopen('http://data.example')\n"
            "        except OSError: pass",
            "opened a connection (data.example)",
        ),
        ("yield from splits", "did not load a DatasetDict of Datasets"),
        ("splits = splits.rename_column('text2', 'text3')", 'has no column "text2"'),
        ("splits = {}['rows']", "failed in its `load`: KeyError: 'rows'"),
        (
            "splits = splits.cast_column('label', datasets.ClassLabel(names=['same', 'different']))",
            'in another order than the task\'s (expected "different", "same"; received "same", "different")',
        ),
    ],
)
def test_rows_that_do_not_load(load: str, told: str, tmp_path: Path) -> None:
    assert told in broken(write(tmp_path, TASK + LOAD.format(load)), "offline load")


def test_labels_in_another_order_than_the_file_s(tmp_path: Path) -> None:
    flip = "splits = splits.map(lambda row: {'label': 1 - row['label']})"
    told = broken(write(tmp_path, TASK + LOAD.format(flip)), "labels")
    assert 'its `load` calls row 0 of the train split "different", which the `tsv` layout calls "same"' in told


def test_a_label_that_never_occurs(tmp_path: Path) -> None:
    source = TASK.replace('"same")', '"same", "alike")').replace('"d", "s")', '"d", "s", "a")')
    source = source.replace('("accuracy", "f1")', '("accuracy",)')
    told = broken(write(tmp_path, source), "labels")
    assert "no row of the train split has the label 'alike'; there are 9 different, 10 same" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('("text1", "text2")', '("text2", "text1")', "the encoder would read text2 first"),
        ('"text1": "first 1", "text2": "second 2"', '"text1": "second 2", "text2": "first 1"', "they are crossed"),
        ('"text1": "first 1", "text2": "second 2"', '"text1": "first 1", "text2": "first 1"', "are both read from"),
    ],
)
def test_a_pair_the_wrong_way_round(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert told in broken(write(tmp_path, TASK.replace(old, new)), "pair order")


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (
            "splits = splits.map(lambda row: {'text1': row['text2'], 'text2': row['text1']})",
            "its `load` has the texts of text2 in the column text1, and the other way round",
        ),
        ("splits = splits.map(lambda row: {'text2': row['text1']})", "text1 and text2 hold the same texts"),
    ],
)
def test_a_load_that_swaps_a_pair(load: str, told: str, tmp_path: Path) -> None:
    assert told in broken(write(tmp_path, TASK + LOAD.format(load)), "pair order")


def test_a_validation_split_that_no_prediction_can_be_right_on(tmp_path: Path) -> None:
    plugin = write(tmp_path, validation=[row for row in ROWS if row[2] == "d"])
    told = broken(plugin, "metrics")
    assert told == (
        "f1 of the validation split is 0 even where every prediction is right: "
        'no row has the label "same", which F1 is of'
    )


@pytest.mark.parametrize(
    ("load", "told"),
    [
        ("import random; splits = splits.shuffle(seed=random.randrange(10**9))", "a second load gives other"),
        (
            "order = [WORDS.index(word) for word in set(WORDS)]\n"
            "        splits['train'] = splits['train'].select(order)",
            "another process loads other train rows, or another order of them: `load` may iterate over a set",
        ),
    ],
)
def test_rows_that_are_not_the_same_each_time(load: str, told: str, tmp_path: Path) -> None:
    source = f"WORDS = {WORDS}\n" + TASK + LOAD.format(load)
    assert told in broken(write(tmp_path, source), "same rows")


FORGIVING = """
    def load(self, source):
        import datasets
        folder = getattr(source, "folder", None)
        path = (folder or __import__("pathlib").Path(__file__).parent / "samples") / "pairs"
        if not path.exists():
            path = folder
        def rows(file):
            lines = [line.split("\\t") for line in (path / file).read_text().splitlines()[1:]]
            FORGIVE
            columns = {"text1": [line[0] for line in lines], "text2": [line[1] for line in lines]}
            columns["label"] = ["ds".index(line[2]) for line in lines]
            types = {"text1": datasets.Value("string"), "text2": datasets.Value("string")}
            types["label"] = datasets.ClassLabel(names=["different", "same"])
            return datasets.Dataset.from_dict(columns, features=datasets.Features(types))
        return datasets.DatasetDict(train=rows("train.tsv"), validation=rows("dev.tsv"))
"""


@pytest.mark.parametrize(
    ("forgive", "told"),
    [
        (
            "lines = [line for line in lines if line[-1] in 'ds']",
            "a train file with an unknown label is loaded without an error; refuse it with a glueft.DataError",
        ),
        ("", "a train file with an unknown label gives ValueError: substring not found, in "),
    ],
)
def test_bad_rows_that_are_passed_over_or_fall_over(forgive: str, told: str, tmp_path: Path) -> None:
    assert told in broken(write(tmp_path, TASK + FORGIVING.replace("FORGIVE", forgive)), "bad rows")


@pytest.mark.slow
def test_rows_that_nothing_can_be_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "ROUNDS", 1)
    monkeypatch.setattr(learning, "EPOCHS", 10)
    # The tokenizer does not tell capitals apart: to the encoder all of these are one text.
    spellings = map("".join, itertools.product("wW", "oO", "rR", "dD"))
    rows = [(text, "x", "ds"[index % 2]) for index, text in enumerate(spellings)]
    told = broken(write(tmp_path, train=rows), "learns")
    assert "a tiny encoder does not overfit 16 rows: 50% of 16 rows after 10 epochs" in told
    with pytest.raises(testing.NotCheckedError, match="fewer than four different rows"):
        run(write(tmp_path / "few", train=[("a", "b", "d"), ("a", "c", "s"), ("a", "b", "d")]), "learns")


def test_a_check_is_a_test_of_pytest(tmp_path: Path) -> None:
    checks = {str(check): check for check in testing.checks(Nameless)}
    with pytest.raises(AssertionError, match="needs a `name`"):
        checks["name"]()
    with pytest.raises(pytest.skip.Exception, match="it ships no sample"):
        checks["offline load"]()
    checks["docstring"]()
    with pytest.raises(TypeError, match=r"derived from glueft\.Task"):
        testing.checks(dict)  # type: ignore[arg-type]
    assert testing.sample_rows(write(tmp_path))["train"].texts[0][0] == "boat"  # type: ignore[arg-type]
