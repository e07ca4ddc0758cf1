"""A run: its folder with recipe.toml, run.json, history.jsonl, predictions/ and model/, and while it trains its model.

Keras is not imported.
"""

from __future__ import annotations

import copy
import os
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glueft.encoder.labels import contradiction, named_outputs
from glueft.errors import GlueftError, RunFolderError
from glueft.files import Reserve, add_line, remove_folder, write_text
from glueft.metrics.choice import chosen_metrics
from glueft.plugin.origin import origin_of, recorded_origins
from glueft.plugin.task_description import TaskDescription, describe_task, read_description
from glueft.runs.clock import now
from glueft.runs.environment import describe_host, installed_versions, peak_memory
from glueft.runs.folder import (
    cannot_write_in_run,
    find_run_folder,
    new_run_folder,
    no_run_folder,
    remove_leftovers_of_run,
    writing_in_run,
)
from glueft.runs.history import NAME as HISTORY
from glueft.runs.history import line_of, read_history
from glueft.runs.how_far import HowFar, less_memory, why_died
from glueft.runs.lease import Lease, is_running, read_heartbeat
from glueft.runs.predictions import Predictions, read_label_names, read_predictions
from glueft.runs.record import (
    REPEAT,
    Origin,
    Packages,
    PluginFile,
    Plugins,
    Record,
    Table,
    read_file,
    read_object,
    read_record,
)
from glueft.system.device_memory import device_memory
from glueft.system.interruption import at_the_end, forget
from glueft.system.process_identity import process_identity
from glueft.text import json_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.rows import Rows
    from glueft.encoder.classifier import Classifier
    from glueft.plugin.base import Plugin
    from glueft.plugin.task import Task
    from glueft.recipe import Recipe
    from glueft.recipe.task_parts import Sections, TaskParts
    from glueft.runs.answers import Answers

_SECTIONS = ("task", "model", "data", "optimizer", "schedule", "training", "engine")


class Live(Protocol):
    """The model of a run that trains, and what belongs to it; `Run` says what each member is."""

    @property
    def classifier(self) -> Classifier: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def num_train_steps(self) -> int: ...
    @property
    def validation_rows(self) -> Rows: ...
    def validation_answers(self, logits: NDArray[np.float32]) -> Answers: ...
    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers: ...
    def learning_rate(self, step: int) -> float: ...


