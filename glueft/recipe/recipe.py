"""recipe.toml -> Recipe: read, changed by the command line, checked as a whole, and complete."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glueft.plugin.base import Plugin
from glueft.plugin.callback import Callback
from glueft.plugin.file import PluginFile
from glueft.plugin.loss import Loss
from glueft.plugin.optimizer import Optimizer
from glueft.plugin.options import absolute, plain_values
from glueft.plugin.origin import Origin
from glueft.plugin.registry import Registry, load_registry, use_registry
from glueft.plugin.schedule import Schedule
from glueft.plugin.task import Task
from glueft.recipe.draft import Draft
from glueft.recipe.file import lies_in_run_folder, origins_beside, parse_text
from glueft.recipe.problems import Locations
from glueft.recipe.sections import ORDER, RUN, Data, Decision, Distill, Engine, Hub, Model, Plugins, Training
from glueft.text import preformatted


@dataclass(frozen=True, eq=False, repr=False)
class Recipe:
    """A valid recipe with every default filled in. Recipes with the same values are equal.

    Attributes:
        path: its file, or the name of a packaged recipe.
        task, optimizer, schedule, loss, callbacks: the plugins, made with their checked options. Without a loss the
            task decides.
        model, data, training, decision, engine, plugins, hub: the sections. Folders and files are absolute.
        distill: the teacher, if there is one.
        plugin_files: the files of [plugins], as they were read.
    """

    path: str
    task: Task
    model: Model
    data: Data
    optimizer: Optimizer
    schedule: Schedule
    training: Training
    engine: Engine
    loss: Loss | None = None
    distill: Distill | None = None
    decision: Decision = field(default_factory=Decision)
    callbacks: tuple[Callback, ...] = ()
    plugins: Plugins = field(default_factory=lambda: Plugins(files=()))
    plugin_files: tuple[PluginFile, ...] = ()
    hub: Hub = field(default_factory=lambda: Hub.model_validate({}))

    @property
    def registry(self) -> Registry:
        """The installed plugins and those of the recipe's own files."""
        return load_registry(*self.plugin_files)

    def tables(self) -> dict[str, Any]:
        """The complete recipe as plain values, in the order of `to_toml`."""
        tables: dict[str, Any] = {}
        for name in ORDER:
            part = getattr(self, name)
            if isinstance(part, Plugin):
                tables[name] = plugin_table(part)
            elif part is None:
                continue
            elif name == "plugins":
                tables |= {name: plain_values(part.model_dump())} if part.files else {}
            elif (name == "hub" and part.push is None) or (name == "decision" and part == Decision()):
                continue
            elif name != "callbacks":
                unread = {"source"} if name == "data" and self.task.reads_own_files else set()
                tables[name] = plain_values(part.model_dump(exclude_none=True, exclude=unread))
            elif part:
                tables[name] = [plugin_table(callback) for callback in part]
        return tables

    def to_toml(self) -> str:
        """The complete recipe as TOML; loading it gives an equal recipe."""
        import tomlkit

        return tomlkit.dumps(self.tables())

    def __repr__(self) -> str:
        return f"Recipe({self.path}: {self.task.name}, {self.model.checkpoint})"

    def _repr_html_(self) -> str:
        """In a notebook: the complete recipe."""
        return preformatted(self.to_toml())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.tables() == other.tables()

    def __hash__(self) -> int:
        return hash(self.to_toml())


def load_recipe(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    checkpoint: str | None = None,
    sample: bool = False,
    plugins: Sequence[str | os.PathLike[str]] = (),
    trust: bool = False,
    unset: Sequence[str] = (),
    watchers: bool = True,
) -> Recipe:
    """Read and check a recipe; nothing is downloaded and neither Keras nor TensorFlow is imported.

    The plugin files that the recipe or the caller names are run. Those that the recipe of a run folder names are run
    only if a run of this user has run them before, or with `trust`.

    Args:
        path: a TOML file, or the name of a packaged recipe such as "mrpc".
        overrides: "table.key=VALUE" as in `--set`; applied after the other arguments.
        data_dir: read the rows from this folder, in the benchmark's own layout.
        checkpoint: start from this checkpoint.
        sample: read the rows that ship with the task; without `checkpoint`, start from the small encoder that ships
            with glueft.
        plugins: plugin files, beside those of the recipe's own [plugins].
        trust: run all plugin files that the recipe of a run folder names.
        unset: keys to remove from the recipe first, as in `--unset`.
        watchers: False leaves out the callbacks that only watch.

    Raises:
        RecipeError: the recipe cannot be used; it holds every problem.
    """
    draft = Draft.read(os.fspath(path))
    draft.take_back(unset)
    draft.change(overrides, data_dir=data_dir, checkpoint=checkpoint, sample=sample)
    of_a_run = lies_in_run_folder(os.fspath(path))
    files, unusable = draft.plugin_files([os.fspath(file) for file in plugins], of_a_run=of_a_run, trust=trust)
    brought, registry = origins_beside(os.fspath(path)) if of_a_run else {}, use_registry(*files)
    if not watchers:
        draft.leave_out_watchers(registry)
    parts = draft.check(registry, unusable, brought=brought)
    return made_recipe(draft.name, parts, files, draft.locations)


