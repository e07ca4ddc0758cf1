"""Imports the modules of plugins, registers them with pluggy and collects the classes that they offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from glueft.plugin import hookspecs
from glueft.plugin.attribution import said
from glueft.plugin.base import Plugin
from glueft.plugin.kinds import KINDS, base_names
from glueft.plugin.origin import Failure, Point
from glueft.suggest import did_you_mean
from glueft.system.standard_output import aside
from glueft.system.timeout import TimedOutError, within

KNOWN_HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("glueft_"))
_FAILED: Any = object()


@dataclass(frozen=True)
class Loaded:
    """The result of loading an entry point or a file.

    Attributes:
        module: None if it cannot be used.
        offered: each kind and class that its hooks returned.
        failures: what cannot be used, and why.
    """

    module: ModuleType | None
    offered: list[tuple[str, Any]]
    failures: list[Failure]


class Loader:
    """Loads modules one by one; a module that fails does not affect the others.

    Args:
        manager: pluggy's, with which the modules are registered.
        timeout: seconds for an import, or for a hook that lists plugins.
    """

    def __init__(self, manager: pluggy.PluginManager, timeout: float) -> None:
        self.manager = manager
        self.timeout = timeout
        self.failures: list[Failure] = []

    def load(self, point: Point) -> Loaded:
        """Import a module, register it, and call the hooks that list its plugins."""
        self.failures = []
        with aside():  # every command loads plugins, and standard output is for the command's own result
            module = self._register(point)
            offered = [] if module is None else list(self._offered(point, module))
        return Loaded(module, offered, self.failures)

    def _fail(self, point: Point, reason: str) -> None:
        self.failures.append(point.failure(reason))

    def _call(self, point: Point, work: Callable[[], Any], doing: str, what: str, failed: str) -> Any:
        """Return what a plugin's code returns; `_FAILED` if it raises or takes too long, which is noted as a failure.

        Args:
            point: where the plugin comes from.
            work: the code.
            doing: what it does, for the user who waits for it.
            what: what it is, for a timeout: "its import".
            failed: what it means that it raises: "cannot be imported".
        """
        try:
            return within(self.timeout, work, f"{doing} {point.failure('').origin}")
        except KeyboardInterrupt:
            raise
        except TimedOutError:
            self._fail(point, f"{what} did not finish within {self.timeout:g} s")
        except BaseException as error:  # a plugin may raise anything, even SystemExit
            self._fail(point, f"{failed}: {said(error)}{_hint(point, error)}")
        return _FAILED

    def _register(self, point: Point) -> ModuleType | None:
        """Import an entry point's module, or a file, and register it; None if it cannot be used."""
        module: ModuleType = self._call(point, point.load, "importing", "its import", "cannot be imported")
        if module is _FAILED or self.manager.is_registered(module):  # two entry points may name one module
            return None
        try:
            self.manager.register(module, name=point.id)
        except Exception as error:
            if self.manager.has_plugin(point.id):
                self.manager.unregister(name=point.id)
            self._fail(point, f"breaks a hook's contract: {_breach(error)}")
            return None
        self._check_hooks(point, module)
        return module

    def _check_hooks(self, point: Point, module: ModuleType) -> None:
        callers = self.manager.get_hookcallers(module) or []
        for caller in callers:
            if not caller.has_spec():
                hint = did_you_mean(caller.name, KNOWN_HOOKS) or f"the hooks are {', '.join(KNOWN_HOOKS)}"
                self._fail(point, f'there is no hook "{caller.name}"; {hint.strip()}')
        if callers:
            return
        if point.entry and not isinstance(module, ModuleType):
            self._fail(point, _no_module(point, module))
            return
        unmarked = [name for name in KNOWN_HOOKS if hasattr(module, name)]
        own = [(kind, cls) for kind in KINDS.values() for cls in own_classes(module, kind.base)]
        if unmarked:
            self._fail(point, f"has no hooks; put @glueft.hookimpl above {unmarked[0]}")
        elif point.file and not own:
            self._fail(point, f"there is no plugin in it; define a class that derives from {base_names()}")
        elif not point.file:
            fix = ""
            if own:
                (kind, cls), *_ = own
                fix = f"; add @glueft.hookimpl and below it a {kind.hook}() that returns [{cls.__name__}]"
            self._fail(point, f"has no hooks{fix}")

    def _offered(self, point: Point, module: ModuleType) -> Iterator[tuple[str, Any]]:
        """Yield each kind and class that the hooks of a module return.

        A file needs no hook: without one for a kind, its own public classes of that kind are its plugins.
        """
        for name, kind in KINDS.items():
            implementations = getattr(self.manager.hook, kind.hook).get_hookimpls()
            if any(implementation.plugin_name == point.id for implementation in implementations):
                yield from ((name, cls) for cls in self._answer(point, kind.hook))
            elif point.file and not hasattr(module, kind.hook):
                yield from ((name, cls) for cls in own_classes(module, kind.base))

    def _answer(self, point: Point, hook: str) -> list[Any] | tuple[Any, ...]:
        """The classes that a hook returns; none if it fails."""
        caller = hook_of_one(self.manager, hook, point)
        answers = self._call(point, caller, f"waiting for {hook} of", f"its {hook}", f"its {hook} failed")
        if answers is _FAILED:
            return []
        offered = answers[0] if answers else None  # pluggy leaves None out
        if isinstance(offered, (list, tuple)):
            return offered
        if isinstance(offered, type):
            given = f"a class; put it in a list: return [{offered.__name__}]"
        else:
            given = "nothing" if offered is None else f"a {type(offered).__name__}"
        self._fail(point, f"its {hook} must return a list of classes, and returned {given}")
        return []


def hook_of_one(manager: pluggy.PluginManager, hook: str, point: Point) -> pluggy.HookCaller:
    """Return a caller of one plugin's hook. It returns a list with the hook's result, an empty one for None."""
    others = [plugin for name, plugin in manager.list_name_plugin() if name != point.id]
    return manager.subset_hook_caller(hook, others)


def own_classes(module: ModuleType, base: type[Plugin]) -> list[type[Plugin]]:
    """The public subclasses of `base` that a module itself defines, in order."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and name == value.__name__
        and not name.startswith("_")
    ]


def _no_module(point: Point, named: object) -> str:
    """What to do about an entry point that names an object in a module, such as a class or a function."""
    what, fix = f"a {type(named).__name__}", ""
    if isinstance(named, type):
        what = f"the class {named.__name__}"
        kind = next((kind for kind in KINDS.values() if issubclass(named, kind.base)), None)
        if kind:
            hook = f"a {kind.hook}() under @glueft.hookimpl"
            fix = f", and give that module {hook} that returns [{named.__name__}]"
    elif callable(named):
        what = f"the function {getattr(named, '__name__', named)}"
    return f"its entry point names {what}, and glueft needs the module: write {point.right_line}{fix}"


def _breach(error: Exception) -> str:
    """pluggy's message on a wrong hook without its first line, which names the plugin."""
    if not isinstance(error, pluggy.PluginValidationError):
        return said(error)
    first, *others = str(error).splitlines()
    return "; ".join(others) or first


def _hint(point: Point, error: BaseException) -> str:
    """Why a file cannot import the modules beside it."""
    if not point.file or not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    sibling = Path(point.file.path).parent / error.name.partition(".")[0]
    if not (sibling.is_dir() or sibling.with_suffix(".py").is_file()):
        return ""
    return "; a plugin file cannot import the files beside it: make a package of them (glueft plugin new)"
