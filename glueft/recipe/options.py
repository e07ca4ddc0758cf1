"""Checks one table of a recipe by its Options."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import pydantic

from glueft.errors import GlueftError
from glueft.plugin.options import Options, plain_values, unwritable
from glueft.plugin.registry import Registered
from glueft.recipe.problems import Locations, Problem
from glueft.recipe.toml_lines import Path


@dataclass(frozen=True)
class Table:
    """One table of a recipe, and what the check of it needs to know.

    Attributes:
        model: the Options that it must fit.
        path: of the table in the recipe.
        values: of the table.
        owner: what its keys belong to, for messages: `optimizer "adam"` or `[training]`.
        locations: of the recipe's values.
        homes: the tables of the recipe that accept each key.
        required: the required keys of all tables.
        plugin: whose table this is; None for a section.
    """

    model: type[Options]
    path: Path
    values: dict[str, Any]
    owner: str
    locations: Locations
    homes: Mapping[str, Sequence[str]]
    required: Container[str]
    plugin: Registered | None = None

    def check(self) -> tuple[Any, list[Problem]]:
        """Return the table as its Options, None if it is invalid, and its problems.

        Raises:
            ValidationError: from pydantic; `explain.Explanation` turns it into problems.
        """
        try:
            good = self.model.model_validate(self.values, context=self._folder_of)
            return good, self._unwritable(good)
        except pydantic.ValidationError:
            raise
        except GlueftError as error:
            return None, [self.locations.refused(self.path, each) for each in (error, *error.others)]
        except Exception as error:
            if self.plugin is None:
                raise
            failure = f"the plugin's own check failed: {type(error).__name__}: {error}"
            fix = f"report it to the authors of {self.plugin.origin}"
            wanted = "options that the plugin can check"
            return None, [self._as_a_whole(failure, wanted, "a failure inside the plugin", fix)]

    def _unwritable(self, good: Options) -> list[Problem]:
        """Find a value made by the plugin's code that TOML cannot hold: a run writes its recipe."""
        if self.plugin is None:
            return []
        found = unwritable(plain_values(good.model_dump(exclude_none=True)))
        if found is None:
            return []
        message = f"{self.owner} has an option that a recipe cannot hold"
        fix = f"tell the authors of {self.plugin.origin}; `glueft plugin check {self.plugin.name}` names the option"
        return [self._as_a_whole(message, "text, numbers, true, false, dates, lists, tables", f"a {found}", fix)]

    def _folder_of(self, key: str) -> FilePath:
        """The base of an option's relative paths, for `glueft.LocalPath`."""
        return self.locations.folder_of((*self.path, key))

    def _as_a_whole(self, message: str, expected: str, received: str, fix: str) -> Problem:
        return self.locations.problem(self.path, message, expected=expected, received=received, fix=fix)
