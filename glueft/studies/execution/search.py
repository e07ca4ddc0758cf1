"""Search: the settings of a recipe that are drawn from ranges, at random or by Optuna.

Optuna is imported only where it draws.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from glueft.errors import GlueftError, OutputError
from glueft.studies.definition.study import Range, Study, StudyRecipe
from glueft.studies.execution.ranges import (
    bounds,
    canonical,
    in_range,
    in_steps,
    number_of_trials,
    number_of_values,
    random_settings,
    space_of,
)
from glueft.studies.result import RecipeResult, StudyRun
from glueft.training.fingerprints import settings_to_hash

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

JOURNAL = "optuna.journal"

# Drawn at random before the estimator is asked, as in Optuna, but no more than a third of all trials.
_RANDOM_TRIALS = 10
# Asked so often for a setting that was not drawn before, then it is drawn at random.
_ASKED = 20
# Nobody writes for longer to the journal: it takes milliseconds.
_WRITING_SECONDS = 2.0


@dataclass(frozen=True)
class Drawn:
    """What was drawn for a recipe so far.

    Attributes:
        trials: number, from 0, and setting of each, in the order in which they were drawn. No setting is there twice.
        complete: whether there will be no more.
    """

    trials: Sequence[tuple[int, dict[str, Any]]]
    complete: bool


class Search(Protocol):
    """Draws the settings of a study's recipes."""

    def draw(self, recipe: StudyRecipe, runs: Sequence[StudyRun], facts: RecipeResult, free: int = 1) -> Drawn:
        """Return the settings drawn so far and those that may begin now; the same again after a restart.

        Args:
            recipe: with ranges.
            runs: those of the search that are known, whatever their state; others of drawn settings count as waiting.
            facts: says which score is better.
            free: how many runs could begin now. A sampler that learns draws no more than that, so that it has learned
                from all that is done when it draws the next.

        Raises:
            GlueftError: what was drawn cannot be read, or written down.
        """


def missing_package(sampler: str) -> GlueftError | None:
    """Return the error for a sampler whose package is not installed; None if nothing is missing."""
    if sampler != "tpe" or importlib.util.find_spec("optuna") is not None:
        return None
    return GlueftError(
        'the sampler "tpe" needs the package optuna, which is not installed',
        expected="the package optuna",
        received="no such package",
        fix="pip install 'glueft[optuna]', or draw at random: --set study.sampler=random",
    )


def open_search(study: Study, folder: Path) -> Search:
    """Return what draws the settings of a study.

    Args:
        study: its `sampler` says how.
        folder: of the study; "tpe" keeps Optuna's journal in it.

    Raises:
        GlueftError: a package that the sampler needs is missing.
    """
    return RandomSearch(study) if study.sampler == "random" else TPESearch(study, folder)


