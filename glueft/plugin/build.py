"""Calls a plugin's `build` and checks what it returns."""

from __future__ import annotations

import operator
from typing import Any

from glueft.errors import PluginError
from glueft.plugin.attribution import attributed, named
from glueft.plugin.callback import Callback
from glueft.plugin.kinds import KINDS
from glueft.plugin.loss import Loss
from glueft.plugin.optimizer import Optimizer
from glueft.plugin.schedule import Schedule
from glueft.system.quiet import shown_stderr


def build(plugin: Optimizer | Schedule | Loss | Callback, argument: Any) -> Any:
    """Return the object that a plugin builds from the argument of its `build`. Imports Keras.

    Raises:
        PluginError: it raised, or returned an object of another class; the message names the plugin.
    """
    with attributed(plugin, "build"), shown_stderr():
        built = plugin.build(argument)
    if not is_built(plugin.kind, built):
        raise PluginError(
            f"{named(plugin)} did not build {KINDS[plugin.kind].with_article}",
            expected=f"a {KINDS[plugin.kind].builds} from its `build`",
            received=told(built),
            fix="fix the plugin, or tell its authors",
        )
    return built


def is_built(kind: str, built: Any) -> bool:
    """Return whether the `build` of this kind of plugin may return this. Imports Keras."""
    import keras

    wanted: type[Any] = operator.attrgetter(str(KINDS[kind].builds).removeprefix("keras."))(keras)
    return isinstance(built, wanted)


def told(built: Any) -> str:
    """Describe what a `build` returned: "nothing", "a float", or "the class Halving, not an object of it"."""
    if isinstance(built, type):
        return f"the class {built.__name__}, not an object of it"
    return "nothing" if built is None else f"a {type(built).__name__}"
