"""Finds the plugins of all installed packages, checks them, and explains what it cannot find.

A package takes part with an entry point in the group `glueft` that names a module with hooks (`glueft.hookspecs`).
Every entry point is loaded on its own: one that fails is remembered with its reason, and the others go on.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pluggy

from glueft import hookspecs
from glueft.errors import PluginError
from glueft.nearest import did_you_mean
from glueft.plugin_contract import BASES, HOOK_OF_KIND, NAME, breach
from glueft.plugin_records import Failure, Point, Registered

GROUP = "glueft"
KINDS = tuple(BASES)

__all__ = ["KINDS", "Failure", "Registered", "Registry", "load_registry"]


@dataclass(frozen=True)
class Registry:
    """The plugins of this environment.

    Attributes:
        manager: pluggy's, with every module that could be loaded.
        points: the entry point of each of those modules, by the name under which the manager has it.
        plugins: what the modules offer, by kind and name.
        failures: what could not be used, and why.
    """

    manager: pluggy.PluginManager
    points: dict[str, Point] = field(default_factory=dict)
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

    def implementing(self, hook: str) -> list[Point]:
        """The entry points whose module has this hook."""
        plugins = {implementation.plugin_name for implementation in getattr(self.hook, hook).get_hookimpls()}
        return [point for point in self.points.values() if point.id in plugins]

    def call(self, hook: str, point: Point, **arguments: Any) -> Failure | None:
        """Call one plugin's hook, so that a plugin that raises does not keep the others from theirs.

        Args:
            hook: `glueft_run_finished` or `glueft_commands`.
            point: one of `implementing(hook)`.
            arguments: what the hook is given.

        Returns:
            The failure if the hook raised.
        """
        others = [plugin for name, plugin in self.manager.list_name_plugin() if name != point.id]
        try:
            self.manager.subset_hook_caller(hook, others)(**arguments)
        except Exception as error:
            return point.failure(f"its {hook} failed: {_said(error)}")
        return None

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
                received="; ".join(map(str, lost)),
                mend="mend or uninstall the package",
            )
        names = self.names(kind)
        mend = f"{did_you_mean(name, names)} Installed: {', '.join(names) or 'none'}".strip()
        # A package that could not be used at all might have brought the plugin.
        suspects = [failure for failure in self.failures if failure.name is None]
        if suspects:
            mend += ".  It may be in what could not be used: " + "; ".join(map(str, suspects))
        raise PluginError(
            f'no {kind} is called "{name}"',
            expected=f"one of {', '.join(names) or '(none is installed)'}",
            received=f'"{name}"',
            mend=mend,
        )


@functools.cache
def load_registry() -> Registry:
    """Load the plugins of all installed packages, once for the process; `load_registry.cache_clear()` forgets them."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    # Sorted, so that what is told first does not hang on the order of folders on the disk.
    points = sorted(map(Point, importlib.metadata.entry_points(group=GROUP)), key=lambda point: point.id)
    for point in points:
        _register(registry, point)
    claims: dict[tuple[str, str], list[Registered]] = {}
    for point in registry.points.values():
        for kind, cls in _offered(registry, point):
            _claim(registry, claims, point, kind, cls)
    for (kind, name), claimants in claims.items():
        if len(claimants) == 1:
            registry.plugins[kind, name] = claimants[0]
        else:
            registry.failures.append(_clash(kind, name, claimants))
    return registry


def _register(registry: Registry, point: Point) -> None:
    """Import an entry point's module and hand it to pluggy."""
    manager = registry.manager
    try:
        module = point.entry.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, even SystemExit
        registry.failures.append(point.failure(f"cannot be imported: {_said(error)}"))
        return
    if manager.is_registered(module):  # two entry points for one module
        return
    try:
        manager.register(module, name=point.id)
    except Exception as error:
        if manager.has_plugin(point.id):
            manager.unregister(name=point.id)
        registry.failures.append(point.failure(f"breaks a hook's contract: {_said(error)}"))
        return
    registry.points[point.id] = point
    known = sorted(name for name in vars(hookspecs) if name.startswith("glueft_"))
    callers = manager.get_hookcallers(module) or []
    for caller in callers:
        if not caller.has_spec():
            hint = did_you_mean(caller.name, known) or f"the hooks are {', '.join(known)}"
            registry.failures.append(point.failure(f'there is no hook "{caller.name}"; {hint.strip()}'))
    if not callers:
        bare = [name for name in known if hasattr(module, name)]
        hint = f"; put @glueft.hookimpl above {bare[0]}" if bare else ""
        registry.failures.append(point.failure(f"has no hooks{hint}"))


def _offered(registry: Registry, point: Point) -> Iterator[tuple[str, Any]]:
    """Yield each kind and class that an entry point's hooks return."""
    for kind, hook in HOOK_OF_KIND.items():
        for implementation in getattr(registry.hook, hook).get_hookimpls():
            if implementation.plugin_name != point.id:
                continue
            try:
                offered = implementation.function()
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                registry.failures.append(point.failure(f"its {hook} failed: {_said(error)}"))
                continue
            if isinstance(offered, (list, tuple)):
                yield from ((kind, cls) for cls in offered)
            else:
                given = "nothing" if offered is None else f"a {type(offered).__name__}"
                reason = f"its {hook} must return a list of classes, and returned {given}"
                registry.failures.append(point.failure(reason))


def _claim(
    registry: Registry, claims: dict[tuple[str, str], list[Registered]], point: Point, kind: str, cls: Any
) -> None:
    """Check a class and enter its claim to a name."""
    name = None
    try:
        name = getattr(cls, "name", None)
        reason = breach(kind, cls)
    except Exception as error:  # a class whose attributes raise
        reason = f"a {kind} of it cannot be checked: {_said(error)}"
    if reason:
        known = name if isinstance(name, str) and NAME.fullmatch(name) else None
        registry.failures.append(point.failure(reason, kind if known else None, known))
        return
    claimants = claims.setdefault((kind, str(name)), [])
    if all(claimant.cls is not cls for claimant in claimants):
        claimants.append(Registered(kind, str(name), cls, point.package, point.version, point))


def _clash(kind: str, name: str, claimants: list[Registered]) -> Failure:
    packages = list(dict.fromkeys(claimant.package for claimant in claimants))
    if len(packages) == 1:
        reason = f'it brings {len(claimants)} {kind} classes called "{name}"; each needs a name of its own'
    else:
        reason = f'{" and ".join(packages)} each bring a {kind} called "{name}"; uninstall one of them'
    return claimants[-1].point.failure(reason, kind, name)


def _said(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
