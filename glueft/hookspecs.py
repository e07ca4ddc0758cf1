"""The hooks. A plugin package implements any of them in the module that its entry point (group `glueft`) names.

import glueft

@glueft.hookimpl
def glueft_tasks():
    return [MyTask]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from glueft.plugin import Callback, Optimizer, Schedule, Task
    from glueft.run_folder import Run

hookspec = pluggy.HookspecMarker("glueft")


@hookspec
def glueft_tasks() -> list[type[Task]]:  # type: ignore[empty-body]
    """Return task classes: `return [MRPC]`."""


@hookspec
def glueft_optimizers() -> list[type[Optimizer]]:  # type: ignore[empty-body]
    """Return optimizer classes: `return [Adam]`."""


@hookspec
def glueft_schedules() -> list[type[Schedule]]:  # type: ignore[empty-body]
    """Return schedule classes: `return [Linear]`."""


@hookspec
def glueft_callbacks() -> list[type[Callback]]:  # type: ignore[empty-body]
    """Return callback classes, which recipes name in `[[callbacks]]`: `return [EarlyStopping]`."""


@hookspec
def glueft_run_finished(run: Run) -> None:
    """Called after every run, also a failed one: `print(run.folder, run.record["status"])`."""


@hookspec
def glueft_commands(app: typer.Typer) -> None:
    """Add commands to the command line: `app.command("hello")(hello)`."""
