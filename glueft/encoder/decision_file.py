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
from glueft.text import short_repr


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Fitted(_Part):
    tuned: list[str]
    metric: str | None
    split: str
    rows: Annotated[int, Field(ge=1)]
    sha256: str


class _Decision(_Part):
    """The file: `label` is the name of the `output` that a row gets from the threshold on."""

    temperature: Annotated[float, Field(gt=0)]
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    label: str | None
    output: Annotated[int, Field(ge=0, le=1)] | None
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
        "fitted": None if rule.fit is None else asdict(rule.fit),
    }
    (folder / DECISION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_decision(folder: Path, outputs: Sequence[str], labels: Sequence[str]) -> DecisionRule:
    """Return the rule of a checkpoint folder; the plain one where it has none.

    Args:
        folder: of a checkpoint.
        outputs: the labels in the order of its head; () in regression.
        labels: the same labels in the order that is wanted.

    Raises:
        CheckpointError: the file cannot be read, or does not fit the head.
    """
    path = folder / DECISION
    try:
        found = _Decision.model_validate(read_json(path))
    except FileNotFoundError:
        return PLAIN
    except UnreadableError as error:
        raise _unusable(path, "a JSON object", str(error)) from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise _unusable(path, f"{place}: {fault['msg']}", f"{place} = {short_repr(fault['input'])}") from None
    if not outputs or (found.threshold is not None and (len(outputs) != 2 or found.output is None)):
        told = "a temperature" if found.threshold is None else "a threshold between two labels"
        raise _unusable(path, "what fits the head of the model", f"{told}, and {len(outputs)} labels")
    fit = None if found.fitted is None else Fit(**found.fitted.model_dump() | {"tuned": tuple(found.fitted.tuned)})
    positive = 1 if found.output is None else labels.index(outputs[found.output])
    return DecisionRule(found.temperature, found.threshold, positive, fit)


def _unusable(path: Path, expected: str, received: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: it does not say how labels are decided",
        expected=expected,
        received=received,
        fix="restore the file from a copy; without it the most probable label is given",
    )
