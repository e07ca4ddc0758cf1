"""What a Ray task does: run one command on its node."""

from __future__ import annotations

import platform
import signal
import time
from pathlib import Path

from glueft_executors.node import WAIT_SECONDS, Command

# The heartbeat in a run folder counts as a sign of life for two minutes where its process is another host's.
LOST_SECONDS = 125.0


def run(command: Command, begun: str) -> int:
    """Run a command; return its exit code.

    Ray raises KeyboardInterrupt at each `ray.cancel`: the first one stops the command, a second one kills it.

    Args:
        command: the job's.
        begun: a file that says that it has begun, and on which host.
    """
    place = Path(begun)
    again = place.exists()
    if again:
        wait_for_the_lost(place.read_text(encoding="utf-8"))
    place.write_text(platform.node(), encoding="utf-8")
    process = command.begin(again=again)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send(signal.SIGTERM)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.kill()
    return process.wait()


def wait_for_the_lost(host: str) -> None:
    """Wait until the run of a host that was lost counts as dead."""
    until = time.monotonic() + (0 if host == platform.node() else LOST_SECONDS)
    while time.monotonic() < until:
        time.sleep(WAIT_SECONDS)  # not longer: within it no KeyboardInterrupt is raised
