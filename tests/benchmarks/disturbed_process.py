"""`glueft` in a process of its own that is killed, or told to end, at a chosen moment."""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

# A process that takes longer has hung.
LONGEST = 900.0
# What a process does with a file before it does it.
FILE_EVENTS = frozenset(("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"))


@dataclass(frozen=True)
class Moment:
    """When a process gets a signal.

    Attributes:
        kind: "second" after its start, or "file": as it opens, makes, renames or removes a file of the run.
        at: the second; or which of these, from 1.
        delay: seconds after it.
        signals: by number, one after the other.
        pause: seconds between two of them.
    """

    kind: Literal["second", "file"]
    at: float
    signals: tuple[int, ...]
    delay: float = 0.0
    pause: float = 0.0

    @property
    def names(self) -> list[str]:
        """Those of the signals, such as TERM."""
        return [signal.Signals(number).name.removeprefix("SIG") for number in self.signals]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code, or minus the signal that killed it.
        seconds: that it took.
        files: how often it has touched files of the run.
        disturbed: whether it got its signals.
        after: seconds from the first of them to the end.
    """

    code: int
    seconds: float
    files: int
    disturbed: bool
    after: float


class Board:
    """Memory that a process shares with the one that watches it: what it has done with files, when it got a signal."""

    _FORM = struct.Struct("qd")

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(self._FORM.size)
            self.memory = mmap.mmap(file.fileno(), self._FORM.size)

    def read(self) -> tuple[int, float]:
        """How often files were touched, and `time.monotonic()` at the signal, or 0."""
        files, sent = self._FORM.unpack(self.memory[:])
        return files, sent

    def write(self, files: int, sent: float) -> None:
        self.memory[:] = self._FORM.pack(files, sent)


def run_process(
    arguments: Sequence[str], output_dir: Path, log: Path, moment: Moment | None = None, *, fork: bool = False
) -> Ended:
    """Run `glueft` and disturb it.

    Args:
        arguments: of the command line.
        output_dir: where the run folders are.
        log: gets what it prints.
        moment: when it is disturbed; None for not at all.
        fork: whether the process is a fork of this one, and not one that begins from nothing.
    """
    shared = log.with_suffix(".board")
    board = Board(shared)
    begin = time.monotonic()
    process = _fork(arguments, output_dir, log, moment) if fork else _start(arguments, output_dir, log, moment)
    sending = None
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        seconds = time.monotonic() - begin
        if ended:
            break
        if moment is not None and moment.kind == "second" and sending is None and seconds >= moment.at:
            sending = threading.Thread(target=_send, args=(moment, process, board))
            sending.start()
        if seconds > LONGEST:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.005)
    if sending is not None:
        sending.join()
    files, sent = board.read()
    shared.unlink()
    after = begin + seconds - sent if sent else 0.0
    return Ended(os.waitstatus_to_exitcode(status), seconds, files, bool(sent), after)


def _fork(*told: Any) -> int:
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        _be_glueft(*told)
    return process


def _start(arguments: Sequence[str], output_dir: Path, log: Path, moment: Moment | None) -> int:
    told = json.dumps([list(arguments), str(output_dir), str(log), None if moment is None else asdict(moment)])
    # A cache of compiled programs is for forks: this one does all of its work.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return subprocess.Popen([sys.executable, __file__, told], env=environment).pid


def _be_glueft(arguments: Sequence[str], output_dir: Path, log: Path, moment: Moment | None) -> NoReturn:
    """Be `glueft` with these arguments, and end the process."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    _watch_files(output_dir, Board(log.with_suffix(".board")), moment)
    sys.argv = ["glueft", *arguments]
    code: object = 1
    try:
        from glueft.cli.start import main

        main()
    except SystemExit as leaving:
        code = leaving.code or 0
    except BaseException:
        traceback.print_exc()
    for thread in threading.enumerate():  # as Python does when it ends
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _watch_files(output_dir: Path, board: Board, moment: Moment | None) -> None:
    """Count what this process does with files below a folder, and send itself the signals of a moment of that kind."""
    place, own, count = str(output_dir), threading.local(), 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in FILE_EVENTS or getattr(own, "busy", False) or place not in str(arguments[0]):
            return
        own.busy = True
        count += 1
        board.write(count, board.read()[1])
        if moment is not None and moment.kind == "file" and count == moment.at:
            if moment.delay or moment.pause:
                threading.Thread(target=_send, args=(moment, os.getpid(), board), daemon=True).start()
            else:
                _send(moment, os.getpid(), board)
        own.busy = False

    sys.addaudithook(hook)


def _send(moment: Moment, process: int, board: Board) -> None:
    time.sleep(moment.delay)
    board.write(board.read()[0], time.monotonic())
    for number in moment.signals:
        with suppress(ProcessLookupError):
            os.kill(process, number)
        time.sleep(moment.pause)


if __name__ == "__main__":
    arguments_, output_dir_, log_, moment_ = json.loads(sys.argv[1])
    if moment_ is not None:
        moment_ = Moment(**moment_ | {"signals": tuple(moment_["signals"])})
    _be_glueft(arguments_, Path(output_dir_), Path(log_), moment_)
