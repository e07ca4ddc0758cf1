"""Checks all tables of a recipe, and makes the plugins and sections that a Recipe holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pydantic

from glueft.errors import GlueftError, PluginError
from glueft.metrics.choice import choose_metrics, chosen_metrics, options_of
from glueft.plugin.base import Plugin
from glueft.plugin.callback import Callback
from glueft.plugin.contract import fitting_breach
from glueft.plugin.options import Options
from glueft.plugin.origin import Origin, how_to_get
from glueft.plugin.registry import Registered, Registry
from glueft.plugin.task import Task
from glueft.recipe.claims import claims_of, clashes
from glueft.recipe.options import Table
from glueft.recipe.problems import Locations, Problem
from glueft.recipe.sections import PLUGIN_TABLES, SECTIONS
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import received
from glueft.suggest import nearest
from glueft.text import quoted

TABLES = (*PLUGIN_TABLES, *SECTIONS)
KNOWN = (*TABLES, "callbacks")


class RecipeCheck:
    """The check of one recipe.

    Args:
        tables: the recipe's.
        locations: of its values.
        registry: the plugins that it may name.
        lacking: whether the registry lacks plugins because of a problem reported elsewhere; a name that is not found is
            then no problem of its own.
        optional: plugin tables that may be missing, where nothing is trained.
        brought: where each plugin of the recipe's run came from, by kind and name; for messages about missing ones.

    Attributes:
        parts: what was made of each valid table: a plugin, a section's Options, or the callbacks.
        problems: in no particular order.
    """

    def __init__(
        self,
        tables: dict[str, Any],
        locations: Locations,
        registry: Registry,
        lacking: bool = False,
        optional: Collection[str] = (),
        brought: Mapping[tuple[str, str], Origin] | None = None,
    ) -> None:
        self.tables = tables
        self.locations = locations
        self.registry = registry
        self.lacking = lacking
        self.optional = optional
        self.brought = brought or {}
        self.parts: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.homes: dict[str, list[str]] = {}
        self.required: set[str] = set()
        self._note_keys()
        self._check()

    def _check(self) -> None:
        stand_ins = self._unknown_tables()
        for name in TABLES:
            if name in self.tables:
                self.parts[name] = self._table(name, (name,), self.tables[name])
            elif name in stand_ins:
                self._table(name, (stand_ins[name],), self.tables[stand_ins[name]])
            elif name in PLUGIN_TABLES:
                if name not in self.optional:
                    self._missing_plugin_table(name)
            else:
                # Empty, so that its required keys are reported as missing.
                self.parts[name] = self._table(name, (name,), {})
        self.parts["callbacks"] = self._callbacks()
        self._drop_echoes()

    def _add(self, path: Path, message: str, **told: Any) -> None:
        self.problems.append(self.locations.problem(path, message, **told))

    def _note_keys(self) -> None:
        """Note which tables accept which keys, and which keys are required."""
        for name in TABLES:
            options: type[Options] | None = SECTIONS.get(name)
            table = self.tables.get(name)
            if options is None and isinstance(table, dict):
                plugin = table.get("plugin")
                found = self.registry.plugins.get((name, plugin)) if isinstance(plugin, str) else None
                options = options_of(found.cls) if found else None
            for key, option in options.model_fields.items() if options else ():
                self.homes.setdefault(key, []).append(name)
                if option.is_required():
                    self.required.add(key)

    def _unknown_tables(self) -> dict[str, str]:
        """Report unknown tables, and keys outside a table; return the misspelt name of each table that has one."""
        stand_ins: dict[str, str] = {}
        for name, value in self.tables.items():
            if name in KNOWN:
                continue
            if isinstance(value, (dict, list)) and (meant := nearest(name, KNOWN)):
                if meant not in self.tables and isinstance(value, dict):
                    stand_ins.setdefault(meant, name)
                self._unknown(name, "unknown table", f"[{meant}]", meant)
            elif isinstance(value, dict):
                self._unknown(name, "unknown table", None, None)
            else:
                key = name if name in self.homes else nearest(name, self.homes, favoured=self.required)
                home = f"{self.homes[key][0]}.{key}" if key else None
                self._unknown(name, "this key is outside any table", home, home)
        return stand_ins

    def _unknown(self, name: str, message: str, shown: str | None, meant: str | None) -> None:
        tables = ", ".join(f"[{table}]" for table in TABLES)
        self._add(
            (name,),
            message,
            expected=f"one of the tables {tables}, [[callbacks]]",
            received=quoted(name),
            fix=(f"did you mean {shown}?  " if shown else "") + f"Tables: {tables}, [[callbacks]]",
            suggestion=meant,
        )

    def _missing_plugin_table(self, name: str) -> None:
        names = self.registry.names(name)
        example = names[0] if names else "..."
        self._add(
            (name,),
            f"the recipe has no [{name}] table",
            expected=f"a table [{name}] that names a {name} plugin",
            received="nothing",
            fix=f'add [{name}] and below it plugin = "{example}".  Installed: {", ".join(names) or "none"}',
        )

    def _table(self, name: str, path: Path, table: object) -> Any:
        if not isinstance(table, dict):
            fix = f"write [{name}] on a line of its own, and its keys below it"
            if self.locations.argument(path):
                fix = f"give one of its keys, as in --set {name}.KEY=VALUE"
            self._add(
                path,
                f"expected a table; received {received(table)}",
                expected="a table",
                received=received(table),
                fix=fix,
            )
            return None
        if name in SECTIONS:
            return self._options(SECTIONS[name], path, table, f"[{name}]")
        return self._plugin(name, path, table)

    def _plugin(self, kind: str, path: Path, table: dict[str, Any]) -> Plugin | None:
        rest = {key: value for key, value in table.items() if key != "plugin"}
        if "plugin" not in table:
            self._missing_plugin(kind, path, rest)
            return None
        name = table["plugin"]
        where = (*path, "plugin")
        if not isinstance(name, str):
            self._add(
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
                self._options(options_of(found.cls), path, rest, f'{kind} "{meant}"', found)
            return None
        options = self._options(options_of(found.cls), path, rest, f'{kind} "{name}"', found)
        return self._made(found, options, path) if options is not None else None

    def _made(self, found: Registered, options: Any, path: Path) -> Plugin | None:
        """Make a plugin with its options, or report that it cannot be used with them."""
        what, where = f'{found.kind} "{found.name}"', path
        try:
            plugin = found.cls(options)
            if isinstance(plugin, Task) and chosen_metrics(plugin):
                where = (*path, "metrics")
                choose_metrics(plugin)
            reason = fitting_breach(plugin, self.registry.classes)
        except GlueftError as error:
            self.problems.append(self.locations.refused(where, error))
            return None
        except Exception as error:
            plugin, reason = None, f"its `__init__` raised {type(error).__name__}: {error}"
        if plugin is not None and reason is None:
            return plugin
        self._add(
            path,
            f"{what} cannot be used with these options: {reason}",
            expected=f"a {found.kind} that keeps to the plugin contract, whatever its options",
            received=f"one that does not, from {found.origin}",
            fix=f"give it other options, or tell the authors of {found.origin}",
        )
        return None

    def _missing_plugin(self, kind: str, path: Path, rest: dict[str, Any]) -> None:
        """Report that a table has no `plugin`, or has it misspelt."""
        names = self.registry.names(kind)
        for key, value in rest.items():
            if nearest(key, ["plugin"]) and isinstance(value, str):
                self._add(
                    (*path, key),
                    f"unknown key for [{path[0]}]",
                    expected='the key "plugin"',
                    received=quoted(key),
                    fix='did you mean "plugin"?',
                    suggestion="plugin",
                )
                return
        self._add(
            (*path, "plugin"),
            f"the table does not say which {kind}",
            expected=f"the name of a {kind} plugin",
            received="nothing",
            fix=f'add plugin = "{names[0]}".  Installed: {", ".join(names)}'
            if names
            else f"remove the table: no {kind} plugin is installed",
        )

    def _options(
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

    def _callbacks(self) -> tuple[Plugin, ...] | None:
        tables = self.tables.get("callbacks", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            got = received(tables)
            self._add(
                ("callbacks",),
                f"expected any number of tables; received {got}",
                expected="any number of tables [[callbacks]]",
                received=got,
                fix="write [[callbacks]], with two brackets, once for each callback",
            )
            return None
        made: dict[int, Callback] = {}
        claimed: dict[int, Sequence[str]] = {}
        task = self.parts.get("task")
        for index, table in enumerate(tables):
            path = ("callbacks", index)
            callback = self._plugin("callback", path, table)
            if not isinstance(callback, Callback):
                continue
            made[index] = callback
            if isinstance(task, Task):
                self._ask(callback, path, partial(callback.check, task))
            claimed[index] = self._ask(callback, path, partial(claims_of, callback)) or ()
        self.problems += clashes(made, claimed, self.locations)
        return tuple(made.values())

    def _ask(self, callback: Callback, path: Path, question: Callable[[], Any]) -> Any:
        """Return a callback's answer; report its errors."""
        try:
            return question()
        except GlueftError as error:
            self.problems.append(self.locations.refused(path, error))
        except Exception as error:
            self._add(
                path,
                f"the plugin's own check failed: {type(error).__name__}: {error}",
                expected="a recipe that the plugin can check",
                received="a failure inside the plugin",
                fix=f"report it to the authors of {self.registry.find('callback', callback.name).package}",
            )
        return None

    def _drop_echoes(self) -> None:
        """Drop the problem of a missing key that is there misspelt: that is reported already."""
        meant = {problem.suggestion for problem in self.problems}
        self.problems = [
            problem for problem in self.problems if problem.received != "nothing" or problem.path not in meant
        ]
