"""Finds the plugins of all installed packages, checks them, and explains what it cannot find.

A package takes part with an entry point in the group `glueft` that names a module with hooks (`glueft.hookspecs`).
Every entry point is loaded on its own: one that fails is remembered with its reason, and the others go on.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pluggy

from glueft import hookspecs
from glueft.errors import PluginError
from glueft.nearest import did_you_mean, nearest
from glueft.plugin import Plugin
from glueft.plugin_contract import BASES, HOOK_OF_KIND, breach

GROUP = "glueft"
KINDS = tuple(BASES)


@dataclass(frozen=True)
class Registered:
    """A plugin that can be used: its class, and the package that brought it."""

    kind: str
    name: str
    cls: type[Plugin]
    package: str
    version: str


@dataclass(frozen=True)
class Failure:
    """Something that a package offers and that cannot be used.

    Attributes:
        entry_point: the name on the left of the entry point.
        package, version: the distribution that declares it.
        reason: one sentence.
        kind, name: of the plugin that is lost, if that much is known.
    """

    entry_point: str
    package: str
    version: str
    reason: str
    kind: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        return f"package {self.package} {self.version}, entry point {self.entry_point}: {self.reason}"


@dataclass(frozen=True)
class Registry:
    """The plugins of this environment.

    Attributes:
        manager: pluggy's, with every module that could be loaded.
        failures: what could not be used, and why.
    """

    manager: pluggy.PluginManager
    plugins: dict[tuple[str, str], Registered] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def hook(self) -> Any:
        """pluggy's relay: `registry.hook.glueft_run_finished(run=run)`."""
        return self.manager.hook

    def all(self, kind: str | None = None) -> list[Registered]:
        """Every usable plugin, or those of one kind, sorted by kind (in the order of a recipe) and name."""
        found = [plugin for plugin in self.plugins.values() if kind in (None, plugin.kind)]
        return sorted(found, key=lambda plugin: (KINDS.index(plugin.kind), plugin.name))

    def names(self, kind: str) -> list[str]:
        """The names of the usable plugins of a kind, sorted."""
        return [plugin.name for plugin in self.all(kind)]

    def find(self, kind: str, name: str) -> Registered:
        """Return the plugin that a recipe names.

        Raises:
            PluginError: there is none; the error gives the nearest name, or why a package's plugin cannot be used.
        """
        found = self.plugins.get((kind, name))
        if found is not None:
            return found
        lost = [failure for failure in self.failures if (failure.kind, failure.name) == (kind, name)]
        if lost:
            raise PluginError(
                f'{kind} "{name}" cannot be used',
                expected=f"one {kind} of that name that keeps to the plugin contract",
                received="; ".join(str(failure) for failure in lost),
                mend="mend or uninstall " + " or ".join(dict.fromkeys(failure.package for failure in lost)),
            )
        # A package that could not be loaded at all might have brought the plugin.
        suspects = [failure for failure in self.failures if failure.name is None]
        mend = did_you_mean(name, self.names(kind)) or f"`glueft list {kind}` shows what is installed. "
        if suspects:
            mend += "It may be in a package that could not be used: " + "; ".join(map(str, suspects)) + ". "
        elif not nearest(name, self.names(kind)):
            mend += f"Else install the package that brings this {kind}."
        raise PluginError(
            f'no {kind} is called "{name}"',
            expected=f"one of {', '.join(self.names(kind)) or '(none is installed)'}",
            received=f'"{name}"',
            mend=mend.strip(),
        )


@functools.cache
def load_registry() -> Registry:
    """Load the plugins of all installed packages, once for the process; `load_registry.cache_clear()` forgets them."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    owners: dict[str, importlib.metadata.EntryPoint] = {}
    # Sorted, so that which error is told first does not hang on the order of folders on the disk.
    points = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda point: (_package(point), point.name))
    for point in points:
        _register(registry, point, owners)
    for point_id, point in owners.items():
        for kind, cls in _offered(registry, point_id, point):
            _adopt(registry, point, kind, cls)
    return registry


def _register(registry: Registry, point: importlib.metadata.EntryPoint, owners: dict[str, Any]) -> None:
    """Import an entry point's module and hand it to pluggy."""
    manager = registry.manager
    try:
        module = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, even SystemExit
        _fail(registry, point, f"cannot be imported: {_said(error)}")
        return
    if manager.is_registered(module):  # two entry points for one module
        return
    point_id = f"{_package(point)}:{point.name}"
    try:
        manager.register(module, name=point_id)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if manager.has_plugin(point_id):
            manager.unregister(name=point_id)
        _fail(registry, point, f"breaks a hook's contract: {_said(error)}")
        return
    callers = manager.get_hookcallers(module) or []
    known = {name for name in vars(hookspecs) if name.startswith("glueft_")}
    for caller in callers:
        if not caller.has_spec():
            _fail(registry, point, f'there is no hook "{caller.name}"; {did_you_mean(caller.name, known)}'.strip("; "))
    if not callers:
        bare = sorted(known & set(vars(module))) if isinstance(module, ModuleType) else []
        hint = f"; put @glueft.hookimpl above {bare[0]}" if bare else ""
        _fail(registry, point, f"has no hooks{hint}")
    owners[point_id] = point


def _offered(registry: Registry, point_id: str, point: importlib.metadata.EntryPoint) -> Iterator[tuple[str, Any]]:
    """Yield each kind and class that a package's hooks return."""
    for kind, hook_name in HOOK_OF_KIND.items():
        for implementation in getattr(registry.manager.hook, hook_name).get_hookimpls():
            if implementation.plugin_name != point_id:
                continue
            try:
                offered = implementation.function()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                _fail(registry, point, f"its {hook_name} failed: {_said(error)}")
                continue
            if not isinstance(offered, (list, tuple)):
                given = "nothing" if offered is None else f"a {type(offered).__name__}"
                _fail(registry, point, f"its {hook_name} must return a list of classes, and returned {given}")
                continue
            for cls in offered:
                yield kind, cls


def _adopt(registry: Registry, point: importlib.metadata.EntryPoint, kind: str, cls: Any) -> None:
    """Check a class and enter it under its name, unless it or its name cannot be used."""
    try:
        reason = breach(kind, cls)
    except Exception as error:  # a class whose attributes raise
        reason = f"{cls!r:.60} cannot be checked: {_said(error)}"
    name = getattr(cls, "name", None)
    name = name if isinstance(name, str) else None
    if reason:
        _fail(registry, point, reason, kind, name)
        return
    assert name is not None
    found = Registered(kind, name, cls, _package(point), _version(point))
    other = registry.plugins.get((kind, name))
    if other is not None and other.cls is cls:
        return
    clash = [failure for failure in registry.failures if (failure.kind, failure.name) == (kind, name)]
    if other is not None or any("both bring" in failure.reason for failure in clash):
        first = other.package if other else clash[0].package
        registry.plugins.pop((kind, name), None)
        reason = f'{first} and {found.package} both bring a {kind} called "{name}"; uninstall one of them'
        _fail(registry, point, reason, kind, name)
        return
    registry.plugins[kind, name] = found


def _fail(
    registry: Registry,
    point: importlib.metadata.EntryPoint,
    reason: str,
    kind: str | None = None,
    name: str | None = None,
) -> None:
    registry.failures.append(Failure(point.name, _package(point), _version(point), reason, kind, name))


def _said(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _package(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.name if point.dist else "(unknown package)"


def _version(point: importlib.metadata.EntryPoint) -> str:
    return point.dist.version if point.dist else "(unknown)"
