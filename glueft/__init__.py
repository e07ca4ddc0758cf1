"""glueft: fine-tune pretrained text encoders on GLUE tasks with Keras 3, from one declarative recipe.

What a plugin author needs is here, and so is what a notebook needs:

    import glueft

    run = glueft.run("mrpc", {"training.epochs": 1})
    run.metrics, run.history, run.predictions(), run.model
    run.predict(["A first sentence."], ["A second one."])
    run = glueft.load_run("runs/mrpc-20260131-120000-a1b2c3")

    found = glueft.study("mrpc-study", {"study.seeds": 2})
    found.table(), found.runs()
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

from glueft.terminal.python_words import for_python
from glueft.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic import Field

    from glueft.errors import (
        CheckpointError,
        DataError,
        GlueftError,
        HubError,
        OutputError,
        PluginError,
        RunFolderError,
        StudyError,
        SubmissionError,
        TrainingError,
    )
    from glueft.metrics import MetricName, check_metrics, lower_is_better
    from glueft.plugin.callback import Callback
    from glueft.plugin.encoder import CheckpointTensor, ConfigReader, Encoder, EncoderConfig
    from glueft.plugin.executor import Executor, Job, Pool, RunningJob
    from glueft.plugin.hookspecs import hookimpl
    from glueft.plugin.loss import Loss
    from glueft.plugin.metric import Metric
    from glueft.plugin.optimizer import Optimizer
    from glueft.plugin.options import LocalPath, Options
    from glueft.plugin.run import Run
    from glueft.plugin.schedule import Schedule
    from glueft.plugin.task import HubDataset, PublishedScore, Source, Submission, TableLayout, Task, TSVFile, TSVLayout
    from glueft.recipe import Recipe
    from glueft.recipe.overrides import Overrides
    from glueft.result import Result
    from glueft.studies.definition.study import Study
    from glueft.studies.display.progress import StudyProgress
    from glueft.studies.findings import Findings
    from glueft.tables.read_tables import read_tables
    from glueft.tables.suffixes import TablePath
    from glueft.terminal.notebook import Content
    from glueft.training.observers import RunProgress

__all__ = [
    "Callback",
    "CheckpointError",
    "CheckpointTensor",
    "ConfigReader",
    "DataError",
    "Encoder",
    "EncoderConfig",
    "Executor",
    "Field",
    "GlueftError",
    "HubDataset",
    "HubError",
    "Job",
    "LocalPath",
    "Loss",
    "Metric",
    "MetricName",
    "Optimizer",
    "Options",
    "OutputError",
    "PluginError",
    "Pool",
    "PublishedScore",
    "Result",
    "Run",
    "RunFolderError",
    "RunningJob",
    "Schedule",
    "Source",
    "StudyError",
    "Submission",
    "SubmissionError",
    "TSVFile",
    "TSVLayout",
    "TableLayout",
    "TablePath",
    "Task",
    "TrainingError",
    "__version__",
    "check_metrics",
    "compare",
    "hookimpl",
    "load_recipe",
    "load_run",
    "load_study",
    "lower_is_better",
    "plan",
    "read_study",
    "read_tables",
    "resume",
    "run",
    "study",
]


# Imported when first asked for: `import glueft` itself takes no time.
_HOMES = {
    "pydantic": "Field",
    "glueft.errors": "CheckpointError DataError GlueftError HubError OutputError PluginError RunFolderError "
    "StudyError SubmissionError TrainingError",
    "glueft.metrics": "MetricName check_metrics lower_is_better",
    "glueft.plugin.callback": "Callback",
    "glueft.plugin.encoder": "CheckpointTensor ConfigReader Encoder EncoderConfig",
    "glueft.plugin.executor": "Executor Job Pool RunningJob",
    "glueft.plugin.hookspecs": "hookimpl",
    "glueft.plugin.loss": "Loss",
    "glueft.plugin.metric": "Metric",
    "glueft.plugin.options": "LocalPath Options",
    "glueft.plugin.optimizer": "Optimizer",
    "glueft.plugin.run": "Run",
    "glueft.plugin.schedule": "Schedule",
    "glueft.plugin.task": "HubDataset PublishedScore Source Submission TSVFile TSVLayout TableLayout Task",
    "glueft.result": "Result",
    "glueft.tables.read_tables": "read_tables",
    "glueft.tables.suffixes": "TablePath",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        globals()[name] = getattr(importlib.import_module(_HOME_OF[name]), name)
        return globals()[name]
    # A package or module, such as `glueft.metrics`, whether something has imported it yet or not.
    if not name.startswith("_") and importlib.util.find_spec(f"glueft.{name}"):
        return importlib.import_module(f"glueft.{name}")
    raise AttributeError(f"module 'glueft' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


@for_python
def load_recipe(
    path: str | Path,
    overrides: Overrides = (),
    plugins: Sequence[str | Path] = (),
    unset: Sequence[str] = (),
    *,
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    sample: bool = False,
    trust: bool = False,
) -> Recipe:
    """Read a recipe file, or a packaged recipe by its name, and check all of it.

    Args:
        path: a TOML file, or the name of a packaged recipe ("mrpc").
        overrides: changes by dotted key, {"training.epochs": 1}, or texts as `glueft run --set` takes them.
        plugins: plugin files, as `glueft run --plugin` takes them.
        unset: keys to take out of the recipe first, as `glueft run --unset` takes them.
        data_dir: read the rows from this folder, in the benchmark's own layout.
        checkpoint: start from this checkpoint.
        sample: read the rows that ship with the task, and start from the small encoder of `glueft run --sample`.
        trust: run the plugin files that the recipe of a run folder names, whoever wrote it, as `glueft run --trust`.

    Raises:
        glueft.recipe.RecipeError: with every problem of the recipe at once.
    """
    from glueft.recipe import load_recipe
    from glueft.recipe.overrides import as_texts

    return load_recipe(
        _place(path, "recipe", '"mrpc", or "my/recipe.toml"'),
        as_texts(overrides),
        plugins=_several(plugins),
        unset=_several(unset),
        data_dir=_text(data_dir),
        checkpoint=_text(checkpoint),
        sample=sample,
        trust=trust,
    )


@for_python
def load_study(
    path: str | Path,
    overrides: Overrides = (),
    plugins: Sequence[str | Path] = (),
    unset: Sequence[str] = (),
    *,
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    sample: bool = False,
    trust: bool = False,
) -> Study:
    """Read a study file, or a packaged study by its name, and check it with every recipe that it would run.

    Arguments are those of `load_recipe`; an override of "study.KEY" changes the study, any other all of its runs. What
    a study has found is read by `read_study`.

    Raises:
        StudyError: this is the folder of a study.
        glueft.recipe.RecipeError: with every problem at once.
    """
    from glueft.recipe.overrides import as_texts
    from glueft.studies.definition.file import load_study
    from glueft.studies.result_file import is_study_folder

    path = _place(path, "study", '"glue", or "my/study.toml"')
    if is_study_folder(path):
        from glueft.errors import StudyError

        raise StudyError(
            f"{path}: this is the folder of a study",
            expected="the file or the name of a study",
            received="a folder",
            fix=f"read what it has found with glueft.read_study({str(path)!r}); its file is study.toml in there",
        )
    return load_study(
        path,
        as_texts(overrides),
        plugins=_several(plugins),
        unset=_several(unset),
        data_dir=_text(data_dir),
        checkpoint=_text(checkpoint),
        sample=sample,
        trust=trust,
    )


@for_python
def load_run(
    folder: str | Path,
    *,
    plugins: Sequence[str | Path] = (),
    trust: bool = False,
    backend: str = "auto",
    precision: str | None = None,
) -> Result:
    """Open the folder of a finished run: its numbers, its predictions, its model.

    Args:
        folder: such as "runs/mrpc-20260131-120000-a1b2c3".
        plugins: plugin files; one of the name of a file of the run takes its place.
        trust: run the plugin files that the run's recipe names, even if no run of yours has.
        backend, precision: what its model computes with, as `engine` of a recipe; as the run did by default.

    Raises:
        RunFolderError: this is no run folder, or the run is not done.
    """
    from glueft.result import Result
    from glueft.studies.result_file import is_study_folder

    folder = _place(folder, "run folder", _A_RUN)
    if is_study_folder(folder):
        from glueft.errors import RunFolderError

        raise RunFolderError(
            f"{folder}: this is not a run folder",
            expected="the folder of a run",
            received="the folder of a study",
            fix=f"read it with glueft.read_study({str(folder)!r}), whose `runs()` names the folders of its runs",
        )
    return Result.open(folder, plugins=_several(plugins), trust=trust, backend=backend, precision=precision)


@for_python
def read_study(folder: str | Path) -> Findings:
    """Read what a study has found so far, from its folder, such as "studies/glue".

    `load_study` reads what a study asks for: `load_recipe` and `load_study` read files, `load_run` and `read_study` the
    folders that come of them.

    Raises:
        StudyError: no study was run there.
    """
    from glueft.recipe.file import packaged_studies
    from glueft.studies.findings import read_findings
    from glueft.studies.result_file import is_study_folder

    folder = _place(folder, "folder of a study", '"studies/glue"')
    if is_study_folder(folder):
        return read_findings(folder)
    from pathlib import Path

    from glueft.errors import StudyError

    place, begun = Path(folder), Path("studies", Path(folder).stem)
    received, fix = "a folder without one" if place.is_dir() else "nothing there", ""
    if (place / "run.json").is_file():
        received, fix = "the folder of a run", f"open it with glueft.load_run({folder!r})"
    elif place.is_file() or (folder in packaged_studies() and not place.exists()):
        received = "what a study asks for, not what it has found"
        fix = f"run it with glueft.study({folder!r}), or read what it asks for with glueft.load_study({folder!r})"
        if is_study_folder(begun):
            fix = f"read what it has found with glueft.read_study({str(begun)!r})"
    raise StudyError(
        f"{folder} is not the folder of a study",
        expected="a folder with a study.json",
        received=received,
        fix=fix or "name the folder that glueft.study has made, such as studies/glue",
    )


@for_python
def run(
    recipe: Recipe | str | Path,
    overrides: Overrides = (),
    *,
    output_dir: str | Path = "runs",
    progress: RunProgress | bool | None = None,
    verbose: bool = False,
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    sample: bool = False,
    plugins: Sequence[str | Path] = (),
    unset: Sequence[str] = (),
    trust: bool = False,
    token_cache: str | Path | None = None,
    begin: float | None = None,
) -> Result:
    """Train and evaluate as a recipe says, and leave a run folder.

    Args:
        recipe: from `load_recipe`, or what that takes: a TOML file, or the name of a packaged recipe.
        overrides: changes of it, {"training.epochs": 1}, or texts as `glueft run --set` takes them.
        output_dir: where the run folder is made.
        progress: whether to show the run: in a notebook by default, in one output of its cell.
        verbose: show the log lines of libraries.
        data_dir, checkpoint, sample, plugins, unset, trust: further changes, as for `load_recipe`.
        token_cache: a folder where tokens are kept for other runs on the same rows, and read if they are there.
        begin: `time.perf_counter()` at which the clock of the run starts; now if None.

    Raises:
        GlueftError: the recipe, the data or the checkpoint cannot be used, or the training cannot go on. An error in
            the set-up leaves no run folder behind; once the training has begun, run.json says what went wrong.
        KeyboardInterrupt: the run was interrupted; `resume` goes on with it.
    """
    from glueft.launch import run_recipe
    from glueft.terminal.notebook import progress_of

    changes = {"data_dir": data_dir, "checkpoint": checkpoint, "sample": sample, "plugins": plugins, "unset": unset}
    return run_recipe(
        _recipe_of(recipe, overrides, trust=trust, **changes),
        output_dir=_place(output_dir, "folder", '"runs"'),
        token_cache=None if token_cache is None else _place(token_cache, "folder", '"tokens"'),
        progress=progress_of(progress),
        verbose=verbose,
        begin=begin,
    )


@for_python
def resume(
    run: str | Path,
    *,
    anyway: bool = False,
    plugins: Sequence[str | Path] = (),
    trust: bool = False,
    token_cache: str | Path | None = None,
    progress: RunProgress | bool | None = None,
    verbose: bool = False,
) -> Result | None:
    """Go on with a run that was interrupted, has failed or was killed; it ends as if nothing had happened.

    Args:
        run: the run folder.
        anyway: go on with other versions of packages or on another machine, which can change last digits.
        plugins, trust: as for `load_run`.
        token_cache, progress, verbose: as for `run`.

    Returns:
        None if the run is done; then `load_run` opens it.

    Raises:
        RunFolderError: this is no run folder, its run is still going on, or recipe, rows, checkpoint, versions or
            machine are not those that it began with. Nothing is changed then.
        GlueftError, KeyboardInterrupt: as for `run`.
    """
    from glueft.launch import resume_run
    from glueft.terminal.notebook import progress_of

    return resume_run(
        _place(run, "run folder", _A_RUN),
        anyway=anyway,
        plugins=_several(plugins),
        trust=trust,
        token_cache=None if token_cache is None else _place(token_cache, "folder", '"tokens"'),
        progress=progress_of(progress),
        verbose=verbose,
    )


@for_python
def plan(
    recipe: Recipe | Study | str | Path,
    overrides: Overrides = (),
    *,
    output_dir: str | Path | None = None,
    probe: bool = True,
    progress: RunProgress | bool | None = None,
    verbose: bool = False,
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    sample: bool = False,
    plugins: Sequence[str | Path] = (),
    unset: Sequence[str] = (),
    trust: bool = False,
) -> Content:
    """Tell what a run or a study would do, without training: rows, steps, batches, time and memory.

    Args:
        recipe: a recipe or a study, or the file or name of one.
        probe: time a few real steps to estimate time and memory.
        overrides, progress, verbose: as for `run`; so are all others.
        output_dir: where the folder would be made.

    Returns:
        What `glueft plan --json` prints, a dict; a notebook and `print` show it as the command does.

    Raises:
        GlueftError: the recipe, the data or the checkpoint cannot be used, or the batches do not fit into memory.
    """
    from glueft.recipe import Recipe, StudyGivenError
    from glueft.studies.definition.study import Study
    from glueft.terminal.notebook import Content, progress_of

    changes = {"data_dir": data_dir, "checkpoint": checkpoint, "sample": sample, "plugins": plugins, "unset": unset}
    try:
        asked = recipe if isinstance(recipe, Study) else _recipe_of(recipe, overrides, trust=trust, **changes)
    except StudyGivenError:
        assert not isinstance(recipe, Recipe | Study)
        asked = load_study(recipe, overrides, trust=trust, **changes)  # type: ignore[arg-type]
    shown = progress_of(progress)
    place = None if output_dir is None else _place(output_dir, "folder", '"runs"')
    if isinstance(asked, Study):
        from glueft.studies.display.plan_table import study_plan_tables
        from glueft.studies.plan import plan_study

        planned = plan_study(asked, output_dir=place or "studies", probe=probe, progress=shown)
        return Content(planned, f"plan of the study {asked.name}", study_plan_tables)
    from glueft.terminal.plan_table import plan_tables
    from glueft.training.plan import plan_recipe

    planned = plan_recipe(asked, output_dir=place or "runs", probe=probe, progress=shown, verbose=verbose)
    rows, steps = planned["data"]["splits"]["train"]["rows"], planned["num_train_steps"]
    return Content(planned, f"plan of {planned['task']}: {rows:,} train rows, {steps:,} steps", plan_tables)


@for_python
def compare(
    *runs: Result | str | Path | Iterable[Result | str | Path],
    split: str | None = None,
    html: str | Path | None = None,
    force: bool = False,
    data_dir: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    trust: bool = False,
) -> Content:
    """Compare finished runs of a task on the same rows, as `glueft compare` does; each is compared with the first.

    Args:
        runs: two or more, from `run` or `load_run`, or their folders; or one list of them, or the like.
        split: the rows to compare them on; the primary split of the runs if None.
        html: write a page too, with curves, differences and the rows on which they disagree.
        force: replace that file if it exists.
        data_dir: where the rows of the page are, if not where the runs had them.
        plugins: plugin files, such as that of a metric; one replaces a run's file of the same name.
        trust: run the plugin files that the run folders name, to read the rows of the page.

    Returns:
        What `glueft compare --json` prints, a dict; a notebook and `print` show it as the command does.

    Raises:
        ComparisonError: there is one run only, they are of different tasks, labels, splits or rows, or the page cannot
            be written.
        RunFolderError: one is no finished run, or a file of it is missing or broken.
        PluginError: a plugin file cannot be used.
    """
    from glueft.comparison.compare import compare
    from glueft.comparison.report.write import page_place, write_page
    from glueft.result import Result
    from glueft.terminal.comparison_tables import tables
    from glueft.terminal.notebook import Content

    alone = len(runs) != 1 or isinstance(runs[0], Result | str) or not hasattr(runs[0], "__iter__")
    several: Iterable[Any] = runs if alone else runs[0]  # type: ignore[assignment]
    folders = [run.folder if isinstance(run, Result) else _place(run, "run folder", _A_RUN) for run in several]
    place = None if html is None else page_place(_place(html, "file", '"comparison.html"'), force=force)
    comparison = compare(folders, split=split, plugins=_several(plugins), trust=trust)
    found = comparison.found
    if place is not None:
        found = {**found, "html": str(place)}
        for note in write_page(comparison, place, _text(data_dir)):
            warnings.warn(note, stacklevel=3)  # the caller of what `for_python` returns
    title = f"comparison of {len(folders)} runs of {found['task']} on {found['rows']:,} {found['split']} rows"
    return Content(
        found, title, lambda told: [*tables(told), *told["sentences"], *(f"- {note}" for note in told["notes"])]
    )


@for_python
def study(
    study: Study | str | Path,
    overrides: Overrides = (),
    *,
    output_dir: str | Path = "studies",
    progress: StudyProgress | bool | None = None,
    retry_failed: bool = False,
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    sample: bool = False,
    plugins: Sequence[str | Path] = (),
    unset: Sequence[str] = (),
    trust: bool = False,
) -> Findings:
    """Run what a study asks for and is not done yet, and write its tables and its report.

    Args:
        study: from `load_study`, or what that takes: a TOML file, or the name of a packaged study.
        output_dir: the study's folder is made in this one.
        progress: whether to show the runs: in a notebook by default.
        retry_failed: begin runs again that have failed for good before.
        overrides, data_dir, checkpoint, sample, plugins, unset, trust: as for `load_study`, of a file or name.

    Raises:
        glueft.recipe.RecipeError: the study cannot be used; nothing was run.
        GlueftError: the runs cannot be run. One that fails stands in the table as failed.
        KeyboardInterrupt: the runs have saved their states: calling this again goes on.
    """
    from glueft.studies.definition.study import Study
    from glueft.studies.display.notebook import study_progress_of
    from glueft.studies.findings import find

    changes = {"data_dir": data_dir, "checkpoint": checkpoint, "sample": sample, "plugins": plugins, "unset": unset}
    if not isinstance(study, Study):
        study = load_study(study, overrides, trust=trust, **changes)  # type: ignore[arg-type]
    elif overrides or any(changes.values()):
        from glueft.errors import StudyError

        raise StudyError(
            f"the study {study.name} is read and checked, and is not changed any more",
            expected="changes of a study that is given by its file or name",
            received="a study from glueft.load_study, and changes",
            fix="give the changes to glueft.load_study",
        )
    output_dir = _place(output_dir, "folder", '"studies"')
    return find(study, output_dir=output_dir, progress=study_progress_of(progress), retry_failed=retry_failed)


def _recipe_of(recipe: Recipe | str | Path, overrides: Overrides, *, trust: bool, **changes: Any) -> Recipe:
    """Return a recipe that is given, with changes."""
    from glueft.recipe import Recipe

    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, overrides, trust=trust, **changes)
    if not overrides and not any(changes.values()):
        return recipe
    from glueft.recipe.overrides import as_texts
    from glueft.recipe.recipe import changed_recipe

    changes |= {name: _several(changes[name]) for name in ("plugins", "unset")}
    changes |= {name: _text(changes[name]) for name in ("data_dir", "checkpoint")}
    return changed_recipe(recipe, as_texts(overrides), **changes)


def _several(given: Any) -> list[str]:
    """A list of what is given, as texts; of a single text or path one."""
    import os

    return [os.fspath(one) for one in ([given] if isinstance(given, str) or hasattr(given, "__fspath__") else given)]


_A_RUN = '"runs/mrpc-20260131-120000-a1b2c3"'


def _place(given: Any, what: str, example: str) -> str:
    """A path from Python as text, with the home folder in the place of `~`, which no shell has seen to."""
    import os

    from glueft.errors import GlueftError
    from glueft.files import expanded
    from glueft.text import short_repr

    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if isinstance(path, str):
        return str(expanded(path)) if path.startswith("~") else path
    raise GlueftError(
        f"this is no {what}",
        expected=f"a text or a pathlib.Path: {example}",
        received=short_repr(given),
        fix="give the path, or leave the argument out where it has a default",
    )


def _text(given: Any) -> str | None:
    """A path or name as text."""
    return None if given is None else _place(given, "folder or name", '"glue_data"')
