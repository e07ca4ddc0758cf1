"""`import glueft` imports next to nothing, and yet all of its names are there."""

from __future__ import annotations

import subprocess
import sys

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
