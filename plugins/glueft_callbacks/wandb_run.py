"""One run of Weights & Biases, fed by a thread of its own. Importing this module imports wandb."""

from __future__ import annotations

import os
import queue
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before the import, which reads it.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import wandb

import glueft

OFFLINE = ("offline", "dryrun", "disabled")
# Nothing is printed but by `say`, and nothing is uploaded that was not asked for.
SETTINGS = {"silent": True, "console": "off", "save_code": False, "disable_git": True, "reinit": "create_new"}
# What is told of an error.
LONGEST_LINE = 300


def mode_of(wanted: str | None) -> str:
    """Return the mode that holds: the wanted one, else that of the variable WANDB_MODE or of W&B's settings."""
    # W&B reads the variable once in a process.
    return wanted or os.environ.get("WANDB_MODE") or str(wandb.setup(wandb.Settings(silent=True)).settings.mode)


def refuse_without_key(mode: str) -> None:
    """Raise PluginError if something is to be sent and nobody has logged in. Nothing is asked of the server."""
    try:
        if mode in OFFLINE or wandb.login(prompt=False):
            return
        received = "no API key in WANDB_API_KEY, and none that `wandb login` has stored"
    except wandb.Error as error:  # a key that is none
        received = " ".join(str(error).split())
    raise glueft.PluginError(
        'callback "wandb" cannot send anything: nobody has logged in to Weights & Biases',
        expected="an API key",
        received=received,
        fix='run `wandb login`, or set mode = "offline" for the callback',
    )


class SentRun:
    """One run of W&B. Nothing here raises, and only `close` waits.

    Args:
        about: arguments of `wandb.init`.
        wait_seconds: longest wait at the end.
        say: shows a line to the user; called from the thread that sends.
    """

    def __init__(self, about: Mapping[str, Any], *, wait_seconds: float, say: Callable[[str], None]) -> None:
        self.about, self.wait_seconds, self.say = dict(about), wait_seconds, say
        self.id = secrets.token_hex(5)
        self.resumes = False
        self.to_send: queue.SimpleQueue[tuple[int, dict[str, float]] | Ending] = queue.SimpleQueue()
        self.given_up = threading.Event()
        # A daemon: a request that hangs must not keep the process from its end.
        self.thread = threading.Thread(target=self._send, name="glueft-wandb", daemon=True)

    def begin(self) -> None:
        """Let the run begin with the first number; without this, nothing of it is ever seen."""
        self.thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send numbers, some time soon."""
        if self.thread.is_alive():
            self.to_send.put((step, dict(values)))

    def state(self) -> dict[str, str]:
        """Which run it is."""
        return {"id": self.id}

    def restore(self, state: Mapping[str, str]) -> None:
        """Go on with the run of a `state`; before the first number."""
        self.id, self.resumes = state["id"], True

    def close(self, metrics: Mapping[str, float], files: Sequence[Path], *, failed: bool) -> None:
        """End the run, and wait until all is sent, or for so long."""
        if not self.thread.is_alive():
            return
        self.to_send.put(Ending(metrics, files, failed))
        self.thread.join(self.wait_seconds + 1)
        if self.thread.is_alive():
            self.given_up.set()
            self.say(
                f"warning: wandb: not everything was sent within {self.wait_seconds:g} s; `wandb sync` sends the rest"
                f" from {Path(self.about['dir']) / 'wandb'}"
            )

    def _send(self) -> None:
        try:
            item = self.to_send.get()  # before the first number, `restore` may yet say which run to go on with
            run = self._init()
            while not isinstance(item, Ending):
                step, values = item
                # What a resumed run has sent before comes again.
                if step >= run.step:
                    run.log(values, step=step)
                item = self.to_send.get()
            run.summary.update(dict(item.metrics))
            self._upload(run, item.files)
            run.finish(exit_code=int(item.failed))
        except Exception as error:  # whatever a network or the package may raise
            if not self.given_up.is_set():
                text = " ".join(f"{type(error).__name__}: {error}".split())
                told = text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 3]}..."
                self.say(f"warning: wandb: {told}; the run goes on without it")

    def _init(self) -> wandb.Run:
        offline = self.about["mode"] in OFFLINE
        # Offline each part has a folder of its own, and W&B puts them together by the id.
        resume: Any = "allow" if self.resumes and not offline else None
        settings = wandb.Settings(**SETTINGS, finish_timeout=self.wait_seconds)
        run = wandb.init(id=self.id, resume=resume, settings=settings, **self.about)
        where = f"in {Path(run.dir).parent}; `wandb sync` sends it" if offline else f"at {run.url}"
        self.say(f"wandb: run {self.about['name']} of project {self.about['project']} {where}")
        return run

    def _upload(self, run: wandb.Run, files: Sequence[Path]) -> None:
        artifact = wandb.Artifact(f"run-{self.id}", type="glueft-run")
        for path in files:
            if not path.exists():
                self.say(f'warning: wandb: the run folder has no "{path.name}" to upload')
            # Not `add_dir`, which writes to the terminal whatever the settings are.
            for file in (path, *sorted(path.rglob("*"))):
                if file.is_file():
                    name = file.relative_to(path.parent).as_posix()
                    artifact.add_file(str(file), name=name, policy="immutable", skip_cache=True)
        if files:
            run.log_artifact(artifact)


class Ending:
    """The last thing that is sent."""

    def __init__(self, metrics: Mapping[str, float], files: Sequence[Path], failed: bool) -> None:
        self.metrics, self.files, self.failed = metrics, files, failed
