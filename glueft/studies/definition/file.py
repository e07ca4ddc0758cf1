"""study.toml -> Study: read, changed by the command line, checked with every recipe that it would run, and complete."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, cast

from glueft.plugin.executor import Executor
from glueft.plugin.options import absolute
from glueft.plugin.registry import load_registry
from glueft.recipe import Recipe, RecipeError
from glueft.recipe.check import KNOWN
from glueft.recipe.file import folder_of, packaged_recipes, parse_text, read_text
from glueft.recipe.flatten import flatten
from glueft.recipe.overrides import Override, apply, flags, key_path, parse, shown
from glueft.recipe.problems import Locations, Problem, dotted
from glueft.recipe.toml_lines import Path, locate
from glueft.recipe.unset import moved_up, take_back
from glueft.studies.definition.change_check import RESERVED
from glueft.studies.definition.changes import nest
from glueft.studies.definition.check import StudyCheck, as_folder_name
from glueft.studies.definition.options import CHANGES, DEFAULT_SEEDS
from glueft.studies.definition.recipe_files import recipe_name
from glueft.studies.definition.settings import push_problem
from glueft.studies.definition.study import Study, StudyRecipe
from glueft.suggest import nearest
from glueft.text import quoted

# Of each list of seeds, what `--sample` runs.
SAMPLE_SEEDS = 2


def load_study(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    unset: Sequence[str] = (),
    data_dir: str | None = None,
    checkpoint: str | None = None,
    sample: bool = False,
    plugins: Sequence[str | os.PathLike[str]] = (),
    trust: bool = False,
    text: str | None = None,
) -> Study:
    """Read and check a study and every recipe that it would run; nothing is downloaded, and Keras is not imported.

    Args:
        path: a TOML file with a table [study], or the name of a packaged study such as "glue".
        overrides: "study.KEY=VALUE" changes the study. Any other "table.key=VALUE" goes to [study.set], and
            "RECIPE.table.key=VALUE" to that recipe's own.
        unset: keys to remove first, of the study or of recipes.
        data_dir, checkpoint: for every run, as in `load_recipe`.
        sample: a trial without a network: every run reads the rows that ship with its task and starts from the small
            encoder that ships with glueft, on the first two seeds.
        plugins: plugin files for every recipe.
        trust: run all plugin files that the recipe of a run folder names.
        text: what stands in the file, where it has been read already.

    Raises:
        RecipeError: the study, or a recipe of it, cannot be used; it holds every problem.
    """
    draft = _Draft.read(os.fspath(path), text)
    draft.take_back(unset)
    draft.change(overrides, data_dir=data_dir, checkpoint=checkpoint, sample=sample)
    draft.add_plugins([os.fspath(file) for file in plugins])
    check = StudyCheck(draft.tables, draft.locations, draft.problems, left_out=draft.left_out, trust=trust)
    return check.study(os.fspath(path))


def study_of(recipe: Recipe, seeds: Sequence[int]) -> Study:
    """The study of one recipe on several seeds: `glueft run --seeds`.

    Its complete form names the recipe's file, and sets every key as the recipe has it. Its name holds a hash of these:
    the same command goes on in the same folder, and another recipe has another.

    Raises:
        RecipeError: the recipe pushes its model, which every run would do.
    """
    if recipe.hub.push is not None:
        raise RecipeError(recipe.path, [push_problem(Locations(recipe.path), recipe.hub.push, "--unset hub")])
    name = as_folder_name(recipe_name(recipe.path))
    keys = {key: value for key, value in flatten(recipe.tables(), lists=False).items() if key not in RESERVED}
    digest = hashlib.sha256(json.dumps([recipe.plugins.files, keys], default=str).encode()).hexdigest()
    complete = {
        "name": f"{name}-seeds-{digest[:6]}",
        "recipes": [recipe.path if recipe.path in packaged_recipes() else absolute(recipe.path, FilePath())],
        "seeds": [*seeds],
        "plugins": [file.path for file in recipe.plugin_files],
        "unset": [key for key in flatten(_tables(recipe.path), lists=False) if key not in keys and key not in RESERVED],
        "set": keys,
    }
    executor = cast("Executor", load_registry().find("executor", "local").cls())
    study = Study(recipe.path, str(complete["name"]), (StudyRecipe(name, recipe),), tuple(seeds), executor)
    return replace(study, complete={key: value for key, value in complete.items() if value})


def _tables(path: str) -> dict[str, Any]:
    """The tables of a recipe's file; {} where it cannot be read again, as standard input."""
    try:
        return parse_text(*read_text(path))
    except RecipeError:
        return {}


