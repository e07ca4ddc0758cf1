"""Asks a backend for its devices in a process of its own: a driver may hang, and a library may be missing or crash."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.environment import list_devices
from glueft.system.device_memory import PREALLOCATE, take_as_needed

# The import of TensorFlow from a slow disk, and then the start of the driver, take tens of seconds.
SECONDS = 90.0
# After this the user is told what is waited for.
TOLD_AFTER = 5.0
# A process that is killed may hang in the driver of a device.
KILL_SECONDS = 2.0
# Lines that a backend logs of its devices; at most so many are kept, and of each so many characters.
OF_DEVICES = re.compile(r"error:|cuda|cudnn|cuinit|\bgpu|nvidia|driver|dlopen|libnv|rocm|tpu", re.IGNORECASE)
LINES, CHARACTERS = 6, 300
# The line of an exception; TensorFlow's has lines of advice below it.
EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception): ")
# What stands before the words of a logged line: time, process, level, file.
LOG_PREFIX = re.compile(
    r"^(?:\w+:)?[\d\-: .]*[\dWEIF.]*\s*[\d:.]*\s*\d*\s*[\w/.+-]*\.(?:cc|py):\d+\] *|^[A-Z]+:[\d\-: ,]*"
)


@dataclass(frozen=True)
class Answer:
    """What a backend has answered.

    Attributes:
        name: of the backend.
        version: its own; None if it did not answer.
        devices: that it computes on, each with `kind`, `model`, `memory` (bytes) and `compute_capability`; None for
            what it does not tell.
        seconds: that it took.
        failure: why there is no answer; None if there is one.
        messages: what it logged of its devices.
    """

    name: str
    version: str | None
    devices: list[dict[str, Any]]
    seconds: float
    failure: str | None = None
    messages: tuple[str, ...] = ()


class BackendProcess:
    """A process that has been begun and not been asked yet.

    Args:
        backend: "tensorflow", "jax" or "torch".
    """

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.begun = time.monotonic()
        environment = dict(os.environ)
        take_as_needed(environment)
        # Whatever the user has set: JAX takes no memory that other runs may need, and TensorFlow says what is missing.
        environment |= {PREALLOCATE: "false", "TF_CPP_MIN_LOG_LEVEL": "0"}
        self._process = subprocess.Popen(
            # -P: the program's own folder is no place to import from.
            [sys.executable, "-P", str(Path(list_devices.__file__)), backend],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def answer(self, seconds: float = SECONDS, say: Callable[[str], None] = lambda text: None) -> Answer:
        """Wait for the answer, which is a failure where the process crashes or takes longer.

        Args:
            seconds: the time limit, from the begin of the process.
            say: tells the user what is waited for, once it takes long.
        """
        try:
            try:
                out, log = self._process.communicate(timeout=self._left(min(TOLD_AFTER, seconds)))
            except subprocess.TimeoutExpired:
                say(f"still importing {self.backend} to ask for its devices; it has {seconds:g} s")
                out, log = self._process.communicate(timeout=self._left(seconds))
        except subprocess.TimeoutExpired:
            return self._failed(f"it does not answer in {seconds:g} s")
        # What is indented is code, in the middle of a traceback.
        lines = [LOG_PREFIX.sub("", line).strip()[:CHARACTERS] for line in log.splitlines() if line[:1].strip()]
        messages = tuple(dict.fromkeys(filter(OF_DEVICES.search, lines)))[-LINES:]
        code = self._process.returncode
        if code == 0:
            with suppress(ValueError, TypeError, KeyError):
                told = json.loads(out)
                took = round(time.monotonic() - self.begun, 1)
                return Answer(self.backend, told["version"], told["devices"], took, None, messages)
        with suppress(ValueError):
            if code < 0:
                return self._failed(f"it crashes ({signal.Signals(-code).name})", messages)
        told = [*filter(EXCEPTION.match, lines)] or lines
        return self._failed(told[-1] if told else f"its process ends with the exit code {code}", messages)

    def _left(self, seconds: float) -> float:
        return max(0.0, self.begun + seconds - time.monotonic())

    def _failed(self, failure: str, messages: tuple[str, ...] = ()) -> Answer:
        return Answer(self.backend, None, [], round(time.monotonic() - self.begun, 1), failure, messages)

    def end(self) -> None:
        """End the process, and what it has begun."""
        if self._process.poll() is None:
            with suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:  # Windows
                    self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
