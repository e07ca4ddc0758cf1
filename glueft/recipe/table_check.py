"""Checks one table of a recipe or study, and makes the plugin or section that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pydantic

from glueft.errors import GlueftError, PluginError
from glueft.metrics.choice import choose_metrics, chosen_metrics, options_of
from glueft.plugin.base import Plugin
from glueft.plugin.contract import fitting_breach
from glueft.plugin.options import Options
from glueft.plugin.origin import Origin, how_to_get
from glueft.plugin.registry import Registered, Registry
from glueft.plugin.task import Task
from glueft.recipe.options import Table
from glueft.recipe.problems import Locations, Problem, dotted
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import received
from glueft.suggest import nearest
from glueft.text import quoted

# What a table without `plugin` probably means, where it is not the first name.
_USUAL = {"loss": "cross_entropy"}


class TableCheck:
    """The check of tables, and the problems that it finds.

    Args:
        locations: of the values.
        registry: the plugins that may be named.
        lacking: whether the registry lacks plugins because of a problem reported elsewhere; a name that is not found is
            then no problem of its own.
        brought: where each plugin of the recipe's run came from, by kind and name; for messages about missing ones.

    Attributes:
        problems: in no particular order.
        homes: the tables that accept each key.
        required: the required keys of all tables.
    """

    def __init__(
        self,
        locations: Locations,
        registry: Registry,
        lacking: bool = False,
        brought: Mapping[tuple[str, str], Origin] | None = None,
    ) -> None:
        self.locations = locations
        self.registry = registry
        self.lacking = lacking
        self.brought = brought or {}
        self.problems: list[Problem] = []
        self.homes: dict[str, list[str]] = {}
        self.required: set[str] = set()

    def add(self, path: Path, message: str, **told: Any) -> None:
        self.problems.append(self.locations.problem(path, message, **told))

    def plugin(self, kind: str, path: Path, table: dict[str, Any]) -> Plugin | None:
        rest = {key: value for key, value in table.items() if key != "plugin"}
        if "plugin" not in table:
            self._missing_plugin(kind, path, rest)
            return None
        name = table["plugin"]
        where = (*path, "plugin")
        if not isinstance(name, str):
            self.add(
                where,
                f"expected the name of a plugin, in quotes; received {received(name)}",
                expected="the name of a plugin, in quotes",
                received=received(name),
                fix=f"Installed: {', '.join(self.registry.names(kind))}",
            )
            return None
        try:
            found = self.registry.find(kind, name)
        except PluginError as error:
            brought = self.brought.get((kind, name))
            if self.lacking and not (brought and "package" in brought):
                return None
            meant = None if brought else nearest(name, self.registry.names(kind))
            fix = f"{error.received}.  {error.fix}" if "cannot be used" in error.message else error.fix
            fix = f"{how_to_get(brought)}.  {fix}" if brought else fix
            self.problems.append(self.locations.refused(where, error, fix=fix, suggestion=meant))
            # Other problems of the table can be reported too, if it is clear which plugin was meant.
            if meant:
                found = self.registry.find(kind, meant)
                self.options(options_of(found.cls), path, rest, f'{kind} "{meant}"', found)
            return None
        options = self.options(options_of(found.cls), path, rest, f'{kind} "{name}"', found)
        return self._made(found, options, path) if options is not None else None

    def _made(self, found: Registered, options: Any, path: Path) -> Plugin | None:
        """Make a plugin with its options, or report that it cannot be used with them."""
        what = f'{found.kind} "{found.name}"'
        try:
            plugin = found.cls(options)
            if isinstance(plugin, Task) and chosen_metrics(plugin):
                self._choose_metrics(plugin, path)
            reason = fitting_breach(plugin, self.registry.classes)
        except GlueftError as error:
            self.problems.append(self.locations.refused(path, error))
            return None
        except Exception as error:
            plugin, reason = None, f"its `__init__` raised {type(error).__name__}: {error}"
        if plugin is not None and reason is None:
            return plugin
        self.add(
            path,
            f"{what} cannot be used with these options: {reason}",
            expected=f"a {found.kind} that keeps to the plugin contract, whatever its options",
            received=f"one that does not, from {found.origin}",
            fix=f"give it other options, or tell the authors of {found.origin}",
        )
        return None

    def _choose_metrics(self, task: Task, path: Path) -> None:
        """Give a task the metrics that the recipe names. With ones that do not suit it, the rest is checked anyway."""
        own = task.metrics
        try:
            choose_metrics(task)
        except GlueftError as error:
            self.problems.append(self.locations.refused((*path, "metrics"), error))
            task.metrics = own

    def _missing_plugin(self, kind: str, path: Path, rest: dict[str, Any]) -> None:
        """Report that a table has no `plugin`, or has it misspelt."""
        names = self.registry.names(kind)
        for key, value in rest.items():
            if nearest(key, ["plugin"]) and isinstance(value, str):
                self.add(
                    (*path, key),
                    f"unknown key for [{dotted(path)}]",
                    expected='the key "plugin"',
                    received=quoted(key),
                    fix='did you mean "plugin"?',
                    suggestion="plugin",
                )
                return
        self.add(
            (*path, "plugin"),
            f"the table does not say which {kind}",
            expected=f"the name of a {kind} plugin",
            received="nothing",
            fix=f'add plugin = "{_USUAL.get(kind, names[0])}".  Installed: {", ".join(names)}'
            if names
            else f"remove the table: no {kind} plugin is installed",
        )

    def options(
        self, options: type[Options], path: Path, table: dict[str, Any], owner: str, found: Registered | None = None
    ) -> Any:
        made = Table(options, path, table, owner, self.locations, self.homes, self.required, found)
        try:
            good, problems = made.check()
        except pydantic.ValidationError as error:
            # Imported here: a valid recipe does not need it.
            from glueft.recipe.explain import Explanation

            good, problems = None, Explanation(made).explain(error)
        self.problems += self._told_of_metrics(problems, (*path, "metrics"), table)
        return good

    def _told_of_metrics(self, problems: list[Problem], path: Path, table: dict[str, Any]) -> list[Problem]:
        """The problems of a table; those of metrics that are not there say how to get them."""
        named, known = table.get("metrics"), self.registry.names("metric")
        for index, name in enumerate(named if isinstance(named, list) else ()):
            place = ".".join(map(str, (*path, index)))
            if not isinstance(name, str) or name in known:
                continue
            brought = self.brought.get(("metric", name))
            if brought:
                problems = [
                    replace(problem, fix=how_to_get(brought)) if problem.path == place else problem
                    for problem in problems
                ]
            elif self.lacking:
                problems = [problem for problem in problems if problem.path != place]
        return problems

    def drop_echoes(self) -> None:
        """Drop the problem of a missing key that is there misspelt: that is reported already."""
        meant = {problem.suggestion for problem in self.problems}
        self.problems = [
            problem for problem in self.problems if problem.received != "nothing" or problem.path not in meant
        ]
