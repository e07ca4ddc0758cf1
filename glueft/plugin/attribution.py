"""Says whose plugin it is that fails, so that the user knows whom to tell."""

from __future__ import annotations

import os
import sys
import traceback
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from glueft.errors import GlueftError, PluginError

if TYPE_CHECKING:
    from glueft.plugin.base import Plugin
    from glueft.plugin.records import Point


class BlamedError(PluginError):
    """A plugin's method raised what no user can fix; `__cause__` is what it raised."""


_BROUGHT_BY: weakref.WeakKeyDictionary[type[Plugin], Point] = weakref.WeakKeyDictionary()
_AT_WORK: ContextVar[Plugin | None] = ContextVar("plugin at work", default=None)


def remember(cls: type[Plugin], point: Point) -> None:
    """Note what brought a class."""
    _BROUGHT_BY[cls] = point


def brought_by(plugin: Plugin) -> Point | None:
    """Return the entry point or file that a plugin came by; None for a class that was never registered."""
    return _BROUGHT_BY.get(type(plugin))


def named(plugin: Plugin) -> str:
    """A plugin in a message: `the task "mood" (glueft-mood 1.0)`; without the brackets if it is glueft's own."""
    called = f'the {plugin.kind} "{plugin.name}"'
    point = _stranger(plugin)
    return called if point is None else f"{called} ({f'{point.package} {point.version}'.strip()})"


def at_work() -> Plugin | None:
    """The plugin whose method is running, by `blaming`; None in glueft's own code, and in a plugin's threads."""
    return _AT_WORK.get()


@contextmanager
def blaming(plugin: Plugin, method: str) -> Iterator[None]:
    """While a plugin's method works, name the plugin in whatever it raises.

    A GlueftError passes as it is; and what goes wrong in a plugin of glueft's own is a bug of glueft. A plugin that
    leaves the process (`sys.exit`) fails as any other.

    Raises:
        PluginError: the method met a full disk or the like.
        BlamedError: the method raised something else.
    """
    before = _AT_WORK.set(plugin)
    try:
        yield
    except GlueftError:
        raise
    except (Exception, SystemExit) as error:
        if _stranger(plugin) is None:
            raise
        from glueft.files import disk_fault  # not at the top: no light command needs it

        fault = disk_fault(error)
        if fault is not None:
            raise PluginError(
                f"{named(plugin)} cannot write {fault.filename or 'a file'} in its `{method}`",
                expected="a place with room where files can be made",
                received=f"{fault.strerror}{place(type(plugin), error)}",
                fix="make room, or have it write elsewhere",
            ) from error
        raise BlamedError(
            f"{named(plugin)} failed in its `{method}`: {said(error)}",
            expected=f"`{method}` to do its work, or to raise a GlueftError that says what the user can fix",
            received=f"{said(error)}{place(type(plugin), error)}",
            fix=misread_name(type(plugin), error) or "fix the plugin, or tell its authors",
        ) from error
    finally:
        _AT_WORK.reset(before)


@contextmanager
def blaming_built(*plugins: Plugin) -> Iterator[None]:
    """While what plugins have built is at work, an optimizer or a schedule, name the one whose code raises.

    Raises:
        BlamedError: the error came through the file or package of a plugin that is not glueft's own.
    """
    try:
        yield
    except GlueftError:
        raise
    except Exception as error:
        for plugin in plugins:
            where = place(type(plugin), error)
            if where and _stranger(plugin) is not None:
                raise BlamedError(
                    f"{named(plugin)} failed in what it has built: {said(error)}",
                    expected=f"a `build` whose {plugin.kind} does its work in every step",
                    received=f"{said(error)}{where}",
                    fix="fix the plugin, or tell its authors",
                ) from error
        raise


def misread_name(plugin: type[Plugin], error: BaseException) -> str:
    """What a callback does instead of handing a checkpoint's name that only glueft reads to transformers; or empty."""
    if plugin.kind != "callback" or "package:" not in str(error):
        return ""
    return (
        "a checkpoint's name with \"package:\" is glueft's own, and other libraries do not know it: take the tokenizer "
        "from run.tokenizer, and predictions from run.predict(texts)"
    )


def said(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _stranger(plugin: Plugin) -> Point | None:
    """What brought a plugin, if it is known and not glueft itself."""
    point = brought_by(plugin)
    return None if point is None or point.package == "glueft" else point


def place(plugin: type[Plugin], error: BaseException) -> str:
    """`, in FILE, line N`: the last line of the plugin's own file or package on the way to the error; empty if none."""
    module = sys.modules.get(plugin.__module__)
    package = sys.modules.get(plugin.__module__.partition(".")[0])
    folders = tuple(os.path.join(folder, "") for folder in getattr(package, "__path__", ()))  # noqa: PTH118
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == getattr(module, "__file__", None) or (folders and frame.filename.startswith(folders))
    ]
    return f", in {own[-1].filename}, line {own[-1].lineno}" if own else ""
