"""Where a run goes on that was interrupted, has failed or was killed. Importing this module does not import Keras."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import RunFolderError
from glueft.recipe.claims import claims_of
from glueft.runs.checkpoints import checkpoint_folder, saved_steps
from glueft.runs.clock import now
from glueft.runs.record import Devices, Record, Resume, RunPart
from glueft.system.interruption import held
from glueft.training.engine_choice import RunEngine
from glueft.training.fingerprints import Difference, differing, fingerprints, recorded_fingerprints
from glueft.training.state_files import DamagedStateError, read_state

if TYPE_CHECKING:
    from glueft.runs.run import Run
    from glueft.training.session import Session
    from glueft.training.state import TrainState

# So many differences are named.
MOST_NAMED = 5


@dataclass
class Resumption:
    """A run that goes on.

    Attributes:
        run: reopened.
        anyway: whether other versions, and another machine, are accepted.
        found: run.json as it was found.
        record: as it was when the state was saved; None without a state.
        content: of the newest state that is whole (`TrainState.content`), with the `record`, `history_bytes` and
            `clock` of the run; None if there is none: then the run begins again with its first step.
        accepted: what differs from then.
    """

    run: Run
    anyway: bool
    found: Record
    record: Record | None
    content: dict[str, Any] | None
    accepted: list[Difference] = field(default_factory=list)

    @classmethod
    def of(cls, run: Run, *, anyway: bool = False) -> Resumption:
        """Find the newest state that is whole; say which are passed over.

        Raises:
            RunFolderError: a later glueft has saved the newest state.
        """
        content = None
        for step in reversed(saved_steps(run.folder)):
            try:
                content = read_state(checkpoint_folder(run.folder, step))
                break
            except DamagedStateError as error:
                run.say(f"warning: the state after step {step:,} is passed over: {error.message} ({error.received})")
        record = None if content is None else Record.model_validate(content["record"])
        return cls(run, anyway, run.record, record, content)

    @property
    def engine(self) -> RunEngine:
        """What the run was computed with so far."""
        before = (self.record or self.found).engine
        return RunEngine(before.backend, before.precision, before.widths, before.training_widths, goes_on=True)

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return 0 if self.content is None else int(self.content["step"])

    @property
    def history_bytes(self) -> int:
        """The length of history.jsonl at that step."""
        return 0 if self.content is None else int(self.content["history_bytes"])

    @property
    def clock(self) -> Mapping[str, float]:
        """The seconds of the run up to the state."""
        return {} if self.content is None else self.content["clock"]

    def start(self) -> TrainState | None:
        """Return the state, which is forgotten here. Imports Keras."""
        from glueft.training.state import TrainState

        content, self.content = self.content, None
        return None if content is None else TrainState(content)

    def go_on(self, session: Session) -> None:
        """Begin another part of the run, of which this is the session, set up anew.

        Raises:
            RunFolderError: nothing can be written, or a part of the history is lost.
        """
        run, set_up = self.run, self.run.record
        record = set_up if self.record is None else self.record
        steps = session.batches.num_train_steps
        if self.content is None:
            line = "there is no state to go on from: the run begins again with its first step"
        else:
            line = f"going on after step {self.step:,} of {steps:,}"
        parts = [*(self.found.parts or [_first_part(self.found)])]
        parts[-1].to_step = self.step
        if parts[-1].status == "running":
            parts[-1].status = "died"
        here = RunPart(
            status="running",
            started=now(),
            from_step=self.step,
            host=set_up.host,
            versions=set_up.versions,
        )
        record.status, record.parts = "running", [*parts, here]
        others = [] if self.content is None else [*map(str, self.accepted), *_shared_out(record, set_up)]
        for other in others[len(self.accepted) :]:
            run.say(f"{other}: the run ends equal but for rounding")
        for what in ("run_dir", "plugins", "host", "process", "versions", "fingerprints"):
            setattr(record, what, getattr(set_up, what))
        record.engine.devices = set_up.engine.devices
        if record.hosts or set_up.hosts:
            record.hosts = set_up.hosts
        if others:
            resumed = [f"it was resumed after step {self.step:,}: {difference}" for difference in others]
            before = record.resume.reasons if record.resume else []
            record.resume = Resume(exact=False, reasons=[*before, *resumed])
        if (hub := self.found.hub) is not None:
            # A push may have ended after the state was saved; those of later epochs, and of the end, come again.
            hub.pushes = [push for push in hub.pushes if push.epoch is not None and push.epoch <= len(record.epochs)]
            record.hub = hub
        with held():
            run.go_on(record, self.history_bytes, self.clock.get("total", 0.0))
        run.say(line)

    def compare(self, session: Session) -> None:
        """Say what of a session differs from that of the run, and is accepted.

        Raises:
            RunFolderError: it is not that of the run.
        """
        differences = differing(recorded_fingerprints(self.record or self.found), fingerprints(session))
        content = [difference for difference in differences if difference.kind == "content"]
        if content:
            raise _refused(self.run.folder, content, "restore what has changed, or start a new run: glueft run RECIPE")
        if differences and not self.anyway:
            raise _refused(
                self.run.folder,
                differences,
                "go on where all is as it was; or, if last digits may differ: "
                f"glueft resume {shlex.quote(str(self.run.folder))} --anyway",
            )
        self.accepted = differences
        for difference in differences:
            self.run.say(f"warning: {difference}: the run may end with other last digits")

    def remove_claimed(self) -> None:
        """Without a state, remove what callbacks have written in the run folder. To be called before they are built."""
        if self.content is not None:
            return
        run = self.run.folder.resolve()
        for claim in [claim for callback in self.run.recipe.callbacks for claim in claims_of(callback)]:
            path = run / claim
            if path.name != ".." and run in (path.parent.resolve() / path.name).parents:
                shutil.rmtree(path, ignore_errors=True)
                with suppress(OSError):
                    path.unlink()


def _shared_out(before: Record, now: Record) -> list[str]:
    """What differs of how many share out the batches; of a run before there were several, one did."""
    then, here = (record.engine.devices or Devices() for record in (before, now))
    pairs = {"devices": (then.count or 1, here.count or 1), "processes": (then.processes or 1, here.processes or 1)}
    return [f"{what}: {one} in the run, {other} now" for what, (one, other) in pairs.items() if one != other]


def _first_part(found: Record) -> RunPart:
    """What the process has done that began the run."""
    return RunPart(
        status=found.status,
        started=found.started,
        finished=found.finished,
        seconds=found.seconds.get("total"),
        host=found.host,
        versions=found.versions,
    )


def _refused(folder: Path, differences: list[Difference], fix: str) -> RunFolderError:
    named = [str(difference) for difference in differences[:MOST_NAMED]]
    more = f"; and {len(differences) - MOST_NAMED} more" if len(differences) > MOST_NAMED else ""
    return RunFolderError(
        f"{folder}: the run cannot go on as it began",
        expected="the recipe, rows, checkpoint, versions and machine that it began with",
        received="; ".join(named) + more,
        fix=fix,
    )
