"""A file that appears under its name when it is whole, and not before."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from glueft.errors import OutputError
from glueft.files import WholeFile, writing
from glueft.tables.suffixes import SUFFIXES, TableFormat, table_format


class OutputFile:
    """A file in the making, compressed where that is asked for. Use as a context manager; see `WholeFile`.

    Args:
        path: its place.
        compression: "gzip", "bz2", "lzma" or None.

    Attributes:
        content: what to write to.
    """

    content: IO[bytes]

    def __init__(self, path: Path, compression: str | None = None) -> None:
        self.compression = compression
        self.whole = WholeFile(path)

    def __enter__(self) -> OutputFile:
        with writing(self.whole.path):
            file = self.whole.__enter__().file
        opener = {"gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}.get(self.compression or "")
        self.content = file if opener is None else opener(file, "wb")  # type: ignore[operator]
        return self

    def finish(self) -> None:
        """Put the file in its place."""
        if self.content is not self.whole.file:
            self.content.close()
        self.whole.finish()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.whole.__exit__(kind, error, trace)


def output_format(path: Path) -> TableFormat:
    """Tell by its suffix how a file is written.

    Raises:
        OutputError: the suffix is none that glueft writes.
    """
    try:
        return table_format(path)
    except ValueError as error:
        raise OutputError(
            f"{path}: its name does not say how to write it",
            expected=f"a name that ends in {SUFFIXES}",
            received=f"{path.name}: {error}".replace("must end in " + SUFFIXES + "; ", ""),
            fix="name it predictions.csv, predictions.jsonl or the like",
        ) from None


def check_place(path: Path, *, force: bool, read: Path | None = None) -> None:
    """Check, before any work is done, that a file can be written.

    Args:
        path: the file.
        force: whether one that exists may be replaced.
        read: the file that is read meanwhile.

    Raises:
        OutputError: it cannot, or may not.
    """
    if path.is_dir():
        raise OutputError(
            f"{path} is a folder",
            expected="the name of a file",
            received="a folder",
            fix=f"name a file in it: {path / 'predictions.csv'}",
        )
    if not path.parent.is_dir():
        raise OutputError(
            f"{path} cannot be written: there is no folder {path.parent}",
            expected="a folder that exists",
            received="a file" if path.parent.exists() else "nothing of that name",
            fix=f"make it (mkdir -p {path.parent}), or name another place",
        )
    if read is not None and path.exists() and path.samefile(read):
        raise OutputError(
            f"{path} is the file that is read",
            expected="another file for the output",
            received="the same file twice",
            fix="name another output",
        )
    if path.exists() and not force:
        raise OutputError(
            f"{path} exists already",
            expected="the name of a new file",
            received=f"a file of {path.stat().st_size:,} bytes",
            fix="name another file, move that one away, or replace it with --force",
        )
    if not os.access(path.parent, os.W_OK):
        raise OutputError(
            f"{path} cannot be written",
            expected="a folder that can be written to",
            received=f"no permission to write in {path.parent}",
            fix="name another place",
        )
