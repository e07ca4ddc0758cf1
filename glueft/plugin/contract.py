"""The contract of plugin classes, checked when they are loaded, so that an author sees a mistake at once."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping, MutableSequence, MutableSet
from typing import Any

from glueft.plugin.base import Plugin
from glueft.plugin.kinds import KINDS, Classes
from glueft.plugin.options import Options
from glueft.text import short_repr

NAME = re.compile(r"[a-z][a-z0-9_-]*")


def breach(kind: str, cls: Any) -> str | None:
    """Return, in one sentence without a full stop, how a class breaks the contract of its kind; None if it keeps it.

    Args:
        kind: the name of one of `KINDS`.
        cls: what the plugin's hook returned in its list.
    """
    base, hook = KINDS[kind].base, KINDS[kind].hook
    if isinstance(cls, Plugin):
        name = type(cls).__name__
        return f"{hook} must return classes, and gives an object of one: return [{name}], not [{name}()]"
    if not isinstance(cls, type):
        return f"{hook} must return classes, and {short_repr(cls)} is not one"
    if not issubclass(cls, base):
        return f"class {cls.__name__} is not a glueft.{base.__name__}, as {hook} must return"
    return next(filter(None, (part(cls) for part in PARTS.values())), None)


def name_breach(cls: type[Plugin]) -> str | None:
    """How the class's `name` breaks the contract; None if it does not. Likewise for the parts below."""
    name = getattr(cls, "name", None)
    if isinstance(name, str) and NAME.fullmatch(name):
        return None
    return (
        f'{_where(cls)} needs a `name` of lower-case letters, digits, "_" and "-", a letter first, '
        f"and has {'none' if name is None else short_repr(name)}"
    )


def docstring_breach(cls: type[Plugin]) -> str | None:
    """The first line of the docstring is what users see."""
    if cls.description():
        return None
    return f"{_where(cls)} needs a docstring: its first line is the description that users see"


def options_breach(cls: type[Plugin]) -> str | None:
    """Options are strict, described, and have defaults that stay what they are."""
    where, options = _where(cls), cls.Options
    if not (isinstance(options, type) and issubclass(options, Options)):
        return f"{where} needs `class Options(glueft.Options)`, and its Options are {short_repr(options)}"
    wanted = {"extra": "forbid", "strict": True}
    loosened = [
        f"{key}={options.model_config.get(key)!r}" for key in wanted if options.model_config.get(key) != wanted[key]
    ]
    if loosened:
        return f"the Options of {where} must stay strict and refuse unknown keys; they set {', '.join(loosened)}"
    silent = [name for name, field in options.model_fields.items() if not (field.description or "").strip()]
    if silent:
        return f"every option needs a description, and {where} gives none for {', '.join(silent)}"
    changeable = _changeable_default(options)
    if changeable:
        return f"an option's default must be immutable; in {where}, {changeable}"
    if "plugin" in options.model_fields:
        return f'{where} has an option "plugin", the key by which a recipe names the plugin itself'
    return None


def _changeable_default(options: type[Options]) -> str | None:
    """The first option with a mutable default: a run that changed it would change the next run's."""
    for name, field in options.model_fields.items():
        if field.default_factory_takes_validated_data:
            continue
        default = field.get_default(call_default_factory=True)
        instead = next((instead for kind, instead in _CHANGEABLE.items() if isinstance(default, kind)), None)
        if instead:
            return f"`{name}` has {short_repr(default)}: give {instead}"
    return None


_CHANGEABLE = {
    MutableSequence: 'a tuple, as in `words: tuple[str, ...] = glueft.Field((), description="...")`',
    MutableMapping: 'None, as in `words: dict[str, int] | None = glueft.Field(None, description="...")`',
    MutableSet: 'a frozenset, as in `words: frozenset[str] = glueft.Field(frozenset(), description="...")`',
}


def declaration_breach(plugin: type[Plugin] | Plugin) -> str | None:
    """The methods that the kind requires exist, and its own check passes, for a class or a plugin made with options."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    kind = KINDS[cls.kind]
    lacking = next((name for name in kind.methods if getattr(cls, name) is getattr(kind.base, name)), None)
    if lacking:
        return f"{_where(cls)} needs a `{lacking}` method"
    return kind.check(plugin) if kind.check else None


def fitting_breach(plugin: type[Plugin] | Plugin, classes: Classes) -> str | None:
    """How a class, or a plugin made with options, breaks the contract once the other plugins are known."""
    fits = KINDS[plugin.kind].fits
    return declaration_breach(plugin) or (fits(plugin, classes) if fits else None)


PARTS: dict[str, Callable[[type[Plugin]], str | None]] = {
    "name": name_breach,
    "docstring": docstring_breach,
    "options": options_breach,
    "declaration": declaration_breach,
}


def _where(cls: type[Plugin]) -> str:
    return f"class {cls.__name__}"
