"""Builds what a plugin with a `build` is for, and holds it to Keras's own kind."""

from __future__ import annotations

import operator
from typing import Any

from glueft.errors import PluginError
from glueft.plugin.attribution import blaming, named
from glueft.plugin.callback import Callback
from glueft.plugin.kinds import KINDS
from glueft.plugin.optimizer import Optimizer
from glueft.plugin.schedule import Schedule
from glueft.system.quiet import shown_stderr


def build(plugin: Optimizer | Schedule | Callback, argument: Any) -> Any:
    """Return what a plugin's `build` makes of its argument. Imports Keras.

    Raises:
        PluginError: it raised, or returned what Keras could not use; the message names the plugin.
    """
    with blaming(plugin, "build"), shown_stderr():
        built = plugin.build(argument)
    if not is_built(plugin.kind, built):
        raise PluginError(
            f"{named(plugin)} did not build what it is for",
            expected=f"a {KINDS[plugin.kind].builds} from its `build`",
            received=told(built),
            fix="fix the plugin, or tell its authors",
        )
    return built


def is_built(kind: str, built: Any) -> bool:
    """Return whether a `build` of this kind of plugin may return this. Imports Keras."""
    import keras

    wanted: type[Any] = operator.attrgetter(str(KINDS[kind].builds).removeprefix("keras."))(keras)
    return isinstance(built, wanted)


def told(built: Any) -> str:
    """Say what a `build` returned: "nothing", "a float", or "the class Halving, not an object of it"."""
    if isinstance(built, type):
        return f"the class {built.__name__}, not an object of it"
    return "nothing" if built is None else f"a {type(built).__name__}"
