"""Standard output and standard error, which may be closed, full, or a pipe without a reader."""

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
    """A standard stream that raises a GlueftError when it cannot be written, or goes on silently.

    After the first failure it writes to the null device, for C code too.

    Args:
        stream: Python's stream.
        name: for the message.
        goes_on: whether the command goes on without it.

    Attributes:
        failure: the first error; None so far.
    """

    def __init__(self, stream: IO[str], name: str, *, goes_on: bool) -> None:
        self.stream = stream
        self.name = name
        self.goes_on = goes_on
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        if text == "":  # Some callers only test whether the stream takes text; even that may fail.
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
        # A writer of rows closes the stream once its reader has gone.
        if self.failure is None and not self.stream.closed:
            try:
                self.stream.flush()
            except OSError as error:
                self._fail(error)

    def error(self) -> OutputError:
        """Return the failure as an error for the user."""
        assert self.failure is not None
        closed = self.failure.errno == errno.EBADF
        return OutputError(
            f"{self.name} cannot be written",
            expected="a terminal, a pipe that is read, or a file with room",
            received=CLOSED if closed else self.failure.strerror or str(self.failure),
            fix="redirect it elsewhere",
        )

    def _raise(self) -> NoReturn:
        assert self.failure is not None
        if isinstance(self.failure, BrokenPipeError):
            raise self.failure
        raise self.error() from self.failure

    def _fail(self, error: OSError) -> None:
        self.failure = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)
        # Flush to there now: later the descriptor may be that of another stream.
        with suppress(OSError):
            self.stream.flush()
        if not self.goes_on:
            self._raise()
        if self.name == "standard output" and not isinstance(error, BrokenPipeError):
            received = self.error().received
            say(
                f"warning: {self.name} cannot be written ({received}); the command goes on without it",
                stream=sys.stderr,
            )


def guard_streams() -> None:
    """Open the standard streams that are missing and wrap the others in `StandardStream`; call it first."""
    # Otherwise a file opened later could get the descriptor that libraries log to.
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # A missing standard output is opened for reading, so that writing to it fails as on a closed stream.
            while os.open(os.devnull, flags) < number:
                pass
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _guarded(sys.stdout, 1, "standard output", goes_on=False)
    sys.stderr = _guarded(sys.stderr, 2, "standard error", goes_on=True)


def go_on_without_output() -> None:
    """From now on let the command finish even if standard output fails."""
    stream = standard_output()
    if isinstance(stream, StandardStream):
        stream.goes_on = True


def refuse_lost_output() -> None:
    """Raise if the result could not be written to standard output, though the command's work is done.

    Raises:
        BrokenPipeError: its reader has gone.
        OutputError: it is full or closed.
    """
    stream = standard_output()
    if isinstance(stream, StandardStream):
        stream.flush()
        if isinstance(stream.failure, BrokenPipeError):
            raise stream.failure
        if stream.failure is not None:
            error = stream.error()
            error.fix = "redirect it elsewhere; the command has done its work"
            raise error


def settle_streams() -> None:
    """Flush what can be; Python would otherwise report a failure again when it ends."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, StandardStream):
            stream.name, stream.goes_on = "", True
            stream.flush()


def _guarded(stream: IO[str] | None, number: int, name: str, *, goes_on: bool) -> StandardStream:
    if stream is None:
        stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if hasattr(stream, "reconfigure"):
        # A letter that the terminal's encoding lacks is printed as its code.
        stream.reconfigure(errors="backslashreplace")
    return StandardStream(stream, name, goes_on=goes_on)
