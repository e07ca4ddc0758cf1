"""Ctrl-C, SIGTERM and SIGHUP: each is raised in the main thread, and raised again where a library swallowed it.

An exception that a signal handler raises can be lost: Python drops one raised within a `__del__`, and libraries catch
exceptions they do not know. So the handler records the signal too, and `check` raises it again at the next step.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, ClassVar

# SIGHUP comes when a terminal is closed; Windows has none.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

# A second signal ends the process at once. One so soon after the first counts as the same: a launcher passes on the
# Ctrl-C that its child has had already, and a shell sends its own SIGHUP after the terminal's.
SAME_INTERRUPT_SECONDS, SAME_END_SECONDS = 0.05, 1.0
# Delay before a dropped exception is raised again, so that the `__del__` is over.
SOON_SECONDS = 0.005
# Time limit for the functions of `at_the_end` at a second signal: a disk may hang.
LAST_SECONDS = 2.0


class TerminatedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP was received. Code that handles Ctrl-C handles this as well."""


class _State:
    """The state of signals in this process.

    Attributes:
        number: the first signal received.
        taken: whether the work is being ended already; nothing is raised then.
        held: how many blocks hold signals back.
        listening: whether the handlers are installed.
        ours: whether the process is glueft's own.
        process: the process that installed the handlers; a fork inherits them.
        before: the earlier handlers, by signal.
        unraisable: the earlier hook.
    """

    number: int | None = None
    taken = False
    held = 0
    listening = False
    ours = False
    process = 0
    before: ClassVar[dict[int, Any]] = {}
    unraisable: Callable[[Any], object] = sys.__unraisablehook__


_state = _State()
# Called when an interruption ends the process or the `listening` block; each must be quick and raise nothing.
_last: list[Callable[[], None]] = []


@contextmanager
def listening() -> Iterator[None]:
    """Handle the signals in this block; does nothing outside the main thread or within another such block.

    A handler that is not Python's own stays installed, and an ignored signal (`nohup`) stays ignored. When the block
    ends after SIGTERM or SIGHUP, the signal is sent again to the earlier handler.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        TerminatedError: another of the signals.
    """
    if not _in_main_thread() or _state.listening:
        yield
        return
    _listen()
    try:
        yield
    finally:
        number = _state.number
        _stop_listening()
        if number not in (None, signal.SIGINT) and not _state.ours:
            os.kill(os.getpid(), number)


def own_process() -> None:
    """Handle the signals until the end of the process, which is glueft's own: a second signal ends it at once.

    That holds also while the main thread is in a long call of C code, in which Python runs no handler.
    """
    _state.ours = True
    _listen()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="glueft-signals", daemon=True).start()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


def check() -> None:
    """Raise the interruption of a received signal, unless it is held back; called at each step and phase."""
    if _state.number is not None and not (_state.taken or _state.held) and _in_main_thread():
        raise _exception(_state.number)


def take() -> None:
    """Raise no more for the first signal, received or not: the caller is about to end the work."""
    if _in_main_thread():
        _state.taken = True


@contextmanager
def held() -> Iterator[None]:
    """Hold signals back in a short block that must not be left half done; they are raised at its end."""
    if not _in_main_thread():
        yield
        return
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
    check()


def meant(error: BaseException) -> BaseException:
    """Return the interruption that an error comes from, or the error: a library may have replaced the exception."""
    if _state.number is None or isinstance(error, KeyboardInterrupt) or not _in_main_thread():
        return error
    interruption = _exception(_state.number)
    interruption.__cause__ = error
    return interruption


def exit_code() -> int | None:
    """Return the exit code of a program that the signal ended, such as 130 for Ctrl-C; None without a signal."""
    return None if _state.number is None else 128 + _state.number


def signal_name() -> str:
    """Return the name of the received signal, or "SIGINT"."""
    return signal.Signals(_state.number or signal.SIGINT).name


def at_the_end(function: Callable[[], None]) -> None:
    """Register a function to be called when an interruption ends the process."""
    _last.append(function)


def forget(function: Callable[[], None]) -> None:
    """Unregister a function of `at_the_end`."""
    with suppress(ValueError):
        _last.remove(function)


def say_last() -> None:
    """Call the functions of `at_the_end`, the latest first."""
    for function in reversed(tuple(_last)):
        with suppress(Exception):
            function()


def _listen() -> None:
    _state.number, _state.taken, _state.listening, _state.process = None, False, True, os.getpid()
    _state.unraisable, sys.unraisablehook = sys.unraisablehook, _unraisable
    for number in SIGNALS:
        handler = signal.getsignal(number)
        usual = handler == signal.default_int_handler or (number != signal.SIGINT and handler == signal.SIG_DFL)
        if usual or (_state.ours and handler not in (signal.SIG_IGN, None)):
            _state.before[number] = signal.signal(number, _handle)


def _stop_listening() -> None:
    if _state.number is not None:
        say_last()
    sys.unraisablehook = _state.unraisable
    for number, handler in _state.before.items():
        signal.signal(number, handler)
    _state.before.clear()
    _state.number, _state.listening = None, False


def _handle(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.process:  # a fork of this process has nothing of its own to finish
        os._exit(128 + number)
    again = _state.number is not None
    if again and _state.ours:
        return  # `_watch` has seen it too.
    if not again:
        _state.number = number
    if not _state.held and (again or not _state.taken):
        raise _exception(number)


def _exception(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else TerminatedError(signal.Signals(number).name)


def _unraisable(unraisable: Any) -> None:
    """Raise an interruption that Python is about to drop again once the `__del__` is over; show other exceptions."""
    if _state.number is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
        _state.unraisable(unraisable)
        return
    if _state.held or _state.taken or not _in_main_thread():
        return
    # Not here: it would be raised in this very hook, and dropped again; nor by `threading`, whose locks may be held.
    _thread.start_new_thread(_raise_soon, (threading.get_ident(), type(_exception(_state.number))))


def _raise_soon(thread: int, kind: type[KeyboardInterrupt]) -> None:
    import ctypes

    time.sleep(SOON_SECONDS)
    if _state.number is not None and not (_state.held or _state.taken):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


def _watch(reader: int) -> None:
    """End the process at the second signal."""
    first: float | None = None
    while True:
        numbers = [number for number in os.read(reader, 64) if number in SIGNALS]
        now = time.monotonic()
        for number in numbers:
            if first is None:
                first, code = now, 128 + number
            elif now - first > (SAME_INTERRUPT_SECONDS if number == signal.SIGINT else SAME_END_SECONDS):
                _end_at_once(code)


def _end_at_once(code: int) -> None:
    # In a thread: what it calls may hang.
    last = threading.Thread(target=say_last, daemon=True)
    last.start()
    last.join(LAST_SECONDS)
    with suppress(OSError):
        if os.isatty(1):
            os.write(1, b"\x1b[?25h\n")  # rich has hidden the cursor
        os.write(2, b"interrupted\n")
    os._exit(code)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
