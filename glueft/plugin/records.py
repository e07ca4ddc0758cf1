"""What is known of the plugins that were found, and of those that cannot be used."""

from __future__ import annotations

import functools
import importlib.metadata
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from glueft.plugin.base import Plugin
from glueft.plugin.file import PluginFile

# The group of entry points that glueft looks into.
GROUP = "glueft"


class Point(Protocol):
    """Where plugins come in: an entry point of an installed package, or a file that the user named."""

    @property
    def id(self) -> str:
        """The name under which pluggy has it."""

    @property
    def package(self) -> str:
        """The distribution that brings it; of a file, its path."""

    @property
    def version(self) -> str:
        """That distribution's version; empty for a file."""

    @property
    def file(self) -> PluginFile | None:
        """The file, if it is one."""

    def load(self) -> ModuleType:
        """Import the module. It raises whatever the module raises."""

    def failure(self, reason: str, kind: str | None = None, name: str | None = None) -> Failure:
        """Something of it that cannot be used."""


# Cached: a distribution reads its METADATA, which is long, anew each time it is asked.
@functools.cache
def _name_and_version(distribution: importlib.metadata.Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


@dataclass(frozen=True)
class EntryPoint:
    """One entry point of an installed package."""

    entry: importlib.metadata.EntryPoint
    file = None

    @property
    def package(self) -> str:
        """The distribution that declares it."""
        return _name_and_version(self.entry.dist)[0] if self.entry.dist else "(unknown package)"

    @property
    def version(self) -> str:
        """That distribution's version."""
        return _name_and_version(self.entry.dist)[1] if self.entry.dist else "(unknown)"

    @property
    def id(self) -> str:
        """Package and entry point: two packages may use the same name for an entry point."""
        return f"{self.package}:{self.entry.name}"

    @property
    def right_line(self) -> str:
        """How pyproject.toml declares it: the group, and the module alone."""
        return f'{self.entry.name} = "{self.entry.module}" below [project.entry-points.{GROUP}] in pyproject.toml'

    def load(self) -> ModuleType:
        """Import the module that the entry point names."""
        module: ModuleType = self.entry.load()
        return module

    def failure(self, reason: str, kind: str | None = None, name: str | None = None) -> Failure:
        """Something of this entry point that cannot be used."""
        return Failure(self.entry.name, self.package, self.version, reason, kind, name)


@dataclass(frozen=True)
class FilePoint:
    """A file that the user named."""

    file: PluginFile
    version = ""

    @property
    def id(self) -> str:
        """The file's path."""
        return self.file.path

    @property
    def package(self) -> str:
        """The file's path: no package brings it."""
        return self.file.path

    def load(self) -> ModuleType:
        """Run the file as a module."""
        return self.file.load()

    def failure(self, reason: str, kind: str | None = None, name: str | None = None) -> Failure:
        """Something of this file that cannot be used."""
        return Failure(None, None, None, reason, kind, name, self.file.path)


@dataclass(frozen=True)
class Registered:
    """A plugin that can be used: its class, and what brought it."""

    kind: str
    name: str
    cls: type[Plugin]
    point: Point

    @property
    def package(self) -> str:
        """The distribution that brings it; of a file, its path."""
        return self.point.package

    @property
    def version(self) -> str:
        """That distribution's version; empty for a file."""
        return self.point.version

    @property
    def origin(self) -> str:
        """Both: `glueft-mood 1.0`, or the file's path."""
        return f"{self.package} {self.version}".strip()


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
