"""Pushes while a run goes on: in a thread, one at a time, and never at the cost of the training.

The first thing sent is a question, when the training begins: whether the hub is there and knows the token. Whoever
forgot to log in learns it then, and an epoch whose push could not arrive is not even written to disk.
"""

from __future__ import annotations

import copy
import re
import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.files import hidden_name, size
from glueft.hub.client import quiet_client_in_threads
from glueft.plugin.task_description import describe_task
from glueft.push.content import Source, content_of
from glueft.push.push import GivenUpError, Pushed, Target, log_in, make_api, push
from glueft.push.record import failed, hub_record
from glueft.runs.record import Push
from glueft.text import without_secrets
from glueft.training.observers import EpochReport, Observer, Training

if TYPE_CHECKING:
    from glueft.runs.run import Run
    from glueft.training.progress import Progress

# How long the end of a run waits for its push: so much, and so much more for every MiB of the checkpoint.
END_SECONDS = 60.0
END_SECONDS_PER_MIB = 1.0


class BackgroundPush(Observer):
    """The pushes that a recipe's [hub] asks for: after each epoch, and once the run is done.

    Args:
        run: its recipe names a repository.
        tokenizer: that of the model.
    """

    def __init__(self, run: Run, tokenizer: Any) -> None:
        hub = run.recipe.hub
        assert hub.push is not None
        self.run = run
        self.tokenizer = tokenizer
        self.target = Target(hub.push, private=hub.private, revision=hub.revision)
        self.each_epoch = hub.when == "epoch"
        self.hub = hub_record(self.target, hub.when)
        run.record.hub = self.hub
        # Set when no thread is at work. Not the thread's own `join`: Python 3.11 takes a thread for ended once Ctrl-C
        # has interrupted that.
        self.idle = threading.Event()
        self.idle.set()
        self.given_up = threading.Event()
        self.refusal: GlueftError | None = None
        self.ended: list[dict[str, Any]] = []
        self.quiet: AbstractContextManager[None] = quiet_client_in_threads()
        self.quiet.__enter__()

    def begin(self, training: Training) -> None:
        self.training = training
        self._start(self._ask, None)

    def epoch(self, report: EpochReport) -> None:
        """Push the model as it is now, unless the push before goes on or the hub has refused.

        The last epoch's model is left to `finish`.
        """
        self._collect()
        epoch, epochs = report.epoch, self.training.session.batches.epochs
        if not self.each_epoch or epoch >= epochs:
            return
        reason = None
        if not self.idle.is_set():
            reason = "the push before it was still going on"
        elif self.refusal is not None:
            reason = self.refusal.message
            self._start(self._ask, None)  # It may be there by the next epoch.
        if reason:
            self._note(failed(reason, "skipped"), epoch)
            return
        try:
            source = self._snapshot((epoch, epochs), report.metrics)
        except Exception as error:  # a full disk, for one, which safetensors tells in a class of its own
            self._note(failed(f"the model could not be written into the run folder: {error}", "skipped"), epoch)
            return
        self._start(self._push, source)

    def finish(self, progress: Progress) -> None:
        """Push the finished run, and wait for it: so long as a push of its size may take, no longer.

        `run.json` is written with what has become of it.
        """
        weights = self.run.folder / "model" / "model.safetensors"
        seconds = END_SECONDS + END_SECONDS_PER_MIB * weights.stat().st_size / 2**20
        name = self.target.repository
        try:
            with progress.phase(f"push to {name}"):
                waited = self._wait(seconds)
                if waited:
                    self._start(self._push, self._source(self.run.folder / "model"))
                    waited = self._wait(seconds)
        except KeyboardInterrupt:
            self.stop("interrupted", "nobody wanted to wait for it")
            raise
        if waited:
            self.stop()
        else:
            self.stop("unfinished", f"it was not done after {seconds:.0f} s, and was given up")

    def stop(self, status: str | None = None, reason: str = "the run was stopped") -> None:
        """Let no push go on that has not committed yet, and write run.json with what has become of all."""
        going_on = not self.idle.is_set()
        self.given_up.set()
        self._collect()
        if going_on:
            self._note(failed(reason, status or "interrupted"), None)
        self.quiet.__exit__(None, None, None)
        for left in self.run.folder.glob(".push.*"):
            shutil.rmtree(left, ignore_errors=True)
        self.run.write_record()

    def _snapshot(self, epoch: tuple[int, int], metrics: dict[str, float]) -> Source:
        from glueft.encoder.checkpoint import save_classifier

        folder = hidden_name(self.run.folder / "push")
        folder.mkdir()
        save_classifier(self.training.model, folder / "model", self.tokenizer)
        return self._source(folder / "model", epoch, metrics)

    def _source(
        self, folder: Path, epoch: tuple[int, int] | None = None, metrics: dict[str, float] | None = None
    ) -> Source:
        record = copy.deepcopy(self.run.record)
        if metrics is not None:
            record.metrics = metrics
        task = describe_task(self.run.task)
        return Source(folder, record, self.run.recipe.tables(), task.labels, task, epoch)

    def _start(self, work: Any, source: Source | None) -> None:
        # Nobody waits for the thread at the end of the process.
        self.idle.clear()
        threading.Thread(target=self._guarded, args=(work, source), name="glueft-push", daemon=True).start()

    def _wait(self, seconds: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        ended = self.idle.wait(seconds)
        self._collect()
        return ended

    def _guarded(self, work: Any, source: Source | None) -> None:
        """Nothing that goes wrong here reaches the training."""
        epoch = source.epoch[0] if source and source.epoch else None
        try:
            work(source)
            self.refusal = None
        except GivenUpError:
            pass
        except GlueftError as error:
            self._refused(error, epoch, pushing=source is not None)
        except Exception as error:  # a bug, here or in the client
            words = without_secrets(f"{type(error).__name__}: {error}".splitlines()[0])
            unexpected = GlueftError(
                f'"{self.target.repository}" was not pushed: {words}',
                expected="a push",
                received=words,
                fix="push again with glueft push; if it stays so, it is a bug",
            )
            self._refused(unexpected, epoch, pushing=source is not None)
        finally:
            if epoch is not None and source is not None:
                shutil.rmtree(source.folder.parent, ignore_errors=True)
            self.idle.set()

    def _ask(self, _: Source | None) -> None:
        log_in(make_api(), self.target)

    def _push(self, source: Source | None) -> None:
        assert source is not None
        content = content_of(source, self.target.repository, self.target.revision)
        pushed = push(content, self.target, self.given_up.is_set)
        self.ended.append(self._of_epoch(pushed.as_record(), source.epoch[0] if source.epoch else None))
        if not self.given_up.is_set():
            self.run.say(f"hub: {line_of(pushed)}")

    def _refused(self, error: GlueftError, epoch: int | None, *, pushing: bool) -> None:
        told_before = self.refusal is not None and self.refusal.message == error.message
        self.refusal = error
        if self.given_up.is_set():
            return
        if pushing:
            self.ended.append(self._of_epoch(failed(error), epoch))
        if pushing or not told_before:
            end = "" if pushing else "; the run goes on"
            options = self.hub.options()  # A private model must not come out public by a repetition.
            fix = re.sub(
                r"push RUN (\S+/[\w.-]+)", lambda found: f"push {self.run.folder} {found[1]}{options}", error.fix
            )
            self.run.say(f"warning: {error.message}{end} ({error.received}; to fix: {fix})")

    def _collect(self) -> None:
        """Once the thread has ended, take over what it leaves."""
        if not self.idle.is_set():
            return
        new, self.ended = self.ended, []
        if new:
            self.hub.pushes += map(Push.model_validate, new)
            self.run.write_record()

    def _note(self, entry: dict[str, Any], epoch: int | None) -> None:
        self.hub.pushes.append(Push.model_validate(self._of_epoch(entry, epoch)))
        at = f" of epoch {epoch}" if epoch else ""
        name = self.target.repository
        again = "" if epoch else f"; to repeat it: glueft push {self.run.folder} {name}{self.hub.options()}"
        self.run.say(f"warning: the push{at} to {name} is {entry['status']}: {entry['reason']}{again}")

    @staticmethod
    def _of_epoch(entry: dict[str, Any], epoch: int | None) -> dict[str, Any]:
        return {"epoch": epoch} | entry


def line_of(pushed: Pushed) -> str:
    """Return what became of a push, in a line."""
    amount = size(sum(pushed.files.values()))
    return f"pushed to {pushed.url} (commit {pushed.commit[:7]}, {amount}, {pushed.seconds:.1f} s)"
