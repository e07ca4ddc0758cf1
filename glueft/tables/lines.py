"""The lines of a table that is a text file, compressed or not: UTF-8, checked line by line as they go by."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from glueft.errors import DataError
from glueft.system.plain_file import refuse_irregular
from glueft.tables import limits
from glueft.tables.missing import unreadable
from glueft.tables.problems import Problem, endless
from glueft.tables.suffixes import table_format

# Before UTF-8 text there may be its own mark. Those of other encodings say what the file is.
OTHER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


class TextLines:
    """The lines of a file, their ends included. Iterate once; a line that is no text is a problem, and goes by.

    Attributes:
        path: the file.
        content: an open file to read instead; `path` is then its name in messages.
        problems: of the lines so far that are not UTF-8, or hold a NUL; whoever iterates takes them out.
    """

    def __init__(self, path: Path, content: IO[bytes] | None = None) -> None:
        self.path = path
        self.content = content
        self.problems: list[Problem] = []

    def __iter__(self) -> Iterator[str]:
        """Yield every line.

        Raises:
            DataError: the file cannot be opened, or decompressed, or is in UTF-16.
        """
        compression = None if self.content else table_format(self.path).compression
        try:
            with nullcontext(self.content) if self.content else _open(self.path, compression) as file:
                for number, line in enumerate(iter(lambda: file.readline(limits.LONGEST_LINE + 1), b""), start=1):
                    if len(line) > limits.LONGEST_LINE:
                        raise endless(self.path, number)
                    yield self._text(number, line)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(error) from None
        except OSError as error:
            if compression and error.errno is None:  # gzip and bz2 say so of content that is not theirs.
                raise self._damaged(error) from None
            raise unreadable(self.path, error) from None

    def _text(self, number: int, line: bytes) -> str:
        if number == 1:
            line = self._after_the_mark(line)
        if b"\0" in line:
            self.problems.append(
                Problem(
                    number,
                    "a NUL byte",
                    "text",
                    f"byte 0x00 as byte {line.index(0) + 1} of the line",
                    "write the file again: it seems damaged, or is UTF-16 (then convert it to UTF-8)",
                )
            )
            return line.decode("utf-8", "replace")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            self.problems.append(
                Problem(
                    number,
                    "not UTF-8 text",
                    "UTF-8, with or without a byte order mark, in every line",
                    f"byte 0x{line[error.start]:02x} as byte {error.start + 1} of the line ({error.reason})",
                    "convert the file to UTF-8: iconv -f WINDOWS-1252 -t UTF-8; if only some lines are wrong, those",
                )
            )
            return line.decode("utf-8", "replace")

    def _after_the_mark(self, line: bytes) -> bytes:
        for mark, encoding in OTHER_MARKS.items():
            if line.startswith(mark):
                raise DataError(
                    f"{self.path} is {encoding}, not UTF-8",
                    expected="text in UTF-8",
                    received=f"the byte order mark of {encoding}",
                    fix=f"convert the file: iconv -f {encoding} -t UTF-8; in Excel, save as CSV UTF-8",
                )
        return line.removeprefix(codecs.BOM_UTF8)

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"{self.path} cannot be decompressed",
            expected=f"a file compressed as {self.path.suffix} says",
            received=str(error),
            fix="copy or compress the file again; a file that is not compressed has no such suffix",
        )


def _open(path: Path, compression: str | None) -> IO[bytes]:
    refuse_irregular(path)
    if compression == "gzip":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if compression == "bz2":
        return bz2.open(path, "rb")
    if compression == "lzma":
        return lzma.open(path, "rb")
    return path.open("rb")
