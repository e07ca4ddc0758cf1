"""A recipe of a study between text and checked parts, and where each of its values comes from."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from glueft.metrics.choice import options_of
from glueft.plugin.file import PluginFile
from glueft.plugin.origin import Origin
from glueft.plugin.registry import Registry, load_registry, use_registry
from glueft.plugin.task import Task
from glueft.recipe import Recipe
from glueft.recipe.check import RecipeCheck
from glueft.recipe.overrides import Override, apply
from glueft.recipe.problems import Locations, Problem
from glueft.recipe.recipe import made_recipe
from glueft.recipe.rules import contradictions
from glueft.recipe.toml_lines import Path
from glueft.studies.definition.changes import Change


@dataclass(frozen=True)
class RecipeLocations(Locations):
    """The locations of a recipe's values, some of which the study gives.

    Attributes:
        name: of the recipe, in problems of its own file.
        study: the locations of the study's values.
        origins: the path in the study of each path in the recipe that the study gives.
    """

    name: str = ""
    study: Locations = field(default_factory=lambda: Locations(""))
    origins: Mapping[Path, Path] = field(default_factory=dict)

    def origin(self, path: Path) -> Path | None:
        """The path in the study of a value of the recipe; None where the recipe's file gives it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return (*self.origins[path[:end]], *path[end:])
        # A table that is not in the file was made for one of its keys.
        if path and path not in self.lines:
            return next((at for key, at in self.origins.items() if key[: len(path)] == path), None)
        return None

    def argument(self, path: Path) -> str | None:
        at = self.origin(path)
        return self.study.argument(at) if at else super().argument(path)

    def is_changed(self, path: Path) -> bool:
        return self.origin(path) is not None

    def given_at(self, path: Path) -> Path:
        at = self.origin(path) or path
        return at[2:] if at[:2] == ("study", "set") else at

    def folder_of(self, path: Path) -> FilePath:
        at = self.origin(path)
        return self.study.folder_of(at) if at else super().folder_of(path)

    def line(self, path: Path) -> int | None:
        at = self.origin(path)
        return self.study.line(at) if at else super().line(path)

    def problem(self, path: Path, message: str, **told: Any) -> Problem:
        at = self.origin(path)
        return (
            self.study.problem(at, message, **told)
            if at
            else replace(super().problem(path, message, **told), of=self.name)
        )


@dataclass
class RecipeDraft:
    """A recipe of a study that is not checked yet.

    Attributes:
        name: of the recipe in the study.
        file: its file, or its name among the packaged ones.
        tables: those of the file, without the keys that the study removes, with all plugin files.
        lines: the line of each path in the file.
        folder: the base of relative paths in the file.
        study: the locations of the study's values.
        added: the path in the study of each plugin file that the study adds, by its path in the recipe.
        files: the plugin files that were run.
        unusable: the problems of plugin files.
        brought: where each plugin of the recipe's run came from, by kind and name, for the recipe of a run folder.
    """

    name: str
    file: str
    tables: dict[str, Any]
    lines: Mapping[Path, int]
    folder: FilePath
    study: Locations
    added: dict[Path, Path] = field(default_factory=dict)
    files: tuple[PluginFile, ...] = ()
    unusable: Sequence[Problem] = ()
    brought: Mapping[tuple[str, str], Origin] = field(default_factory=dict)

    @property
    def reads_own_files(self) -> bool:
        """Whether the task names its own files, so that it takes no other source of rows."""
        task = self.tables.get("task")
        name = task.get("plugin") if isinstance(task, dict) else None
        found = load_registry(*self.files).plugins.get(("task", name)) if isinstance(name, str) else None
        return found is not None and issubclass(found.cls, Task) and found.cls.reads_own_files

    def locations(self, changes: Collection[Change] = ()) -> RecipeLocations:
        """The locations of the recipe's values with these changes."""
        origins = self.added | {change.path: change.at for change in changes}
        return RecipeLocations(self.file, self.lines, {}, self.folder, self.name, self.study, origins)

    def check(self, changes: Collection[Change]) -> tuple[Recipe | None, list[Problem]]:
        """Return the recipe with these changes, None if it cannot be used, and every problem."""
        registry = use_registry(*self.files)
        locations = self.locations(changes)
        tables = copy.deepcopy(self.tables)
        _leave_out_options_of_other_plugins(tables, changes, registry)
        problems = [*self.unusable]
        for change in changes:
            _, misfits = apply(tables, [Override(change.path, copy.deepcopy(change.value), "")])
            for misfit in misfits:
                told = {"expected": misfit.expected, "received": misfit.received, "fix": misfit.fix}
                problems.append(locations.problem(change.path, misfit.message, **told))
        check = RecipeCheck(tables, locations, registry, lacking=bool(self.unusable), brought=self.brought)
        problems += [*check.problems, *contradictions(check.parts, locations)]
        return (None, problems) if problems else (made_recipe(self.file, check.parts, self.files, locations), [])


def _leave_out_options_of_other_plugins(
    tables: dict[str, Any], changes: Collection[Change], registry: Registry
) -> None:
    """Where the study names another plugin than the recipe does, remove those of the recipe's options it has not."""
    for change in changes:
        *at, last = change.path
        table = tables.get(str(at[0])) if len(at) == 1 else None
        if last != "plugin" or not isinstance(table, dict) or table.get("plugin") == change.value:
            continue
        found = registry.plugins.get((str(at[0]), change.value)) if isinstance(change.value, str) else None
        if found is not None:
            known = options_of(found.cls).model_fields
            tables[str(at[0])] = {key: value for key, value in table.items() if key in known or key == "plugin"}
