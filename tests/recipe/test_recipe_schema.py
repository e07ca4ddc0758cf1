"""The JSON schema agrees with what is accepted, and nested tables of plugins are checked like any other."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broken_recipes import GOOD, problems
from glueft.metrics.choice import options_of
from glueft.plugin.registry import load_registry
from glueft.recipe import load_recipe
from glueft.recipe.schema import recipe_schema
from glueft.recipe.sections import ORDER, SECTIONS
from plugin_packages import install

NESTED = '''
from typing import Annotated, Any
import glueft

class Window(glueft.Options):
    """A window."""
    length: int = glueft.Field(gt=0, description="In steps.")
    shape: str = glueft.Field("flat", description="Its shape.")

class Smooth(glueft.Schedule):
    """Smooth."""
    name = "smooth"

    class Options(glueft.Options):
        """A table in a table, lists, and a check that goes wrong."""
        initial_learning_rate: float = glueft.Field(1.0, description="The rate.")
        window: Window | None = glueft.Field(None, description="A window.")
        windows: tuple[Window, ...] = glueft.Field((), description="More windows.")
        steps: tuple[int, ...] = glueft.Field((), description="Steps.")
        anything: Any = glueft.Field(None, description="Anything.")

        @glueft_validator("steps")
        def _check(cls, steps):
            if steps == (1,):
                raise KeyError("oh")
            if steps == (2,):
                raise glueft.DataError("two is too much", expected="one", received="two", fix="take one")
            return steps

    def build(self, total_steps):
        raise NotImplementedError

@glueft.hookimpl
def glueft_schedules():
    return [Smooth]
'''.replace("@glueft_validator", "@pydantic.field_validator").replace("import glueft\n", "import glueft, pydantic\n", 1)


@pytest.fixture
def smooth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A recipe whose schedule has nested tables."""
    install(tmp_path / "packages", "glueft-smooth", NESTED, version="4.2")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    load_registry.cache_clear()
    text = GOOD.replace("polynomial_decay", "smooth").replace("end_learning_rate = 0.0\n", "")
    yield text
    load_registry.cache_clear()


def keys(schema: dict[str, Any]) -> set[str]:
    return set(schema["properties"])


def test_the_schema_is_assembled_from_sections_and_plugins() -> None:
    registry = load_registry()
    schema = recipe_schema(registry)
    assert keys(schema) == set(ORDER)
    assert schema["required"] == ["task", "optimizer", "schedule", "model"]
    assert schema["additionalProperties"] is False
    for name, section in SECTIONS.items():
        assert keys(schema["properties"][name]) == set(section.model_fields)
        assert schema["properties"][name]["additionalProperties"] is False
    for kind in ("task", "optimizer", "schedule"):
        tables = schema["properties"][kind]["oneOf"]
        assert [table["title"] for table in tables] == registry.names(kind)
        for table, plugin in zip(tables, registry.all(kind), strict=True):
            assert table["properties"]["plugin"]["const"] == plugin.name
            assert keys(table) == {"plugin", *options_of(plugin.cls).model_fields}
            assert table["additionalProperties"] is False
            assert plugin.package in table["description"]
            assert all(option.get("description") for option in table["properties"].values())
    (linear,) = (table for table in schema["properties"]["schedule"]["oneOf"] if table["title"] == "linear")
    assert linear["required"] == ["plugin", "initial_learning_rate"]
    assert linear["properties"]["warmup_steps"] == {
        "type": "integer",
        "minimum": 0,
        "description": "Steps in which the rate rises from 0; or give warmup_ratio.",
    }
    assert len(schema["properties"]["callbacks"]["items"]["oneOf"]) == len(registry.all("callback"))
    text = json.dumps(schema)
    assert '"null"' not in text and ": null" not in text


