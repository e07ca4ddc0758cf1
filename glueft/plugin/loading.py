"""Imports the modules of plugins, hands them to pluggy, and asks what they offer; what goes wrong is noted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from glueft.plugin import hookspecs
from glueft.plugin.attribution import said
from glueft.plugin.base import Plugin
from glueft.plugin.kinds import KINDS, base_names
from glueft.plugin.records import EntryPoint, Failure, Point
from glueft.suggest import did_you_mean
from glueft.system.standard_output import aside
from glueft.system.timeout import OutOfPatienceError, within

KNOWN_HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("glueft_"))


@dataclass(frozen=True)
class Loaded:
    """What became of an entry point or a file.

    Attributes:
        module: None if it cannot be used.
        offered: each kind and class that its hooks returned.
        failures: what went wrong.
    """

    module: ModuleType | None
    offered: list[tuple[str, Any]]
    failures: list[Failure]


class Loader:
    """Loads modules one by one.

    Args:
        manager: pluggy's, which gets the modules.
        patience: how many seconds an import, or a hook that lists plugins, may take.
    """

    def __init__(self, manager: pluggy.PluginManager, patience: float) -> None:
        self.manager = manager
        self.patience = patience
        self.failures: list[Failure] = []

    def load(self, point: Point) -> Loaded:
        """Import a module, hand it to pluggy, and ask what it offers."""
        self.failures = []
        with aside():  # of the commands that import it, each has another use for standard output
            module = self._register(point)
            offered = [] if module is None else list(self._offered(point, module))
        return Loaded(module, offered, self.failures)

    def _register(self, point: Point) -> ModuleType | None:
        """Import an entry point's module, or a file, and hand it to pluggy; None if it cannot be used."""
        try:
            module: ModuleType = within(self.patience, point.load, f"importing {point.failure('').origin}")
        except KeyboardInterrupt:
            raise
        except OutOfPatienceError:
            self.failures.append(point.failure(f"its import has not come to an end in {self.patience:g} s"))
            return None
        except BaseException as error:  # a plugin may raise anything, even SystemExit
            self.failures.append(point.failure(f"cannot be imported: {said(error)}{_hint(point, error)}"))
            return None
        if self.manager.is_registered(module):  # two entry points for one module
            return None
        try:
            self.manager.register(module, name=point.id)
        except Exception as error:
            if self.manager.has_plugin(point.id):
                self.manager.unregister(name=point.id)
            self.failures.append(point.failure(f"breaks a hook's contract: {_breach(error)}"))
            return None
        self._check_hooks(point, module)
        return module

    def _check_hooks(self, point: Point, module: ModuleType) -> None:
        callers = self.manager.get_hookcallers(module) or []
        for caller in callers:
            if not caller.has_spec():
                hint = did_you_mean(caller.name, KNOWN_HOOKS) or f"the hooks are {', '.join(KNOWN_HOOKS)}"
                self.failures.append(point.failure(f'there is no hook "{caller.name}"; {hint.strip()}'))
        if callers:
            return
        if isinstance(point, EntryPoint) and not isinstance(module, ModuleType):
            self.failures.append(point.failure(_no_module(point, module)))
            return
        unmarked = [name for name in KNOWN_HOOKS if hasattr(module, name)]
        own = [(kind, cls) for kind in KINDS.values() for cls in own_classes(module, kind.base)]
        if unmarked:
            self.failures.append(point.failure(f"has no hooks; put @glueft.hookimpl above {unmarked[0]}"))
        elif point.file and not own:
            fix = f"define a class that derives from {base_names()}"
            self.failures.append(point.failure(f"there is no plugin in it; {fix}"))
        elif not point.file:
            fix = ""
            if own:
                (kind, cls), *_ = own
                fix = f"; add @glueft.hookimpl and below it a {kind.hook}() that returns [{cls.__name__}]"
            self.failures.append(point.failure(f"has no hooks{fix}"))

    def _offered(self, point: Point, module: ModuleType) -> Iterator[tuple[str, Any]]:
        """Yield each kind and class that a module offers: what its hooks return.

        A file needs no hook: where it has none for a kind, its own public classes of that kind are its plugins.
        """
        for kind, row in KINDS.items():
            implementations = [
                implementation
                for implementation in getattr(self.manager.hook, row.hook).get_hookimpls()
                if implementation.plugin_name == point.id
            ]
            if implementations:
                yield from ((kind, cls) for cls in self._answer(point, row.hook))
            if point.file and not implementations and not hasattr(module, row.hook):
                yield from ((kind, cls) for cls in own_classes(module, row.base))

    def _answer(self, point: Point, hook: str) -> list[Any] | tuple[Any, ...]:
        """What a hook returns; nothing if it does not keep to its contract."""
        caller = hook_of_one(self.manager, hook, point)
        try:
            answers = within(self.patience, caller, f"waiting for {hook} of {point.failure('').origin}")
        except KeyboardInterrupt:
            raise
        except OutOfPatienceError:
            self.failures.append(point.failure(f"its {hook} has not come to an end in {self.patience:g} s"))
            return []
        except BaseException as error:
            self.failures.append(point.failure(f"its {hook} failed: {said(error)}"))
            return []
        offered = answers[0] if answers else None  # pluggy leaves None out
        if isinstance(offered, (list, tuple)):
            return offered
        if isinstance(offered, type):
            given = f"a class; put it in a list: return [{offered.__name__}]"
        else:
            given = "nothing" if offered is None else f"a {type(offered).__name__}"
        reason = f"its {hook} must return a list of classes, and returned {given}"
        self.failures.append(point.failure(reason))
        return []


def hook_of_one(manager: pluggy.PluginManager, hook: str, point: Point) -> pluggy.HookCaller:
    """Return a caller of one plugin's hook; it returns a list with what the hook returned, an empty one for None."""
    others = [plugin for name, plugin in manager.list_name_plugin() if name != point.id]
    return manager.subset_hook_caller(hook, others)


def own_classes(module: ModuleType, base: type[Plugin]) -> list[type[Plugin]]:
    """The public classes of a kind of plugin that a module itself defines, in the order in which it does."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and name == value.__name__
        and not name.startswith("_")
    ]


def _no_module(point: EntryPoint, named: object) -> str:
    """What to do about an entry point that names a class, a function or anything else within a module."""
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
    """What pluggy says of a hook that is written wrongly: its first line names the plugin, the others the fault."""
    if not isinstance(error, pluggy.PluginValidationError):
        return said(error)
    first, *others = str(error).splitlines()
    return "; ".join(others) or first


def _hint(point: Point, error: BaseException) -> str:
    """Why a file cannot import what lies beside it."""
    if not point.file or not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    sibling = Path(point.file.path).parent / error.name.partition(".")[0]
    if not (sibling.is_dir() or sibling.with_suffix(".py").is_file()):
        return ""
    return "; a plugin file is loaded alone, without what lies beside it: make a package of them (glueft plugin new)"
