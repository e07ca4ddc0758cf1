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
    """One table of a recipe, and what is known around it.

    Attributes:
        model: the Options that it must fit.
        path: where it stands in the recipe.
        values: what stands in it.
        owner: what its keys belong to, for messages: `optimizer "adam"` or `[training]`.
        locations: of the recipe's values.
        homes: for each key that any table of the recipe accepts, the tables that accept it.
        required: the keys of those that must be given.
        plugin: the plugin whose table this is, if it is one's.
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
        """Return the table as its Options, or None, and what is wrong with it.

        Raises:
            ValidationError: of pydantic; `explain.Explanation` makes problems of it.
        """
        try:
            good = self.model.model_validate(self.values, context=self._folder_of)
            return good, self._unwritable(good)
        except pydantic.ValidationError:
            raise
        except GlueftError as error:
            return None, [self.locations.refused(self.path, error)]
        except Exception as error:
            if self.plugin is None:
                raise
            failure = f"the plugin's own check failed: {type(error).__name__}: {error}"
            fix = f"report it to the authors of {self.plugin.origin}"
            wanted = "options that the plugin can check"
            return None, [self._as_a_whole(failure, wanted, "a failure inside the plugin", fix)]

    def _unwritable(self, good: Options) -> list[Problem]:
        """A plugin's own code may make of a value what no recipe can hold, and a run writes its recipe down."""
        if self.plugin is None:
            return []
        found = unwritable(plain_values(good.model_dump(exclude_none=True)))
        if found is None:
            return []
        message = f"{self.owner} has an option that a recipe cannot hold"
        fix = f"tell the authors of {self.plugin.origin}; `glueft plugin check {self.plugin.name}` names the option"
        return [self._as_a_whole(message, "text, numbers, true, false, dates, lists, tables", f"a {found}", fix)]

    def _folder_of(self, key: str) -> FilePath:
        """Where the relative paths of an option begin; `glueft.LocalPath` asks."""
        return self.locations.folder_of((*self.path, key))

    def _as_a_whole(self, message: str, expected: str, received: str, fix: str) -> Problem:
        return self.locations.problem(self.path, message, expected=expected, received=received, fix=fix)
