"""Options and commands of messages are arguments and calls in Python; what is no such thing stays."""

from __future__ import annotations

import pytest

import glueft
from glueft.recipe import RecipeError
from glueft.terminal.python_words import in_python


@pytest.mark.parametrize(
    ("told", "in_words_of_python"),
    [
        ("name one of them with --split", "name one of them with split=..."),
        ("read it from files (--data-dir DIR), or --sample", 'read it from files (data_dir="DIR"), or sample=True'),
        ("add --trust, or --plugin '/a b/own.py'", 'add trust=True, or plugins=["/a b/own.py"]'),
        ("remove it: --unset data.limit_train.", 'remove it: unset=["data.limit_train"].'),
        ("add --backend jax (pip install x --upgrade)", 'add {"engine.backend": "jax"} (pip install x --upgrade)'),
        ("--data-dir and --checkpoint hold for all", "data_dir=... and checkpoint=... hold for all"),
        ("--set a.b=4 --set a.c=true fits", '{"a.b": 4, "a.c": True} fits'),
        ("--set 'a.b=\"some text\"', --set a.lr=2e-5", '{"a.b": "some text"}, {"a.lr": 2e-5}'),
        ("go on with: glueft resume /a/run-1 --anyway", 'go on with: glueft.resume("/a/run-1", anyway=True)'),
        ("glueft resume '/a b'; or anew with --output-dir", 'glueft.resume("/a b"); or anew with output_dir=...'),
        ("glueft run R --checkpoint C --set a.b=1", 'glueft.run("R", checkpoint="C", overrides={"a.b": 1})'),
    ],
)
def test_what_python_has(told: str, in_words_of_python: str) -> None:
    assert in_python(told) == in_words_of_python
    assert in_python(in_words_of_python) == in_words_of_python


@pytest.mark.parametrize(
    "told",
    [
        "glueft report RUN --force --data-dir DIR",  # a command without a function of its name
        "glueft run RECIPE --seeds 5",  # an option without an argument
        "the folder that `glueft run --output-dir` was given",
        "run `glueft study` again",
        "docker run --gpus all, and --no-sample or --samples",
    ],
)
def test_what_python_does_not_have_stays(told: str) -> None:
    assert in_python(told) == told


def test_errors_of_python_functions_speak_of_python() -> None:
    with pytest.raises(RecipeError) as caught:
        glueft.load_recipe("mrpc", {"training.epochs": 0}, sample=True, data_dir="rows")
    assert "training.epochs ({" in str(caught.value) and "--" not in str(caught.value)
    assert "sample=True reads the rows" in caught.value.fix and "sample=True" in caught.value.problems[0].fix
    with pytest.raises(RecipeError) as study:
        glueft.load_recipe("glue")
    assert study.value.fix == 'run it with: glueft.study("glue")'