class RandomSearch:
    """Draws settings at random, each by its number alone."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def draw(self, recipe: StudyRecipe, runs: Sequence[StudyRun], facts: RecipeResult, free: int = 1) -> Drawn:
        return Drawn([*enumerate(random_settings(self._study.name, recipe, self._study.trials))], complete=True)


class TPESearch:
    """Draws settings by what came of earlier ones, with Optuna's tree-structured Parzen estimator (TPE).

    Optuna's journal in the study folder says what was drawn, and the run folders what came of it. A trial belongs to no
    process: those that a killed one has drawn are in the journal, and whoever comes next runs them.

    Raises:
        GlueftError: Optuna is not installed.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        if missing := missing_package(study.sampler):
            raise missing
        self._study = study
        self._path = folder / JOURNAL
        self._storage: optuna.storages.JournalStorage | None = None
        self._opened: dict[str, optuna.Study] = {}

    def draw(self, recipe: StudyRecipe, runs: Sequence[StudyRun], facts: RecipeResult, free: int = 1) -> Drawn:
        wanted = number_of_trials(recipe, self._study.trials)
        runs_of_a_trial = len(self._study.repeats("search"))
        with self._writing():
            opened = self._open(recipe, facts)
            drawn = self._drawn(opened)
            waiting = 0
            for number, (_, finished) in drawn.items():
                own = [run for run in runs if run.trial == number and run.stage == "search"]
                if not finished and not _tell(opened, number, own):
                    waiting += sum(run.state == "waiting" for run in own) if own else runs_of_a_trial
            while len(drawn) < wanted and waiting < free:
                _add(opened, recipe, self._next(opened, recipe, [setting for setting, _ in drawn.values()]))
                drawn = self._drawn(opened)
                waiting += runs_of_a_trial
        trials = [(number, setting) for number, (setting, _) in drawn.items()][:wanted]
        return Drawn(trials, complete=len(trials) == wanted)

    def _next(self, opened: optuna.Study, recipe: StudyRecipe, drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return a setting that was not drawn before."""
        import optuna

        known = {*map(canonical, drawn)}
        startup = min(_RANDOM_TRIALS, max(1, self._study.trials // 3))
        if len(drawn) >= startup:
            # Asked in memory, so that a trial comes into the journal as a whole, in one line.
            seed = random.Random(f"{self._study.name} {recipe.name} {len(drawn)}").getrandbits(32)
            sampler = optuna.samplers.TPESampler(
                seed=seed, multivariate=True, constant_liar=True, n_startup_trials=startup
            )
            memory = optuna.create_study(direction=opened.direction, sampler=sampler)
            memory.add_trials(opened.get_trials(deepcopy=False))
            for _ in range(_ASKED):
                params = memory.ask(_distributions(recipe)).params
                setting = {key: _value(range_, params[key]) for key, range_ in space_of(recipe).items()}
                if canonical(setting) not in known:
                    return setting
        settings = random_settings(self._study.name, recipe, len(drawn) + 1)
        return next(setting for setting in settings if canonical(setting) not in known)

    def _open(self, recipe: StudyRecipe, facts: RecipeResult) -> optuna.Study:
        """Open what the journal has of a recipe; one whose scores are no longer comparable begins anew."""
        import optuna
        from optuna.storages.journal import JournalFileBackend

        if recipe.name not in self._opened:
            with self._reading():
                if self._storage is None:
                    self._storage = optuna.storages.JournalStorage(JournalFileBackend(str(self._path)))
                self._opened[recipe.name] = optuna.create_study(
                    storage=self._storage,
                    study_name=f"{recipe.name}-{_digest(recipe, facts, self._study)}",
                    direction="minimize" if facts.lower_is_better else "maximize",
                    load_if_exists=True,
                )
        return self._opened[recipe.name]

    def _drawn(self, opened: optuna.Study) -> dict[int, tuple[dict[str, Any], bool]]:
        """Return the settings that were drawn, by number, each once, and whether Optuna was told what came of them."""
        found: dict[str, tuple[int, tuple[dict[str, Any], bool]]] = {}
        with self._reading():
            for trial in opened.get_trials(deepcopy=False):
                setting = trial.user_attrs["setting"]
                found.setdefault(canonical(setting), (trial.number, (setting, trial.state.is_finished())))
        return dict(found.values())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let no other process draw meanwhile.

        Where the file system has no such locks, two processes may draw at once: Optuna's own lock keeps the journal
        whole, and of two equal settings, and of those too many, the later is passed over.
        """
        import optuna

        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with self._path.open("a+b") as file:
                if _lock(file.fileno()):
                    _remove_left_lock(file, self._path)
                _cut_unfinished_line(file, self._path)
                yield
        except OSError as error:
            raise OutputError(
                f"{self._path}: the search cannot be written down",
                expected="a study folder that can be written to, with room",
                received=error.strerror or str(error),
                fix="make room, and give the same command again",
            ) from error
        finally:
            optuna.logging.set_verbosity(verbosity)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            raise GlueftError(
                f"{self._path}: the journal of the search cannot be read",
                expected="a journal that this study has written",
                received=f"{type(error).__name__}: {error}",
                fix=f"move {self._path.name} away: the search then begins anew; no run is lost",
            ) from error


def _add(opened: optuna.Study, recipe: StudyRecipe, setting: dict[str, Any]) -> None:
    import optuna

    space = space_of(recipe)
    opened.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params={key: _param(range_, setting[key]) for key, range_ in space.items()},
            distributions=_distributions(recipe),
            user_attrs={"setting": setting},
        )
    )


