"""Whether a checkpoint's classification head fits a task, by label name, and in which order its rows are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from glueft.errors import CheckpointError
from glueft.plugin.encoder import Encoder

# config.json's problem_type of a head that gives a row any number of labels.
MULTI_LABEL = "multi_label_classification"
_UNNAMED = re.compile(r"LABEL_\d+")
_NEW_HEAD = "set new_head = true in [model] to start a new head on this encoder, or choose another checkpoint"


def problem_type(labels: Sequence[str], *, multi_label: bool) -> str:
    """What config.json calls a task with these labels; none is a regression."""
    if multi_label:
        return MULTI_LABEL
    return "single_label_classification" if labels else "regression"


def head_rows(
    config: Mapping[str, Any],
    rows: int,
    labels: Sequence[str],
    family: Encoder,
    instead: str = _NEW_HEAD,
    *,
    multi_label: bool = False,
) -> list[int]:
    """For each label of the task, the row of the checkpoint's head that scores it.

    Labels are matched by exact name, not by index: two data sets may number the same labels in different orders. So
    default names (LABEL_0, LABEL_1, ...) fit no task.

    Args:
        config: the checkpoint's config.json.
        rows: the number of outputs of its head.
        labels: the task's label names in order; empty for regression.
        family: of the checkpoint.
        instead: what the user can do.
        multi_label: whether a row of the task has any number of the labels.

    Raises:
        CheckpointError: the head has other labels (both lists are shown) or is for another kind of task.
    """
    names = label_names(config, rows, instead)
    refuse_one_class(config, rows, instead)
    kind = config.get("problem_type")
    architectures = config.get("architectures") or [family.architecture]
    received = f"the checkpoint's head: {listed(names)}"
    fix = instead
    if family.architecture not in architectures:
        raise _misfit(labels, f"{received} of {', '.join(map(str, architectures))}", fix)
    if not labels:
        if rows != 1 or kind not in (None, "regression"):
            raise _misfit(labels, received, fix)
        return [0]
    # Without one, transformers trains and serves a head as that of one label a row.
    if kind != MULTI_LABEL if multi_label else kind not in (None, "single_label_classification"):
        raise _misfit(
            labels, f"{received} with {f'problem_type {kind}' if kind else 'no problem_type'}", fix, multi_label
        )
    if set(names) != set(labels) or len(names) != len(labels):
        if names == [f"LABEL_{index}" for index in range(rows)]:
            fix = (
                "these names do not say which output is which: if you know, write the names into id2label in the "
                f"checkpoint's config.json; or {instead}"
            )
        raise _misfit(labels, received, fix, multi_label)
    return [names.index(label) for label in labels]


def label_names(config: Mapping[str, Any], rows: int, instead: str = _NEW_HEAD) -> list[str]:
    """The name of each row of the head; LABEL_0, LABEL_1, ... where config.json has none, as in transformers.

    Args:
        config: the checkpoint's config.json.
        rows: the number of outputs of its head.
        instead: what the user can do besides fixing config.json.

    Raises:
        CheckpointError: config.json names another number of labels, or contradicts itself.
    """
    given = config.get("id2label")
    if given is None:
        return [f"LABEL_{index}" for index in range(rows)]
    names = named_outputs(config)
    if len(names) != rows:
        raise CheckpointError(
            "the checkpoint's config.json and the weights disagree on the labels",
            expected=f"id2label with a name for each of the head's {rows} outputs, 0 to {rows - 1}",
            received=f"id2label = {given!r}",
            fix=f"fix id2label in the checkpoint's config.json, or {instead}",
        )
    fault = contradiction(names, config)
    if fault:
        raise CheckpointError(
            "the checkpoint's config.json contradicts itself about the labels",
            expected="one name for each output, the same in id2label and label2id",
            received=fault,
            fix=f"fix id2label and label2id in the checkpoint's config.json, or {instead}",
        )
    return names


def named_outputs(config: Mapping[str, Any]) -> list[str]:
    """The names that id2label gives the outputs, in order; [] if it does not name outputs 0 to n - 1."""
    try:
        names = {int(index): str(name) for index, name in config["id2label"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        return []
    return [names[index] for index in sorted(names)] if sorted(names) == [*range(len(names))] else []


def contradiction(names: Sequence[str], config: Mapping[str, Any]) -> str | None:
    """How the names of a head's outputs contradict each other or config.json's label2id; None if they do not.

    Default names (LABEL_0, ...), a second name of an output in label2id, and the name of a regression's one output
    contradict nothing.
    """
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            return f'outputs {first[name]} and {index} are both called "{name}"'
    label2id = config.get("label2id")
    if len(names) < 2 or not isinstance(label2id, Mapping):
        return None
    named: dict[int, list[str]] = {}
    for name, index in label2id.items():
        if not _UNNAMED.fullmatch(str(name)) and re.fullmatch(r"[0-9]{1,9}", str(index)):
            named.setdefault(int(index), []).append(str(name))
    for index, others in sorted(named.items()):
        own = names[index] if index < len(names) else None
        if own is not None and _UNNAMED.fullmatch(own):
            continue
        if own not in others or any(name in first for name in others if name != own):
            called = f'"{own}" in id2label' if own is not None else "no output of the head"
            return f"output {index} is {listed(others)} in label2id and {called}"
    return None


def refuse_one_class(config: Mapping[str, Any], rows: int, instead: str = _NEW_HEAD) -> None:
    """Raise CheckpointError if a head for classification has one output; `instead` as above."""
    kind = config.get("problem_type")
    if rows == 1 and kind == "single_label_classification":
        raise CheckpointError(
            "the checkpoint's classification head has one output, so it always gives the same answer",
            expected="an output for each class, or problem_type regression",
            received=f"one output and problem_type {kind}",
            fix="if the output is a score, write problem_type = regression into the checkpoint's config.json; or "
            + instead,
        )


def _misfit(labels: Sequence[str], received: str, fix: str, multi_label: bool = False) -> CheckpointError:
    wanted = f"the task's labels: {listed(labels)}" if labels else "regression: one output and no labels"
    return CheckpointError(
        "the checkpoint's classification head does not fit the task",
        expected=wanted + (f" with problem_type {MULTI_LABEL}" if multi_label else ""),
        received=received,
        fix=fix,
    )


def listed(labels: Sequence[str]) -> str:
    """Return labels as messages have them."""
    return ", ".join(f'"{label}"' for label in labels) or "none (a regression)"
