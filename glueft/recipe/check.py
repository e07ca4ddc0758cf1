"""Checks all tables of a recipe, and makes the plugins and sections that a Recipe holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from glueft.errors import GlueftError
from glueft.metrics.choice import options_of
from glueft.plugin.base import Plugin
from glueft.plugin.callback import Callback
from glueft.plugin.loss import Loss
from glueft.plugin.options import Options
from glueft.plugin.origin import Origin
from glueft.plugin.registry import Registry
from glueft.plugin.task import Task
from glueft.recipe.claims import claims_of, clashes
from glueft.recipe.problems import Locations
from glueft.recipe.sections import OPTIONAL_TABLES, PLUGIN_TABLES, SECTIONS
from glueft.recipe.table_check import TableCheck
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import received
from glueft.suggest import nearest
from glueft.text import quoted

TABLES = (*PLUGIN_TABLES, *SECTIONS)
KNOWN = (*TABLES, "callbacks")


class RecipeCheck(TableCheck):
    """The check of one recipe.

    Args:
        tables: the recipe's.
        locations, registry, lacking, brought: as in `TableCheck`.
        optional: plugin tables that may be missing, where nothing is trained.

    Attributes:
        parts: what was made of each valid table: a plugin, a section's Options, or the callbacks.
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
        super().__init__(locations, registry, lacking, brought)
        self.tables = tables
        self.optional = optional
        self.parts: dict[str, Any] = {}
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
                if name not in (*self.optional, *OPTIONAL_TABLES):
                    self._missing_plugin_table(name)
            elif name not in OPTIONAL_TABLES:
                # Empty, so that its required keys are reported as missing.
                self.parts[name] = self._table(name, (name,), {})
        self._check_loss()
        self.parts["callbacks"] = self._callbacks()
        self.drop_echoes()

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
                self._unknown(name, "unknown table", "[study]" if nearest(name, ["study"]) else None, None)
            else:
                key = name if name in self.homes else nearest(name, self.homes, favoured=self.required)
                home = f"{self.homes[key][0]}.{key}" if key else None
                self._unknown(name, "this key is outside any table", home, home)
        return stand_ins

    def _unknown(self, name: str, message: str, shown: str | None, meant: str | None) -> None:
        tables = ", ".join(f"[{table}]" for table in TABLES)
        if name == "study":
            fix = "give a study, such as glue; a recipe runs on several seeds with: glueft run RECIPE --seeds 5"
            told = {"expected": "a study file", "received": "a recipe", "fix": fix}
            self.add((name,), "this is a recipe, which has no keys of a study", **told)
            return
        self.add(
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
        self.add(
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
            self.add(
                path,
                f"expected a table; received {received(table)}",
                expected="a table",
                received=received(table),
                fix=fix,
            )
            return None
        if name in SECTIONS:
            return self.options(SECTIONS[name], path, table, f"[{name}]")
        return self.plugin(name, path, table)

    def _check_loss(self) -> None:
        """Ask the loss whether it can be used with the task."""
        loss, task = self.parts.get("loss"), self.parts.get("task")
        if isinstance(loss, Loss) and isinstance(task, Task):
            self._ask(loss, ("loss",), partial(loss.check, task))

    def _callbacks(self) -> tuple[Plugin, ...] | None:
        tables = self.tables.get("callbacks", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            got = received(tables)
            self.add(
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
            callback = self.plugin("callback", path, table)
            if not isinstance(callback, Callback):
                continue
            made[index] = callback
            if isinstance(task, Task):
                self._ask(callback, path, partial(callback.check, task))
            claimed[index] = self._ask(callback, path, partial(claims_of, callback)) or ()
        self.problems += clashes(made, claimed, self.locations)
        return tuple(made.values())

    def _ask(self, plugin: Plugin, path: Path, question: Callable[[], Any]) -> Any:
        """Return a plugin's answer; report its errors."""
        try:
            return question()
        except GlueftError as error:
            self.problems.append(self.locations.refused(path, error))
        except Exception as error:
            self.add(
                path,
                f"the plugin's own check failed: {type(error).__name__}: {error}",
                expected="a recipe that the plugin can check",
                received="a failure inside the plugin",
                fix=f"report it to the authors of {self.registry.find(plugin.kind, plugin.name).package}",
            )
        return None
