"""What every plugin is: a class with a name, a description and checked options.

A kind of plugin is a subclass of `Plugin` in a module of its own, a hook in `hookspecs` and a row in `kinds`. Importing
any of these modules imports neither Keras nor a backend.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from glueft.plugin.option_types import take_lists

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


class Options(pydantic.BaseModel):
    """What a recipe may say in a plugin's table: unknown keys are refused, and every field has a description."""

    # Strict: a recipe's `"8"` is text and `8` a number, as TOML says. A whole number still serves as a float.
    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False, defer_build=True
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        # TOML has neither tuples nor sets nor enums: its lists and plain values serve for them.
        return take_lists(handler(source), handler)


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

    class Options(Options):
        """No options."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = self.Options() if options is None else options

    @classmethod
    def description(cls) -> str:
        """The first line of the class's own docstring; empty if it has none."""
        return (inspect.cleandoc(cls.__dict__.get("__doc__") or "").splitlines() or [""])[0]
