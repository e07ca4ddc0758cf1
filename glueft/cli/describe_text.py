"""A plugin's description as `glueft describe` shows it."""

from __future__ import annotations

import textwrap
from typing import Any

from glueft.text import say

INDENT = 12


def show(description: dict[str, Any]) -> None:
    """Print a description from `describe.description_of`."""
    origin = description["file"] or f"{description['package']} {description['version']}"
    say(f"{description['name']}, a plugin of kind {description['kind']} from {origin}", "")
    say(*description["documentation"].split("\n"))
    if description["kind"] in _FACTS:
        say()
        _FACTS[description["kind"]](description)
    say()
    _show_options(description["options"])


def _show_task(task: dict[str, Any]) -> None:
    _line("inputs", ", ".join(task["inputs"]))
    own = task["data"]["reads_own_files"]
    _line("labels", ", ".join(task["labels"]) or ("found in the rows" if own else "a number (regression)"))
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
        _line("submission", _submission(task["submission"]))


def _show_metric(metric: dict[str, Any]) -> None:
    most = metric["most_labels"]
    suits = (
        "regression"
        if metric["suits"] == "scores"
        else f"tasks of {f'up to {most}' if most else 'any number of'} labels"
    )
    _line("suits", suits + ("; it is about the positive label" if metric["of_positive_label"] else ""))
    _line("from", "the probability of each label" if metric["takes_probabilities"] else f"predicted {metric['suits']}")
    least, greatest = ("no bound" if bound is None else f"{bound:g}" for bound in metric["bounds"])
    _line("values", f"from {least} to {greatest}; {'higher' if metric['higher_is_better'] else 'lower'} is better")
    _line("on the hub", metric["hub_name"])


def _show_encoder(family: dict[str, Any]) -> None:
    _line("model_type", family["name"])
    _line("class", f"{family['architecture']}, as config.json names it")


# What is shown of a kind between its description and its options; a kind need not be here.
_FACTS = {"task": _show_task, "metric": _show_metric, "encoder": _show_encoder}


def _submission(submission: dict[str, Any]) -> str:
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
    say(f"{name:<{INDENT}}{text}")


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
        say("", f"  {option['name']}: {option['expected']}; {state}")
        say(*textwrap.indent(option["description"], " " * 6).split("\n"))
