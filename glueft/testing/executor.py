"""The checks of an executor, with small programs in the place of runs."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from glueft.errors import GlueftError
from glueft.plugin.executor import Job, Pool, RunningJob, lacks_of_pool
from glueft.testing.check import Check, ContractBrokenError, NotCheckedError, Subject

# A queue may take its time; `glueft plugin check --time-limit` ends a check before that.
SECONDS = 600.0
WAIT_SECONDS = 0.1

TELLS = """
import os, sys
print("the folder is", os.getcwd(), flush=True)
print("the tide is", os.environ["GLUEFT_TIDE"], file=sys.stderr, flush=True)
sys.exit(7)
"""
# Says when it is ready: a signal before that ends it as any program that has just begun. One that comes twice, as from
# a queue and from its job, is one signal, also while Python ends.
SAVES = """
import pathlib, signal, sys, time
def end(number, frame):
    signal.signal(number, signal.SIG_IGN)
    pathlib.Path("saved").write_text("all of it")
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
pathlib.Path("ready").touch()
while True:
    time.sleep(0.05)
"""
DEAF = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path("ready").touch()
while True:
    pathlib.Path("beat").write_text(str(time.time()))
    time.sleep(0.05)
"""


def checks(subject: Subject) -> list[Check]:
    return [
        Check("opens", subject, opens),
        Check("runs", subject, runs),
        Check("stops", subject, stops),
        Check("kills", subject, kills),
    ]


def opens(subject: Subject) -> str:
    """It opens where runs can be run, has room for one at least, and says in a line what it has."""
    with _pool(subject) as (pool, _):
        said, slots = pool.describe(), pool.slots
    if not isinstance(slots, int) or slots < 1:
        raise ContractBrokenError(f"`slots` must be a whole number of at least 1, and is {slots!r}")
    if not isinstance(said, str) or not said.strip() or "\n" in said:
        raise ContractBrokenError(f"`describe` must return one line for the user, and returned {said!r}")
    return said


def runs(subject: Subject) -> str:
    """A program runs in its folder, with its variables; what it prints is added to log.txt, and its exit code known."""
    with _pool(subject) as (pool, folder):
        job = _job(folder, TELLS, GLUEFT_TIDE="out")
        log = job.folder / "log.txt"
        log.write_text("from before\n", encoding="utf-8")
        running = pool.start(job)
        _wait(running)
        _expect_code(running, 7)
        text = log.read_text(encoding="utf-8")
    for line in ("from before", f"the folder is {job.folder}", "the tide is out"):
        if line not in text.splitlines():
            raise ContractBrokenError(f'log.txt must have the line "{line}", and has {text!r}')
    return "exit code 7, with all that was printed"


def stops(subject: Subject) -> str:
    """`stop` returns at once and sends SIGTERM: the program saves what it has, and its exit code is known."""
    with _pool(subject) as (pool, folder):
        job = _job(folder, SAVES)
        running = pool.start(job)
        _wait_until(lambda: (job.folder / "ready").exists(), running, "the program does not begin")
        began = time.monotonic()
        running.stop()
        took = time.monotonic() - began
        _wait(running)
        if not (job.folder / "saved").exists():
            raise ContractBrokenError("`stop` must send the program SIGTERM and let it end; it was ended without it")
        _expect_code(running, 143)
    return f"ended by itself; `stop` took {took:.2f} s"


def kills(subject: Subject) -> str:
    """`kill` ends a program that heeds no signal, and returns when it has ended."""
    with _pool(subject) as (pool, folder):
        job = _job(folder, DEAF)
        running = pool.start(job)
        _wait_until(lambda: (job.folder / "ready").exists(), running, "the program does not begin")
        running.kill()
        _wait(running)
        last = (job.folder / "beat").read_text(encoding="utf-8")
        time.sleep(0.5)
        if (job.folder / "beat").read_text(encoding="utf-8") != last:
            raise ContractBrokenError("the program still runs after `kill`")
        if running.exit_code() == 0:
            raise ContractBrokenError("the exit code of a program that was killed must not be 0")
    return "ended, though it ignores SIGTERM"


@contextmanager
def _pool(subject: Subject) -> Iterator[tuple[Pool, Path]]:
    """Give an open pool and its folder, which is made in the working folder: other machines see no folder in /tmp."""
    folder = Path(tempfile.mkdtemp(prefix="glueft-executor-", dir=Path.cwd()))
    try:
        try:
            pool = subject.plugin.open(folder, lambda text: None, jobs=1)
        except GlueftError as error:
            raise NotCheckedError(f"it cannot be used here: {error.in_one_line}") from None
        if lacking := lacks_of_pool(pool):
            raise ContractBrokenError(f"`open` returns {pool!r}, no pool: it has no {', '.join(lacking)}")
        try:
            yield pool, folder
        finally:
            pool.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _job(folder: Path, program: str, **environment: str) -> Job:
    place = folder / "job"
    place.mkdir()
    return Job("job", (sys.executable, "-c", program), place, environment)


def _wait(running: RunningJob) -> None:
    _wait_until(lambda: running.state() == "ended", None, 'the job\'s state does not become "ended"')


def _wait_until(done: Callable[[], bool], running: RunningJob | None, failed: str) -> None:
    until = time.monotonic() + SECONDS
    while not done():
        if running is not None and running.state() == "ended" and not done():
            raise ContractBrokenError(f"{failed}; its exit code is {running.exit_code()}")
        if time.monotonic() > until:
            raise ContractBrokenError(f"{failed} within {SECONDS:g} s")
        time.sleep(WAIT_SECONDS)


def _expect_code(running: RunningJob, code: int) -> None:
    found = running.exit_code()
    if found != code:
        raise ContractBrokenError(f"the program exits with {code}, and `exit_code` returned {found!r}")
