"""Runs the checks of a plugin in another process: one that hangs or ends the process fails, and the others go on."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from glueft.testing import checks
from glueft.testing.check import NotCheckedError, Subject
from glueft.testing.process import python_environment, request_of

# The worker is not at a check: it imports the plugin, or frameworks.
START = "start"

# For imports of frameworks between two checks, on a slow disk.
IMPORT_SECONDS = 300.0


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: its name.
        state: "passed", "failed" or "not checked".
        said: what was seen, what is wrong, or why there was nothing to check.
    """

    check: str
    state: str
    said: str


def findings(plugin: type[Any], given: Mapping[str, Any], data_dir: str | None, seconds: float) -> Iterator[Finding]:
    """Run every check of a plugin in another process; yield each result at once.

    Args:
        plugin: its class.
        given: values for its options.
        data_dir: a folder with a task's own files.
        seconds: the time limit of one check, without imports of frameworks.
    """
    needs_rows = {check.name: check.needs_rows for check in checks(plugin, given, data_dir)}
    subject = Subject(plugin, given, Path(data_dir) if data_dir else None)
    told: list[str] = []
    rows_hang = False
    while len(told) < len(needs_rows):
        try:
            request = request_of(subject, "checks", leave_out=told)
        except NotCheckedError as reason:
            yield Finding("found", "failed", f"{reason}: define it at the top level of its module")
            return
        for finding in _worker(request, seconds):
            told.append(finding.check)
            rows_hang = rows_hang or (finding.check == "offline load" and finding.state == "failed")
            yield finding
        if START in told:
            return  # It does not get as far as a check.
        if rows_hang:
            for name in [name for name, needs in needs_rows.items() if needs and name not in told]:
                told.append(name)
                yield Finding(name, "not checked", "its rows cannot be loaded")


def _worker(request: str, seconds: float) -> Iterator[Finding]:
    """Run one worker until it is done, hangs or ends."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as messages:
        worker = subprocess.Popen(
            [sys.executable, "-m", "glueft.testing.worker", request],
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            env=python_environment(),
            start_new_session=True,
        )
        assert worker.stdout is not None
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_read, args=(worker.stdout, lines), daemon=True).start()
        check = START
        try:
            while True:
                line = lines.get(timeout=seconds if check != START else IMPORT_SECONDS)
                if line is None:
                    yield Finding(check, "failed", f"it ended the process: {_last(messages, worker)}")
                    return
                answer = json.loads(line)
                if "done" in answer:
                    return
                if "begin" in answer:
                    check = answer["begin"]
                else:
                    check = START
                    yield Finding(answer["end"], answer["state"], answer["said"])
        except queue.Empty:
            limit = seconds if check != START else IMPORT_SECONDS
            yield Finding(check, "failed", f"it did not finish within {limit:g} s and was stopped; it may hang")
        finally:
            _end(worker)


def _read(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _last(messages: IO[str], worker: subprocess.Popen[str]) -> str:
    code = worker.wait()
    messages.seek(0)
    said = [line.strip() for line in messages if line.strip()]
    return f"exit code {code}" + (f", after {said[-1]}" if said else "")


def _end(worker: subprocess.Popen[str]) -> None:
    """End the worker and what it started."""
    if worker.poll() is None:
        try:
            os.killpg(worker.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError, PermissionError):  # Windows has no groups
            worker.kill()
        worker.wait()
