"""The recipe files that a study names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath

from glueft.plugin.options import absolute
from glueft.recipe import RecipeError
from glueft.recipe.file import (
    folder_of,
    lies_in_run_folder,
    origins_beside,
    packaged_recipes,
    packaged_studies,
    parse_text,
    read_text,
)
from glueft.recipe.plugin_files import name_files, read_files
from glueft.recipe.problems import Locations, Problem, dotted
from glueft.recipe.toml_lines import Path, locate
from glueft.recipe.unset import moved_up, take_back
from glueft.studies.definition.draft import RecipeDraft
from glueft.suggest import SURE, nearest
from glueft.text import quoted


def recipe_name(entry: str) -> str:
    """The name of a recipe in its study: that of the file without .toml."""
    return FilePath(entry).name.removesuffix(".toml")


class RecipeFiles:
    """Reads the recipes of a study.

    Args:
        locations: of the study's values.
        unset: keys that are removed from every recipe, or as "RECIPE.key" from one.
        plugins: plugin files for every recipe, absolute.
        trust: whether all plugin files of the recipe of a run folder are run.

    Attributes:
        problems: what is wrong with the files.
        unset: the places in `unset` of the keys that some recipe had.
        keys_there: the keys that the recipes have, dotted.
    """

    def __init__(self, locations: Locations, unset: Sequence[str], plugins: Sequence[str], *, trust: bool) -> None:
        self.locations = locations
        self.keys = unset
        self.plugins = plugins
        self.trust = trust
        self.problems: list[Problem] = []
        self.unset: set[int] = set()
        self.keys_there: set[str] = set()

    def read(self, place: int, entry: str) -> RecipeDraft | None:
        """Read the recipe that stands at this place of the study's list; None where it is none."""
        at: Path = ("study", "recipes", place)
        name = recipe_name(entry)
        packaged = [*packaged_recipes(), *packaged_studies()]
        path = entry if entry in packaged else absolute(entry, self.locations.folder_of(at))
        try:
            _, text = read_text(path)
            tables = parse_text(entry, text)
        except RecipeError as error:
            for problem in error.problems:
                if problem.line is None:
                    fix = _nearest_recipe(entry, path) if problem.received == "nothing" else problem.fix
                    self._add(at, f"{quoted(entry)}: {problem.message}", problem.received, fix)
                else:
                    self.problems.append(replace(problem, of=name))
            return None
        if "study" in tables:
            self._add(at, f"{quoted(entry)} is a study itself", "a study", "list its recipes instead")
            return None
        draft = RecipeDraft(name, path, tables, locate(text).lines, folder_of(path), self.locations)
        self._unset(draft)
        self._run_plugins(draft)
        return draft

    def _unset(self, draft: RecipeDraft) -> None:
        self.keys_there |= {dotted(path) for path in draft.lines}
        for place, key in enumerate(self.keys):
            own = key.removeprefix(f"{draft.name}.")
            gone, not_there = take_back(draft.tables, [own])
            draft.lines = moved_up(draft.lines, gone)
            if not not_there:
                self.unset.add(place)

    def _run_plugins(self, draft: RecipeDraft) -> None:
        of_a_run = lies_in_run_folder(draft.file)
        named = name_files(draft.tables, self.plugins, foreign=of_a_run)
        draft.added = {path: ("study", "plugins", place) for place, path in enumerate(named)}
        draft.files, draft.unusable = read_files(draft.tables, draft.locations(), foreign=of_a_run and not self.trust)
        if of_a_run:
            draft.brought = origins_beside(draft.file)

    def _add(self, at: Path, message: str, got: str, fix: str) -> None:
        expected = "the name of a packaged recipe, or a recipe file"
        self.problems.append(self.locations.problem(at, message, expected=expected, received=got, fix=fix))


def _nearest_recipe(entry: str, path: str) -> str:
    packaged = packaged_recipes()
    try:
        beside = {file.stem: file.name for file in FilePath(path).parent.glob("*.toml")}
    except OSError:
        beside = {}
    names = {name: name for name in packaged} | beside
    meant = nearest(recipe_name(entry), names, SURE)
    return (f"did you mean {quoted(names[meant])}?  " if meant else "") + f"Packaged recipes: {', '.join(packaged)}"
