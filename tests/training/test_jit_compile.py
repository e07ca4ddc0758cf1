"""What is compiled, why, and on which backend: known before Keras is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import pytest

from glueft.recipe import load_recipe
from glueft.training import engine
from glueft.training.jit_compile import JitDecision, decide_jit_compile, keras_backend
from glueft.training.observers import Silent
from glueft.training.session import load_model, read_tokens


def test_what_is_compiled() -> None:
    decision = decide_jit_compile("auto")
    assert decision.compiled == (keras.backend.backend() == "jax")
    assert keras.backend.backend() in decision.reason.lower()
    for wish in (True, False):
        assert decide_jit_compile(wish) == JitDecision(wish, "the recipe says so")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's switch for results that repeat")
@pytest.mark.filterwarnings("ignore:Model doesn't support `jit_compile=True`")
def test_a_process_that_cannot_compile_says_why(tiny_bert: Path) -> None:
    wish = ["engine.jit_compile=true", "data.limit_train=8", "data.limit_validation=8"]
    recipe = load_recipe("mrpc", wish, checkpoint=str(tiny_bert), sample=True)
    engine.prepare_backend(0, jit_compile=False)
    ready = load_model(recipe, read_tokens(recipe, Silent()))
    assert not ready.model.jit_compile
    assert not ready.jit_compile.compiled
    assert "without XLA before" in ready.jit_compile.reason


@pytest.mark.parametrize(
    ("named", "configured", "backend"),
    [
        (None, None, "tensorflow"),
        (None, '{"backend": "torch"}', "torch"),
        ("", '{"backend": "torch"}', "torch"),
        ("jax", '{"backend": "torch"}', "jax"),
        ("jax", None, "jax"),
        (None, '{"floatx": "float32"}', "tensorflow"),
        (None, "no JSON", "tensorflow"),
    ],
)
def test_the_backend_is_known_before_keras_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, configured: str | None, backend: str
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if named is not None:
        monkeypatch.setenv("KERAS_BACKEND", named)
    if configured is not None:
        (tmp_path / "keras.json").write_text(configured)
    monkeypatch.delitem(sys.modules, "keras")
    assert keras_backend() == backend


def test_it_is_the_one_that_keras_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keras_backend() == keras.backend.backend()
    monkeypatch.delitem(sys.modules, "keras")
    assert keras_backend() == keras.backend.backend()
