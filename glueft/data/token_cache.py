"""Tokens in files, so that runs on the same rows need not make them again."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.data.array_files import key_of, read_arrays, write_arrays
from glueft.data.encoding import Encoded, encode
from glueft.data.windows import Windowing, WindowsOfRows
from glueft.hub.checkpoint_files import TOKENIZER_FILES
from glueft.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.rows import Rows

_PACKAGES = ("transformers", "tokenizers", "sentencepiece")


class TokenCache:
    """A folder with the tokens of splits, a file each. It only grows, and may be removed at any time.

    Args:
        folder: made when there is something to keep.
        tokenizer_files: SHA-256 of the checkpoint's files, by name; those of its tokenizer count.
        say: shows a line to the user.
    """

    def __init__(self, folder: Path, tokenizer_files: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.folder = folder
        self.tokenizer_files = {name: tokenizer_files[name] for name in TOKENIZER_FILES if name in tokenizer_files}
        self.say = cache(say)  # each line once, not for each split

    def encode(self, rows: Rows, tokenizer: Any, max_length: int, windowing: Windowing | None = None) -> Encoded:
        """Return what `glueft.data.encoding.encode` does."""
        path = self.folder / f"{self._key(rows, tokenizer, max_length, windowing)}.npz"
        kept = _read(path, rows, tokenizer.pad_token_id, windowing)
        if kept is not None:
            return kept
        encoded = encode(rows, tokenizer, max_length, windowing)
        self._write(path, encoded)
        return encoded

    def _key(self, rows: Rows, tokenizer: Any, max_length: int, windowing: Windowing | None) -> str:
        """The SHA-256 of all that tokens depend on."""
        kind = type(tokenizer)
        parts = {
            "rows": rows.sha256,
            "texts": len(rows.texts),
            "max_length": max_length,
            "tokenizer": f"{kind.__module__}.{kind.__qualname__}",
            "files": self.tokenizer_files,
            "versions": _versions(everything=not tokenizer.is_fast),
        }
        if windowing is not None:
            parts["stride"] = windowing.stride
        return key_of(parts)

    def _write(self, path: Path, encoded: Encoded) -> None:
        arrays = {"ids": encoded.ids, "token_types": encoded.token_types, "offsets": encoded.offsets}
        arrays["truncated"] = np.array(encoded.truncated, np.int64)
        if encoded.windows is not None:
            arrays["first_windows"] = encoded.windows.first
        write_arrays(path, arrays, "the tokens", self.say)


def _read(path: Path, rows: Rows, pad_id: int, windowing: Windowing | None) -> Encoded | None:
    """Return the tokens of rows from a file; None where there is none, or one that is damaged or another's."""
    stored: dict[str, Any] = {**read_arrays(path)}
    try:
        ids, types, offsets = (stored[name] for name in ("ids", "token_types", "offsets"))
        truncated = int(stored["truncated"])
        first = None if windowing is None else stored["first_windows"]
    except (KeyError, TypeError):
        return None
    fits = (
        (ids.dtype, types.dtype, offsets.dtype) in ((np.uint16, np.uint8, np.int64), (np.int32, np.uint8, np.int64))
        and (offsets.shape == (len(rows) + 1,) if first is None else _are_first(first, len(rows), len(offsets) - 1))
        and ids.shape == types.shape == (int(offsets[-1]),)
        and not offsets[0]
        and bool((np.diff(offsets) >= 0).all())
    )
    if not fits:
        return None
    windows = None
    if windowing is not None and first is not None:
        windows = WindowsOfRows(first, len(offsets) - 1, windowing.pool)
    return Encoded(ids, types, offsets, rows.labels, pad_id, truncated, windows)


def _are_first(first: NDArray[Any], rows: int, windows: int) -> bool:
    """Whether an array of a file has the first window of each row."""
    if first.dtype != np.int64 or first.shape != (rows,):
        return False
    return bool(first[0] == 0 and (np.diff(first, append=windows) > 0).all())


def _versions(*, everything: bool) -> dict[str, str]:
    """The packages that make tokens; for a tokenizer in Python all that are here: some need one of their language."""
    versions = {"glueft": __version__}
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    if everything:
        versions |= {str(package.name): package.version for package in importlib.metadata.distributions()}
    return versions