@dataclass
class _Draft:
    """A study that is not checked yet.

    Attributes:
        name: its file or name.
        tables: those of the file, with the changes of the command line made so far.
        lines: the line of each path in the file.
        folder: the base of relative paths in the file.
        arguments: the command-line argument of each changed path.
        problems: those found so far.
        left_out: the recipes of the file that the command line has left out.
    """

    name: str
    tables: dict[str, Any]
    lines: Mapping[Path, int]
    folder: FilePath
    arguments: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    left_out: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: str, text: str | None) -> _Draft:
        name, text = read_text(path, "study") if text is None else (path, text)
        tables = parse_text(name, text)
        if "study" not in tables:
            raise RecipeError(name, [_no_study(name, path, tables)])
        draft = cls(name, tables, locate(text).lines, folder_of(path))
        draft._nest()
        return draft

    @property
    def locations(self) -> Locations:
        return Locations(self.name, self.lines, self.arguments, self.folder)

    @property
    def study(self) -> dict[str, Any]:
        """The [study] table; an empty one that is thrown away where it is no table."""
        study = self.tables["study"]
        return study if isinstance(study, dict) else {}

    def _nest(self) -> None:
        """Spread the keys of recipes that stand in quotes over tables, so that they can be changed as all others."""
        for section in CHANGES:
            table = self.study.get(section)
            if isinstance(table, dict):
                nested, moved, problems = nest(
                    table, ("study", section), self.locations, _names(self.study.get("recipes"))
                )
                self.study[section] = nested
                self.problems += problems
                self.lines = {_moved(path, moved): line for path, line in self.lines.items()}

    def take_back(self, keys: Sequence[str]) -> None:
        """Remove the keys of `--unset`; those of recipes from [study.set], or else from the recipes themselves."""
        of_study: list[str] = []
        for key in keys:
            path = key_path(key)
            if path is None or path[0] == "study":
                of_study.append(key)
            elif _holds(self._set(), path):
                of_study.append(f"study.set.{key}")
            else:
                self._unset(key, f"--unset {shown(key)}")
        gone, not_there = take_back(self.tables, of_study)
        self.tables.setdefault("study", {})
        for path in gone:
            _drop_empty(self.tables, path[:-1])
        self.lines = moved_up(self.lines, gone)
        self.problems += [replace(each, message="the study does not have this key") for each in not_there]

    def change(self, overrides: Sequence[str], *, data_dir: str | None, checkpoint: str | None, sample: bool) -> None:
        """Apply the options of the command line: a key of the study to it, any other to [study.set]."""
        by_flags, wrong = flags(data_dir, checkpoint, sample)
        by_set, malformed = parse(overrides)
        before = _names(self.study.get("recipes"))
        by_set = [_with_whole_name(override, before) for override in by_set]
        for override in [*by_flags, *by_set]:
            if override.path[0] != "study":
                self._make_way(override.path, before)
            if override.value is None:
                self._unset(dotted(override.path), override.where)
        changes = [*(self._first_seeds() if sample else []), *map(_in_study, [*by_flags, *by_set])]
        changed, misfits = apply(self.tables, [change for change in changes if change.value is not None])
        self.arguments |= changed
        self.problems += [*wrong, *malformed, *misfits]
        self._nest()
        if self.locations.argument(("study", "recipes")):
            self.left_out = frozenset(before) - frozenset(_names(self.study.get("recipes")))

    def _make_way(self, path: Path, recipes: Sequence[str]) -> None:
        """Remove a key that the command line gives from all tables of the study: it holds for every run."""
        for section in CHANGES:
            for start in [(), *((name,) for name in recipes if path[0] not in recipes)]:
                _drop(self.tables, ("study", section, *start, *path))

    def add_plugins(self, files: Sequence[str]) -> None:
        """Add the files of `--plugin` to the study's own."""
        named = self.study.setdefault("plugins", []) if files else None
        if not isinstance(named, list):
            return  # the check of the table reports it
        for file in files:
            self.arguments["study", "plugins", len(named)] = f"--plugin {shown(file)}"
            named.append(absolute(file, FilePath()) if file.strip() else file)

    def _set(self) -> dict[str, Any]:
        table = self.study.get("set")
        return table if isinstance(table, dict) else {}

    def _unset(self, key: str, where: str) -> None:
        unset = self.study.setdefault("unset", [])
        if isinstance(unset, list):
            self.arguments["study", "unset", len(unset)] = where
            unset.append(key)

    def _first_seeds(self) -> list[Override]:
        """What `--sample` leaves of the seeds."""
        found = []
        for key in ("seeds", "final_seeds"):
            seeds = self.study.get(key, DEFAULT_SEEDS if key == "seeds" else None)
            if isinstance(seeds, list) and len(seeds) > SAMPLE_SEEDS:
                found.append(Override(("study", key), seeds[:SAMPLE_SEEDS], "--sample"))
            elif isinstance(seeds, int) and seeds > SAMPLE_SEEDS:
                found.append(Override(("study", key), SAMPLE_SEEDS, "--sample"))
        return found


