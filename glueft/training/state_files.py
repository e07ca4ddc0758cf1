"""The two files of a saved state: state.safetensors has the arrays, state.json all else. Never a pickle."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glueft.errors import PluginError, RunFolderError
from glueft.files import whole_folder
from glueft.plugin.attribution import who
from glueft.runs.checkpoints import ARRAYS, STATE
from glueft.system.plain_file import UnreadableError, read_text, refuse_irregular
from glueft.text import short_repr

FORMAT = 1
# Far above any state's: a hundred bytes a variable, and a line for each validation.
MOST_STATE = 1 << 28
# In state.json in the place of an array: its name in state.safetensors.
_ARRAY = "$array"
# A type of arrays that safetensors does not have for NumPy: its bits are kept.
_BITS = "bfloat16"


class DamagedStateError(RunFolderError):
    """A saved state is not whole."""


@dataclass(frozen=True)
class PackedState:
    """A tree of JSON values and arrays, as the two files have it.

    Attributes:
        values: JSON's; an array stands in it by its name.
        arrays: by name, which is their place in the tree.
    """

    values: Any
    arrays: dict[str, np.ndarray[Any, Any]]

    @property
    def bytes(self) -> int:
        """About what `write` writes."""
        return sum(array.nbytes for array in self.arrays.values())

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> PackedState:
        """Take apart dicts with text as keys, lists, tuples (which become lists), texts, numbers, None and arrays.

        Raises:
            PluginError: a value is of another kind.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        try:
            return cls(_packed(content, "", arrays), arrays)
        except RecursionError:
            raise _unsaved("a part of it contains itself, or lies too deep", "a tree without end") from None

    def write(self, folder: Path) -> int:
        """Write the files into a folder that appears whole or not at all, and survives a power cut.

        Args:
            folder: its place; a state that is there is replaced.

        Returns:
            The bytes written.

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.numpy import save_file

        checksums = {name: _checksum(array) for name, array in self.arrays.items()} | {STATE: _checksum(self.values)}
        text = json.dumps({"format": FORMAT, "checksums": checksums, "content": self.values})
        with whole_folder(folder, replace=True, durable=True) as beside:
            save_file(self.arrays, beside / ARRAYS)
            (beside / STATE).write_text(text, encoding="utf-8")
            return sum(path.stat().st_size for path in beside.iterdir())


def read_state(folder: Path) -> dict[str, Any]:
    """Read the tree that `PackedState.write` has written.

    Raises:
        DamagedStateError: a file is missing or damaged.
        RunFolderError: it is of a later glueft.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        stored = json.loads(read_text(folder / STATE, MOST_STATE))
        form, checksums, values = stored["format"], stored["checksums"], stored["content"]
        if form > FORMAT:
            raise RunFolderError(
                f"{folder}: a later glueft has saved this state",
                expected=f'"format": {FORMAT}',
                received=f'"format": {form}',
                fix="update glueft: pip install --upgrade glueft",
            )
        refuse_irregular(folder / ARRAYS)
        arrays = load_file(folder / ARRAYS)
        damaged = [name for name, value in {STATE: values, **arrays}.items() if _checksum(value) != checksums[name]]
        if damaged:
            raise _damaged(folder, f"other values than were written, in {', '.join(damaged[:3])}")
        content: dict[str, Any] = _unpacked(values, arrays)
    except (OSError, UnreadableError, SafetensorError) as error:
        raise _damaged(folder, str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from error
    return content


def _damaged(folder: Path, received: str) -> DamagedStateError:
    return DamagedStateError(
        f"{folder}: the saved state is damaged",
        expected=f"{STATE} and {ARRAYS}, whole",
        received=received,
        fix="remove the folder, and resume from the state before",
    )


def _checksum(value: Any) -> int:
    """The CRC-32 of an array, or of a tree as JSON."""
    is_array = isinstance(value, np.ndarray)
    return zlib.crc32(value.reshape(-1).view(np.uint8).data if is_array else json.dumps(value).encode())


def _packed(value: Any, place: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return a tree as JSON has it, and put its arrays under the names of their places."""
    if isinstance(value, np.generic) and _is_number(value.dtype):
        return value.item()
    if value is None or isinstance(value, (bool, str, int, float)):
        return value
    if isinstance(value, np.ndarray) and (_is_number(value.dtype) or value.dtype.name == _BITS):
        bits = value.dtype.name == _BITS
        native = value.view(np.uint16) if bits else value.astype(value.dtype.newbyteorder("="), copy=False)
        arrays[place] = np.ascontiguousarray(native).reshape(value.shape)
        return {_ARRAY: place} | ({"dtype": _BITS} if bits else {})
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value) and _ARRAY not in value:
        return {key: _packed(each, f"{place}/{_escaped(key)}".lstrip("/"), arrays) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(each, f"{place}/{number}", arrays) for number, each in enumerate(value)]
    received = f"{type(value).__name__}: {short_repr(value)}"
    raise _unsaved(f"{place or 'it'} holds what is neither JSON nor an array", received)


def _unsaved(fault: str, received: str) -> PluginError:
    return PluginError(
        f"{who()}the state cannot be saved: {fault}",
        expected="texts, numbers, None, lists, tables with text as keys, and NumPy arrays of numbers",
        received=received,
        fix="return one of these from `state`",
    )


def _is_number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8  # safetensors has no float128


def _escaped(key: str) -> str:
    """Return a key as JSON Pointer (RFC 6901) has it, so that no two places have one name."""
    return key.replace("~", "~0").replace("/", "~1")


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, list):
        return [_unpacked(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY not in value:
        return {key: _unpacked(each, arrays) for key, each in value.items()}
    array = arrays[value[_ARRAY]]
    if "dtype" in value:
        import ml_dtypes

        return array.view(np.dtype(getattr(ml_dtypes, value["dtype"])))
    return array
