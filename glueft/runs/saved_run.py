"""A run folder, read back: its record, its recipe and task, its labels, its predictions. Keras is not imported."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from functools import cached_property
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from glueft.encoder.labels import contradiction
from glueft.errors import RunFolderError
from glueft.metrics.choice import chosen_metrics
from glueft.plugin.origin import recorded_origins
from glueft.plugin.task_description import TaskDescription, describe_task, read_description
from glueft.runs import history
from glueft.runs.predictions import Predictions, read_label_names, read_predictions
from glueft.runs.record import (
    REPEAT,
    Epoch,
    Record,
    Step,
    other_metrics,
    read_file,
    read_object,
    read_record,
    wrong_values,
)
from glueft.runs.run import remove_leftovers_of_run
from glueft.system.process_identity import is_alive

if TYPE_CHECKING:
    from glueft.plugin.task import Task
    from glueft.recipe.task_parts import Sections, TaskParts

__all__ = ["Predictions", "SavedRun", "find_run_folder", "open_run"]

_SECTIONS = ("task", "model", "data", "optimizer", "schedule", "training", "engine")


class SavedRun:
    """What a run has left in its folder. Nothing is read before it is asked for, but run.json.

    None of its plugins is needed but for `recipe` and `task`, and for `task_description` where it was not recorded.

    Every attribute and method raises RunFolderError where its file is missing, cut off, or not what it should be.

    Attributes:
        folder: absolute.
        record: run.json.

    Args:
        folder, record: as above.
        plugins: plugin files that the user has named; one of the name of a file of the run takes its place.
        trust: run the plugin files that its recipe names, even if no run of this user has.
    """

    def __init__(self, folder: Path, record: Record, plugins: Sequence[str] = (), *, trust: bool = False) -> None:
        self.folder = folder
        self.record = record
        self._plugins = {"plugins": plugins, "trust": trust}

    def __repr__(self) -> str:
        return f"SavedRun({self.folder.name})"

    @property
    def model_folder(self) -> Path:
        """Where the model lies, in Hugging Face layout."""
        return self.folder / "model"

    @cached_property
    def recipe(self) -> TaskParts:
        """What the recipe of the run says but for its training; see `load_recipe`."""
        return self.load_recipe()

    def load_recipe(self, overrides: Sequence[str] = (), **options: Any) -> TaskParts:
        """Load what the recipe of the run says but for its training. The task's plugin must be there, and no other.

        Args:
            overrides: texts as `--set` takes them.
            options: those of `load_run_parts`; `plugins` and `trust` as they were given to `open_run`, if not here.

        Raises:
            RunFolderError: recipe.toml is missing, cut off, or that of another task.
            RecipeError: it cannot be used, as when the task's plugin is no longer installed.
        """
        from glueft.recipe.task_parts import load_run_parts

        settings = self.recipe_settings()
        # `--sample` alone would name another checkpoint too; the run's is not another one for being read elsewhere.
        options |= {"checkpoint": settings["model"].get("checkpoint")} if options.get("sample") else {}
        options = {**self._plugins, "brought": recorded_origins(self.record), **options}
        recipe = load_run_parts(self.folder / "recipe.toml", overrides, **options)
        self._check_task(recipe.task.name)
        return recipe

    def with_recipe(self, recipe: TaskParts) -> SavedRun:
        """Return the run as if this had been its recipe: for settings of its prediction that shall be others."""
        other = SavedRun(self.folder, self.record)
        # Where `cached_property` keeps them.
        other.__dict__ |= {"recipe": recipe, "sections": recipe}
        return other

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
    def task(self) -> Task:
        """The recipe's task; one that learns its labels from its rows has those of the model, and the run's metrics."""
        task = copy.copy(self.recipe.task)
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
        recorded = self.record.task_description
        if recorded is None:
            return describe_task(self.task)
        try:
            return read_description(recorded)
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
        """The label names in the order of the logits, () in regression: of the model, or else of the predictions."""
        config = self.model_folder / "config.json"
        if not config.is_file() and self.splits():
            return read_label_names(self._predictions_file(self.splits()[0]))
        settings = read_object(config, "the model's configuration")
        if settings.get("problem_type") == "regression":
            return ()
        try:
            names = {int(index): str(name) for index, name in settings["id2label"].items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            names = {}
        if not names or sorted(names) != list(range(len(names))):
            raise RunFolderError(
                f"{config}: it does not name the labels",
                expected="id2label with the name of each label by its number, from 0",
                received=f"id2label = {settings.get('id2label')!r}",
                fix=REPEAT,
            )
        labels = tuple(names[index] for index in range(len(names)))
        fault = contradiction(labels, settings)
        if fault:
            raise RunFolderError(
                f"{config}: it contradicts itself about the labels",
                expected="one name for each output, the same in id2label and label2id",
                received=fault,
                fix=REPEAT,
            )
        return labels

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of history.jsonl that have a `kind`: "step" a logged step, "epoch" an epoch.

        Plugins log lines of other kinds; in folders of older versions also lines without one, which are passed over.
        """
        path = self.folder / history.NAME
        entries = []
        # Not `splitlines`: a text in a line may hold other marks that it takes for a line's end, such as U+2028.
        for number, line in enumerate(read_file(path).split("\n"), start=1):
            if not line.strip():
                continue
            entry = history.entry_of(line)
            if entry is None:
                raise RunFolderError(
                    f"{path}: line {number} cannot be read",
                    expected="a JSON object in every line",
                    received=repr(line[:80]),
                    fix=REPEAT,
                )
            if isinstance(entry.get("kind"), str):
                entries.append(entry)
        self._check_entries(path, entries)
        return entries

    @staticmethod
    def _check_entries(path: Path, entries: Sequence[dict[str, Any]]) -> None:
        epochs: list[Epoch] = []
        for number, entry in enumerate(entries, start=1):
            if entry["kind"] == "epoch" and isinstance(entry.get("metrics"), dict):
                # JSON has no NaN, which the correlation of equal scores is: it was written as null.
                entry["metrics"] = {key: nan if value is None else value for key, value in entry["metrics"].items()}
            wrong: dict[str, str] = {}
            try:
                if entry["kind"] == "step":
                    Step.model_validate(entry)
                elif entry["kind"] == "epoch":
                    epochs.append(Epoch.model_validate(entry))
                    wrong = other_metrics(epochs)
            except ValidationError as error:
                wrong = wrong_values(error)
            if wrong:
                raise RunFolderError(
                    f"{path}: an entry is not one of a run",
                    expected="; ".join(f"{key}: {wanted}" for key, wanted in wrong.items()),
                    received=f'nothing of use at {", ".join(wrong)} of entry {number}, of the kind "{entry["kind"]}"',
                    fix=REPEAT,
                )

    def splits(self) -> tuple[str, ...]:
        """Return the splits whose predictions were written, in the order of run.json."""
        written = {path.name.removesuffix(".tsv") for path in (self.folder / "predictions").glob("[!.]*.tsv")}
        known = [split for split in self.record.data.splits if split in written]
        return (*known, *sorted(written.difference(known)))

    def predictions(self, split: str) -> Predictions:
        """Return the predictions of a split, checked against the model's labels and the rows that run.json counts."""
        described = self.record.data.splits.get(split)
        return read_predictions(self._predictions_file(split), self.labels, described.rows if described else None)

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

    def _predictions_file(self, split: str) -> Path:
        return self.folder / "predictions" / f"{split}.tsv"


