"""Finds the plugins of all installed packages, checks them, and explains why one cannot be found or used.

A package takes part with an entry point in the group `glueft` that names a module with hooks (see `hookspecs`).
Every entry point is loaded on its own: one that fails, or hangs, is noted with its reason, and the others are loaded.
A file that the user names takes part in the same way; nothing else of the working folder does.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pluggy

from glueft.errors import PluginError
from glueft.plugin import hookspecs
from glueft.plugin.attribution import said
from glueft.plugin.base import Plugin
from glueft.plugin.contract import NAME, breach
from glueft.plugin.file import PluginFile, read_plugin_file
from glueft.plugin.kinds import KINDS
from glueft.plugin.loading import Loaded, Loader, hook_of_one
from glueft.plugin.origin import GROUP, Failure, Point, remember
from glueft.plugin.trace import trace_if_asked
from glueft.suggest import did_you_mean
from glueft.system.timeout import import_seconds
from glueft.text import say

# What may follow "glueft" in the name of a wrong entry point group.
_MEANT = re.compile(rf"(?i)glueft[._-]?({'|'.join(KINDS)}|plugin|hook|command)(e?s)?$")


@dataclass(frozen=True)
class Registered:
    """A plugin that can be used: its class, and where it comes from."""

    kind: str
    name: str
    cls: type[Plugin]
    point: Point

    @property
    def package(self) -> str:
        return self.point.package

    @property
    def version(self) -> str:
        return self.point.version

    @property
    def origin(self) -> str:
        """Both: `glueft-mood 1.0`, or the file's path."""
        return f"{self.package} {self.version}".strip()


