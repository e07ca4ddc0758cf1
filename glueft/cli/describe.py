"""`glueft describe`: one plugin and its options."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.installed import find_plugin, plugin_names, registry_with, source_of
from glueft.cli.options import AsJsonAlone, PluginFiles, print_json
from glueft.cli.wrapping import say_paragraphs, say_wrapped
from glueft.plugin.suits import kinds_of
from glueft.text import say

if TYPE_CHECKING:
    from glueft.plugin.encoder import Encoder
    from glueft.plugin.metric import Metric
    from glueft.plugin.registry import Registered
    from glueft.plugin.task import Task

EPILOG = """\b
Examples:
  glueft describe mrpc
  glueft describe linear --json
  glueft describe optimizer/adam     where plugins of two kinds share a name
  glueft describe my_task --plugin my_task.py
"""


def describe(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A plugin's name, or KIND/NAME.", autocompletion=plugin_names)
    ],
    files: PluginFiles = None,
    as_json: AsJsonAlone = False,
) -> None:
    """Describe a plugin and its options.

    It shows the options with types, bounds and defaults; for a task also the sources of its rows, the columns of its
    files, labels, metrics, official sizes, published scores and the files of a submission.
    """
    description = description_of(find_plugin(name, registry_with(files)))
    if as_json:
        print_json(description)
    else:
        _show(description)


def description_of(plugin: Registered) -> dict[str, Any]:
    """A plugin as plain values, as `--json` prints them."""
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
        "suits": "scores" if metric.suits == "scores" else "labels",
        "one_label_a_row": "labels" in kinds_of(metric.suits),
        "multi_label": "multi_label" in kinds_of(metric.suits),
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
        "multi_label": task.multi_label,
        "positive_label": task.positive_label,
        "metrics": list(task.metrics),
        "metric_descriptions": {name: known_metrics()[name].description() for name in task.metrics},
        "validation_splits": list(task.validation_splits),
        "test_splits": list(task.test_splits),
        "sizes": dict(task.sizes),
        "baseline": _BASELINES["multi_label" if task.multi_label else "labels" if task.labels else "scores"],
        "published": [dataclasses.asdict(score) | {"metrics": dict(score.metrics)} for score in task.published],
        "submission": _submission(task),
        "data": _data(task),
    }


_BASELINES = {
    "labels": "the commonest label of the training rows",
    "multi_label": "the commonest set of labels of the training rows",
    "scores": "the mean score of the training rows",
}

# What `--json` tells of a kind beside its description and options.
_FACTS: dict[str, Callable[[Any], dict[str, Any]]] = {"task": _task, "metric": _metric, "encoder": _encoder}


def _submission(task: type[Task]) -> dict[str, Any] | None:
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


def _show(description: dict[str, Any]) -> None:
    origin = description["file"] or f"{description['package']} {description['version']}"
    say(f"{description['name']}, a plugin of kind {description['kind']} from {origin}", "")
    say_paragraphs(description["documentation"])
    if description["kind"] in _SHOWN:
        say()
        _SHOWN[description["kind"]](description)
    say()
    _show_options(description["options"])


def _show_task(task: dict[str, Any]) -> None:
    _line("inputs", ", ".join(task["inputs"]))
    own = task["data"]["reads_own_files"]
    labels = ", ".join(task["labels"]) or ("found in the rows" if own else "a number (regression)")
    _line("labels", labels + ("; a row has any number of them" if task["multi_label"] else ""))
    for name, meaning in task["metric_descriptions"].items():
        _line("metric", f"{name}: {meaning}")
    _show_data(task["data"])
    if task["sizes"]:
        _line("sizes", ", ".join(f"{name} {rows:,}" for name, rows in task["sizes"].items()))
    if len(task["validation_splits"]) > 1:
        _line("primary", f"{task['validation_splits'][0]}; also measured: {', '.join(task['validation_splits'][1:])}")
    if not own:
        _line("baseline", f"always predicting {task['baseline']}; each run records its score")
    for score in task["published"]:
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in score["metrics"].items())
        split = f" on {score['split']}" if score["split"] else ""
        _line("published", f"{score['model']}{split}: {numbers} ({score['source']})")
    if task["submission"]:
        _line("submission", _submission_text(task["submission"]))


def _show_metric(metric: dict[str, Any]) -> None:
    most = metric["most_labels"]
    suits = (
        "regression"
        if metric["suits"] == "scores"
        else f"tasks of {f'up to {most}' if most else 'any number of'} labels"
    )
    if metric["multi_label"]:
        suits = f"{suits}, and multi-label tasks" if metric["one_label_a_row"] else "multi-label tasks"
    _line("suits", suits + ("; it is about the positive label" if metric["of_positive_label"] else ""))
    _line("from", "the probability of each label" if metric["takes_probabilities"] else f"predicted {metric['suits']}")
    least, greatest = ("no bound" if bound is None else f"{bound:g}" for bound in metric["bounds"])
    _line("values", f"from {least} to {greatest}; {'higher' if metric['higher_is_better'] else 'lower'} is better")
    _line("on the hub", metric["hub_name"])


def _show_encoder(family: dict[str, Any]) -> None:
    _line("model_type", family["name"])
    _line("class", f"{family['architecture']}, as config.json names it")


# What is printed of a kind between its description and its options.
_SHOWN = {"task": _show_task, "metric": _show_metric, "encoder": _show_encoder}


def _submission_text(submission: dict[str, Any]) -> str:
    files = ", ".join(f"{name} of {split}" for split, name in submission["files"].items())
    written = [f"{label} as {text}" for label, text in submission["label_text"].items() if label != text]
    if submission["score_range"]:
        written = ["from {:g} to {:g}".format(*submission["score_range"])]
    by = f"; runs of {submission['predicted_by']} give it too" if submission["predicted_by"] else ""
    return f"{submission['benchmark']}: {files}{_in_brackets(written)}{by}"


def _show_data(data: dict[str, Any]) -> None:
    if data["reads_own_files"]:
        _line("data", "the files that its options name")
        return
    hub = data["hub"]
    if hub:
        renamed = [f"{ours} is its {theirs}" for ours, theirs in (hub["columns"] | hub["splits"]).items()]
        _line("hub", " ".join(filter(None, [hub["dataset"], hub["config"]])) + _in_brackets(renamed))
    else:
        _line("hub", "no")
    groups: dict[str, list[str]] = {}
    for file in data["files"] or ():
        columns = ", ".join(f"{ours} in {_column(theirs)}" for ours, theirs in file["columns"].items())
        groups.setdefault(columns + ("" if file["header"] else "; no header line"), []).append(file["file"])
    for number, (columns, names) in enumerate(groups.items()):
        _line("" if number else "files", f"{', '.join(names)}: {columns}")
    if not groups:
        _line("files", "no")
    if data["label_text"]:
        _line("", f"labels are written {', '.join(data['label_text'])}")
    _line("sample", "ships with it" if data["sample"] else "no")


def _column(column: str | int) -> str:
    return f'"{column}"' if isinstance(column, str) else f"field {column + 1}"


def _in_brackets(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _line(name: str, text: str) -> None:
    say_wrapped(f"{name:<12}{text}", 12)


def _show_options(options: list[dict[str, Any]]) -> None:
    from glueft.recipe.values import as_toml

    if not options:
        say("It has no options.")
        return
    say("Options:")
    for option in options:
        default = option["default"]
        state = (
            "must be given" if option["required"] else "not set" if default is None else f"default {as_toml(default)}"
        )
        say()
        say_wrapped(f"  {option['name']}: {option['expected']}; {state}", 4)
        for line in option["description"].split("\n"):
            say_wrapped(f"      {line}".rstrip(), 6)
