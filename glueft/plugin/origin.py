"""Where plugins come from: an entry point of an installed package, or a file; and how run.json records it."""

from __future__ import annotations

import functools
import importlib.metadata
import re
import shlex
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from glueft.plugin.base import Plugin
from glueft.plugin.file import PluginFile
from glueft.plugin.kinds import KINDS

# The group of entry points that glueft reads.
GROUP = "glueft"


# Cached: a distribution reads its METADATA, which is long, each time it is asked.
@functools.cache
def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


@dataclass(frozen=True)
class Point:
    """Where plugins come in: an entry point of an installed package, or a file that the user named.

    Attributes:
        id: the name under which pluggy has it.
        package: the distribution; of a file, its path.
        version: the distribution's version; empty for a file.
        entry: the entry point; None for a file.
        file: the file; None for an entry point.
    """

    id: str
    package: str
    version: str
    entry: importlib.metadata.EntryPoint | None = None
    file: PluginFile | None = None

    @classmethod
    def of_entry(cls, entry: importlib.metadata.EntryPoint) -> Point:
        package, version = _name_and_version(entry.dist) if entry.dist else ("(unknown package)", "(unknown)")
        # The package is part of the id: two packages may use the same name for an entry point.
        return cls(f"{package}:{entry.name}", package, version, entry=entry)

    @classmethod
    def of_file(cls, file: PluginFile) -> Point:
        return cls(file.path, file.path, "", file=file)

    @property
    def right_line(self) -> str:
        """How pyproject.toml declares the entry point: the group, and the module only."""
        assert self.entry is not None
        return f'{self.entry.name} = "{self.entry.module}" below [project.entry-points.{GROUP}] in pyproject.toml'

    def load(self) -> ModuleType:
        """Import the module, or run the file. Raises whatever it raises."""
        if self.file is not None:
            return self.file.load()
        assert self.entry is not None
        module: ModuleType = self.entry.load()
        return module

    def failure(self, reason: str, kind: str | None = None, name: str | None = None) -> Failure:
        """Something of it that cannot be used."""
        if self.entry is None:
            return Failure(None, None, None, reason, kind, name, self.id)
        return Failure(self.entry.name, self.package, self.version, reason, kind, name)


@dataclass(frozen=True)
class Failure:
    """Something that a package or a file offers and that cannot be used.

    Attributes:
        entry_point: the name on the left of the entry point; None for a file.
        package, version: the distribution that declares it; None for a file.
        reason: one sentence.
        kind, name: of the plugin that is lost, if that much is known.
        file: the path of a file that the user named; None for a package.
    """

    entry_point: str | None
    package: str | None
    version: str | None
    reason: str
    kind: str | None = None
    name: str | None = None
    file: str | None = None

    @property
    def origin(self) -> str:
        """`package glueft-mood 1.0, entry point glueft_mood`, or `plugin file mood.py`."""
        if self.file is not None:
            return f"plugin file {self.file}"
        return f"package {self.package} {self.version}, entry point {self.entry_point}"

    def __str__(self) -> str:
        return f"{self.origin}: {self.reason}"


_BROUGHT_BY: weakref.WeakKeyDictionary[type[Plugin], Point] = weakref.WeakKeyDictionary()


def remember(cls: type[Plugin], point: Point) -> None:
    _BROUGHT_BY[cls] = point


def brought_by(plugin: Plugin | type[Plugin]) -> Point | None:
    """Return the entry point or file of a plugin; None for a class that was never registered."""
    return _BROUGHT_BY.get(plugin if isinstance(plugin, type) else type(plugin))


Origin = Mapping[str, Any]
"""Where a plugin comes from, as run.json records it: `package` and `version`, or `file` and `sha256`."""

# A run.json may come from anybody, and what it names is printed as a command: only what a package index can hold.
# https://packaging.python.org/en/latest/specifications/name-normalization/ and .../version-specifiers/
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,80}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,60}")


def origin_of(plugin: Plugin | type[Plugin]) -> dict[str, Any]:
    """Return where a plugin comes from, as run.json records it; {} where that is not known."""
    point = brought_by(plugin)
    return {} if point is None else origin_of_point(point)


def origin_of_point(point: Point) -> dict[str, Any]:
    """Return the same of an entry point or a file."""
    if point.file is not None:
        return {"file": point.file.path, "sha256": point.file.sha256}
    return {"package": point.package, "version": point.version}


def recorded_origins(record: Mapping[str, Any]) -> dict[tuple[str, str], Origin]:
    """Return the origin of each plugin of a run, by kind and name, from its run.json.

    Whatever is not as `glueft run` writes it is left out.
    """
    return {(kind, name): origin for kind, name, origin in _origins(record) if _is_origin(origin)}


def _origins(record: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    metrics = record.get("metric_facts")
    for name, facts in metrics.items() if isinstance(metrics, dict) else ():
        yield "metric", name, facts
    plugins = record.get("plugins")
    packages = plugins.get("packages") if isinstance(plugins, dict) else None
    if not isinstance(plugins, dict) or not isinstance(packages, dict):
        return
    for kind, row in KINDS.items():
        names, origins = plugins.get(row.table or ""), packages.get(row.table or "")
        if isinstance(names, str):
            yield kind, names, origins
        elif isinstance(names, list) and isinstance(origins, list):
            pairs = zip(names, origins, strict=False)
            yield from ((kind, name, origin) for name, origin in pairs if isinstance(name, str))


def _is_origin(origin: Any) -> bool:
    return isinstance(origin, dict) and any(
        isinstance(origin.get(key), str) and isinstance(origin.get(other), str)
        for key, other in (("package", "version"), ("file", "sha256"))
    )


def in_words(origin: Origin) -> str:
    """Return an origin for a message: `glueft-mood 1.0`, or `plugin file mood.py (SHA-256 0f3a...)`."""
    if "package" in origin:
        return f"{origin['package']} {origin['version']}"
    if "file" in origin:
        return f"plugin file {origin['file']} (SHA-256 {origin['sha256'][:12]}...)"
    return "unknown origin"


def how_to_get(origin: Origin) -> str:
    """Return how to get the plugin of a run: the package to install, or the file to name."""
    if "file" in origin:
        return f"the run had it from the {in_words(origin)}: name the file that you have with --plugin FILE.py"
    package, version = str(origin["package"]), str(origin["version"])
    if not _PACKAGE.fullmatch(package) or not _VERSION.fullmatch(version):
        return "the run does not name a valid package and version for it"
    return f"the run had it from {package} {version}: pip install {shlex.quote(f'{package}=={version}')}"