def _in_study(override: Override) -> Override:
    """An override as one of the study's tables: what is no key of the study is one of its recipes."""
    return override if override.path[0] == "study" else replace(override, path=("study", "set", *override.path))


def _with_whole_name(override: Override, recipes: Sequence[str]) -> Override:
    """An override whose path has the name of a recipe as one part, also where dots are in the name."""
    key = ".".join(map(str, override.path))
    for name in recipes:
        if "." in name and key.startswith(f"{name}."):
            return replace(override, path=(name, *(key_path(key.removeprefix(f"{name}.")) or ())))
    return override


def _names(recipes: object) -> list[str]:
    """The names of the recipes in a list that is not checked yet."""
    return [recipe_name(entry) for entry in recipes if isinstance(entry, str)] if isinstance(recipes, list) else []


def _moved(path: Path, moved: Mapping[Path, Path]) -> Path:
    for end in range(len(path), 0, -1):
        if path[:end] in moved:
            return (*moved[path[:end]], *path[end:])
    return path


def _holds(table: Any, path: Path) -> bool:
    for part in map(str, path):
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _drop(tables: dict[str, Any], path: Path) -> None:
    """Remove a key if it is there, and the tables that are then empty."""
    inner: Any = tables
    for part in map(str, path[:-1]):
        inner = inner.get(part) if isinstance(inner, dict) else None
    if isinstance(inner, dict) and str(path[-1]) in inner:
        del inner[str(path[-1])]
        _drop_empty(tables, path[:-1])


def _drop_empty(tables: dict[str, Any], path: Path) -> None:
    """Remove a table of the study, and those around it, as far as they are empty."""
    inner: Any = tables
    for part in path:
        inner = inner.get(str(part)) if isinstance(inner, dict) else None
    if len(path) > 1 and inner == {}:
        _drop(tables, path)


def _no_study(name: str, path: str, tables: Mapping[str, Any]) -> Problem:
    is_recipe = any(table in tables for table in KNOWN)
    message = "this is a recipe, not a study" if is_recipe else "there is no table [study] in it"
    command = shlex.quote(path)
    misspelt = next((table for table in tables if nearest(table, ["study"])), None)
    if is_recipe:
        fix = f"run it with: glueft run {command}, on several seeds with: glueft run {command} --seeds {DEFAULT_SEEDS}"
    elif misspelt is not None:
        fix = f"did you mean [study], where it has {quoted(misspelt)}?"
    elif "recipes" in tables:
        fix = "write [study] on a line of its own, above the keys"
    else:
        fix = "begin with a copy: glueft show glue > mine.toml"
    return Problem("", None, name, message, expected="a table [study]", received="none", fix=fix)
