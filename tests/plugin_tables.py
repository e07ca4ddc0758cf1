"""Writes the tables of docs/plugin-list.md and docs/plugins.md, and the schemas in recipes/, from what is installed.

python tests/plugin_tables.py          (make tables)
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from documents import CHECKOUT
from glueft.plugin.encoder import Encoder
from glueft.plugin.kinds import KINDS
from glueft.plugin.metric import Metric
from glueft.plugin.registry import Registered, load_registry
from glueft.plugin.run import Run
from glueft.plugin.suits import kinds_of
from glueft.plugin.task import Task
from glueft.recipe.schema import recipe_schema
from glueft.studies.definition.schema import study_schema
from glueft.testing import checks
from glueft.text import json_text
from hook_reference import described, one_line

LIST_MARKS = ("<!-- plugins: written by `make tables` -->", "<!-- end of plugins -->")
CHECKS_MARKS = ("<!-- checks: written by `make tables` from glueft/testing -->", "<!-- end of checks -->")

RUN_MARKS = ("<!-- run: written by `make tables` from glueft/plugin/run.py -->", "<!-- end of run -->")

# What the second column of each table says, beside a plugin's description.
ALSO = {
    "task": "labels and metrics",
    "optimizer": "options",
    "schedule": "options",
    "loss": "options",
    "callback": "options",
    "metric": "of",
    "encoder": "class in config.json",
    "executor": "options",
}


def plugin_tables() -> str:
    """A heading and a table for each kind of glueft's own plugins, and below it the options that all of them have."""
    parts = []
    for kind in KINDS:
        shared = [] if kind == "task" else shared_options(kind)
        rows = [(f"`{plugin.name}`", plugin.cls.description(), also(plugin, shared)) for plugin in own(kind)]
        what = "what it does" if ALSO[kind] == "options" else "what it is"
        parts.append(f"## {'Losses' if kind == 'loss' else f'{kind.capitalize()}s'}")
        parts.append(table((kind, what, ALSO[kind]), rows))
        if shared:
            parts.append(f"Every {kind} has the option{'s' if len(shared) > 1 else ''} {listed(shared)} as well.")
    return "\n\n".join(parts)


def shared_options(kind: str) -> list[str]:
    """The options that every plugin of a kind has."""
    first, *others = [list(plugin.cls.Options.model_fields) for plugin in own(kind)]
    return [option for option in first if all(option in options for options in others)]


def listed(options: list[str]) -> str:
    """Options by name."""
    return ", ".join(f"`{option}`" for option in options)


def own(kind: str) -> list[Registered]:
    """glueft's own plugins of a kind."""
    return [plugin for plugin in load_registry().all(kind) if plugin.package == "glueft"]


def also(plugin: Registered, shared: list[str]) -> str:
    """A task's labels and metrics, what a metric is of, a family's class, or another plugin's options."""
    cls = plugin.cls
    if issubclass(cls, Metric):
        return "two labels" if cls.of_positive_label else ", ".join(kinds_of(cls.suits)).replace("_", "-")
    if issubclass(cls, Encoder):
        return f"`{cls.architecture}`"
    if not issubclass(cls, Task):
        return listed([option for option in cls.Options.model_fields if option not in shared]) or "none"
    if cls.reads_own_files:
        return "those of your rows"
    return f"{', '.join(cls.labels) or 'a score'}; {', '.join(cls.metrics)}"


def check_table() -> str:
    """What `glueft plugin check` looks at, by kind of plugin."""
    rows: dict[tuple[str, str], list[str]] = {}
    for kind in KINDS:
        for check in checks(own(kind)[0].cls):
            said = (inspect.getdoc(check.work) or "").splitlines()[0]
            rows.setdefault((check.name, said), []).append(kind)
    everyone = list(KINDS)
    return table(
        ("check", "of", "what must hold"),
        [(name, "every plugin" if of == everyone else " and ".join(of), said) for (name, said), of in rows.items()],
    )


def run_list() -> str:
    """What callbacks find on their run: its properties and methods, from their docstrings."""
    lines = []
    for name, member in vars(Run).items():
        if name.startswith("_"):
            continue
        pieces = re.split(r"^(Args|Returns|Raises):\n", inspect.getdoc(member) or "", flags=re.MULTILINE)
        sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        parts = [one_line(pieces[0])]
        for argument, words in described(textwrap.dedent(sections.get("Args", ""))).items():
            parts.append(f"`{argument}`: {words}")
        if "Returns" in sections:
            returned = one_line(sections["Returns"])
            parts.append(f"Returns {returned[0].lower()}{returned[1:]}")
        text = "\n  - ".join(parts)
        call = f"({', '.join(map(bare, parameters(member)))})" if inspect.isfunction(member) else ""
        lines.append(f"- `run.{name}{call}`: {text[0].lower()}{text[1:]}")
    return "\n".join(lines)


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a method, without `self`."""
    return list(inspect.signature(function).parameters.values())[1:]


def bare(parameter: inspect.Parameter) -> str:
    """A parameter's name, with its stars."""
    return str(parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty))


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def placed(text: str, marks: tuple[str, str], content: str) -> str:
    """A document with new content between two marks."""
    before, rest = text.split(marks[0])
    return f"{before}{marks[0]}\n{content}\n{marks[1]}{rest.split(marks[1])[1]}"


def schemas() -> dict[str, str]:
    """The schemas that recipes and studies name for editors, by file: of glueft's own plugins alone."""
    registry = load_registry()
    plugins = {key: plugin for key, plugin in registry.plugins.items() if plugin.package == "glueft"}
    registry = dataclasses.replace(registry, plugins=plugins)
    printed = {"recipe": recipe_schema(registry), "study": study_schema(registry)}
    return {f"recipes/{name}.schema.json": json_text(schema, indent=2) + "\n" for name, schema in printed.items()}


DOCUMENTS = (
    ("docs/plugin-list.md", LIST_MARKS, plugin_tables),
    ("docs/plugins.md", CHECKS_MARKS, check_table),
    ("docs/plugins.md", RUN_MARKS, run_list),
)


def main(folder: Path = CHECKOUT) -> None:
    """Put the tables and schemas in their places."""
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, marks, content in DOCUMENTS:
        document = folder / name
        document.write_text(placed(document.read_text(encoding="utf-8"), marks, content()), encoding="utf-8")


if __name__ == "__main__":
    main()
