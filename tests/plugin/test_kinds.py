"""The table of kinds: what else must be there for each row."""

from __future__ import annotations

import importlib.util

import pytest

import glueft
from glueft.cli.main import command_line
from glueft.plugin import hookspecs
from glueft.plugin.kinds import KINDS, Kind, base_names, one_of
from glueft.plugin.registry import load_registry


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_has_a_base_class_a_hook_checks_and_plugins(kind: Kind) -> None:
    assert kind.base.__module__ == f"glueft.plugin.{kind.name}"
    assert getattr(glueft, kind.base.__name__) is kind.base
    assert callable(getattr(hookspecs, kind.hook))
    assert importlib.util.find_spec(f"glueft.testing.{kind.name}") is not None
    assert all(callable(getattr(kind.base, method)) for method in kind.methods)
    assert load_registry().names(kind.name) != []


def test_every_hook_that_lists_plugins_has_its_kind() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("glueft_")}
    assert hooks - {kind.hook for kind in KINDS.values()} == {"glueft_run_finished", "glueft_commands"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_is_known_in_the_plural(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["list", kind.plural]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {kind.name}


def test_kinds_in_messages() -> None:
    assert base_names().startswith("glueft.Task, Optimizer, ") and " or " in base_names()
    assert one_of(["a", "b", "c"]) == "a, b or c"
    assert (KINDS["optimizer"].with_article, KINDS["task"].with_article) == ("an optimizer", "a task")
