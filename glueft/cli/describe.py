"""`glueft describe`: one plugin and its options."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from glueft.plugin import Task
    from glueft.registry import Registered

EPILOG = """\b
Examples:
  glueft describe mrpc
  glueft describe linear --json
  glueft describe optimizer/adam     where plugins of two kinds share a name
"""


def plugin_names() -> list[str]:
    """The names that a shell may complete."""
    from glueft.registry import load_registry

    return [plugin.name for plugin in load_registry().all()]


def describe(
    name: Annotated[str, typer.Argument(help="A plugin's name, or KIND/NAME.", autocompletion=plugin_names)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Describe a plugin and its options.

    Options with what they accept and their defaults; of a task also the columns, labels, metrics and where its rows
    can come from.
    """
    description = description_of(find_plugin(name))
    if as_json:
        print(json.dumps(description, ensure_ascii=False))
    else:
        _print(description)


def find_plugin(name: str) -> Registered:
    """Return the plugin of this name, of any kind unless the name says which.

    Raises:
        GlueftError: there is none, or there are several.
    """
    from glueft.cli.list_plugins import the_kind
    from glueft.errors import GlueftError
    from glueft.nearest import nearest
    from glueft.registry import KINDS, load_registry

    registry = load_registry()
    kind, slash, rest = name.partition("/")
    if slash:
        return registry.find(the_kind(kind) or "", rest)
    found = [plugin for plugin in registry.all() if plugin.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = [plugin.kind for plugin in found]
        raise GlueftError(
            f'"{name}" is the name of several plugins',
            expected="the name of one plugin",
            received=f"{' and '.join(f'a {kind}' for kind in kinds)} of that name",
            mend=" or ".join(f"glueft describe {kind}/{name}" for kind in kinds),
        )
    names = [plugin.name for plugin in registry.all()]
    lost = next((failure.kind for failure in registry.failures if failure.name == name and failure.kind), None)
    if lost in KINDS:
        return registry.find(lost, name)  # raises, with the reason
    meant = nearest(name, names)
    raise GlueftError(
        f'no plugin is called "{name}"',
        expected=f"one of {', '.join(names) or '(none is installed)'}",
        received=f'"{name}"',
        mend=f'did you mean "{meant}"?' if meant else "`glueft list` shows what is installed and what cannot be used",
    )


def description_of(plugin: Registered) -> dict[str, Any]:
    """A plugin as plain values, those that `--json` prints."""
    from glueft.plugin import Task

    cls = plugin.cls
    description: dict[str, Any] = {
        "kind": plugin.kind,
        "name": plugin.name,
        "description": cls.description(),
        "documentation": inspect.cleandoc(cls.__doc__ or ""),
        "package": plugin.package,
        "version": plugin.version,
    }
    if issubclass(cls, Task):
        description |= _task(cls)
    return description | {"options": _options(plugin)}


def _task(task: type[Task]) -> dict[str, Any]:
    sources: dict[str, Any] = {"hub": None, "folder": None, "sample": task.sample is not None}
    if task.hub:
        sources["hub"] = {"dataset": task.hub.path, "config": task.hub.config}
    if task.tsv:
        sources["folder"] = {split: f"{task.tsv.folder}/{file}" for split, file in task.tsv.files.items()}
    return {
        "inputs": list(task.inputs),
        "labels": list(task.labels),
        "metrics": list(task.metrics),
        "data": sources,
    }


def _options(plugin: Registered) -> list[dict[str, Any]]:
    from glueft.recipe.schema import options_schema
    from glueft.recipe.values import expected

    schema = options_schema(plugin.cls.Options, "option", {})
    return [
        {
            "name": name,
            "expected": expected(option),
            "required": name in schema.get("required", []),
            "default": option.get("default"),
            "description": option.get("description", ""),
            "schema": option,
        }
        for name, option in schema.get("properties", {}).items()
    ]


def _print(description: dict[str, Any]) -> None:
    from glueft.recipe.values import as_toml

    print(
        f"{description['name']}, a plugin of kind {description['kind']} from "
        f"{description['package']} {description['version']}\n"
    )
    print(description["documentation"])
    if "inputs" in description:
        data = description["data"]
        hub = data["hub"] and " ".join(filter(None, [data["hub"]["dataset"], data["hub"]["config"]]))
        print()
        print(f"inputs    {', '.join(description['inputs'])}")
        print(f"labels    {', '.join(description['labels']) or 'a number (regression)'}")
        print(f"metrics   {', '.join(description['metrics'])}")
        print(f"hub       {hub or 'no'}")
        print(f"folder    {', '.join((data['folder'] or {}).values()) or 'no'}")
        print(f"sample    {'ships with it' if data['sample'] else 'no'}")
    print()
    if not description["options"]:
        print("It has no options.")
        return
    print("Options:")
    for option in description["options"]:
        default = option["default"]
        state = (
            "must be given" if option["required"] else "not set" if default is None else f"default {as_toml(default)}"
        )
        print(f"\n  {option['name']}: {option['expected']}; {state}")
        print(f"      {option['description']}")