def _tell(opened: optuna.Study, number: int, runs: Sequence[StudyRun]) -> bool:
    """Tell Optuna what came of a setting, once its last run has ended: the mean score, pruned, or failed.

    One run that was pruned makes the setting a pruned one; otherwise the runs that have a score count.
    """
    from optuna.trial import TrialState

    if not runs or any(run.state in ("waiting", "running") for run in runs):
        return False
    scores = [run.score for run in runs if run.score is not None]
    with suppress(RuntimeError):  # Another process has told it.
        if any(run.state == "pruned" for run in runs):
            opened.tell(number, state=TrialState.PRUNED, skip_if_finished=True)
        elif scores:
            opened.tell(number, sum(scores) / len(scores), skip_if_finished=True)
        else:
            opened.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    return True


def _distributions(recipe: StudyRecipe) -> dict[str, BaseDistribution]:
    return {key: _distribution(range_) for key, range_ in space_of(recipe).items()}


def _distribution(range_: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if range_.choices:
        return CategoricalDistribution([_param(range_, choice) for choice in range_.choices])
    low, high = bounds(range_)
    if range_.step is not None:
        high = in_steps(range_, number_of_values(range_) - 1)
    if range_.whole:
        return IntDistribution(low, high, log=range_.log, step=int(range_.step or 1))
    return FloatDistribution(low, high, log=range_.log, step=range_.step)


def _param(range_: Range, value: Any) -> Any:
    """A value of a setting as Optuna has it: choices that are no plain value are texts there."""
    is_plain = not range_.choices or isinstance(value, (str, int, float, bool))
    return value if is_plain else canonical(value)


def _value(range_: Range, param: Any) -> Any:
    """A value of Optuna as it stands in a setting."""
    if range_.choices:
        return next(choice for choice in range_.choices if _param(range_, choice) == param)
    return in_range(range_, param)


def _digest(recipe: StudyRecipe, facts: RecipeResult, study: Study) -> str:
    """A hash of what makes scores comparable: the ranges, the recipe in all but its seed, and what the score is."""
    tables = recipe.base.tables()
    settings = settings_to_hash(tables)
    settings["training"] = {key: value for key, value in settings["training"].items() if key != "seed"}
    told = {
        "ranges": {key: asdict(range_) for key, range_ in space_of(recipe).items()},
        "settings": settings,
        "rows": tables["data"],
        "model": tables["model"],
        "starts_from": recipe.starts_from,
        **({"teacher": tables["distill"]} if "distill" in tables else {}),
        "score": [facts.chooses, facts.on, study.held_out if facts.on == "held_out" else None],
    }
    if study.folds is not None:
        told["folds"] = [study.folds, study.fold_group]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _lock(file: int) -> bool:
    """Wait for the lock of a file; return False where the file system has none."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _remove_left_lock(journal: IO[bytes], path: Path) -> None:
    """Remove the lock of Optuna's that a process has left which was killed while it wrote.

    Optuna would wait half a minute for it. Its age tells, by the clock of the file system: other machines may not see
    the lock that this process holds.
    """
    link = path.with_name(f"{path.name}.lock")
    with suppress(OSError):
        made = link.lstat().st_mtime
        os.utime(journal.fileno())
        if os.fstat(journal.fileno()).st_mtime - made > _WRITING_SECONDS:
            link.unlink()


def _cut_unfinished_line(journal: IO[bytes], path: Path) -> None:
    """Take off the line that a process could not finish, for want of room: Optuna would append to it."""
    from optuna.storages.journal import JournalFileSymlinkLock

    if _whole_lines(journal) == journal.seek(0, os.SEEK_END):
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        journal.truncate(_whole_lines(journal))
    finally:
        lock.release()


def _whole_lines(journal: IO[bytes]) -> int:
    """Return the length of a file up to its last line break."""
    end = journal.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        journal.seek(start)
        found = journal.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
