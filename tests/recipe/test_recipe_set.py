"""What is wrong with the command line's changes to a recipe: each message, its argument, and what it proposes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broken_recipes import GOOD, changed, problems

ARGUMENTS: list[tuple[str, str, str, str]] = [
    # argument; path; message; what the fix holds
    ("training.epoch=3", "training.epoch", "unknown key for [training]", "Accepted: epochs"),
    ("trainin.epochs=3", "trainin", "unknown table", "did you mean [training]?"),
    (
        "training.batch_size='8'",
        "training.batch_size",
        'received "8" (text)',
        "remove the quotes: --set training.batch_size=8",
    ),
    (
        "training.batch_size=eight",
        "training.batch_size",
        'received "eight" (text)',
        "for example: --set training.batch_size=8",
    ),
    ("training.epochs=0", "training.epochs", "received 0", "for example: --set training.epochs=3"),
    ("optimizer.plugin=adamm", "optimizer.plugin", 'no optimizer is called "adamm"', 'did you mean "adam"?'),
    ("engine.precision=bfloat16", "engine.precision", 'received "bfloat16"', 'did you mean "mixed_bfloat16"?'),
    (
        "model.revision=1234567",
        "model.revision",
        "expected text in quotes",
        "put it in quotes: --set 'model.revision=\"1234567\"'",
    ),
    ("data.predict=test", "data.predict", "expected a list", "put it in brackets: --set 'data.predict=[\"test\"]'"),
    ("training=3", "training", "expected a table; received 3", "give one of its keys, as in --set training.KEY=VALUE"),
    (
        "schedule.plugin=constant",
        "schedule.end_learning_rate",
        'unknown key for schedule "constant"',
        "give the whole table: --set 'schedule={plugin=\"constant\", initial_learning_rate=5e-5}'",
    ),
    (
        "training.epochs.x=1",
        "training.epochs.x",
        'training.epochs is not a table, so it holds no "x"',
        "drop this argument",
    ),
    ("callbacks.0.patience=3", "callbacks.0.patience", "the recipe has no list callbacks", "a table [[callbacks]]"),
    ("data.folder=", "data.folder", "there is no value after the =", "--set 'data.folder=\"some text\"'"),
    ("data.folder='x", "data.folder", "not TOML: a text is not closed", "a text in quotes"),
    ("data.predict=[1", "data.predict", "not TOML: a list is not closed", "write a number"),
    ("data.predict=" + "[" * 3000, "data.predict", "not TOML: its lists or tables are nested too deeply", "write"),
    ("data.predict=" + "[" * 30 + "]" * 30, "data.predict", "nested too deeply", "write"),
    ("training.epochs", "", "there is no = in it", "write --set KEY=VALUE"),
    ("", "", "there is no = in it", "write --set KEY=VALUE"),
    ("=3", "", "there is no key before the =", "write --set KEY=VALUE"),
    ("a..b=3", "", '"a..b" is not a dotted key', "as in --set training.epochs=1"),
    (".=3", "", '"." is not a dotted key', "as in --set training.epochs=1"),
    ("a b=3", "", '"a b" is not a dotted key', "as in --set training.epochs=1"),
    ("a.b.c.d.e.f.g.h.i.j=3", "", "is not a dotted key", "as in --set training.epochs=1"),
    ("model.checkpoint=\udcff", "", "it is not UTF-8 text", "write it in UTF-8"),
]


@pytest.mark.parametrize(("argument", "path", "message", "fix"), ARGUMENTS, ids=[case[0][:30] for case in ARGUMENTS])
def test_each_problem_of_set(tmp_path: Path, argument: str, path: str, message: str, fix: str) -> None:
    (problem,) = problems(tmp_path, GOOD, [argument])
    assert problem.path == path
    assert message in problem.message
    assert fix in problem.fix
    if argument == "schedule.plugin=constant":  # the key that is too much stands in the file
        assert problem.place == "schedule.end_learning_rate (line 17)"
    else:
        assert problem.line is None
        assert problem.where.startswith("--set ")
        assert problem.where in problem.place and "line" not in problem.place


def test_problems_of_set_and_of_the_file_come_together(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(("epochs = 3", "epochs = 0")), ["training.sed=1", "x"])
    assert [problem.place for problem in found] == [
        "training.epochs (line 20)",
        "--set x",
        "training.sed (--set training.sed=1)",
    ]


def test_an_element_of_a_list(tmp_path: Path) -> None:
    text = GOOD + '[[callbacks]]\nplugin = "x"\n[[callbacks]]\nplugin = "y"\n'
    found = problems(tmp_path, text, ["callbacks.1.plugin=z"])
    assert [problem.place for problem in found] == [
        "callbacks.0.plugin (line 28)",
        "callbacks.1.plugin (--set callbacks.1.plugin=z)",
    ]
    found = problems(tmp_path, text, ["callbacks.2.plugin=z"])
    assert found[-1].message == "callbacks is a list of 2"
    assert found[-1].expected == "the number of one of its elements, from 0 to 1"
    assert found[-1].fix == "name one of them, as in callbacks.0"
    found = problems(tmp_path, "callbacks = []\n" + GOOD, ["callbacks.0.plugin=z"])
    assert found[-1].fix == "add one to the recipe's callbacks first"


def test_two_warm_ups_in_one_argument(tmp_path: Path) -> None:
    table = "schedule={plugin='linear', initial_learning_rate=1e-5, warmup_steps=3, warmup_ratio=0.1}"
    (problem,) = problems(tmp_path, GOOD, [table])
    assert problem.path == "schedule" and problem.where.startswith("--set ")
    assert problem.message == "warmup_steps and warmup_ratio cannot be used together; keep one of them"


def test_two_warm_ups_one_of_them_by_set(tmp_path: Path) -> None:
    text = changed(("polynomial_decay", "linear"), ("= 0.0", "= 0.0\nwarmup_ratio = 0.1"))
    (problem,) = problems(tmp_path, text, ["schedule.warmup_steps=3"])
    assert problem.fix == "warmup_ratio is given in line 18; warmup_steps is given by --set schedule.warmup_steps=3"


def test_flags(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, GOOD, data_dir="x", sample=True)
    assert problem.place == "data.source (--sample and --data-dir)"
    assert problem.message == "they contradict each other"
    (problem,) = problems(tmp_path, GOOD, ["data.source=hub"], data_dir="/glue")
    assert problem.place == "data.folder (--data-dir /glue)"
    (problem,) = problems(tmp_path, GOOD, data_dir="")
    assert problem.place == 'data.folder (--data-dir "")'
    assert problem.message == 'must not be empty; received "" (text)'
    (problem,) = problems(tmp_path, GOOD, ["model.revision=main"], checkpoint="./bert")
    assert problem.place == "model.revision (--set model.revision=main)"
    (problem,) = problems(tmp_path, GOOD, checkpoint="\udcff")
    assert problem.message == "it is not UTF-8 text"
    assert problem.where == '--checkpoint "\\udcff"'
    (problem,) = problems(tmp_path, "data = 3\n" + re.sub(r"\[data\][^[]*", "", GOOD), sample=True, checkpoint="x")[:1]
    assert problem.path == "data"