def allows(schema: dict[str, Any], value: Any, definitions: dict[str, Any] | None = None) -> bool:
    """As much of JSON Schema as the recipe's schema uses of it."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return allows(definitions[schema["$ref"].removeprefix("#/$defs/")], value, definitions)
    if "oneOf" in schema:
        return sum(allows(one, value, definitions) for one in schema["oneOf"]) == 1
    if "anyOf" in schema:
        return any(allows(one, value, definitions) for one in schema["anyOf"])
    if "const" in schema:
        return bool(value == schema["const"])
    if "enum" in schema:
        return value in schema["enum"]
    if schema["type"] == "object":
        inside = schema["properties"]
        return set(schema.get("required", [])) <= set(value) and all(
            key in inside and allows(inside[key], inner, definitions) for key, inner in value.items()
        )
    if schema["type"] == "array":
        return all(allows(schema["items"], inner, definitions) for inner in value)
    types = {"integer": int, "number": (int, float), "string": str, "boolean": bool}
    if not isinstance(value, types[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):  # type: ignore[arg-type]
        return False
    bounds = {"minimum": "__ge__", "maximum": "__le__", "exclusiveMinimum": "__gt__", "exclusiveMaximum": "__lt__"}
    return all(getattr(float(value), way)(schema[bound]) for bound, way in bounds.items() if bound in schema)


@pytest.mark.parametrize("name", ["mrpc", "sst2"])
def test_good_recipes_fit_the_schema_and_bad_ones_do_not(name: str) -> None:
    schema = recipe_schema(load_registry())
    tables = tomllib.loads(load_recipe(name).to_toml())
    assert allows(schema, tables)
    for table, key, value in [
        ("training", "epochs", 0),
        ("training", "epochs", "3"),
        ("training", "zzz", 1),
        ("optimizer", "plugin", "adamm"),
        ("optimizer", "zzz", 1),
        ("schedule", "initial_learning_rate", True),
        ("engine", "jit_compile", "maybe"),
        ("model", "freeze", {"layers": -1}),
        ("model", "freeze", {"layer": 1}),
        ("model", "lora_rank", 0),
    ]:
        assert not allows(schema, {**tables, table: {**tables[table], key: value}})


def test_nested_tables_in_the_schema(smooth: str) -> None:
    schema = recipe_schema(load_registry())
    assert set(schema["$defs"]) == {"schedule.smooth.Window", "model.Freeze", "data.Fold", "data.Windows"}
    assert schema["properties"]["model"]["properties"]["freeze"]["$ref"] == "#/$defs/model.Freeze"
    table = next(table for table in schema["properties"]["schedule"]["oneOf"] if table["title"] == "smooth")
    assert table["properties"]["window"]["$ref"] == "#/$defs/schedule.smooth.Window"
    assert table["properties"]["windows"]["items"] == {"$ref": "#/$defs/schedule.smooth.Window"}


@pytest.mark.parametrize(
    ("line", "path", "at", "message", "fix"),
    [
        ("window = {length = 3, shap = 'x'}", "schedule.window.shap", 17, "unknown key", 'did you mean "shape"?'),
        ("window = {}", "schedule.window.length", 17, "needs a whole number above 0", "below [schedule.window]"),
        ("window = {length = '3'}", "schedule.window.length", 17, 'received "3"', "remove the quotes: length = 3"),
        ("window = 3", "schedule.window", 17, "expected a table; received 3", ""),
        ("windows = [\n{length = 1},\n{length = 0}]", "schedule.windows.1.length", 19, "received 0", ""),
        ("[[schedule.windows]]\nlength=1\n[[schedule.windows]]\nx=1\nlength=2", "schedule.windows.1.x", 20, "key", "A"),
        ("steps = [1, 2.5]", "schedule.steps.1", 17, "expected a whole number; received 2.5", ""),
        ("steps = 3", "schedule.steps", 17, "expected a list, each a whole number", "in brackets: steps = [3]"),
        ("steps = [1]", "schedule", 14, "the plugin's own check failed: KeyError", "authors of glueft-smooth 4.2"),
        ("steps = [2]", "schedule", 14, "two is too much", "take one"),
    ],
)  # fmt: skip
def test_problems_in_nested_tables(
    smooth: str, tmp_path: Path, line: str, path: str, at: int, message: str, fix: str
) -> None:
    text = smooth.replace("initial_learning_rate = 5e-5\n", f"initial_learning_rate = 5e-5\n{line}\n")
    (problem,) = problems(tmp_path, text)
    assert (problem.path, problem.line) == (path, at)
    assert message in problem.message
    assert fix in problem.fix and problem.fix


def test_nested_tables_survive_completion(smooth: str, tmp_path: Path) -> None:
    file = tmp_path / "nested.toml"
    file.write_text(
        smooth.replace(
            "initial_learning_rate = 5e-5\n",
            "window = {length = 3}\nwindows = [{length = 1}, {length = 2}]\nsteps = [7]\nanything = {a = [1, 'x']}\n",
        )
    )
    recipe = load_recipe(str(file))
    assert recipe.tables()["schedule"]["windows"] == [{"length": 1, "shape": "flat"}, {"length": 2, "shape": "flat"}]
    again = tmp_path / "again.toml"
    again.write_text(recipe.to_toml())
    assert load_recipe(str(again)) == recipe