def changed_recipe(
    recipe: Recipe,
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    checkpoint: str | None = None,
    sample: bool = False,
    plugins: Sequence[str | os.PathLike[str]] = (),
    unset: Sequence[str] = (),
) -> Recipe:
    """Return a recipe that has been read, changed and checked as a whole again; arguments as for `load_recipe`.

    Raises:
        RecipeError: it cannot be used so; it holds every problem.
    """
    draft = Draft(recipe.path, recipe.tables())
    draft.take_back(unset)
    draft.change(overrides, data_dir=data_dir, checkpoint=checkpoint, sample=sample)
    files, unusable = draft.plugin_files([os.fspath(file) for file in plugins])
    parts = draft.check(use_registry(*files), unusable)
    return made_recipe(draft.name, parts, files, draft.locations)


def load_recipe_text(
    name: str,
    text: str,
    overrides: Sequence[str] = (),
    *,
    unset: Sequence[str] = (),
    data_dir: str | None = None,
    checkpoint: str | None = None,
    plugins: Sequence[str] = (),
    brought: Mapping[tuple[str, str], Origin] | None = None,
) -> Recipe:
    """Check a recipe that lies in no file of its own, as `load_recipe` does without the callbacks that only watch.

    Relative paths begin at the working folder. The text may come from anybody: no plugin file that it names is run.

    Args:
        name: for messages.
        text: TOML.
        overrides, unset, data_dir, checkpoint, plugins: as in `load_recipe`.
        brought: where each plugin of the recipe's run came from, by kind and name.

    Raises:
        RecipeError: the recipe cannot be used; it holds every problem.
    """
    draft = Draft(name, {key: table for key, table in parse_text(name, text).items() if key != "plugins"})
    draft.take_back(unset)
    draft.change(overrides, data_dir=data_dir, checkpoint=checkpoint, sample=False)
    files, unusable = draft.plugin_files(plugins)
    registry = use_registry(*files)
    draft.leave_out_watchers(registry)
    parts = draft.check(registry, unusable, brought=brought or {})
    return made_recipe(draft.name, parts, files, draft.locations)


def made_recipe(path: str, parts: dict[str, Any], files: tuple[PluginFile, ...], locations: Locations) -> Recipe:
    """Make the recipe, with the folders of checkpoints absolute so that it is valid in any working folder."""
    for table, key in (("model", "checkpoint"), ("distill", "teacher")):
        if (part := parts.get(table)) is not None:
            found = _anywhere(getattr(part, key), locations.folder_of((table, key)))
            parts[table] = part.model_copy(update={key: found})
    return Recipe(path=path, plugin_files=files, **parts)


def _anywhere(checkpoint: str, begin: Path) -> str:
    """The name of a checkpoint in any working folder; `begin` is where relative ones begin."""
    if checkpoint.startswith(RUN):
        return RUN + _run_folder(absolute(checkpoint.removeprefix(RUN), begin))
    if not checkpoint.startswith("package:") and (
        checkpoint.startswith(("./", "../", "~")) or (begin / checkpoint).is_dir()
    ):
        return absolute(checkpoint, begin)
    return checkpoint


def _run_folder(path: str) -> str:
    """The folder of a run that may be named by its `model/`: one run has one name."""
    folder = Path(path)
    return str(folder.parent) if folder.name == "model" and (folder.parent / "run.json").exists() else path


def plugin_table(plugin: Plugin) -> dict[str, Any]:
    """The table of a plugin as plain values: its name and its options, with every default."""
    options = plain_values(plugin.options.model_dump(exclude_none=True))
    return {"plugin": plugin.name, **options}
