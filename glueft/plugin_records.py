"""What is known of the plugins that were found, and of those that cannot be used."""

from __future__ import annotations

import functools
import importlib.metadata
from dataclasses import dataclass

from glueft.plugin import Plugin


@dataclass(frozen=True)
class Registered:
    """A plugin that can be used: its class, and the package that brought it."""

    kind: str
    name: str
    cls: type[Plugin]
    package: str
    version: str
    point: Point


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
class Point:
    """One entry point of an installed package."""

    entry: importlib.metadata.EntryPoint

    # Cached: a distribution reads its METADATA anew each time it is asked.
    @functools.cached_property
    def package(self) -> str:
        """The distribution that declares it."""
        return self.entry.dist.name if self.entry.dist else "(unknown package)"

    @functools.cached_property
    def version(self) -> str:
        """That distribution's version."""
        return self.entry.dist.version if self.entry.dist else "(unknown)"

    @property
    def id(self) -> str:
        """The name under which pluggy has it; two packages may use the same name for an entry point."""
        return f"{self.package}:{self.entry.name}"

    def failure(self, reason: str, kind: str | None = None, name: str | None = None) -> Failure:
        """Something of this entry point that cannot be used."""
        return Failure(self.entry.name, self.package, self.version, reason, kind, name)
