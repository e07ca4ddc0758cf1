"""What a callback raises names its plugin, in whatever method of Keras it is raised; all calls reach the callback."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import keras
import pytest

import glueft
from glueft.errors import PluginError
from glueft.plugin.attribution import AttributedError, attributed
from glueft.plugin.callback import Callback
from glueft.plugin.registry import load_registry
from glueft.training.attributed_callback import AttributedCallback

PLUGIN = '''
import glueft

class Clumsy(glueft.Callback):
    """Stumbles."""
    name = "clumsy"
    def build(self, run):
        import keras
        return keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: 1 / 0)
'''
METHODS = [name for name in dir(keras.callbacks.Callback) if name.startswith(("on_", "set_"))]


@pytest.fixture
def clumsy(tmp_path: Path) -> Callback:
    """A callback of a plugin file."""
    from glueft.plugin.file import read_plugin_file

    path = tmp_path / "clumsy.py"
    path.write_text(PLUGIN)
    found = load_registry(read_plugin_file(path)).find("callback", "clumsy").cls()
    assert isinstance(found, Callback)
    return found


class Raising(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises in every method what it is given."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _raise(self: Any, *arguments: Any, **named: Any) -> None:
    raise self.error


for _method in METHODS:
    setattr(Raising, _method, _raise)


@pytest.mark.parametrize("method", METHODS)
def test_whatever_method_raises_the_plugin_is_named(clumsy: Callback, method: str) -> None:
    with pytest.raises(AttributedError) as caught:
        getattr(AttributedCallback(clumsy, Raising(StopIteration("over"))), method)(0)
    assert caught.value.message.startswith('the callback "clumsy" (')
    assert f"failed in its `{method}`: StopIteration: over" in caught.value.message


def test_one_that_leaves_the_process_is_named(clumsy: Callback) -> None:
    with pytest.raises(AttributedError, match="failed in its `on_epoch_end`: SystemExit: 3"):
        AttributedCallback(clumsy, Raising(SystemExit(3))).on_epoch_end(0, {})


@pytest.mark.parametrize("error", [PluginError("a reason"), KeyboardInterrupt()])
def test_what_says_itself_what_it_is_passes(clumsy: Callback, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        AttributedCallback(clumsy, Raising(error)).on_epoch_end(0, {})
    assert caught.value is error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device", "w.h5"), Exception("os error 28")])
def test_a_full_disk_is_not_the_plugins_fault(clumsy: Callback, error: Exception) -> None:
    with pytest.raises(PluginError) as caught:
        AttributedCallback(clumsy, Raising(error)).on_epoch_end(0, {})
    assert not isinstance(caught.value, AttributedError)
    written = getattr(error, "filename", None) or "a file"
    assert caught.value.message.endswith(f" cannot write {written} in its `on_epoch_end`")
    assert caught.value.received.startswith("No space left on device") and "make room" in caught.value.fix


def test_a_checkpoint_s_name_that_only_glueft_reads_is_explained(clumsy: Callback) -> None:
    """Many a callback begins with AutoTokenizer.from_pretrained of the recipe's checkpoint."""
    from transformers import AutoTokenizer

    with pytest.raises(AttributedError) as caught, attributed(clumsy, "build"):
        AutoTokenizer.from_pretrained("package:some_encoder/model")
    assert "failed in its `build`: OSError: " in caught.value.message
    fix = caught.value.fix
    assert 'only glueft reads a checkpoint name with "package:"' in fix and "run.tokenizer" in fix


def test_the_line_of_the_plugin_is_told(clumsy: Callback, tmp_path: Path) -> None:
    callback = AttributedCallback(clumsy, clumsy.build(None))  # type: ignore[arg-type]
    with pytest.raises(AttributedError, match="ZeroDivisionError: division by zero") as caught:
        callback.on_epoch_end(0, {})
    assert f"{tmp_path / 'clumsy.py'}, line 9" in caught.value.received


def test_a_callback_works_as_if_keras_called_it(clumsy: Callback) -> None:
    class Noting(glueft.Callback):
        """Notes."""

        name = "noting"

    calls: list[str] = []

    class Built(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            calls.append(f"{epoch} {self.params['epochs']} {type(self.model).__name__}")
            logs["mine"] = 1.0

    model = keras.Sequential([keras.layers.Dense(1)])
    callback = AttributedCallback(Noting(), Built())
    callback.set_model(model)
    callback.set_params({"epochs": 7})
    logs = {"loss": 0.5}
    callback.on_epoch_end(3, logs)
    assert calls == ["3 7 Sequential"] and logs == {"loss": 0.5, "mine": 1.0}
