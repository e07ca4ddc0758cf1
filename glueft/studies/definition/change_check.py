"""Checks what a study changes in its recipes, as far as it can be told without the recipes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from glueft.recipe.check import KNOWN
from glueft.recipe.problems import dotted
from glueft.recipe.table_check import TableCheck
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import as_toml, received
from glueft.studies.definition.changes import Change, changes_in
from glueft.studies.definition.options import CHANGES, RangeOptions, StudyOptions
from glueft.suggest import nearest
from glueft.text import quoted

# Keys of recipes that a study may not change: what is said, and what is to be done instead.
RESERVED = {
    "training.seed": ("the seeds of a study are in study.seeds", "write seeds = [1, 2, 3] in [study]"),
    "task.plugin": ("a recipe keeps its task, which the table is about", "add a recipe of the other task"),
    "plugins.files": (
        "the plugin files of a study are in study.plugins",
        'write plugins = ["my_task.py"] in [study], or give --plugin FILE.py',
    ),
    "hub.push": ("every run would push to the same repository", "push the chosen run: glueft push RUN"),
}


# The same of keys that may be set once: they say on which rows settings are compared.
_ROWS = ("settings are compared on the same rows", "set it once, in [study.set]")
ROWS_FROM = ("data.source", "data.folder", "data.revision")
COMPARED = dict.fromkeys(
    (*ROWS_FROM, "data.held_out", "data.held_out_seed", "data.fold", "data.limit_validation"), _ROWS
)


class ChangeCheck(TableCheck):
    """The check of [study.set], [study.grid] and [study.ranges].

    Attributes:
        left_out: recipes of the file that the command line has left out; what is said of them is ignored.
    """

    left_out: Collection[str] = ()

    def changes(self, options: Any, names: Collection[str]) -> list[Change]:
        """What the study changes in its recipes, as far as it can be used."""
        found = [
            change
            for section in CHANGES
            for change in changes_in(section, getattr(options, section), {*names, *self.left_out})
            if change.recipe not in self.left_out
        ]
        good = [change for change in found if self._is_known(change, names) and self._is_free(change)]
        at: dict[tuple[str | None, str], Change] = {}
        for change in good:
            other = at.setdefault((change.recipe, change.key), change)
            if other is not change:
                self._given_twice(other, change)
        return [change for change in good if self._fits_section(change)]

    def _is_known(self, change: Change, names: Collection[str]) -> bool:
        table = str(change.path[0])
        if table in KNOWN:
            return True
        if table in names:
            self.add(
                change.at,
                f"expected a table with keys of recipe {quoted(table)}; received {received(change.value)}",
                expected="a table",
                received=received(change.value),
                fix=f"write [study.{change.section}.{table}] on a line of its own, and the keys below it",
            )
            return False
        start = change.at[: 4 if change.recipe else 3]
        meant = nearest(table, [*KNOWN, *(names if change.recipe is None else ())])
        if table in StudyOptions.model_fields:
            meant = f"study.{table}"
        self.add(
            start,
            f"{quoted(table)} is no table of recipes"
            + ("" if change.recipe else ", and no recipe of the study is called so"),
            expected=f"one of {', '.join(KNOWN)}"
            + ("" if change.recipe else f", or of the recipes {', '.join(names)}"),
            received=quoted(table),
            fix=(f"did you mean {meant}?  " if meant else "") + "write the table, a dot and the key: training.epochs",
            suggestion=meant,
        )
        return False

    def _is_free(self, change: Change) -> bool:
        """Whether a study may change this key; report it if not."""
        reserved = RESERVED if change.section == "set" else RESERVED | COMPARED
        key = next((key for key in reserved if f"{change.key}.".startswith(f"{key}.")), None)
        if key is None:
            return True
        message, fix = reserved[key]
        got = received(change.value)
        self.add(change.at, message, expected="another key", received=got, fix=f"remove it; {fix}")
        return False

    def _given_twice(self, first: Change, again: Change) -> None:
        argument = self.locations.argument(first.at) or self.locations.argument(again.at)
        stays = again if self.locations.argument(again.at) else first
        goes = first if stays is again else again
        self.add(
            again.at,
            f"{again.key} is in [study.{first.section}] too",
            expected=f"each key in one of {', '.join(f'[study.{section}]' for section in CHANGES)}",
            received="the key in two of them",
            fix=f"add --unset {dotted(goes.at)}" if argument else "remove it from one of them",
        )

    def _fits_section(self, change: Change) -> bool:
        """Whether a change has the form of its section; report it if not."""
        if change.section == "ranges":
            return self._is_range(change)
        if change.section == "grid" and change.key == "callbacks" and _holds_tables(change.value):
            self.add(
                change.at,
                "each value of a grid is a whole list of callbacks",
                expected="lists of tables",
                received=received(change.value),
                fix='write callbacks = [[{plugin = "early_stopping"}], []]: one run with it, one without',
            )
            return False
        return change.section == "set" or self.is_list(change.at, change.value)

    def is_list(self, at: Path, values: object) -> bool:
        if not isinstance(values, list):
            got = received(values)
            fix = f"write {dotted(at[-1:])} = [{as_toml(values)}], or set it once in [study.set]"
            self.add(at, f"expected a list of values; received {got}", expected="a list", received=got, fix=fix)
            return False
        if not values:
            self.empty(at, "there is no value in the list", "give one or more values, or remove the key")
        for place, value in enumerate(values):
            if any(_same(value, other) for other in values[:place]):
                told = {"expected": "each value once", "received": received(value), "fix": "remove one of them"}
                self.add((*at, place), f"{as_toml(value)} is in the list twice", **told)
        return bool(values)

    def _is_range(self, change: Change) -> bool:
        at, value = change.at, change.value
        if not isinstance(value, dict):
            got = received(value)
            self.add(
                at,
                f"expected a table; received {got}",
                expected="{low, high, log}, {low, high, step} or {choices}",
                received=got,
                fix="for example: {low = 1e-5, high = 1e-4, log = true}"
                if not isinstance(value, list)
                else f"write {{choices = {as_toml(value)}}}",
            )
            return False
        before = len(self.problems)
        range_ = self.options(RangeOptions, at, value, f"[{dotted(at)}]")
        if range_ is None:
            return False
        if range_.choices is not None:
            others = [key for key in ("low", "high", "log", "step") if key in value]
            if others:
                self._range(at, f"choices take no {others[0]}", "choices, or low and high", f"remove {others[0]}")
            self.is_list((*at, "choices"), value["choices"])
        elif range_.low is None or range_.high is None:
            missing = "low" if range_.low is None else "high"
            self._range(at, f"there is no {missing}", "low and high, or choices", f"add {missing} = NUMBER")
        else:
            if range_.low >= range_.high:
                self._range(at, "low must be below high", "low below high", "exchange them, or give one value in set")
            if range_.log and range_.low <= 0:
                self._range(at, "log needs low above 0", "low above 0", "raise low, or remove log")
            if range_.log and range_.step is not None:
                self._range(at, "log takes no step", "log or step", "remove one of them")
            if range_.step is not None and range_.step > range_.high - range_.low:
                self._range(at, "step is more than from low to high", "a smaller step", "make step smaller")
        return len(self.problems) == before

    def _range(self, at: Path, message: str, expected: str, fix: str) -> None:
        self.add(at, message, expected=expected, received="a range that breaks this rule", fix=fix)

    def empty(self, at: Path, message: str, fix: str) -> None:
        self.add(at, message, expected="a list of one or more", received="an empty list", fix=fix)


def _holds_tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _same(one: object, other: object) -> bool:
    """Whether two values of TOML are the same: 1 is 1.0, but neither is true."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other