class Run:
    """A run and its folder: one that trains, from `create`, or any that has left a folder, from `open`.

    Of a folder nothing is read but run.json, until it is asked for; every attribute and method raises RunFolderError
    where its file is missing, cut off, or not what it should be. No plugin is needed but for `recipe`, `parts` and
    `task`, and for `task_description` where it was not recorded. What plugins may use of a run that trains is
    described in `glueft.plugin.run.Run`.

    Attributes:
        folder: absolute, where the run was opened.
        record: run.json.
        is_reopened: whether it comes from `reopen` and has not gone on.
        validation_logits: of the last validation, (rows, labels) or in regression (rows, 1), rows as in
            `validation_rows`; None before the first.
    """

    def __init__(
        self,
        folder: Path,
        record: Record,
        *,
        say: Callable[[str], None] = lambda line: None,
        plugins: Sequence[str] = (),
        trust: bool = False,
    ) -> None:
        self.folder = folder
        self.record = record
        self.validation_logits: NDArray[np.float32] | None = None
        self._say = say
        self._plugins = {"plugins": plugins, "trust": trust}
        self._live: Live | None = None
        self._reserve: Reserve | None = None
        self._lease: Lease | None = None
        self._seconds_before = 0.0
        self.is_reopened = False

    def __repr__(self) -> str:
        return f"Run({self.folder.name})"

    @classmethod
    def create(cls, recipe: Recipe, output_dir: Path, say: Callable[[str], None] = lambda line: None) -> Run:
        """Make a run folder with recipe.toml and a first run.json, and keep room on the disk for the last.

        The process holds the folder's `Lease` until `close`. Where it is ended by a signal before that, run.json says
        "interrupted".

        Raises:
            RunFolderError: the folder or a file in it cannot be written; no folder is left.
        """
        with new_run_folder(output_dir, recipe.task.name) as (folder, beside):
            run = cls.of(recipe, folder, say)
            for name, text in (("recipe.toml", recipe.to_toml()), ("run.json", run._record_text())):
                with writing_in_run(folder / name):
                    write_text(beside / name, text)
        run._lease = Lease.take(folder)
        at_the_end(run._note_interruption)
        run._reserve = Reserve(run.folder)
        return run

    @classmethod
    def reopen(
        cls,
        path: str | os.PathLike[str],
        say: Callable[[str], None] = lambda line: None,
        *,
        plugins: Sequence[str] = (),
        trust: bool = False,
    ) -> Run:
        """Open a run to go on with it, unless it is done. The process holds the folder's `Lease` until `close`.

        Nothing of the run is changed before `go_on`; `leave` lets it be.

        Raises:
            RunFolderError: as `open`, or the run is still going on in another process.
        """
        run = cls.open(path, finished=False, plugins=plugins, trust=trust)
        run._say, run.is_reopened = say, True
        if run.record.status != "done":
            run._lease = Lease.take(run.folder, run.record.process if run.record.status == "running" else None)
            try:
                # Once more: the process that had the folder may have ended in between.
                run.record = read_record(run.folder / "run.json")
            except BaseException:
                run.leave()
                raise
            if run.record.status == "done":
                run.leave()
        return run

    def begin_anew(self) -> None:
        """Forget what the record says of a run that was reopened: its set-up is done, and recorded, anew."""
        started, self.record = self.record.started, _first_record(self.recipe, self.folder)
        self.record.started = started
        self.__dict__["task"] = self.recipe.task  # its labels are those of the rows that are read

    def go_on(self, record: Record, history_bytes: int, seconds: float) -> None:
        """Have a run that was reopened go on from this record, so many bytes of its history, and its `total` seconds.

        Raises:
            RunFolderError: it cannot be written.
        """
        self.record.become(record)
        self._seconds_before = seconds
        at_the_end(self._note_interruption)
        self._reserve = Reserve(self.folder)
        self.cut_history(history_bytes)
        self.is_reopened = False
        remove_folder(self.model_folder)
        self.write_record()

    def leave(self) -> None:
        """Leave a run that was reopened as it is."""
        forget(self._note_interruption)
        self._release()

    @classmethod
    def of(cls, recipe: Recipe, folder: Path, say: Callable[[str], None] = lambda line: None) -> Run:
        """Return a run of a recipe in a folder that is there. Nothing is written."""
        run = cls(folder, _first_record(recipe, folder), say=say)
        # Where `cached_property` keeps them.
        run.__dict__ |= {"recipe": recipe, "task": recipe.task}
        return run

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        finished: bool = True,
        tolerant: bool = False,
        plugins: Sequence[str] = (),
        trust: bool = False,
    ) -> Run:
        """Open a run folder.

        Args:
            path: the folder, or its `model/`.
            finished: refuse a run that is not done.
            tolerant: leave out what of the record cannot be used, unless it is among what every run has.
            plugins: plugin files that the user has named; one of the name of a file of the run takes its place.
            trust: run the plugin files that its recipe names, even if no run of this user has.

        Raises:
            RunFolderError: this is no run folder, its run.json is missing, cut off or not a run's, or the run is not
                done.
        """
        folder = find_run_folder(path)
        if folder is None:
            raise no_run_folder(Path(path))
        remove_leftovers_of_run(folder)
        run = cls(folder, read_record(folder / "run.json", tolerant=tolerant), plugins=plugins, trust=trust)
        if finished and run.record.status != "done":
            raise _not_done(run)
        return run

    # The folder and its files.

    @property
    def model_folder(self) -> Path:
        """Where the model lies, in Hugging Face layout."""
        return self.folder / "model"

    def has_died(self) -> bool:
        """Whether the record says that the run goes on while its process is known to be gone."""
        return self.record.status == "running" and self.is_running() is False

    def is_running(self) -> bool | None:
        """Whether a process trains the run, here or on another host; None if that cannot be known.

        One that resumes the run does so before the record says it.
        """
        return is_running(self.folder, self.record.process if self.record.status == "running" else None)

    def write_record(self) -> None:
        """Write run.json. Where that fails (RunFolderError), the one before stays."""
        with writing_in_run(self.folder / "run.json"):
            write_text(self.folder / "run.json", self._record_text())

    def _record_text(self) -> str:
        return json_text(self.record.as_dict(), indent=2) + "\n"

    def close(self, seconds: Mapping[str, float], error: BaseException | None = None) -> None:
        """Write how the run ended: done, or by an error. `seconds` is by phase.

        Raises:
            RunFolderError: run.json cannot be written; the one before stays.
        """
        record = self.record
        if error is None:
            record.status = "done"
        elif isinstance(error, KeyboardInterrupt):
            record.status = "interrupted"
        else:
            record.status = "failed"
            record.error = str(error) if isinstance(error, GlueftError) else f"{type(error).__name__}: {error}"
        record.finished = now()
        record.seconds = dict(seconds)
        if record.parts:
            here = record.parts[-1]
            here.status, here.finished = record.status, record.finished
            here.seconds = round(record.seconds["total"] - self._seconds_before, 3)
        record.peak_memory_bytes = peak_memory()
        on_device = device_memory(record.engine.backend)
        record.peak_device_memory_bytes = None if on_device is None else on_device.peak
        try:
            self._write_last_record()
        finally:
            forget(self._note_interruption)
            self._release()

    def discard(self) -> None:
        """Remove the folder of a run that has not begun to train."""
        forget(self._note_interruption)
        self._release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _note_interruption(self) -> None:
        """Write that the run was interrupted, when its process is ended on the spot."""
        if self.record.status in ("running", "interrupted"):
            self.record.status = "interrupted"
            if self.record.parts:
                self.record.parts[-1].status = "interrupted"
            self._write_last_record()

    def _release(self) -> None:
        """Let other processes train in the folder."""
        if self._lease is not None:
            self._lease.release()

    def _write_last_record(self) -> None:
        if self._reserve is not None:
            self._reserve.release()
        self.write_record()

    def log(self, kind: str = "", **values: Any) -> None:
        """Append a line of JSON to history.jsonl, the one file that grows while the run trains."""
        line = line_of(kind, values)
        with writing_in_run(self.folder / HISTORY):
            add_line(self.folder / HISTORY, line)

    def cut_history(self, length: int) -> None:
        """Cut history.jsonl to so many bytes.

        Raises:
            RunFolderError: it is shorter, or cannot be written.
        """
        path = self.folder / HISTORY
        there = path.stat().st_size if path.exists() else 0
        if there < length:
            raise RunFolderError(
                f"{path}: a part of it is lost", expected=f"{length:,} bytes or more", received=f"{there:,}", fix=REPEAT
            )
        if there > length:
            with writing_in_run(path):
                os.truncate(path, length)

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of history.jsonl that have a `kind`: "step", "epoch", "mid_epoch", or one of a plugin."""
        return read_history(self.folder / HISTORY)

    def say(self, text: object) -> None:
        """Show a text, or anything as `print` shows it, to the user; any thread may call it."""
        self._say(str(text))

    def cannot_write(self, fault: OSError) -> GlueftError:
        """Return the error for a file of a callback or a library that could not be written."""
        return cannot_write_in_run(self.folder, fault)

    def splits(self) -> tuple[str, ...]:
        """Return the splits with predictions, in the order of run.json.

        Raises:
            RunFolderError: the folder is gone.
        """
        if not self.folder.is_dir():
            raise RunFolderError(
                f"{self.folder}: the run folder is gone",
                expected="the folder where the run was opened",
                received="no such folder",
                fix="if it has another name or place now, open it there; otherwise train again",
            )
        written = {path.name.removesuffix(".tsv") for path in (self.folder / "predictions").glob("[!.]*.tsv")}
        known = [split for split in self.record.data.splits if split in written]
        return (*known, *sorted(written.difference(known)))

    def predictions_file(self, split: str) -> Path:
        """Return where the predictions of a split lie."""
        return self.folder / "predictions" / f"{split}.tsv"

    def predictions(self, split: str) -> Predictions:
        """Return the predictions of a split, checked against the model's labels and the rows that run.json counts."""
        described = self.record.data.splits.get(split)
        rows = described.rows if described else None
        return read_predictions(self.predictions_file(split), self.labels, rows, multi_label=self.record.multi_label)

    # The recipe.

    def recipe_settings(self) -> dict[str, Any]:
        """Return recipe.toml as it was written, complete; no plugin is looked up and no plugin file run."""
        from glueft.recipe.file import parse_text, read_text

        path = self.folder / "recipe.toml"
        read_file(path)
        settings = parse_text(*read_text(str(path)))
        lost = [name for name in _SECTIONS if not isinstance(settings.get(name), dict)]
        if lost:
            raise RunFolderError(
                f"{path}: it is not the whole recipe of a run",
                expected=f"the tables {', '.join(_SECTIONS)}",
                received="no " + ", ".join(lost),
                fix=REPEAT,
            )
        return settings

    @cached_property
    def sections(self) -> Sections:
        """What the recipe says of checkpoint, data, batches and engine; no plugin is needed for it.

        Raises:
            RecipeError: one of these sections cannot be used.
        """
        from glueft.recipe.task_parts import load_sections

        self._check_task(self.recipe_settings()["task"].get("plugin"))
        return load_sections(self.folder / "recipe.toml")

    @cached_property
    def parts(self) -> TaskParts:
        """What the recipe says but for the training; see `load_parts`."""
        return self.load_parts()

    def load_parts(self, overrides: Sequence[str] = (), **options: Any) -> TaskParts:
        """Load what the recipe says but for the training. The task's plugin must be there, and no other.

        Args:
            overrides: texts as `--set` takes them.
            options: those of `load_run_parts`; `plugins` and `trust` are those of `open` by default.

        Raises:
            RunFolderError: recipe.toml is missing, cut off, or that of another task.
            RecipeError: it cannot be used, as when the task's plugin is no longer installed.
        """
        from glueft.recipe.task_parts import load_run_parts

        settings = self.recipe_settings()
        # `--sample` would name another checkpoint as well; the run's stays.
        options |= {"checkpoint": settings["model"].get("checkpoint")} if options.get("sample") else {}
        options = {**self._plugins, "brought": recorded_origins(self.record), **options}
        parts = load_run_parts(self.folder / "recipe.toml", overrides, **options)
        self._check_task(parts.task.name)
        return parts

    def with_parts(self, parts: TaskParts) -> Run:
        """Return the run as if this had been in its recipe: for another precision or batch size of its predictions."""
        other = Run(self.folder, self.record)
        other.__dict__ |= {"parts": parts, "sections": parts}
        return other

    @cached_property
    def recipe(self) -> Recipe:
        """The whole recipe. All of its plugins must be there.

        Raises:
            RecipeError: it cannot be used.
        """
        from glueft.recipe import load_recipe

        read_file(self.folder / "recipe.toml")
        return load_recipe(self.folder / "recipe.toml", **self._plugins)  # type: ignore[arg-type]

    @cached_property
    def task(self) -> Task:
        """The task plugin. One that learns its labels from its rows has those of the model, and the run's metrics."""
        task = copy.copy(self.parts.task)
        if task.reads_own_files:
            task.labels = self.labels
            task.metrics = chosen_metrics(task) or tuple(self.record.metrics) or task.metrics
        return task

    @cached_property
    def task_description(self) -> TaskDescription:
        """The task as the run has recorded it; of a run from before it was recorded, as its plugin describes it.

        Raises:
            RecipeError: the run has not recorded it, and the plugin is not there.
        """
        if self.record.task_description is None:
            return describe_task(self.task)
        try:
            return read_description(self.record.task_description)
        except ValueError as error:
            raise RunFolderError(
                f"{self.folder / 'run.json'}: what it says of the task cannot be used",
                expected="task_description as glueft run writes it",
                received=str(error),
                fix=REPEAT,
            ) from None

    def _check_task(self, name: object) -> None:
        if name != self.record.task:
            raise RunFolderError(
                f"{self.folder}: recipe.toml and run.json are of different runs",
                expected=f'the task "{self.record.task}", which run.json names',
                received=f'recipe.toml with the task "{name}"',
                fix=REPEAT,
            )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The label names in the order of the logits, () in regression: of the model, else of predictions or task."""
        config = self.model_folder / "config.json"
        if not config.is_file() and self.splits():
            return read_label_names(self.predictions_file(self.splits()[0]))
        if self.record.model.removed is not None and not config.is_file():
            return self.task_description.labels
        settings = read_object(config, "the model's configuration")
        if settings.get("problem_type") == "regression":
            return ()
        labels = tuple(named_outputs(settings))
        if not labels:
            raise RunFolderError(
                f"{config}: it does not name the labels",
                expected="id2label with the name of each label by its number, from 0",
                received=f"id2label = {settings.get('id2label')!r}",
                fix=REPEAT,
            )
        fault = contradiction(labels, settings)
        if fault:
            raise RunFolderError(
                f"{config}: it contradicts itself about the labels",
                expected="one name for each output, the same in id2label and label2id",
                received=fault,
                fix=REPEAT,
            )
        return labels

    # While it trains.

    @cached_property
    def for_plugins(self) -> PluginRun:
        """What plugins are given."""
        return PluginRun(self)

    def attach(self, live: Live) -> None:
        """Give the run its model, once it is loaded and compiled."""
        self._live = live

    @property
    def num_train_steps(self) -> int:
        """Optimizer steps of the whole run; 0 until the model is loaded."""
        return 0 if self._live is None else self._live.num_train_steps

    @property
    def model(self) -> Classifier | None:
        """The Keras classifier with its current weights; it takes any token ids. None until it is loaded."""
        return None if self._live is None else self._live.classifier

    @property
    def tokenizer(self) -> Any:
        """A copy of the run's transformers tokenizer."""
        return self._attached().tokenizer

    @property
    def validation_rows(self) -> Rows:
        """The rows of the primary split."""
        return self._attached().validation_rows

    @property
    def validation_answers(self) -> Answers | None:
        """The last validation as `predict` returns it; None before the first."""
        return None if self.validation_logits is None else self._attached().validation_answers(self.validation_logits)

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers:
        """Predict new texts, or pairs of texts, with the current weights. The training is not affected."""
        return self._attached().predict(texts)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of an optimizer step, counted from 1."""
        return self._attached().learning_rate(step)

    def _attached(self) -> Live:
        if self._live is None:
            raise RunFolderError(
                f"{self!r} has no model yet",
                expected="a run whose rows are read and whose model is loaded",
                received=f'a run with the status "{self.record.status}" that has not come so far',
                fix="ask for it in a callback's `build` or later",
            )
        return self._live


class PluginRun:
    """A run as plugins are given it (`glueft.plugin.run.Run`): its record is a dict, all else is that of the run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._run)})

    def __repr__(self) -> str:
        return repr(self._run)

    @property
    def record(self) -> Table:
        """The content of run.json so far."""
        return Table(self._run.record)

    @record.setter
    def record(self, content: Mapping[str, Any]) -> None:
        """Allow `run.record |= {...}`, which has put all of it into the record already."""
        if not isinstance(content, Table):
            self._run.record.update(content)


