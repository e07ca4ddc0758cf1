"""What a command or an option that does not exist was most likely meant to be."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from glueft.suggest import nearest

# Words of other tools, and what glueft calls it.
OTHER_COMMANDS = {
    "classify": "predict",
    "continue": "resume",
    "diff": "compare",
    "doctor": "env",
    "eval": "evaluate",
    "finetune": "run",
    "fine-tune": "run",
    "fit": "run",
    "help": "--help",
    "infer": "predict",
    "info": "env",
    "init": "plugin new",
    "inspect": "report",
    "ls": "list-runs",
    "runs": "list-runs",
    "search": "study",
    "sweep": "study",
    "test": "evaluate",
    "train": "run",
    "upload": "push",
    "version": "--version",
}


def known_command(arguments: Sequence[str], commands: Container[str]) -> str | None:
    """Return what to write in place of a command that is called otherwise elsewhere; None if it is no such word."""
    word, *rest = arguments
    if word == "help" and rest and rest[0] in commands:
        return f"{rest[0]} --help"
    return OTHER_COMMANDS.get(word.lower())


def suggest_option(error: Any) -> None:
    """Give a usage error on an option that does not exist the one that was most likely meant.

    Args:
        error: typer's; another error than of such an option stays as it is.
    """
    option, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if option is None or context is None or not hasattr(error, "possibilities"):
        return
    commands = getattr(context.command, "commands", {})
    for command in commands.values():  # `glueft --quiet run mrpc`, or `glueft -q run mrpc`
        if option in _options(command, context):
            error.message += f"; it stands behind a command: glueft {command.name} {option} ..."
            error.possibilities = None
            return
    known = {name.lstrip("-").replace("-", "_"): name for name in _options(context.command, context)}
    meant = nearest(option.lstrip("-").replace("-", "_"), known)
    # A part of a name may be meant too, and is one of typer's.
    error.possibilities = [known[meant]] if meant else error.possibilities


def _options(command: Any, context: Any) -> list[str]:
    return [name for parameter in command.get_params(context) for name in parameter.opts if name.startswith("-")]
