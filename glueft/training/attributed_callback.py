"""A plugin's Keras callback, named in whatever it raises. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from glueft.plugin.attribution import attributed
from glueft.training.devices import distributed

if TYPE_CHECKING:
    from glueft.plugin.callback import Callback

# What Keras calls on a callback: `on_epoch_end` and the like, and these.
_SETTERS = ("set_model", "set_params")


class AttributedCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Passes every call of Keras on to a callback, and names its plugin in what goes wrong there.

    What the callback computes is not shared out among the devices of the run: its batches may have any number of rows.

    Args:
        plugin: that has built the callback.
        built: the callback.
    """

    def __init__(self, plugin: Callback, built: keras.callbacks.Callback) -> None:
        super().__init__()
        self.plugin = plugin
        self.built = built


def _passed_on(method: str) -> Callable[..., Any]:
    def call(self: AttributedCallback, *arguments: Any, **named: Any) -> Any:
        with distributed(None), attributed(self.plugin, method):
            return getattr(self.built, method)(*arguments, **named)

    call.__name__ = method
    return call


for _method in (*_SETTERS, *(name for name in vars(keras.callbacks.Callback) if name.startswith("on_"))):
    setattr(AttributedCallback, _method, _passed_on(_method))
