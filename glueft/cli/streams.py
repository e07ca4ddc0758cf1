"""Standard output and standard error that may be closed, full, or a pipe whose reader goes away."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import IO, Any, NoReturn

from glueft.errors import OutputError
from glueft.system.standard_output import standard_output
from glueft.text import say

CLOSED = "it is closed"


class StandardStream:
    """A standard stream whose failure is told in a sentence, or passed over.

    After the first failure nothing more is written: the stream then leads nowhere, for C code too.

    Args:
        stream: the one of Python.
        name: for the sentence.
        goes_on: whether the work goes on without it.

    Attributes:
        failure: what the system said; None as long as all could be written.
    """

    def __init__(self, stream: IO[str], name: str, *, goes_on: bool) -> None:
        self.stream = stream
        self.name = name
        self.goes_on = goes_on
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text; once the stream has failed, say so again or pass over it."""
        if text == "":  # A system may refuse even that, and whoever only tries whether this is for texts does not mind.
            return 0
        if self.failure is None:
            try:
                return self.stream.write(text)
            except OSError as error:
                self._fail(error)
        elif not self.goes_on:
            self._raise()
        return len(text)

    def flush(self) -> None:
        """Write what is held back; nothing is where a writer of rows has closed the stream, its reader gone."""
        if self.failure is None and not self.stream.closed:
            try:
                self.stream.flush()
            except OSError as error:
                self._fail(error)

    def said(self) -> OutputError:
        """The failure in a sentence."""
        assert self.failure is not None
        closed = self.failure.errno == errno.EBADF
        return OutputError(
            f"{self.name} cannot be written",
            expected="a terminal, a pipe that is read, or a file with room",
            received=CLOSED if closed else self.failure.strerror or str(self.failure),
            fix="lead it elsewhere",
        )

    def _raise(self) -> NoReturn:
        assert self.failure is not None
        if isinstance(self.failure, BrokenPipeError):
            raise self.failure
        raise self.said() from self.failure

    def _fail(self, error: OSError) -> None:
        self.failure = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)
        # What is held back goes there now: later the descriptor may be that of another stream.
        with suppress(OSError):
            self.stream.flush()
        if not self.goes_on:
            self._raise()
        if self.name == "standard output" and not isinstance(error, BrokenPipeError):
            received = self.said().received
            say(f"warning: {self.name} cannot be written ({received}); the work goes on without it", stream=sys.stderr)


def guard_streams() -> None:
    """Have standard streams that are there and tell of their failures; the first thing that a process does."""
    # A file that is opened later must not come to stand where libraries write their log lines.
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # To write to what is open for reading is an error, as on a closed stream; who speaks to a closed standard
            # error wants no answer.
            while os.open(os.devnull, flags) < number:
                pass
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _guarded(sys.stdout, 1, "standard output", goes_on=False)
    sys.stderr = _guarded(sys.stderr, 2, "standard error", goes_on=True)


def go_on_without_output() -> None:
    """Let the work go on where standard output fails: from now on, it is worth more than what is shown of it."""
    stream = standard_output()
    if isinstance(stream, StandardStream):
        stream.goes_on = True


def refuse_lost_output() -> None:
    """Raise if the one thing that was to be written to standard output could not be; the work is done all the same.

    Raises:
        BrokenPipeError: nobody reads it any more.
        OutputError: it is full or closed.
    """
    stream = standard_output()
    if isinstance(stream, StandardStream):
        stream.flush()
        if isinstance(stream.failure, BrokenPipeError):
            raise stream.failure
        if stream.failure is not None:
            error = stream.said()
            error.fix = "lead it elsewhere; what the command does is done"
            raise error


def settle_streams() -> None:
    """Write what is held back, or leave it: Python would find a failure once more when it ends."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, StandardStream):
            stream.name, stream.goes_on = "", True
            stream.flush()


def _guarded(stream: IO[str] | None, number: int, name: str, *, goes_on: bool) -> StandardStream:
    if stream is None:
        stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if hasattr(stream, "reconfigure"):
        # A terminal that cannot show a letter gets its code, not a traceback.
        stream.reconfigure(errors="backslashreplace")
    return StandardStream(stream, name, goes_on=goes_on)
