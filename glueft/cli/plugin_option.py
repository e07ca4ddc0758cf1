"""`--plugin FILE.py`, which most commands take: a plugin from a file, for this one command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glueft.plugin.registry import Registry

PluginFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", metavar="FILE.py", help="Load the plugins of this Python file as well; it is run. Repeatable."
    ),
]

Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run the plugin files that a run folder names, even if no run of yours here has."),
]


def registry_with(files: Sequence[str] | None) -> Registry:
    """The installed plugins, and those of the files that `--plugin` names.

    Raises:
        PluginError: such a file cannot be used.
    """
    from glueft.errors import PluginError
    from glueft.plugin.file import read_plugin_file
    from glueft.plugin.registry import load_registry

    registry = load_registry(*dict.fromkeys(map(read_plugin_file, files or ())))
    for failure in registry.file_failures:
        raise PluginError(
            str(failure),
            expected="a file whose plugins can all be used",
            received=failure.reason,
            fix="fix the file, or leave out --plugin",
        )
    return registry
