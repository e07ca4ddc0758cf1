"""The installed plugins, as commands look them up and name them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from glueft.errors import GlueftError
from glueft.plugin.kinds import KINDS
from glueft.plugin.registry import Registered, Registry, load_registry, use_plugin_files
from glueft.suggest import did_you_mean
from glueft.text import say


def plugin_names() -> list[str]:
    """For completion in the shell."""
    return [plugin.name for plugin in load_registry().all()]


def warn_of_failures() -> None:
    """Warn on standard error of plugins that cannot be used."""
    for failure in load_registry().failures:
        say(f"warning: {failure}", stream=sys.stderr)


def registry_with(files: Sequence[str] | None) -> Registry:
    """The installed plugins, and those of the files that `--plugin` names.

    Raises:
        PluginError: such a file cannot be used.
    """
    return use_plugin_files(files or ())


def find_kind(kind: str, also: Sequence[str] = ()) -> str:
    """Return a kind of plugin by its name, singular or plural; `also` is what else could have been meant.

    Raises:
        GlueftError: there is no such kind.
    """
    for row in KINDS.values():
        if kind in (row.name, row.plural):
            return row.name
    raise GlueftError(
        f'there is no kind of plugin called "{kind}"',
        expected=f"one of {', '.join([*also, *KINDS])}",
        received=f'"{kind}"',
        fix=did_you_mean(kind, [*also, *KINDS]).strip() or "leave it out to list all",
    )


def find_plugin(name: str, registry: Registry, command: str = "describe") -> Registered:
    """Return a plugin by its name.

    Args:
        name: NAME or KIND/NAME.
        registry: where to look.
        command: what the user called, for messages.

    Raises:
        GlueftError: there is none, or there are several.
    """
    kind, slash, rest = name.partition("/")
    if slash:
        return registry.find(find_kind(kind), rest)
    found = [plugin for plugin in registry.all() if plugin.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = [plugin.kind for plugin in found]
        raise GlueftError(
            f'"{name}" is the name of several plugins',
            expected="the name of one plugin",
            received=f"{' and '.join(KINDS[kind].with_article for kind in kinds)} of that name",
            fix=" or ".join(f"glueft {command} {kind}/{name}" for kind in kinds),
        )
    for failure in registry.failures:
        if failure.name == name and failure.kind and failure.kind in KINDS:
            return registry.find(failure.kind, name)  # raises, with the reason
    names = [plugin.name for plugin in registry.all()]
    fix = did_you_mean(name, names).strip() or "`glueft list` shows what is installed and what cannot be used"
    suspects = [str(failure) for failure in registry.failures if failure.name is None]
    raise GlueftError(
        f'no plugin is called "{name}"',
        expected=f"one of {', '.join(names) or '(none is installed)'}",
        received=f'"{name}"',
        fix=fix + (f"  It may be in what could not be used: {'; '.join(suspects)}" if suspects else ""),
    )


def source_of(plugin: Registered) -> dict[str, str | None]:
    """Where a plugin comes from, for `--json`: a package and its version, or a file."""
    file = plugin.point.file
    return {
        "package": None if file else plugin.package,
        "version": None if file else plugin.version,
        "file": file.path if file else None,
    }
