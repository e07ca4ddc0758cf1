"""What every plugin is: a class with a name, a description and checked options.

A kind of plugin is a subclass of `Plugin` in a module of its own, a hook in `hookspecs`, a row in `kinds` and checks in
`glueft.testing`. Importing any of these modules imports neither Keras nor a backend.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import glueft.plugin.options
from glueft.plugin.options import changed_options


class Plugin:
    """What all kinds of plugin have in common.

    Attributes:
        kind: the name of its kind, such as "task"; the base class of the kind sets it.
        name: what recipes call the plugin: lower-case letters, digits, `_` and `-`, a letter first.
        options: this plugin's table of the recipe, checked.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    options: Any

    class Options(glueft.plugin.options.Options):
        """No options."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = self.Options() if options is None else options

    def __repr__(self) -> str:
        """The name, and the options that are not at their defaults."""
        options = getattr(self, "options", None)  # A plugin's own `__init__` may have set none.
        return f"{type(self).__name__}({', '.join(changed_options(options))})"

    @classmethod
    def description(cls) -> str:
        """The first line of the class's own docstring; empty if it has none."""
        return (inspect.cleandoc(cls.__dict__.get("__doc__") or "").splitlines() or [""])[0]