def _first_record(recipe: Recipe, folder: Path) -> Record:
    """Return what is known before anything is read."""

    def origin(plugin: Plugin) -> Origin:
        return Origin.model_validate(origin_of(plugin))

    return Record(
        status="running",
        task=recipe.task.name,
        seed=recipe.training.seed,
        started=now(),
        run_dir=str(folder.resolve()),
        plugins=Plugins(
            task=recipe.task.name,
            optimizer=recipe.optimizer.name,
            schedule=recipe.schedule.name,
            **({} if recipe.loss is None else {"loss": recipe.loss.name}),
            callbacks=[callback.name for callback in recipe.callbacks],
            packages=Packages(
                task=origin(recipe.task),
                optimizer=origin(recipe.optimizer),
                schedule=origin(recipe.schedule),
                **({} if recipe.loss is None else {"loss": origin(recipe.loss)}),
                callbacks=[*map(origin, recipe.callbacks)],
            ),
            files=[PluginFile(path=file.path, sha256=file.sha256) for file in recipe.plugin_files],
        ),
        host=describe_host(),
        process=process_identity(),
        versions=installed_versions(),
        warnings=[],
        metrics={},
        epochs=[],
        seconds={},
    )


def _not_done(run: Run) -> RunFolderError:
    record, folder, alive = run.record, run.folder, run.is_running()
    how_far = HowFar.of(folder, record)
    message, received = f"{folder}: the run is not done", f'"{record.status}"'
    fix = how_far.resume(folder)
    if run.has_died():
        message = f"{folder}: the run has died"
        received += f", while its process is gone: {why_died(read_heartbeat(folder))}"
        with suppress(GlueftError):
            anew = f"glueft run {shlex.quote(str(folder / 'recipe.toml'))} {less_memory(run.recipe_settings())}"
            fix += f"; if memory ran out, this takes less: {anew}"
    elif record.status == "running" or alive:
        received += ", and it is being resumed" if record.status != "running" else ""
        fix = "wait until it is done" + (f"; if it has died, {fix}" if alive is None else "")
        received += "; whether its process still lives cannot be known from here" if alive is None else ""
    elif record.error is not None:
        received += ": " + record.error.split("\n")[0]
        fix = f"once its cause is gone, {fix}"
    return RunFolderError(
        message,
        expected='a run whose run.json says "done"',
        received=f"{received}; {how_far}",
        fix=fix,
    )
