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


def suggest_options(error: Any, arguments: Sequence[str]) -> None:
    """Give a usage error on an option that does not exist all such options, and what was most likely meant by each.

    Args:
        error: typer's, which ends at the first; another error than of such an option stays as it is.
        arguments: those of the command line.
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
    known = _options(context.command, context)
    unknown = [option]
    for argument in () if commands else arguments[: [*arguments, "--"].index("--")]:
        name = argument.partition("=")[0]
        if name.startswith("--") and name not in [*known, *unknown]:
            unknown.append(name)
    by_name = {name.lstrip("-").replace("-", "_"): name for name in known}
    told = []
    for name in unknown:
        meant = by_name.get(nearest(name.lstrip("-").replace("-", "_"), by_name) or "")
        told.append(name if meant is None else f"{name} (did you mean {meant}?)")
    if len(told) > 1 or "(" in told[0]:  # Else a part of a name may be meant, which typer finds.
        error.message = f"No such option{'s' if len(told) > 1 else ''}: {', '.join(told)}"
        error.possibilities = None


def _options(command: Any, context: Any) -> list[str]:
    names = [name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)]
    return [name for name in names if name.startswith("-")]
