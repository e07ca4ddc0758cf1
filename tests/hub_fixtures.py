"""A hub on the loopback with what the tests read from it, and processes that read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hub_worker
from hub_server import HubServer

# In seconds. Usually well under 1, the first import of `datasets` aside; left alone, the clients try for over a minute.
SOON = 40

LABELS = ["not_equivalent", "equivalent"]
TRAIN = {"sentence1": ['A "dog.', "Rain.", "Snow."], "sentence2": ["One dog.", "Sun.", "Sn\u00f6."], "label": [1, 0, 1]}
VALIDATION = {"sentence1": ["A cat."], "sentence2": ["One cat."], "label": [1]}
TEST = {"sentence1": ["Why?"], "sentence2": ["Who?"], "label": [-1]}


def numbered(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """With the hub's own column of row numbers."""
    return columns | {"idx": list(range(len(columns["label"])))}


MRPC = {"train": numbered(TRAIN), "validation": numbered(VALIDATION), "test": numbered(TEST)}


class Worker:
    """A process of hub_worker.py."""

    def __init__(self, process: subprocess.Popen[str], answers: Any) -> None:
        self.process = process
        self.answers = answers

    def __call__(self, call: str, **arguments: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.answers.readline()
        assert line, f"the worker died: {self.process.communicate()[1]}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def refused(self, call: str, **arguments: Any) -> dict[str, Any]:
        """The error that a call ends with; each has its four parts, and comes soon."""
        answer = self(call, **arguments)
        assert all(answer.get(part) for part in ("error", "message", "expected", "received", "fix")), answer
        assert answer["seconds"] < SOON
        return answer


@contextmanager
def worker(hub: HubServer | str, home: Path, cwd: Path | None = None, **environment: str) -> Iterator[Worker]:
    """A process that asks this hub, with a local cache in `home`; at its end it must have printed nothing."""
    url = hub if isinstance(hub, str) else hub.url
    # A developer's own token, cache and proxy are no part of a test.
    foreign = re.compile(r"HF_|HUGGING|TRANSFORMERS_|.*PROXY$", re.IGNORECASE)
    inherited = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    settings = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_ETAG_TIMEOUT": "20",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, hub_worker.__file__, str(write)],
        env=inherited | settings | environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[write],
        text=True,
    )
    os.close(write)
    try:
        with os.fdopen(read) as answers:
            yield Worker(process, answers)
            out, err = process.communicate(timeout=30)
            assert not out + err, out + err
            assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def push_command(hub: HubServer, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `glueft push` in a folder, with this hub as the one that there is; `HF_TOKEN` must be in `environment`."""
    foreign = re.compile(r"HF_|HUGGING|TRANSFORMERS_|.*PROXY$", re.IGNORECASE)
    inherited = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    hub_s = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "home"),
        "HF_XET_DATA_XORB_COMPRESSION_POLICY": "none",
    }
    command = [sys.executable, "-m", "glueft.cli.main", "push", *arguments]
    return subprocess.run(
        command, cwd=folder, env=inherited | hub_s | environment, capture_output=True, text=True, timeout=120
    )
