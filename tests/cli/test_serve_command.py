"""`glueft serve` as a process: its address as JSON, and how a signal ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs glueft[serve]")
pytest.importorskip("starlette", reason="needs glueft[serve]")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_once_all_is_answered(finished_run: Path, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "glueft.cli.start", "serve", str(finished_run), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        told = json.loads(process.stdout.readline())
        assert told["labels"] == ["not_equivalent", "equivalent"] and told["url"].startswith("http://127.0.0.1:")
        body = json.dumps({"texts": [[f"a bridge {row}", "it is old"] for row in range(500)]}).encode()

        def ask(_: int) -> int:
            with urllib.request.urlopen(f"{told['url']}/predict", body, 120) as response:
                return len(json.loads(response.read())["predictions"])

        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(ask, number) for number in range(4)]
            while not _waits(told["url"]):
                pass
            process.send_signal(number)
            assert [part.result() for part in running] == [500] * 4
        rest, errors = process.stdout.read(), process.stderr.read().decode()
        assert process.wait(60) == code
    assert rest == b""
    assert "still to answer" in errors and errors.splitlines()[-1].startswith("interrupted")


def _waits(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/health", timeout=30) as response:
        return bool(json.loads(response.read())["waiting_rows"])
