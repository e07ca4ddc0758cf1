"""`--json`: one JSON object on standard output, and nothing else, whatever plugins and libraries print."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from glueft.system.standard_output import for_the_result, set_aside
from glueft.text import json_text, say


def _keep_standard_output(context: typer.Context, wanted: bool) -> bool:
    """Set standard output aside as soon as the option is read; `command_line` gives it back."""
    if wanted and not context.resilient_parsing:
        set_aside()
    return wanted


def json_option(text: str) -> Any:
    """The option, with a line of help."""
    return typer.Option("--json", help=text, callback=_keep_standard_output)


AsJson = Annotated[bool, json_option("Print the result as one JSON object; progress goes to standard error.")]
# Of a command that shows no progress.
AsJsonAlone = Annotated[bool, json_option("Print one JSON object.")]


def print_json(result: Any) -> None:
    """Print the one object."""
    with for_the_result():
        say(json_text(result))
