"""Names the plugin in what it raises, so that the user knows whose error it is."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from glueft.errors import GlueftError, PluginError
from glueft.plugin.base import Plugin
from glueft.plugin.origin import Point, brought_by


class AttributedError(PluginError):
    """A plugin's method raised what no user can fix; `__cause__` is what it raised."""


_AT_WORK: ContextVar[Plugin | None] = ContextVar("plugin at work", default=None)


def named(plugin: Plugin) -> str:
    """A plugin in a message: `the task "mood" (glueft-mood 1.0)`; without the brackets if it is glueft's own."""
    called = f'the {plugin.kind} "{plugin.name}"'
    point = _foreign(plugin)
    return called if point is None else f"{called} ({f'{point.package} {point.version}'.strip()})"


def at_work() -> Plugin | None:
    """The plugin whose method is running in `attributed`; None in glueft's own code, and in a plugin's threads."""
    return _AT_WORK.get()


def who(otherwise: str = "") -> str:
    """Return how a message about the plugin at work begins: `the task "mood": `; `otherwise` if none is."""
    plugin = at_work()
    return otherwise if plugin is None else f"{named(plugin)}: "


@contextmanager
def attributed(plugin: Plugin, method: str) -> Iterator[None]:
    """While a plugin's method runs, name the plugin in whatever it raises, SystemExit included.

    A GlueftError passes unchanged, and so does any error of glueft's own plugins, which is a bug of glueft.

    Raises:
        PluginError: the method met a full disk or the like.
        AttributedError: the method raised something else.
    """
    before = _AT_WORK.set(plugin)
    try:
        yield
    except GlueftError:
        raise
    except (Exception, SystemExit) as error:
        if not is_foreign(plugin):
            raise
        from glueft.files import disk_fault  # not at the top: no light command needs it

        fault = disk_fault(error)
        if fault is not None:
            raise PluginError(
                f"{named(plugin)} cannot write {fault.filename or 'a file'} in its `{method}`",
                expected="free disk space, and a place where files can be made",
                received=f"{fault.strerror}{place(type(plugin), error)}",
                fix="make room, or have it write elsewhere",
            ) from error
        raise AttributedError(
            f"{named(plugin)} failed in its `{method}`: {said(error)}",
            expected=f"`{method}` to return, or to raise a GlueftError that says what the user can fix",
            received=f"{said(error)}{place(type(plugin), error)}",
            fix=misread_name(type(plugin), error) or "fix the plugin, or tell its authors",
        ) from error
    finally:
        _AT_WORK.reset(before)


@contextmanager
def attributed_built(*plugins: Plugin) -> Iterator[None]:
    """While objects that plugins have built are in use, such as a schedule, name the plugin whose code raises.

    Raises:
        AttributedError: the error came through the file or package of a plugin that is not glueft's own.
    """
    try:
        yield
    except GlueftError:
        raise
    except Exception as error:
        for plugin in plugins:
            where = place(type(plugin), error)
            if where and is_foreign(plugin):
                raise AttributedError(
                    f"{named(plugin)} failed in the object that it has built: {said(error)}",
                    expected="an object that works in every step",
                    received=f"{said(error)}{where}",
                    fix="fix the plugin, or tell its authors",
                ) from error
        raise


def misread_name(plugin: type[Plugin], error: BaseException) -> str:
    """What a callback does instead of giving transformers a checkpoint name that only glueft reads; or empty."""
    if plugin.kind != "callback" or "package:" not in str(error):
        return ""
    return (
        'only glueft reads a checkpoint name with "package:"; take the tokenizer from run.tokenizer, and predictions '
        "from run.predict(texts)"
    )


def said(error: BaseException) -> str:
    """An exception on one line: its type and the first line of its message."""
    lines = str(error).replace("\x1b[1m", "").replace("\x1b[0m", "").split("\n")
    # Keras puts this line, and an empty one, before the message of a layer's error.
    told = [
        line.strip() for line in lines if line.strip() and not line.startswith("Exception encountered when calling")
    ]
    first = next(iter(told), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def is_foreign(plugin: Plugin | type[Plugin]) -> bool:
    """Whether it is known that a plugin is not glueft's own."""
    return _foreign(plugin) is not None


def _foreign(plugin: Plugin | type[Plugin]) -> Point | None:
    """Where a plugin comes from, if that is known and not glueft itself."""
    point = brought_by(plugin)
    return None if point is None or point.package == "glueft" else point


def place(plugin: type[Plugin], error: BaseException) -> str:
    """`, in FILE, line N`: the last line of the plugin's own file or package in the traceback; empty if none."""
    module = sys.modules.get(plugin.__module__)
    package = sys.modules.get(plugin.__module__.partition(".")[0])
    folders = tuple(os.path.join(folder, "") for folder in getattr(package, "__path__", ()))  # noqa: PTH118
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == getattr(module, "__file__", None) or (folders and frame.filename.startswith(folders))
    ]
    return f", in {own[-1].filename}, line {own[-1].lineno}" if own else ""
