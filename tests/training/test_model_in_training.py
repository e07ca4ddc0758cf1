"""What is no list of texts is refused by name, before anything is predicted. What is one, tests/test_launch.py asks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import glueft
from glueft.errors import PluginError, RunFolderError
from glueft.plugin.attribution import attributed
from glueft.training.model_in_training import ModelInTraining
from run_folders import bare_run


class Peek(glueft.Callback):
    """Looks at something."""

    name = "peek"


def model(*inputs: str) -> Any:
    session: Any = SimpleNamespace(task=SimpleNamespace(inputs=inputs), labels=("no", "yes"))
    return ModelInTraining(session)


@pytest.mark.parametrize(
    ("inputs", "texts", "received"),
    [
        (("text",), "a text", "'a text', which is no list"),
        (("text",), None, "None, which is no list"),
        (("text",), ["a text", None], "None in place 1"),
        (("text",), [("a", "pair")], "('a', 'pair') in place 0"),
        (("first", "second"), ["a text"], "'a text' in place 0"),
        (("first", "second"), [("a", "b"), ("a", "b", "c")], "('a', 'b', 'c') in place 1"),
        (("first", "second"), [("a", 2)], "('a', 2) in place 0"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(inputs: tuple[str, ...], texts: Any, received: str) -> None:
    with attributed(Peek(), "on_epoch_end"), pytest.raises(PluginError) as caught:
        model(*inputs).predict(texts)
    assert caught.value.message == 'the callback "peek": run.predict cannot read these texts'
    assert caught.value.received == received
    assert ("pairs of first and second" in caught.value.expected) == (len(inputs) == 2)


def test_a_run_without_a_model_says_so(tmp_path: Path) -> None:
    run = bare_run(tmp_path)
    for ask in (lambda: run.predict(["a text"]), lambda: run.tokenizer, lambda: run.validation_rows):
        with pytest.raises(RunFolderError, match="has no model yet"):
            ask()
