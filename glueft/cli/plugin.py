"""`glueft plugin`: the commands for authors of plugins."""

from __future__ import annotations

import typer

from glueft.cli import plugin_check, plugin_new


def plugin_app() -> typer.Typer:
    """The group `glueft plugin`."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Begin a plugin of your own, and check it.")
    app.command("new", epilog=plugin_new.EPILOG)(plugin_new.new)
    app.command("check", epilog=plugin_check.EPILOG)(plugin_check.check)
    return app