def open_run(
    path: str | os.PathLike[str],
    *,
    finished: bool = True,
    whole: bool = True,
    plugins: Sequence[str] = (),
    trust: bool = False,
) -> SavedRun:
    """Open a run folder.

    Args:
        path: the folder, or its `model/`.
        finished: refuse a run that is not done.
        whole: refuse a record with any value that cannot be used; else such values are left out, unless they are
            among those that every run has.
        plugins, trust: as in `SavedRun`.

    Raises:
        RunFolderError: this is no run folder, its run.json is missing, cut off or not a run's, or the run is not done.
    """
    folder = find_run_folder(path)
    if folder is None:
        raise _no_run(Path(path))
    remove_leftovers_of_run(folder)
    record = read_record(folder / "run.json", tolerant=not whole)
    if finished and record.status != "done":
        raise _not_done(folder, record)
    return SavedRun(folder, record, plugins, trust=trust)


def find_run_folder(path: str | os.PathLike[str]) -> Path | None:
    """Return the run folder that a path means, itself or as its `model/`; None if it is neither."""
    # Not resolved: a link named model may point anywhere, and the run folder is where the link is.
    folder = Path(os.path.abspath(path))  # noqa: PTH100
    # A link that leads nowhere counts: it is then the file that cannot be read, and not a folder without one.
    if os.path.lexists(folder / "run.json"):
        return folder
    if folder.name == "model" and folder.is_dir() and os.path.lexists(folder.parent / "run.json"):
        return folder.parent
    return None


def has_died(record: Record) -> bool:
    """Whether a record says that its run goes on while its process is known to be gone."""
    return record.status == "running" and is_alive(record.process) is False


def _not_done(folder: Path, record: Record) -> RunFolderError:
    received, fix = f'"{record.status}"', REPEAT
    if record.error is not None:
        received += ": " + record.error.split("\n")[0]
    if has_died(record):
        received += ", while its process is gone: it has died, killed or out of memory"
    elif record.status == "running":
        fix = "wait until it is done"
        if is_alive(record.process) is None:
            received += "; whether its process still lives cannot be known from here"
            fix += f"; if it has died, {REPEAT}"
    return RunFolderError(
        f"{folder}: the run has died" if has_died(record) else f"{folder}: the run is not done",
        expected='a run whose run.json says "done"',
        received=received,
        fix=fix,
    )


def _no_run(path: Path) -> RunFolderError:
    fix = "name a folder that glueft run has left, such as runs/mrpc-20260131-120000-a1b2c3"
    if not path.exists():
        received = "nothing of that name"
    elif not path.is_dir():
        received = "a file"
    else:
        names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
        received = "a folder with " + ", ".join(names[:8]) + ", ..." * (len(names) > 8) if names else "an empty folder"
        runs = sorted(inside.parent.name for inside in path.glob("*/run.json"))
        if runs:
            fix = f"name one of the runs in it: {', '.join(runs[:5])}" + ", ..." * (len(runs) > 5)
        elif "config.json" in names:
            fix = f"a checkpoint that is no run's is evaluated with: glueft evaluate --task NAME --checkpoint {path}"
    return RunFolderError(
        f"{path}: this is not a run folder",
        expected="a folder with the run.json of a run",
        received=received,
        fix=fix,
    )
