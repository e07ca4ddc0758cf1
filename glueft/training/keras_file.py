"""The user's keras.json, which Keras reads when it is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.files import expanded
from glueft.system.plain_file import UnreadableError, read_json


@dataclass(frozen=True)
class KerasFile:
    """What the file says.

    Attributes:
        path: where it is.
        settings: empty where it cannot be read.
        failure: why it cannot be read; None if it can.
    """

    path: str
    settings: dict[str, Any]
    failure: str | None = None


def keras_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the file, as keras/src/backend/config.py finds it."""
    if "KERAS_HOME" in environment:
        return expanded(environment["KERAS_HOME"])
    home = expanded("~")
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"


def read_keras_file(environment: Mapping[str, str]) -> KerasFile | None:
    """Return the file; None if there is none."""
    path = keras_folder(environment) / "keras.json"
    try:
        content = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (UnreadableError, OSError) as error:
        return KerasFile(str(path), {}, str(error))
    if not isinstance(content, dict):
        return KerasFile(str(path), {}, "no table of settings")
    return KerasFile(str(path), content)
