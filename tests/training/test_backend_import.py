"""Keras comes without what it imports on the side, each time in a process of its own."""

from __future__ import annotations

import json
import sys

import pytest

from glueft.training.backend_import import missing
from python_process import run_python

IMPORTED = """
import json, sys
from glueft.training.backend_import import SIDE_PACKAGES, import_backend
import_backend()
import_backend()
told = [sys.modules["keras"].backend.backend(), [name for name in SIDE_PACKAGES if name in sys.modules]]
"""
USABLE = """
import keras, matplotlib.pyplot, sklearn.metrics
print(json.dumps([told, [sklearn.metrics.accuracy_score([1, 0], [1, 1]), keras.visualization is not None]]))
"""


def test_tensorflow_comes_alone_and_the_others_can_be_imported_after_it() -> None:
    assert run_python(IMPORTED + USABLE) == [["tensorflow", []], [0.5, True]]


def test_a_package_that_was_imported_before_stays_and_keras_finds_it() -> None:
    found = 'print(json.dumps([told, sys.modules["keras.src.visualization.plot_image_gallery"].plt is before]))'
    code = f"import matplotlib.pyplot as before\n{IMPORTED}\n{found}"
    assert run_python(code) == [["tensorflow", ["matplotlib"]], True]


def test_jax_is_imported_where_it_is_the_backend() -> None:
    pytest.importorskip("jax")
    assert run_python(f"{IMPORTED}\nprint(json.dumps([told]))", KERAS_BACKEND="jax") == [["jax", ["jax"]]]


def test_missing_lasts_as_long_as_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with pytest.raises(ZeroDivisionError), missing("colorsys", "json"):
        assert json.loads("1") == 1  # imported before
        with pytest.raises(ModuleNotFoundError):
            import colorsys
        raise ZeroDivisionError
    import colorsys

    assert sys.modules["colorsys"] is colorsys and sys.modules["json"] is json
