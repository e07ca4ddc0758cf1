"""The rows that were predicted, read again from where the recipe had them, and shown only if they are the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError, PluginError
from glueft.recipe.problems import RecipeError

if TYPE_CHECKING:
    from glueft.data.rows import Rows
    from glueft.data.sources import Source
    from glueft.plugin.task import Task
    from glueft.runs.saved_run import SavedRun


@dataclass(frozen=True)
class SplitTexts:
    """The texts of one split, or why they are not at hand.

    Attributes:
        columns: the names of the task's inputs.
        texts: for each of them, one text a row.
        missing: why there are none; empty where they are there.
    """

    columns: tuple[str, ...] = ()
    texts: tuple[list[str], ...] = ()
    missing: str = ""


def read_texts(run: SavedRun, split: str, data_dir: str | Path | None = None) -> SplitTexts:
    """Read the rows of a split again, without a network, and check them against the run's fingerprint.

    Args:
        run: an opened run folder.
        split: one that was predicted.
        data_dir: read them from this folder, in the benchmark's own layout, instead of where the run did.
    """
    described = run.record.get("data", {}).get("splits", {}).get(split, {})
    try:
        task = run.recipe.task
        rows = _read(task, _source(run, task, data_dir), split, described.get("rows"), _draw_seed(run, described))
    except GlueftError as error:
        lines = str(error).splitlines()
        problem = error.problems[0] if isinstance(error, RecipeError) else None
        reason = f"{problem.message}; {problem.fix}" if problem else lines[0] + _received(error)
        return SplitTexts(missing=f"the rows cannot be read: {reason}")
    if rows.sha256 != described.get("sha256"):
        return SplitTexts(missing="the rows that are there now are not those of the run: their SHA-256 differs")
    return SplitTexts(tuple(task.inputs), rows.texts)


def _draw_seed(run: SavedRun, described: Mapping[str, Any]) -> int | None:
    return run.recipe.data.draw_seed if described.get("limit_draw") == "stratified" else None


def _read(task: Task, source: Source, split: str, limit: int | None, draw_seed: int | None) -> Rows:
    from glueft.data.rows import load_split

    try:
        return load_split(task, source, split, limit=limit, draw_seed=draw_seed)
    except GlueftError:
        raise
    except Exception as error:
        # Whatever a library makes of files that are gone or damaged: a report goes on without texts.
        raise PluginError(
            f"{type(error).__name__}: {error}", expected="rows", received="", fix="repeat the report with --data-dir"
        ) from error


def _source(run: SavedRun, task: Task, data_dir: str | Path | None) -> Source:
    from glueft.data.sources import FolderSource, HubSource, make_source

    if task.reads_own_files:
        return make_source(run.recipe.data, task)
    if data_dir is not None:
        return FolderSource(data_dir)
    if run.recipe.data.source == "hub":
        # The very commit, from the local cache: a report opens no connection.
        return HubSource(run.record["data"].get("revision") or run.recipe.data.revision, cache_only=True)
    return make_source(run.recipe.data, task)


def _received(error: GlueftError) -> str:
    return f" (found: {error.received})" if error.received else ""
