"""The help of a command."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """Shows arguments in the help by their names, without the types of Python: `TEXT...`, not `TEXT <list[str]>`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            if parameter.param_type_name == "argument":
                name = name.partition(" <")[0].removesuffix("...") + ("" if parameter.nargs == 1 else "...")
            rows[parameter.param_type_name].append((name, text))
        for title, shown in (("Arguments", rows["argument"]), ("Options", rows["option"])):
            if shown:
                with formatter.section(title):
                    formatter.write_dl(shown)
