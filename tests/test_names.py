"""`import glueft` imports next to nothing, and yet all of its names are there."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from typing import Any

import pytest

import glueft

NAMES = """
import sys
import glueft

assert "pydantic" not in sys.modules
assert glueft.errors.DataError is glueft.DataError
assert glueft.recipe.RecipeError and glueft.metrics.lower_is_better and glueft.testing.checks
assert all(getattr(glueft, name) is not None for name in glueft.__all__)
from glueft.studies.result import StudyResult
assert callable(glueft.study) and glueft.studies.result.StudyResult is StudyResult
assert not {"keras", "tensorflow", "datasets"} & {*sys.modules}
"""


def test_names_and_packages_are_there_by_themselves() -> None:
    subprocess.run([sys.executable, "-c", NAMES], check=True, timeout=60)


def test_an_unknown_name_is_an_attribute_error() -> None:
    for name in ("no_such_name", "_private", "run_folder"):
        assert not hasattr(glueft, name)
    with pytest.raises(ImportError, match="no_such_name"):
        from glueft import no_such_name  # type: ignore[attr-defined]  # noqa: F401


@pytest.mark.parametrize("name", [name for name in glueft.__all__ if name != "__version__"])
def test_every_name_is_documented(name: str) -> None:
    public = getattr(glueft, name)
    assert pydoc.render_doc(public, renderer=pydoc.plaintext)
    if not (inspect.isclass(public) or inspect.isfunction(public)) or not public.__module__.startswith("glueft"):
        return  # a type for annotations, such as `LocalPath`, or one of pydantic's or pluggy's
    assert inspect.getdoc(public), "no docstring"
    own = {name: public} if inspect.isfunction(public) else methods_of(public)
    for called, function in own.items():
        assert inspect.getdoc(function), f"{called} has no docstring"
        if called == "__init__":
            continue
        signature = inspect.signature(function)
        untyped = [each.name for each in signature.parameters.values() if each.annotation is each.empty]
        assert [each for each in untyped if each not in ("self", "cls")] == [], called
        assert signature.return_annotation is not signature.empty, called


def methods_of(cls: type) -> dict[str, Any]:
    """The public methods and properties of a class of glueft's own."""
    found = {name: member for name, member in vars(cls).items() if not name.startswith("_")}
    members = {name: getattr(member, "__func__", getattr(member, "fget", member)) for name, member in found.items()}
    return {name: member for name, member in members.items() if inspect.isfunction(member)}
