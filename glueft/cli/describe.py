"""`glueft describe`: one plugin and its options."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.json_option import AsJsonAlone, print_json
from glueft.cli.plugin_option import PluginFiles, registry_with
from glueft.plugin.kinds import KINDS

if TYPE_CHECKING:
    from glueft.plugin.encoder import Encoder
    from glueft.plugin.metric import Metric
    from glueft.plugin.registry import Registered, Registry
    from glueft.plugin.task import Task

EPILOG = """\b
Examples:
  glueft describe mrpc
  glueft describe linear --json
  glueft describe optimizer/adam     where plugins of two kinds share a name
  glueft describe my_task --plugin my_task.py
"""


def plugin_names() -> list[str]:
    """The names that a shell may complete."""
    from glueft.plugin.registry import load_registry

    return [plugin.name for plugin in load_registry().all()]


def describe(
    name: Annotated[str, typer.Argument(help="A plugin's name, or KIND/NAME.", autocompletion=plugin_names)],
    files: PluginFiles = None,
    as_json: AsJsonAlone = False,
) -> None:
    """Describe a plugin and its options.

    Options with their types, bounds and defaults; of a task also where its rows can come from, the columns of its
    files, labels, metrics, official sizes, published scores and the files of a submission.
    """
    from glueft.cli.describe_text import show

    description = description_of(find_plugin(name, registry_with(files)))
    if as_json:
        print_json(description)
    else:
        show(description)


def find_plugin(name: str, registry: Registry, command: str = "describe") -> Registered:
    """Return the plugin of this name, of any kind unless the name says which.

    Args:
        name: NAME or KIND/NAME.
        registry: where to look.
        command: what the user called, for messages.

    Raises:
        GlueftError: there is none, or there are several.
    """
    from glueft.cli.list_plugins import the_kind
    from glueft.errors import GlueftError
    from glueft.suggest import nearest

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
            received=f"{' and '.join(KINDS[kind].with_article for kind in kinds)} of that name",
            fix=" or ".join(f"glueft {command} {kind}/{name}" for kind in kinds),
        )
    names = [plugin.name for plugin in registry.all()]
    lost = next((failure.kind for failure in registry.failures if failure.name == name and failure.kind), None)
    if lost in KINDS:
        return registry.find(lost, name)  # raises, with the reason
    meant = nearest(name, names)
    fix = f'did you mean "{meant}"?' if meant else "`glueft list` shows what is installed and what cannot be used"
    suspects = [str(failure) for failure in registry.failures if failure.name is None]
    raise GlueftError(
        f'no plugin is called "{name}"',
        expected=f"one of {', '.join(names) or '(none is installed)'}",
        received=f'"{name}"',
        fix=fix + (f"  It may be in what could not be used: {'; '.join(suspects)}" if suspects else ""),
    )


def description_of(plugin: Registered) -> dict[str, Any]:
    """A plugin as plain values, those that `--json` prints."""
    from glueft.cli.list_plugins import source_of

    cls = plugin.cls
    facts = _FACTS.get(plugin.kind, lambda cls: {})
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "description": cls.description(),
        "documentation": inspect.cleandoc(cls.__doc__ or ""),
        **source_of(plugin),
        **facts(cls),
        "options": _options(plugin),
    }


def _encoder(family: type[Encoder]) -> dict[str, Any]:
    return {"architecture": family.architecture, "config_defaults": dict(family.defaults)}


def _metric(metric: type[Metric]) -> dict[str, Any]:
    return {
        "suits": metric.suits,
        "most_labels": 2 if metric.of_positive_label else metric.most_labels,
        "of_positive_label": metric.of_positive_label,
        "takes_probabilities": metric.takes_probabilities,
        "higher_is_better": metric.higher_is_better,
        "bounds": list(metric.bounds),
        "hub_name": metric.hub_name or metric.name,
    }


def _task(task: type[Task]) -> dict[str, Any]:
    from glueft.metrics import known_metrics

    return {
        "inputs": list(task.inputs),
        "labels": list(task.labels),
        "positive_label": task.positive_label,
        "metrics": list(task.metrics),
        "metric_descriptions": {name: known_metrics()[name].description() for name in task.metrics},
        "validation_splits": list(task.validation_splits),
        "test_splits": list(task.test_splits),
        "sizes": dict(task.sizes),
        "baseline": "the commonest label of the training rows"
        if task.labels
        else "the mean score of the training rows",
        "published": [dataclasses.asdict(score) | {"metrics": dict(score.metrics)} for score in task.published],
        "submission": _submission(task),
        "data": _data(task),
    }


# What is told of a kind beside the description and the options; a kind need not be here.
_FACTS: dict[str, Callable[[Any], dict[str, Any]]] = {"task": _task, "metric": _metric, "encoder": _encoder}


def _submission(task: type[Task]) -> dict[str, Any] | None:
    """What is uploaded to a benchmark."""
    submission = task.submission
    if submission is None:
        return None
    return {
        "benchmark": submission.benchmark,
        "files": dict(submission.files),
        "label_text": dict(submission.label_text or {label: label for label in task.labels}),
        "score_range": submission.score_range,
        "majority": submission.majority,
        "predicted_by": submission.predicted_by,
    }


def _data(task: type[Task]) -> dict[str, Any]:
    """Where a task's rows can come from."""
    hub = files = None
    if task.hub:
        hub = {
            "dataset": task.hub.path,
            "config": task.hub.config,
            "columns": dict(task.hub.columns),
            "splits": dict(task.hub.splits),
        }
    if task.tsv:
        files = [
            {
                "split": split,
                "file": f"{task.tsv.folder}/{file.name}",
                "header": file.header,
                "columns": dict(file.columns or {}),
            }
            for split in task.tsv.files
            for file in task.tsv.candidates(split)
        ]
    return {
        "hub": hub,
        # The file that is looked for first.
        "folder": {file["split"]: file["file"] for file in reversed(files)} if files else None,
        "files": files,
        "label_text": list(task.tsv.label_text) if task.tsv and task.tsv.label_text else None,
        "sample": task.sample is not None,
        "reads_own_files": task.reads_own_files,
    }


def _options(plugin: Registered) -> list[dict[str, Any]]:
    from glueft.metrics.choice import options_of
    from glueft.recipe.schema import options_schema
    from glueft.recipe.values import expected

    schema = options_schema(options_of(plugin.cls), "option", {})
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
