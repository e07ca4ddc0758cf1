"""A recipe between text and checked parts: its tables, the source of each value, and the problems so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from glueft.plugin.file import PluginFile
from glueft.plugin.registry import Registry
from glueft.recipe.check import RecipeCheck
from glueft.recipe.file import folder_of, parse_text, read_text
from glueft.recipe.overrides import Override, apply, flags, parse
from glueft.recipe.plugin_files import name_files, read_files
from glueft.recipe.problems import Locations, Problem, RecipeError, StudyGivenError
from glueft.recipe.rules import contradictions
from glueft.recipe.toml_lines import Path, locate
from glueft.recipe.unset import moved_up, take_back


def only_watches(callback: object, registry: Registry) -> bool:
    """Whether a name is that of a callback that changes nothing of the training."""
    found = registry.plugins.get(("callback", callback)) if isinstance(callback, str) else None
    return found is not None and bool(getattr(found.cls, "only_watches", False))


@dataclass
class Draft:
    """A recipe that is not checked yet.

    Attributes:
        name: its file or name.
        tables: those of the file, with the changes of the command line made so far.
        lines: the line of each path in the file.
        folder: the base of relative paths in the file.
        arguments: the command-line argument of each changed path.
        problems: those found so far.
    """

    name: str
    tables: dict[str, Any]
    lines: Mapping[Path, int] = field(default_factory=dict)
    folder: FilePath = FilePath()
    arguments: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, path: str) -> Draft:
        """Read a recipe file, or a packaged recipe by its name."""
        name, text = read_text(path)
        tables = parse_text(name, text)
        if "study" in tables:
            raise StudyGivenError(path, name, text)
        return cls(name, tables, locate(text).lines, folder_of(path))

    @property
    def locations(self) -> Locations:
        return Locations(self.name, self.lines, self.arguments, self.folder)

    def take_back(self, keys: Sequence[str]) -> None:
        """Remove the keys of `--unset`."""
        gone, not_there = take_back(self.tables, keys)
        self.lines = moved_up(self.lines, gone)
        self.problems += not_there

    def change(
        self,
        overrides: Sequence[str],
        *,
        data_dir: str | None,
        checkpoint: str | None,
        sample: bool,
        first: Sequence[Override] = (),
        idle: Sequence[str] = (),
    ) -> None:
        """Apply the options of the command line.

        Args:
            overrides: of `--set`.
            data_dir, checkpoint, sample: the flags of these names.
            first: overrides that come before all of these.
            idle: tables that are dropped, unless `--set` changes them.
        """
        by_flags, wrong = flags(data_dir, checkpoint, sample)
        by_set, malformed = parse(overrides)
        asked = {override.path[0] for override in by_set}
        for table in idle:
            if table not in asked:
                self.tables.pop(table, None)
        changed, misfits = apply(self.tables, [*first, *by_flags, *by_set])
        self.arguments |= changed
        self.problems += [*wrong, *malformed, *misfits]

    def plugin_files(
        self, files: Sequence[str], *, of_a_run: bool = False, trust: bool = False
    ) -> tuple[tuple[PluginFile, ...], list[Problem]]:
        """Read the plugin files of the recipe and of `--plugin`; see `read_files`."""
        self.arguments |= name_files(self.tables, files, foreign=of_a_run)
        return read_files(self.tables, self.locations, foreign=of_a_run and not trust)

    def leave_out_watchers(self, registry: Registry) -> None:
        """Remove the callbacks that only watch: the training is the same without them."""
        tables = self.tables.get("callbacks")
        names = [table.get("plugin") if isinstance(table, dict) else None for table in tables or ()]
        self.take_back([f"callbacks.{index}" for index, name in enumerate(names) if only_watches(name, registry)])

    def check(
        self,
        registry: Registry,
        unusable: Sequence[Problem] = (),
        *,
        note: Callable[[Problem], Problem] = lambda problem: problem,
        **options: Any,
    ) -> dict[str, Any]:
        """Return the checked parts.

        Args:
            registry: the plugins that the recipe may name.
            unusable: the problems of plugin files.
            note: changes each problem of a table.
            options: of `RecipeCheck`.

        Raises:
            RecipeError: with every problem, in the order of the file.
        """
        check = RecipeCheck(self.tables, self.locations, registry, lacking=bool(unusable), **options)
        self.problems += [*unusable, *map(note, check.problems), *contradictions(check.parts, self.locations)]
        if self.problems:
            raise RecipeError(self.name, sorted(self.problems, key=lambda each: (each.line is None, each.line or 0)))
        return check.parts
