"""Commands that plugins add."""

from __future__ import annotations

from collections import Counter

import typer

from glueft.plugin.origin import Failure
from glueft.plugin.registry import Registry
from glueft.system.standard_output import aside


def add_plugin_commands(app: typer.Typer, registry: Registry) -> list[Failure]:
    """Let each plugin add its commands; return the failures, a name already in use among them.

    The commands of a plugin that fails are removed again.
    """
    failures = []
    for point in registry.implementing("glueft_commands"):
        commands, groups = list(app.registered_commands), list(app.registered_groups)
        taken = _names(app)
        with aside():
            failure = registry.call("glueft_commands", point, app=app)
        added = list((Counter(_names(app)) - Counter(taken)).elements())
        clashes = sorted({name for name in added if name in taken or added.count(name) > 1})
        if failure is None and clashes:
            failure = point.failure(f'it adds a command "{clashes[0]}", a name that is already in use')
        if failure is not None:
            app.registered_commands, app.registered_groups = commands, groups
            failures.append(failure)
    return failures


def _names(app: typer.Typer) -> list[str]:
    """The names of all commands and groups, in the order in which they were added, groups last."""
    commands = [
        command.name or getattr(command.callback, "__name__", "").lower().replace("_", "-")
        for command in app.registered_commands
    ]
    groups = [
        group.name or (group.typer_instance.info.name if group.typer_instance else None)
        for group in app.registered_groups
    ]
    return commands + [name for name in groups if isinstance(name, str)]
