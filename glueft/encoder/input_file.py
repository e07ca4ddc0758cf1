"""How a saved model's run cut its rows: a file of glueft's own beside config.json, which transformers leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import INPUT
from glueft.system.plain_file import UnreadableError, read_json
from glueft.text import short_repr


class InputWindows(BaseModel):
    """Windows of `max_length` tokens: `stride` of them are shared by neighbours, and `pool` makes a row's logits."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    stride: int = Field(ge=0)
    pool: Literal["mean", "max", "first"]


class InputRule(BaseModel):
    """The longest row in tokens; longer ones are cut, or read in windows."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    max_length: int = Field(ge=8)
    windows: InputWindows | None = None


def write_input_rule(folder: Path, rule: InputRule) -> None:
    """Write the file into a checkpoint folder that exists."""
    (folder / INPUT).write_text(json.dumps(rule.model_dump(), indent=2) + "\n", encoding="utf-8")


def read_input_rule(folder: Path) -> InputRule | None:
    """Return the rule of a checkpoint folder; None where it has none.

    Raises:
        CheckpointError: the file cannot be read.
    """
    path = folder / INPUT
    try:
        return InputRule.model_validate(read_json(path))
    except FileNotFoundError:
        return None
    except UnreadableError as error:
        expected, received = "a JSON object", str(error)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        expected, received = f"{place}: {fault['msg']}", f"{place} = {short_repr(fault['input'])}"
    raise CheckpointError(
        f"{path}: it does not say how rows are cut",
        expected=expected,
        received=received,
        fix="restore the file from a copy; without it rows are cut to the longest that the encoder reads",
    )
