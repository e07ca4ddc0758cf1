"""How a saved model decides its labels: a file of glueft's own beside config.json, which transformers leaves alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import DECISION
from glueft.metrics.decision import PLAIN, DecisionRule, Fit
from glueft.system.plain_file import UnreadableError, read_json
from glueft.text import counted, short_repr


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Fitted(_Part):
    tuned: list[str]
    metric: str | None
    split: str
    rows: Annotated[int, Field(ge=1)]
    sha256: str


class _Decision(_Part):
    """The file: `label` is the name of the `output` that a row gets from the threshold on.

    The thresholds of a multi-label task are in the order of the outputs.
    """

    temperature: Annotated[float, Field(gt=0)]
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    label: str | None
    output: Annotated[int, Field(ge=0, le=1)] | None
    thresholds: list[Annotated[float, Field(ge=0, le=1)]] | None = None
    fitted: _Fitted | None


def write_decision(folder: Path, rule: DecisionRule, labels: Sequence[str]) -> None:
    """Write the file into a folder that exists, unless the rule is the plain one.

    Args:
        folder: of a checkpoint.
        rule: how labels are decided.
        labels: in the order of the head.
    """
    if rule.is_plain:
        return
    positive = None if rule.threshold is None else rule.positive
    content = {
        "temperature": rule.temperature,
        "threshold": rule.threshold,
        "label": None if positive is None else labels[positive],
        "output": positive,
        **({"labels": list(labels), "thresholds": rule.thresholds} if rule.multi_label else {}),
        "fitted": None if rule.fit is None else asdict(rule.fit),
    }
    (folder / DECISION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_decision(
    folder: Path, outputs: Sequence[str], labels: Sequence[str], *, multi_label: bool = False
) -> DecisionRule:
    """Return the rule of a checkpoint folder; the plain one where it has none.

    Args:
        folder: of a checkpoint.
        outputs: the labels in the order of its head; () in regression.
        labels: the same labels in the order that is wanted.
        multi_label: whether its head gives a row any number of them.

    Raises:
        CheckpointError: the file cannot be read, or does not fit the head.
    """
    path = folder / DECISION
    try:
        found = _Decision.model_validate(read_json(path))
    except FileNotFoundError:
        return DecisionRule(multi_label=True) if multi_label else PLAIN
    except UnreadableError as error:
        raise _unusable(path, "a JSON object", str(error)) from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise _unusable(path, f"{place}: {fault['msg']}", f"{place} = {short_repr(fault['input'])}") from None
    fit = None if found.fitted is None else Fit(**found.fitted.model_dump() | {"tuned": tuple(found.fitted.tuned)})
    received = _misfit(found, len(outputs), multi_label)
    if received:
        raise _unusable(path, "what fits the head of the model", received)
    if multi_label:
        by_output = dict(zip(outputs, found.thresholds or (), strict=False))
        thresholds = tuple(by_output[label] for label in labels) if by_output else None
        return DecisionRule(found.temperature, fit=fit, multi_label=True, thresholds=thresholds)
    positive = 1 if found.output is None else labels.index(outputs[found.output])
    return DecisionRule(found.temperature, found.threshold, positive, fit)


def _misfit(found: _Decision, outputs: int, multi_label: bool) -> str:
    """What of a rule does not fit a head of so many labels; "" if all does."""
    head = f"a multi-label head of {counted(outputs, 'label')}" if multi_label else f"{outputs} labels"
    if found.thresholds is not None and (not multi_label or len(found.thresholds) != outputs):
        return f"a threshold for each of {counted(len(found.thresholds), 'label')}, and {head}"
    if found.threshold is not None and (multi_label or outputs != 2 or found.output is None):
        return f"a threshold between two labels, and {head}"
    return "" if outputs else f"a temperature, and {head}"


def _unusable(path: Path, expected: str, received: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: it does not say how labels are decided",
        expected=expected,
        received=received,
        fix="restore the file from a copy; without it the most probable label is given, or in a multi-label task each "
        "label from a probability of 0.5 on",
    )