@dataclass(frozen=True)
class Registry:
    """The plugins of this environment.

    Attributes:
        manager: pluggy's, with every module that could be loaded.
        points: the entry point or file of each of those modules, by the name under which the manager has it.
        plugins: what the modules offer, by kind and name.
        failures: what cannot be used, and why.
        loaded: the result of loading each entry point and file, by the same name.
        replaced: each plugin of a file that takes the place of a package's, and the latter.
    """

    manager: pluggy.PluginManager
    points: dict[str, Point] = field(default_factory=dict)
    plugins: dict[tuple[str, str], Registered] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    loaded: dict[str, Loaded] = field(default_factory=dict)
    replaced: list[tuple[Registered, Registered]] = field(default_factory=list)

    @property
    def file_failures(self) -> list[Failure]:
        return [failure for failure in self.failures if failure.file is not None]

    @property
    def hook(self) -> Any:
        """pluggy's relay: `registry.hook.glueft_run_finished(run=run)`."""
        return self.manager.hook

    def all(self, kind: str | None = None) -> list[Registered]:
        """Every usable plugin, or those of one kind, sorted by kind (in the order of `KINDS`) and name."""
        found = [plugin for plugin in self.plugins.values() if kind in (None, plugin.kind)]
        order = list(KINDS)
        return sorted(found, key=lambda plugin: (order.index(plugin.kind), plugin.name))

    def names(self, kind: str) -> list[str]:
        return [plugin.name for plugin in self.all(kind)]

    def classes(self, kind: str) -> dict[str, type[Any]]:
        """The usable classes of a kind by name: glueft's own in the order of their hook, then the others."""
        found = [plugin for plugin in self.plugins.values() if plugin.kind == kind]
        found.sort(key=lambda plugin: plugin.package != "glueft")
        return {plugin.name: plugin.cls for plugin in found}

    def implementing(self, hook: str) -> list[Point]:
        """The entry points and files that implement a hook."""
        plugins = {implementation.plugin_name for implementation in getattr(self.hook, hook).get_hookimpls()}
        return [point for point in self.points.values() if point.id in plugins]

    def call(self, hook: str, point: Point, **arguments: Any) -> Failure | None:
        """Call one plugin's hook, so that one that raises does not keep the others from theirs.

        Args:
            hook: `glueft_run_finished` or `glueft_commands`.
            point: one of `implementing(hook)`.
            arguments: those of the hook.

        Returns:
            The failure if the hook raised.
        """
        try:
            hook_of_one(self.manager, hook, point)(**arguments)
        except Exception as error:
            return point.failure(f"its {hook} failed: {said(error)}")
        return None

    def find(self, kind: str, name: str) -> Registered:
        """Return the plugin of a kind and name.

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
                received="; ".join(map(str, lost)),
                fix="fix or uninstall the package",
            )
        names = self.names(kind)
        fix = f"{did_you_mean(name, names)} Installed: {', '.join(names) or 'none'}".strip()
        if not names:  # There are some of every kind; a checkout knows those that it had when it was installed.
            fix += f".  glueft's own {KINDS[kind].plural} are not installed: in a checkout, pip install -e . again"
        # A package that could not be used at all might have brought the plugin.
        suspects = [failure for failure in self.failures if failure.name is None]
        if suspects:
            fix += ".  It may be in what could not be used: " + "; ".join(map(str, suspects))
        raise PluginError(
            f'no {kind} is called "{name}"',
            expected=f"one of {', '.join(names) or '(none is installed)'}",
            received=f'"{name}"',
            fix=fix,
        )


@functools.cache
def load_registry(*files: PluginFile) -> Registry:
    """Load the plugins of all installed packages and of some files, once for the process and the same files.

    A note on standard error says where a file's plugin takes the place of a package's. `load_registry.cache_clear()`
    has them loaded again.

    Args:
        files: plugin files that the user named, from `read_plugin_file`. A package that cannot be used is left out; a
            file that cannot be used is for the caller to refuse, by `Registry.file_failures`.
    """
    # Sorted: the order of messages does not depend on that of folders on the disk.
    declared = importlib.metadata.entry_points()
    entries = sorted(map(Point.of_entry, declared.select(group=GROUP)), key=lambda point: point.id)
    # No package is imported or asked a second time: with files, the packages come from the registry without.
    known = load_registry().loaded if files else {}
    registry = registry_of([*entries, *map(Point.of_file, files)], known)
    registry.failures.extend(_misplaced(declared, {point.package for point in entries}))
    _remove_misfits(registry)
    for plugin, other in registry.replaced:
        told = f'the {plugin.kind} "{plugin.name}" of {plugin.package} takes the place of that of {other.origin}'
        say(f"note: {told}", stream=sys.stderr)
    return registry


_files_in_use: tuple[PluginFile, ...] = ()


def use_registry(*files: PluginFile) -> Registry:
    """Load the registry as `load_registry` does. Until the next call, `known_classes` goes by these files."""
    global _files_in_use
    _files_in_use = files
    return load_registry(*files)


def use_plugin_files(paths: Iterable[str | Path]) -> Registry:
    """Use the installed plugins, and those of plugin files, as `use_registry` does.

    Raises:
        PluginError: such a file cannot be used.
    """
    registry = use_registry(*dict.fromkeys(map(read_plugin_file, paths)))
    for failure in registry.file_failures:
        raise PluginError(
            str(failure),
            expected="a file whose plugins can all be used",
            received=failure.reason,
            fix="fix the file, or leave out --plugin",
        )
    return registry


def known_classes(kind: str) -> dict[str, type[Any]]:
    """The classes of a kind by name: of installed packages, and of the plugin files in use (see `use_registry`)."""
    return load_registry(*_files_in_use).classes(kind)


def registry_of(points: Iterable[Point], known: Mapping[str, Loaded] | None = None) -> Registry:
    """Load the plugins of some entry points and files, and of no others.

    Args:
        points: where to load them from.
        known: earlier results by `Point.id`; those points are not loaded again.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    trace_if_asked(manager)
    registry = Registry(manager)
    loader = Loader(manager, import_seconds())
    claims: dict[tuple[str, str], list[Registered]] = {}
    for point in points:
        before = (known or {}).get(point.id)
        if before is not None and before.module is not None:
            manager.register(before.module, name=point.id)
        loaded = registry.loaded[point.id] = before or loader.load(point)
        registry.failures.extend(loaded.failures)
        if loaded.module is None:
            continue
        registry.points[point.id] = point
        for kind, cls in loaded.offered:
            _claim(registry, claims, point, kind, cls)
    for claimants in claims.values():
        _settle(registry, claimants)
    return registry


