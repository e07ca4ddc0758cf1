"""Pushes while a run trains: in a thread, one at a time, without slowing the training.

When the training begins, the hub is asked whether it can be reached and knows the token. So a missing login is reported
early, and no epoch is written to disk that could not be pushed.
"""

from __future__ import annotations

import copy
import re
import shlex
import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.files import hidden_name, size
from glueft.hub.client import quiet_client
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

# Timeout of the push at the end of a run, plus some for each MiB of the checkpoint.
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
        if run.record.hub is not None:  # The run was resumed.
            self.hub.pushes += run.record.hub.pushes
        run.record.hub = self.hub
        # Set while no thread works. Not `Thread.join`: once Ctrl-C has interrupted it, Python 3.11 considers the thread
        # ended.
        self.idle = threading.Event()
        self.idle.set()
        self.given_up = threading.Event()
        self.pushing: int | None = None  # the epoch whose model the thread pushes
        self.refusal: GlueftError | None = None
        self.ended: list[dict[str, Any]] = []
        self.quiet: AbstractContextManager[None] = quiet_client(in_threads=True)
        self.quiet.__enter__()

    def begin(self, training: Training) -> None:
        self.training = training
        self._start(self._ask, None)

    def epoch(self, report: EpochReport) -> None:
        """Push the current model, unless the push before is still running or the hub has refused.

        `finish` pushes the model of the last epoch.
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
            self._start(self._ask, None)  # It may answer by the next epoch.
        if reason:
            self._note(failed(reason, "skipped"), epoch)
            return
        try:
            source = self._snapshot((epoch, epochs), report.metrics)
        except Exception as error:  # such as a full disk, for which safetensors has its own class
            self._note(failed(f"the model could not be written into the run folder: {error}", "skipped"), epoch)
            return
        self._start(self._push, source)

    def finish(self, progress: Progress) -> None:
        """Push the finished run, wait for it up to a timeout that depends on its size, and record the result."""
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
        """Cancel a push that has not committed yet, and write the results of all pushes to run.json."""
        going_on = not self.idle.is_set()
        self.given_up.set()
        self._collect()
        if going_on:
            self._note(failed(reason, status or "interrupted"), self.pushing)
        self.quiet.__exit__(None, None, None)
        for left in self.run.folder.glob(".push.*"):
            shutil.rmtree(left, ignore_errors=True)
        self.run.write_record()

    def _snapshot(self, epoch: tuple[int, int], metrics: dict[str, float]) -> Source:
        from glueft.encoder.checkpoint import save_classifier

        folder = hidden_name(self.run.folder / "push")
        folder.mkdir()
        session = self.training.session
        save_classifier(session.model, folder / "model", self.tokenizer, session.rule, cut=session.recipe.data.cut)
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
        self.idle.clear()
        self.pushing = source.epoch[0] if source and source.epoch else None
        threading.Thread(target=self._guarded, args=(work, source), name="glueft-push", daemon=True).start()

    def _wait(self, seconds: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        ended = self.idle.wait(seconds)
        self._collect()
        return ended

    def _guarded(self, work: Any, source: Source | None) -> None:
        """Do the work; no error reaches the training."""
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
            options = self.hub.options()  # Repeating the push must not publish a private model.
            fix = re.sub(
                r"push RUN (\S+/[\w.-]+)", lambda found: f"push {self.run.folder} {found[1]}{options}", error.fix
            )
            self.run.say(f"warning: {error.message}{end} ({error.received}; to fix: {fix})")

    def _collect(self) -> None:
        """Record the results of the thread, once it has ended."""
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
        folder = shlex.quote(str(self.run.folder))
        again = "" if epoch else f"; to repeat it: glueft push {folder} {name}{self.hub.options()}"
        self.run.say(f"warning: the push{at} to {name} is {entry['status']}: {entry['reason']}{again}")

    @staticmethod
    def _of_epoch(entry: dict[str, Any], epoch: int | None) -> dict[str, Any]:
        return {"epoch": epoch} | entry


def line_of(pushed: Pushed) -> str:
    """Return the result of a push, in one line."""
    amount = size(sum(pushed.files.values()))
    return f"pushed to {pushed.url} (commit {pushed.commit[:7]}, {amount}, {pushed.seconds:.1f} s)"
