"""Ctrl-C, SIGTERM, SIGHUP and SIGUSR1: each is raised in the main thread, and again where a library swallowed it.

An exception that a signal handler raises can be lost: Python drops one raised within a `__del__`, and libraries catch
exceptions they do not know. So the handler records the signal too, and `check` raises it again at the next step.

While a model trains, the first signal is only recorded (`deferred`): the step is finished and the state saved before
`raise_received` ends the work.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, ClassVar

# SIGHUP comes when a terminal is closed; SIGUSR1 when SLURM is about to end a job (`--signal=USR1@120`). Windows has
# neither.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))

_SIGUSR1 = getattr(signal, "SIGUSR1", None)

# A second signal ends the process at once. One so soon after the first counts as the same: a launcher passes on the
# Ctrl-C that its child has had already, and a shell sends its own SIGHUP after the terminal's.
SAME_INTERRUPT_SECONDS, SAME_END_SECONDS = 0.05, 1.0
# Delay before a dropped exception is raised again, so that the `__del__` is over.
SOON_SECONDS = 0.005
# Time limit for the functions of `at_the_end` at a second signal: a disk may hang.
LAST_SECONDS = 2.0


class TerminatedError(KeyboardInterrupt):
    """SIGTERM, SIGHUP or SIGUSR1 was received. Code that handles Ctrl-C handles this as well."""


class _State:
    """The state of signals in this process.

    Attributes:
        number: the first signal received, `time.monotonic()` at that moment, and whether another has come since.
        taken: whether the work is being ended already; nothing is raised then.
        held: how many blocks hold signals back.
        deferred: how many blocks defer the first one.
        listening: whether the handlers are installed.
        ours: whether the process is glueft's own.
        process: the process that installed the handlers; a fork inherits them.
        before: the earlier handlers, by signal.
        unraisable: the earlier hook.
        begin_step, is_last_step: of `share`; None where this process is alone.
        leaves_at_once: of `leave_at_once`.
    """

    number: int | None = None
    since = 0.0
    again = False
    taken = False
    held = 0
    deferred = 0
    listening = False
    ours = False
    process = 0
    before: ClassVar[dict[int, Any]] = {}
    unraisable: Callable[[Any], object] = sys.__unraisablehook__
    begin_step: Callable[[], None] | None = None
    is_last_step: Callable[[], bool] | None = None
    leaves_at_once = False


_state = _State()
# Called when an interruption ends the process or the `listening` block; each must be quick and raise nothing.
_last: list[Callable[[], None]] = []


@contextmanager
def listening() -> Iterator[None]:
    """Handle the signals in this block; does nothing outside the main thread or within another such block.

    A handler that is not Python's own stays installed, and an ignored signal (`nohup`) stays ignored. When the block
    ends after SIGTERM or SIGHUP, the signal is sent again to the earlier handler. SIGUSR1 is not: it asks the work to
    end and not the process, such as a notebook, which it would kill.

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
        if number not in (None, signal.SIGINT, _SIGUSR1) and not _state.ours:
            os.kill(os.getpid(), number)


def own_process() -> None:
    """Handle the signals until the end of the process, which is glueft's own: a second signal ends it at once.

    That holds also while the main thread is in a long call of C code, in which Python runs no handler.
    """
    _state.ours = True
    _listen()
    atexit.register(_ignore)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="glueft-signals", daemon=True).start()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


def check() -> None:
    """Raise the interruption of a received signal, unless it is held or deferred; called at each step and phase."""
    if _state.again or not _state.deferred:
        raise_received()


def received() -> bool:
    """Whether a signal has come that ends the work of this thread; where several processes agree on it, now."""
    if _state.number is None or not _in_main_thread():
        return False
    return not _state.deferred or _state.is_last_step is None or _state.is_last_step()


def share(begin_step: Callable[[], None] | None, is_last_step: Callable[[], bool] | None) -> None:
    """Have a deferred signal end the work of several processes after the same step; None ends that.

    Args:
        begin_step: called in the main thread before each step that all of them take.
        is_last_step: whether the one that was begun last is the one after which all end.
    """
    _state.begin_step, _state.is_last_step = begin_step, is_last_step


def begin_step() -> None:
    """To be called before each step that the processes of a run take together; it may wait. Nothing in one alone."""
    if _state.begin_step is not None:
        _state.begin_step()


def number() -> int | None:
    """Return the number of the signal that has come; None without one. Any thread may ask."""
    return _state.number


def waiting_number() -> int | None:
    """Return the same while it is `deferred`."""
    return _state.number if _state.deferred else None


def adopt(number: int) -> None:
    """Act as if this process had received the signal that another one of its run has; any thread may say so."""
    if _state.number is None:
        _state.number, _state.since = number, time.monotonic()


def raise_received() -> None:
    """Raise the interruption of a received signal also where it is `deferred`, but not where it is `held`."""
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


@contextmanager
def deferred() -> Iterator[None]:
    """Record the first signal in this block, and leave it to the block to end the work soon, by `raise_received`.

    `check` does not raise it; the end of the block does. A second signal ends glueft's own process at once; elsewhere
    it is raised at once.
    """
    if not _in_main_thread():
        yield
        return
    _state.deferred += 1
    try:
        yield
    finally:
        _state.deferred -= 1
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
    return None if _state.number is None else exit_code_of(_state.number)


def exit_code_of(number: int) -> int:
    """Return the exit code of a program that a signal ended. SIGUSR1 asks for what SIGTERM does, and has its code."""
    return 128 + (signal.SIGTERM if number == _SIGUSR1 else number)


def leave_at_once() -> None:
    """Have glueft's own process end as after a signal, without waiting for what libraries would still do."""
    _state.leaves_at_once = True


def leaves_at_once() -> bool:
    """Whether the process ends like that: a signal has come, or `leave_at_once` was called."""
    return _state.leaves_at_once or _state.number is not None


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
    _state.number, _state.again, _state.taken = None, False, False
    _state.listening, _state.process = True, os.getpid()
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
    _state.number, _state.again, _state.listening = None, False, False


def _ignore() -> None:
    """Ignore the signals from now on: Python takes its handlers away next, and one would end what is done already."""
    for number in SIGNALS:
        if signal.getsignal(number) is _handle:
            signal.signal(number, signal.SIG_IGN)


def _handle(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.process:  # a fork of this process has nothing of its own to finish
        os._exit(exit_code_of(number))
    if _state.number is None:
        _state.number, _state.since = number, time.monotonic()
    elif _state.ours:
        return  # `_watch` has seen it too.
    elif not _state.deferred or _is_another(number, _state.since):
        _state.again = True
    if not _state.held and (_state.again or not (_state.taken or _state.deferred)):
        raise _exception(number)


def _is_another(number: int, first: float) -> bool:
    """Whether a signal is not what was sent at `first`, in seconds of `time.monotonic`, once more."""
    return time.monotonic() - first > (SAME_INTERRUPT_SECONDS if number == signal.SIGINT else SAME_END_SECONDS)


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
        for number in [number for number in os.read(reader, 64) if number in SIGNALS]:
            if first is None:
                first, code = time.monotonic(), exit_code_of(number)
            elif _is_another(number, first):
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