def _misplaced(declared: Any, found: AbstractSet[str]) -> list[Failure]:
    """Entry points that are meant for glueft but stand in another group, such as "glueft.tasks" or "glueft_plugins".

    A package that is found may have groups of its own, for plugins of its own: they are left alone.

    Args:
        declared: every entry point, from `importlib.metadata.entry_points`; its type depends on Python's version.
        found: the packages with an entry point in the right group.
    """
    groups = [group for group in sorted(declared.groups) if group != GROUP and GROUP in group.lower()]
    points = [(Point.of_entry(entry), group) for group in groups for entry in declared.select(group=group)]
    return [
        point.failure(
            f'its entry point stands in the group "{group}", which glueft does not read: write {point.right_line}'
        )
        for point, group in sorted(points, key=lambda pair: (pair[0].id, pair[1]))
        if point.package not in found or _MEANT.search(group)
    ]


def _remove_misfits(registry: Registry) -> None:
    """Take out the plugins that break the contract now that the others are known."""
    for plugin in registry.all():
        fits = KINDS[plugin.kind].fits
        try:
            reason = fits(plugin.cls, registry.classes) if fits else None
        except Exception as error:
            reason = f"the {plugin.kind} cannot be checked: {said(error)}"
        if reason:
            registry.failures.append(plugin.point.failure(reason, plugin.kind, plugin.name))
            del registry.plugins[plugin.kind, plugin.name]


def _claim(
    registry: Registry, claims: dict[tuple[str, str], list[Registered]], point: Point, kind: str, cls: Any
) -> None:
    """Check a class and enter its claim to a name."""
    name = None
    try:
        name = getattr(cls, "name", None)
        reason = breach(kind, cls)
    except Exception as error:  # a class with attributes that raise
        reason = f"a {kind} of it cannot be checked: {said(error)}"
    if reason:
        known = name if isinstance(name, str) and NAME.fullmatch(name) else None
        registry.failures.append(point.failure(reason, kind if known else None, known))
        return
    claimants = claims.setdefault((kind, str(name)), [])
    if all(claimant.cls is not cls for claimant in claimants):
        claimants.append(Registered(kind, str(name), cls, point))
        remember(cls, point)


def _settle(registry: Registry, claimants: list[Registered]) -> None:
    """Give a name to the only class that claims it; a file takes it from a package, but not from glueft itself."""
    kind, name = claimants[0].kind, claimants[0].name
    installed = [claimant for claimant in claimants if not claimant.point.file]
    own = [claimant for claimant in installed if claimant.package == "glueft"]
    files = [claimant for claimant in claimants if claimant.point.file]
    # The failure belongs to the latest claimant that is not glueft.
    last = next((claimant for claimant in reversed(claimants) if claimant.package != "glueft"), claimants[-1]).point
    packages = list(dict.fromkeys(claimant.package for claimant in claimants))
    a_kind = KINDS[kind].with_article
    if len(claimants) == 1:
        registry.plugins[kind, name] = claimants[0]
        return
    if len(files) == len(installed) == 1 and not own:
        registry.plugins[kind, name] = files[0]
        registry.replaced.append((files[0], installed[0]))
        return
    if len(packages) == 1:
        reason = f'it brings {len(claimants)} {kind} classes called "{name}"; each needs a name of its own'
    elif files and own and own == installed:
        registry.plugins[kind, name] = own[0]
        reason = f'package {own[0].origin} has {a_kind} called "{name}" already; give this one another name'
    else:
        fix = "uninstall one of them" if len(files) < 2 else "name one of the files"
        reason = f'{" and ".join(packages)} each bring {a_kind} called "{name}"; {fix}'
    registry.failures.append(last.failure(reason, kind, name))
