"""Runs what a study asks for: hands runs to the executor, takes up what has become of them, and keeps study.json."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.errors import GlueftError, PluginError, RunFolderError, StudyError
from glueft.files import write_text
from glueft.plugin.attribution import attributed, named
from glueft.plugin.executor import POOL, Job, JobState, Pool, RunningJob, lacks_of_pool
from glueft.runs.checkpoints import remove_states
from glueft.runs.clock import now
from glueft.runs.lease import Lease, read_heartbeat
from glueft.runs.models import remove_model
from glueft.runs.record import Record, read_record
from glueft.studies.execution.folder import Notes, StudyFolder, model_hashes
from glueft.studies.execution.planned import Planner
from glueft.studies.execution.prune import why_prune
from glueft.studies.execution.ranges import number_of_trials
from glueft.studies.execution.search import open_search
from glueft.studies.missing import refuse_missing
from glueft.studies.result import OVER, RecipeResult, State, StudyResult, StudyRun
from glueft.studies.result_file import read_result, write_result
from glueft.system.interruption import at_the_end, forget, held, take
from glueft.system.process_identity import is_alive
from glueft.text import counted, short_repr
from glueft.training.machine import thread_variables

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.studies.definition.study import Prune, Study
    from glueft.studies.display.progress import StudyProgress

# `glueft`, however it was installed.
PROGRAM = (sys.executable, "-m", "glueft.cli.start")
POLL_SECONDS = 0.2
# Between two looks at runs that other drivers have in hand, and at how far own ones are.
LOOK_SECONDS = 2.0
# Exit codes of a run that was asked to end: its own, and those of a program that handles the signals not yet.
_ENDED_FROM_OUTSIDE = (129, 130, 143, -1, -2, -15)
_WRONG = 2


@dataclass
class _InHand:
    """A run that this driver has handed to the executor.

    Attributes:
        job: of the executor.
        claim: on the run, against other drivers.
        run, plan: the run as it was before, and its recipe.
        notes: of the run, as they were written last.
        logged: bytes of its log that were there before.
        resumes: whether it goes on with an attempt that was ended.
        pruned: why it was asked to end, where that was for its poor scores.
        state: of the job, when it was last asked for.
    """

    job: RunningJob
    claim: Lease
    run: StudyRun
    plan: RecipeResult
    notes: Notes
    logged: int
    resumes: bool
    pruned: str | None = None
    state: JobState = "waiting"


class Driver:
    """Runs a study. Several may share a study folder, also from several machines: no run is done twice.

    Args:
        study: from `load_study`.
        folder: of the study; it is there.
        progress: shows the runs.
        retry_failed: begin runs again that have failed for good before.
        arguments: further arguments of each `glueft run`.
    """

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        progress: StudyProgress,
        *,
        retry_failed: bool = False,
        arguments: Sequence[str] = (),
    ) -> None:
        self.study = study
        self.folder = folder
        self.progress = progress
        self.arguments = arguments
        self.planner = Planner(study, open_search(study, folder.path))
        self.known: dict[str, StudyRun] = {}
        self.plans: list[RecipeResult] = []
        self.in_hand: dict[str, _InHand] = {}
        self.orphans: set[str] = set()
        self.pool: Pool | None = None
        self.stopping = False
        # By recipe: SHA-256 of the model files that its runs begin with, by name; None where that is not known yet.
        self.parents: dict[str, Mapping[str, str] | None] = {}
        self.wanted: set[str] = set()  # runs that are done, but whose models are needed again
        self.retry_failed = retry_failed
        self.started = _started(folder)
        # Of a run of each recipe that is done, one of the table if there is one: its folder and its record.
        self._records: dict[str, tuple[Path, Record]] = {}
        self._looked = self._written = 0.0
        self._changed = True

    def run(self) -> StudyResult:
        """Go on until no run is open.

        Raises:
            GlueftError: the executor cannot run anything.
            KeyboardInterrupt: Ctrl-C or another signal; the runs in hand have saved their states and ended.
        """
        self._plan()
        self._free_models()
        if self._is_open() and self.study.executor.here:
            refuse_missing(self._waiting())
        self._shown = self.result()
        self.progress.begin(self._shown)
        with ExitStack() as at_last:
            at_last.callback(lambda: self.progress.end(self._shown))
            at_last.callback(self._tell, at_once=True)
            if self._is_open():
                pool = self._open()
                at_last.callback(pool.close)
                self.progress.say(pool.describe())
                self._work(pool)
        return self._shown

    def _open(self) -> Pool:
        """Open the executor."""
        executor = self.study.executor
        with attributed(executor, "open"):
            pool = executor.open(self.folder.path, self.progress.say, jobs=self._all_jobs())
        if lacking := lacks_of_pool(pool):
            raise PluginError(
                f"`open` of {named(executor)} returns no pool",
                expected=f"an object with {', '.join(POOL)}, as `glueft.Pool` says",
                received=f"{short_repr(pool)}, without {', '.join(lacking)}",
                fix="fix the plugin, or tell its authors",
            )
        return pool

    def _work(self, pool: Pool) -> None:
        """Go on until no run is open. After an error or a signal the runs in hand save their states and end."""
        self.pool = pool
        at_the_end(self._kill)
        try:
            while self.in_hand or self._is_open():
                with held():  # A job that has been started is in hand.
                    self._collect()
                    self._look_at_the_others()
                    self._start(pool)
                    self._free_models()
                    self._tell()
                time.sleep(POLL_SECONDS)
        except BaseException:
            take()
            self._stop()
            raise
        finally:
            forget(self._kill)
            self._kill()

    def result(self) -> StudyResult:
        """Return what the study has found so far."""
        recipes = [self._with_facts(plan) for plan in self.plans]
        of_file = {recipe.name: recipe for recipe in recipes}
        runs = [run for recipe in recipes for run in recipe.runs]
        record = next((record for _, record in self._records.values()), None)
        checkpoints = [recipe.base.model.checkpoint for recipe in self.study.recipes if recipe.starts_from is None]
        return StudyResult(
            folder=self.folder.path,
            name=self.study.name,
            checkpoint=", ".join(dict.fromkeys(checkpoints)),
            recipes=[of_file[recipe.name] for recipe in self.study.recipes],
            left_out=self.folder.left_out({run.name: run for run in runs}, self.parents),
            started=self.started,
            finished=None if self.in_hand or not runs or self._is_open() else now(),
            seconds=round(sum(run.seconds or 0.0 for run in runs), 3),
            versions={} if record is None else record.versions,
            host={} if record is None else record.host.as_dict(),
            study=self.study.tables(),
        )

    def _with_facts(self, plan: RecipeResult) -> RecipeResult:
        """Return a recipe with what is now known of its runs, and what the record of one that is done tells of all."""
        runs = [self._as_shown(self.known.get(run.name, run)) for run in plan.runs]
        reported = [self.known.get(run.name, run) for run in plan.reported]
        done = next((run.folder for run in (*reported, *runs) if run.state == "done" and run.folder is not None), None)
        if done is not None and self._records.get(plan.name, (None,))[0] != done:
            with suppress(GlueftError):
                self._records[plan.name] = (done, read_record(done / "run.json", tolerant=True))
        _, record = self._records.get(plan.name, (None, None))
        # Runs that choose by held-out rows have another split than those of the table.
        if record is None or record.primary_split != plan.primary_split:
            return replace(plan, runs=runs)
        return replace(
            plan,
            runs=runs,
            baseline=record.baseline,
            metric_labels=record.metric_labels,
            row_notes=record.data.notes,
        )

    def _as_shown(self, run: StudyRun) -> StudyRun:
        """Return a run as users see it: one that the executor has in its queue waits."""
        mine = self.in_hand.get(run.name)
        return replace(run, state="waiting") if mine is not None and mine.state == "waiting" else run

    # The plan

    def _plan(self) -> None:
        """Plan again, and look at the runs that are new in the plan or begin with another run than before."""
        while True:
            self.plans = self.planner.plan(self.known, self._free())
            by_name = {plan.name: plan for plan in self.plans}
            looked = False
            for plan in self.plans:
                parent = self._parent(plan, by_name)
                other = self.parents.get(plan.name) != parent
                self.parents[plan.name] = parent
                for run in plan.runs:
                    if run.name not in self.known or (other and run.name not in self.in_hand):
                        self._look(run, plan)
                        looked = True
            if not looked:
                return

    def _waiting(self) -> Iterator[tuple[Recipe, bool]]:
        """Yield the recipe of each setting with runs that wait, and whether it begins with another run."""
        for plan in self.plans:
            recipe = self.planner.recipes[plan.name]
            waiting = {str(run.setting): run for run in plan.runs if self.known[run.name].state == "waiting"}
            for run in waiting.values():
                asked = self.planner.recipe_of(recipe, run.setting, run.seed, run.stage, run.fold)
                yield asked, plan.starts_from is not None

    def _all_jobs(self) -> int:
        """Count the runs of the study, done or not, drawn and chosen or not.

        The share of the cores that each run has goes by it, and must not change when this is called again.
        """
        study, jobs = self.study, 0
        for plan in self.plans:
            recipe = study.recipe(plan.name)
            jobs += len(plan.runs)
            if recipe.ranges:
                jobs += (number_of_trials(recipe, study.trials) - len(plan.settings)) * len(study.repeats("search"))
            if plan.chosen is None and (study.choose == "held_out" or study.final_seeds is not None):
                jobs += len(study.repeats("final"))
        return jobs

    def _free(self) -> int:
        """How many runs could begin now."""
        slots = 1 if self.pool is None else self.pool.slots
        return max(0, slots - len(self.in_hand) - len(self.orphans))

    def _parent(self, plan: RecipeResult, by_name: Mapping[str, RecipeResult]) -> Mapping[str, str] | None:
        """Return the hashes of the model that a recipe's runs begin with; None where there is none, or not yet."""
        chosen = by_name[plan.starts_from].chosen_run if plan.starts_from is not None else None
        folder = self.known[chosen].folder if chosen is not None else None
        return None if folder is None else model_hashes(folder)

    def _look(self, run: StudyRun, plan: RecipeResult, *, claimed: bool = False) -> StudyRun:
        """Look at what has come of a run."""
        if self.retry_failed and run.name not in self.known:
            notes = self.folder.notes(run.name)
            if notes.failures:
                notes.failures = 0
                self.folder.note(run.name, notes)
        found = self.folder.look(
            run,
            plan,
            retries=self.study.retries,
            prunes=self.study.prune is not None,
            parent=self.parents.get(plan.name),
            claimed=claimed,
            with_model=run.name in self.wanted,
        )
        self._changed = self._changed or found != self.known.get(run.name)
        self.known[run.name] = found
        return found

    def _is_open(self) -> bool:
        return any(run.state not in OVER for plan in self.plans for run in plan.runs)

    # The runs

    def _collect(self) -> None:
        """Take up the runs in hand that have ended, and stop those that promise nothing."""
        due = time.monotonic() - self._looked > LOOK_SECONDS
        ended = False
        for name, mine in [*self.in_hand.items()]:
            before, mine.state = mine.state, mine.job.state()
            self._changed = self._changed or mine.state != before
            if mine.notes.id != mine.job.id:  # A queue gives it late.
                mine.notes.id = mine.job.id
                self.folder.note(name, mine.notes)
            if mine.state == "ended":
                del self.in_hand[name]
                self._ended(mine)
                ended = True
            elif due and self.study.prune is not None and mine.pruned is None:
                self._prune(mine, self.study.prune)
        if ended:
            self._plan()

    def _prune(self, mine: _InHand, prune: Prune) -> None:
        """Stop a run that falls behind."""
        found = self._look(mine.run, mine.plan, claimed=True)
        self.known[found.name] = replace(found, state="running")
        others = [run for run in self.known.values() if run.recipe == found.recipe and run.name != found.name]
        mine.pruned = why_prune(found, others, prune, lower_is_better=mine.plan.lower_is_better)
        if mine.pruned is not None:
            self.progress.say(f"{found.name} is stopped: {mine.pruned}")
            mine.job.stop()

    def _ended(self, mine: _InHand) -> None:
        """Note how a job has ended."""
        run, plan = mine.run, mine.plan
        notes, code = mine.notes, mine.job.exit_code()
        notes.id = None
        found = self._look(run, plan, claimed=True)
        # What is resumed has not failed before.
        began = found.attempts > run.attempts or (mine.resumes and found.error is not None)
        failed = False
        if found.state == "done":
            pass
        elif mine.pruned is not None:
            notes.pruned = mine.pruned
            for attempt in self.folder.attempts(run.name):  # It does not go on, and a state is three models large.
                remove_states(attempt)
        elif self.stopping or code in _ENDED_FROM_OUTSIDE:
            pass
        elif code == _WRONG and not began and mine.resumes:
            notes.anew = True  # It is refused: another version of a package, or another machine.
        else:
            failed = True
            if code == 0 and found.attempts:  # Such as: its rows have changed meanwhile.
                notes.error = self.folder.why_unused(self.folder.attempts(run.name)[-1], self.parents.get(plan.name))
            else:
                notes.error = (found.error if began else None) or self.folder.last_words(run.name, mine.logged, code)
            # What has not begun would say the same again.
            notes.failures = notes.failures + 1 if began or code != _WRONG else self.study.retries + 1
        self.folder.note(run.name, notes)
        mine.claim.release()
        self._look(run, plan)
        if failed:
            again = "it is tried again" if notes.failures <= self.study.retries else "it is not tried again"
            self.progress.say(f"{run.name} failed: {notes.error}; {again}; see {self.folder.log(run.name)}")

    def _look_at_the_others(self) -> None:
        """Look at the runs that others have in hand. What a dead driver has left running takes a slot of this one."""
        if time.monotonic() - self._looked <= LOOK_SECONDS:
            return
        changed = False
        for plan in self.plans:
            for run in plan.runs:
                before = self.known[run.name]
                if before.state == "running" and run.name not in self.in_hand:
                    changed = self._look(before, plan).state != before.state or changed
                    self._note_orphan(run.name)
        self.orphans = {name for name in self.orphans if self.known[name].state == "running"}
        self._looked = time.monotonic()
        # With ranges, another driver may have drawn settings.
        if changed or any(recipe.ranges for recipe in self.study.recipes):
            self._plan()

    def _note_orphan(self, name: str) -> None:
        beat = read_heartbeat(self.folder.of_run(name))
        if beat is None or (beat.process is not None and is_alive(beat.process) is False):
            self.orphans.add(name)

    def _start(self, pool: Pool) -> None:
        """Hand over the runs that wait, as long as there is room."""
        by_name = {plan.name: plan for plan in self.plans}
        for plan in self.plans:
            for run in plan.runs:
                if not self._free():
                    return
                if self.known[run.name].state != "waiting":
                    continue
                if run.stage == "search" and self._is_pruned(run, plan):
                    self._settle(run, "pruned", "the run of another seed of this setting was stopped")
                    continue
                checkpoint = None
                if plan.starts_from is not None:
                    parent = by_name[plan.starts_from]
                    if parent.chosen_run is None:
                        if self._is_settled(parent):
                            self._settle(run, "failed", f"{parent.name} has no run to begin with")
                            continue
                        break
                    begun_with = self.known[parent.chosen_run]
                    if not begun_with.has_model:  # It was removed before the study asked for this recipe.
                        self.wanted.add(begun_with.name)
                        self._look(begun_with, parent)
                        break
                    checkpoint = f"run:{begun_with.folder}"
                self._begin(self.known[run.name], plan, checkpoint, pool)
        if self._changed:
            self._plan()

    def _is_settled(self, plan: RecipeResult) -> bool:
        return bool(plan.runs) and all(self.known[run.name].state in OVER for run in plan.runs)

    def _is_pruned(self, run: StudyRun, plan: RecipeResult) -> bool:
        """Whether a run of the same setting was stopped: the setting is out of the choice, whatever other seeds say."""
        same = (other for other in plan.runs if other.stage == run.stage and other.setting == run.setting)
        return any(self.known[other.name].state == "pruned" for other in same)

    def _settle(self, run: StudyRun, state: State, error: str) -> None:
        """Let a run end without having begun."""
        self.known[run.name] = replace(run, state=state, error=error)
        self._changed = True

    def _begin(self, run: StudyRun, plan: RecipeResult, checkpoint: str | None, pool: Pool) -> None:
        """Claim a run and hand it over, unless another driver has it, or has done it in this moment."""
        place = self.folder.of_run(run.name)
        place.mkdir(parents=True, exist_ok=True)
        try:
            claim = Lease.take(place)
        except RunFolderError:
            self.known[run.name] = replace(run, state="running")
            self._note_orphan(run.name)
            self._changed = True
            return
        try:
            run = self._look(run, plan, claimed=True)
            if run.state != "waiting":
                claim.release()
                return
            resumed = self.folder.to_resume(run.name, self.parents.get(plan.name))
            job = self._job(run, plan, checkpoint, claim, resumed)
            notes = self.folder.notes(run.name)
            logged = self.folder.logged(run.name)
            running = None
            if notes.id is not None and notes.executor == self.study.executor.name:
                running = pool.find(job, notes.id)
            if running is None or running.state() == "ended":
                with attributed(self.study.executor, "start"):
                    running = pool.start(job)
        except BaseException:
            claim.release()
            raise
        self.in_hand[run.name] = _InHand(running, claim, run, plan, notes, logged, resumes=resumed is not None)
        notes.executor, notes.id, notes.anew = self.study.executor.name, running.id, False
        self.folder.note(run.name, notes)
        self.known[run.name] = replace(run, state="running")
        self._changed = True

    def _job(
        self, run: StudyRun, plan: RecipeResult, checkpoint: str | None, claim: Lease, resumed: Record | None
    ) -> Job:
        """Write the recipe of a run, and return the command that runs it, or goes on with what is there of it."""
        recipe_file, place = self.folder.recipe(run.name), self.folder.of_run(run.name)
        recipe = self.planner.recipe_of(
            self.planner.recipes[plan.name], run.setting, run.seed, run.stage, run.fold, checkpoint
        )
        recipe_file.parent.mkdir(exist_ok=True)
        write_text(recipe_file, recipe.to_toml())
        shared = [] if "--token-cache" in self.arguments else ["--token-cache", str(self.folder.tokens)]
        # Each run has a process of its own, whatever has started the study.
        options = ["--output-dir", str(place), "--processes", "1", *shared, *self.arguments]
        command = [*PROGRAM, "run", str(recipe_file), *options]
        again = (*command, "--resume")
        _, alike = self._records.get(plan.name, (None, None))
        return Job(
            run.name,
            tuple(command) if resumed is None else again,
            place,
            # It is exact only with as many threads as before.
            environment={} if resumed is None else thread_variables(resumed.fingerprints.machine.as_dict()),
            file_descriptors=() if claim.file_descriptor is None else (claim.file_descriptor,),
            memory=None if alike is None else alike.peak_memory_bytes,
            again=again,
        )

    def _stop(self) -> None:
        """Have the runs in hand save their states and end."""
        if not self.in_hand:
            return
        self.progress.say(
            f"{counted(len(self.in_hand), 'run')} in hand: each saves its state and ends; a second Ctrl-C kills them"
        )
        self.stopping = True
        for mine in self.in_hand.values():
            mine.job.stop()
        while any(mine.job.state() != "ended" for mine in self.in_hand.values()):
            time.sleep(POLL_SECONDS)
        self._collect()

    def _kill(self) -> None:
        """End what is still in hand: at a second signal."""
        for mine in [*self.in_hand.values()]:
            mine.job.kill()
            mine.claim.release()

    # What is kept

    def _free_models(self) -> None:
        """Remove the models that the study does not keep and no run begins with."""
        if self.study.keep_models == "all":
            return
        begun_with = {plan.starts_from for plan in self.plans if not self._is_settled(plan)}
        for plan in self.plans:
            for run in plan.runs if plan.chosen_run is not None else ():
                found = self.known[run.name]
                kept = self.study.keep_models == "chosen" or plan.name in begun_with
                if found.folder is None or not found.has_model or (kept and run.name == plan.chosen_run):
                    continue
                try:
                    remove_model(found.folder)
                except GlueftError as error:
                    self.progress.say(f"warning: the model of {run.name} stays: {error.message}")
                    continue
                self.known[run.name] = replace(found, has_model=False)
                self._changed = True

    def _tell(self, *, at_once: bool = False) -> None:
        """Show the study, and write study.json where something has changed, at most once a second."""
        if self._changed or at_once:
            self._shown = self.result()
            if at_once or time.monotonic() - self._written > 1.0:
                write_result(self._shown)
                self._written, self._changed = time.monotonic(), False
        self.progress.changed(self._shown)


def _started(folder: StudyFolder) -> str:
    """When the study of a folder was first run: now, where it has not been."""
    with suppress(StudyError):
        return read_result(folder.path).started
    return now()
