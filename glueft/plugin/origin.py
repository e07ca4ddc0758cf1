"""What brought a plugin, as run.json keeps it: the package with its version, or the plugin file with its SHA-256."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from glueft.plugin.attribution import brought_by

if TYPE_CHECKING:
    from glueft.plugin.base import Plugin
    from glueft.plugin.records import Point

Origin = Mapping[str, Any]

# A run.json may be anybody's, and what it names is printed as a command: nothing but what an index can hold.
# https://packaging.python.org/en/latest/specifications/name-normalization/ and .../version-specifiers/
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,80}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,60}")


def origin_of(plugin: Plugin) -> dict[str, Any]:
    """Return what brought a plugin: `package` and `version`, or `file` and `sha256`; {} where nobody knows."""
    point = brought_by(plugin)
    return {} if point is None else origin_of_point(point)


def origin_of_point(point: Point) -> dict[str, Any]:
    """Return the same of what is known to have brought it."""
    if point.file is not None:
        return {"file": point.file.path, "sha256": point.file.sha256}
    return {"package": point.package, "version": point.version}


def recorded_origins(record: Mapping[str, Any]) -> dict[tuple[str, str], Origin]:
    """Return what brought each plugin of a run, by kind and name, from its run.json; {} where it does not say.

    Nothing of the record is counted on: what is not as `glueft run` writes it is passed over.
    """
    plugins = record.get("plugins")
    packages = plugins.get("packages") if isinstance(plugins, dict) else None
    if not isinstance(plugins, dict) or not isinstance(packages, dict):
        return {}
    return {(kind, name): origin for kind, name, origin in _pairs(plugins, packages) if _is_origin(origin)}


def _pairs(plugins: Mapping[str, Any], packages: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for kind in ("task", "optimizer", "schedule"):
        if isinstance(plugins.get(kind), str):
            yield kind, plugins[kind], packages.get(kind)
    names, origins = plugins.get("callbacks"), packages.get("callbacks")
    if isinstance(names, list) and isinstance(origins, list):
        yield from (
            ("callback", name, origin) for name, origin in zip(names, origins, strict=False) if type(name) is str
        )


def _is_origin(origin: Any) -> bool:
    return isinstance(origin, dict) and any(
        isinstance(origin.get(key), str) and isinstance(origin.get(other), str)
        for key, other in (("package", "version"), ("file", "sha256"))
    )


def in_words(origin: Origin) -> str:
    """Return an origin as a message has it: `glueft-mood 1.0`, or `plugin file mood.py (SHA-256 0f3a...)`."""
    if "package" in origin:
        return f"{origin['package']} {origin['version']}"
    if "file" in origin:
        return f"plugin file {origin['file']} (SHA-256 {origin['sha256'][:12]}...)"
    return "nobody knows where"


def how_to_get(origin: Origin) -> str:
    """Return how to have the plugin of a run again: the package to install, or the file to name."""
    if "file" in origin:
        return f"the run had it from the {in_words(origin)}: name the file that you have with --plugin FILE.py"
    package, version = str(origin["package"]), str(origin["version"])
    if not _PACKAGE.fullmatch(package) or not _VERSION.fullmatch(version):
        return "the run does not say in a way that can be read which package brought it"
    return f"the run had it from {package} {version}: pip install {shlex.quote(f'{package}=={version}')}"
