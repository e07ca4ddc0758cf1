"""The lines of a text file, compressed or not, decoded from UTF-8 as they go by."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from glueft.errors import DataError
from glueft.system.plain_file import refuse_irregular
from glueft.tables import limits
from glueft.tables.missing import unreadable
from glueft.tables.problems import Problem

# A byte order mark before UTF-8 is left out. Those of other encodings name the encoding.
OTHER_MARKS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
OPENERS: dict[str | None, Any] = {"gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}


class TextLines:
    """The lines of a file, their ends included, for one iteration. A line that is not text is yielded all the same.

    Args:
        path: the file; of an open one, its `content`, the name for messages.
        compression: see `TableFormat`.
    """

    def __init__(self, path: Path, compression: str | None = None, content: IO[bytes] | None = None) -> None:
        self.path, self.compression, self.content = path, compression, content
        self._problem: Problem | None = None

    def problem(self) -> Problem | None:
        """Return the first problem of the lines since the last call: bytes that are not UTF-8, or a NUL."""
        problem, self._problem = self._problem, None
        return problem

    def __iter__(self) -> Iterator[str]:
        """Yield every line.

        Raises:
            DataError: the file cannot be opened or decompressed, is in UTF-16, or a line is too long.
        """
        try:
            with nullcontext(self.content) if self.content else self._open() as file:
                for number, line in enumerate(iter(lambda: file.readline(limits.LONGEST_LINE + 1), b""), start=1):
                    if len(line) > limits.LONGEST_LINE:
                        raise _endless(self.path, number)
                    yield self._text(number, line)
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise self._damaged(error) from None
        except OSError as error:
            if self.compression and error.errno is None:  # From gzip and bz2, for content of another kind.
                raise self._damaged(error) from None
            raise unreadable(self.path, error) from None

    def _open(self) -> IO[bytes]:
        refuse_irregular(self.path)
        file: IO[bytes] = OPENERS.get(self.compression, Path.open)(self.path, "rb")
        return file

    def _text(self, number: int, line: bytes) -> str:
        if number == 1:
            line = self._after_the_mark(line)
        try:
            if b"\0" not in line:
                return line.decode("utf-8")
            problem = Problem(
                number,
                "a NUL byte",
                "text",
                f"byte 0x00 as byte {line.index(0) + 1} of the line",
                "write the file again: it seems damaged, or is UTF-16 (then convert it to UTF-8)",
            )
        except UnicodeDecodeError as error:
            problem = Problem(
                number,
                "not UTF-8 text",
                "UTF-8, with or without a byte order mark, in every line",
                f"byte 0x{line[error.start]:02x} as byte {error.start + 1} of the line ({error.reason})",
                "convert the file to UTF-8: iconv -f WINDOWS-1252 -t UTF-8; if only some lines are wrong, those",
            )
        self._problem = self._problem or problem
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


def stray_return(number: int) -> Problem:
    """Return the problem of a line with a carriage return within."""
    return Problem(
        number,
        "a carriage return that ends no line",
        "lines that end with LF or CRLF",
        "byte 0x0d without a byte 0x0a behind it",
        "take the carriage return out, or convert the file's line ends to LF",
    )


def _endless(path: Path, number: int) -> DataError:
    return DataError(
        f"{path}, line {number}: it does not end",
        expected=f"lines of at most {limits.LONGEST_LINE:,} bytes",
        received="more than that without a line feed",
        fix="check that the file is text with a row a line, and that its lines end with LF or CRLF",
    )
