"""Makes the package of a new plugin from the templates in `template/`: plain files with `$name` in them.

A template's path says where its file goes: `MODULE` and `NAME` in it stand for the plugin's own, and `.txt` is left
out, so that no tool mistakes a template for the file it becomes.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from glueft.errors import PluginError
from glueft.plugin.contract import NAME
from glueft.plugin.kinds import KINDS
from glueft.plugin.registry import Registry
from glueft.version import __version__

LONGEST = 40
_ROOT = files("glueft.plugin").joinpath("template")


def make_package(name: str, kind: str, directory: Path, registry: Registry) -> list[Path]:
    """Write the package `glueft-NAME` into a folder, and return its files.

    Args:
        name: of the plugin.
        kind: one of `kinds_with_template`.
        directory: where the package's folder is made.
        registry: the plugins that exist.

    Raises:
        PluginError: there is no template for the kind, the name is invalid or taken, or the folder exists.
    """
    if kind not in kinds_with_template():
        raise PluginError(
            f"there is no template for {KINDS[kind].with_article}",
            expected=f"one of {', '.join(kinds_with_template())}",
            received=f'"{kind}"',
            fix="start from one of glueft's own in plugins/, or from the example of its hook in docs/plugins.md",
        )
    check_name(name, kind, registry)
    package = f"glueft-{name.replace('_', '-')}"
    folder = directory / package
    if folder.exists() or folder.is_symlink():
        raise PluginError(
            f"{folder}: the folder of the new package exists already",
            expected="a folder that does not exist yet",
            received="a folder" if folder.is_dir() else "a file",
            fix="choose another name, another place with --directory, or move that one away",
        )
    words = {
        "name": name,
        "kind": kind,
        "package": package,
        "module": module_of(name),
        "class_name": class_of(name, kind),
        "glueft_version": __version__,
    }
    rendered = {place: Template(text).substitute(words) for place, text in templates(kind).items()}
    try:
        for place, text in rendered.items():
            file = folder / place.replace("MODULE", words["module"]).replace("NAME", name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise PluginError(
            f"the package {folder} cannot be made",
            expected="a folder that can be written to, or a path where one can be made",
            received=error.strerror or str(error),
            fix="name another place with --directory",
        ) from error
    return sorted(file for file in folder.rglob("*") if file.is_file())


def kinds_with_template() -> list[str]:
    """The kinds that have a template."""
    return [kind for kind in KINDS if _ROOT.joinpath(kind).is_dir()]


def templates(kind: str) -> dict[str, str]:
    """The text of every template of a kind by its path; a kind's own takes the place of a shared one."""
    found = [*_walk(_ROOT.joinpath("shared"), ""), *_walk(_ROOT.joinpath(kind), "")]
    return {place.removesuffix(".txt"): text for place, text in found}


def _walk(folder: Traversable, place: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, f"{place}{entry.name}/")
        elif entry.name.endswith(".txt"):
            yield f"{place}{entry.name}", entry.read_text(encoding="utf-8")


def check_name(name: str, kind: str, registry: Registry) -> None:
    """Raise PluginError if no plugin can have this name, or one has it already."""
    suggestion = nearest_name(name, kind)
    if name != suggestion:
        raise PluginError(
            f'"{name}" cannot be the name of a plugin',
            expected=f'at most {LONGEST} lower-case letters, digits, single "_" and "-"; a letter first, no sign last',
            received=f'"{name}"',
            fix=f'call it "{suggestion}"',
        )
    for plugin in registry.all():
        if plugin.name == name:
            raise PluginError(
                f'there is a plugin called "{name}" already',
                expected="a name that is not taken",
                received=f"the {plugin.kind} of {plugin.origin}",
                fix=f'choose another name, such as "my_{name}"',
            )
    module = module_of(name)
    if importlib.util.find_spec(module) is not None:
        raise PluginError(
            f'a plugin called "{name}" would need the module {module}, which is installed already',
            expected="a name whose module does not exist yet",
            received=f"the module {module}" + "".join(f" of {owner}" for owner in _owners(module)),
            fix=f'choose another name, such as "my_{name}"',
        )


def nearest_name(name: str, kind: str) -> str:
    """The nearest name that a plugin can have; the name itself if that is one."""
    letters = unicodedata.normalize("NFKD", name.strip().lower()).encode("ascii", "ignore").decode("ascii")
    plain = re.sub(r"[^a-z0-9_-]+", "_", letters)
    plain = re.sub(r"^glueft[_-]+", "", plain)
    plain = re.sub(r"([_-])[_-]+", r"\1", plain)
    plain = re.sub(r"^[^a-z]+", "", plain)[:LONGEST].strip("_-")
    return plain if NAME.fullmatch(plain) else f"my_{kind}"


def module_of(name: str) -> str:
    """The module of a plugin's package."""
    return f"glueft_{name.replace('-', '_')}"


def class_of(name: str, kind: str) -> str:
    """The class of a plugin, in camel case and with its kind last: no word of Python, and no class of the tests."""
    found = "".join(part[:1].upper() + part[1:] for part in re.split("[_-]", name))
    return found if found.lower().endswith(kind) else f"{found}{kind.capitalize()}"


def _owners(module: str) -> list[str]:
    return importlib.metadata.packages_distributions().get(module, [])[:1]
