"""However broken a recipe is, the answer is a Recipe or a GlueftError; and what is complete stays what it is."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glueft.errors import GlueftError
from glueft.recipe import Recipe, RecipeError, load_recipe
from glueft.recipe.file import packaged_recipes

RECIPES = [(Path(__file__).parents[2] / "recipes" / f"{name}.toml").read_text() for name in packaged_recipes()]
# The same examples each time, and as long as they take: a busy machine, or chance, breaks nobody's change.
QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def outcome(folder: Path, content: bytes, overrides: list[str] = [], **flags: object) -> Recipe | GlueftError:  # noqa: B006
    file = folder / "recipe.toml"
    file.write_bytes(content)
    try:
        return load_recipe(str(file), overrides, **flags)  # type: ignore[arg-type]
    except GlueftError as error:
        told = str(error)
        assert isinstance(error, RecipeError)
        assert error.problems
        for problem in error.problems:
            assert problem.message and problem.expected and problem.received and problem.fix
            assert len(error.problems) > 50 or (problem.path in told and problem.message in told)
            assert "Traceback" not in told and "pydantic" not in told
            assert problem.line is None or 1 <= problem.line <= content.count(b"\n") + 1
        return error


@QUICK
@given(content=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    outcome(tmp_path, content)


@QUICK
@given(text=st.text(st.sampled_from("[]{}=.,\"'#\n \tabc0189-_\\e+:ntrufal"), max_size=80))
def test_any_text_of_toml_s_letters(tmp_path: Path, text: str) -> None:
    outcome(tmp_path, text.encode())


FRAGMENTS = [
    "[",
    "]",
    "[[",
    '"',
    "'",
    '"""',
    "=",
    "\n",
    "{",
    "}",
    ",",
    "#",
    ".",
    "8",
    "-1",
    "nan",
    "1e999",
    "true",
    "\\",
    "\0",
    "é",
]


@QUICK
@given(recipe=st.sampled_from(RECIPES), data=st.data())
def test_mutated_recipes(tmp_path: Path, recipe: str, data: st.DataObject) -> None:
    recipe = re.sub(r" *#.*", "", recipe)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(recipe)))
        end = data.draw(st.integers(start, min(len(recipe), start + 12)))
        recipe = recipe[:start] + data.draw(st.sampled_from(["", *FRAGMENTS])) + recipe[end:]
    outcome(tmp_path, recipe.encode())


NAMES = [
    *[
        "task",
        "model",
        "data",
        "optimizer",
        "schedule",
        "training",
        "engine",
        "callbacks",
        "plugin",
        "epochs",
        "folder",
    ],
    *["checkpoint", "source", "predict", "initial_learning_rate", "warmup_steps", "x", "0"],
]
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(10**40), 10**40),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["mrpc", "adam", "linear", "hub", "folder", "test", "auto"]),
        st.dates(),
        st.datetimes(),
        st.times(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


@QUICK
@given(tables=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
def test_any_tables(tmp_path: Path, tables: dict[str, object]) -> None:
    outcome(tmp_path, tomlkit.dumps(tables).encode("utf-8", "replace"))


@QUICK
@given(
    table=st.sampled_from(NAMES[:7]),
    key=st.sampled_from(NAMES),
    value=VALUES,
)
def test_any_value_anywhere_in_a_good_recipe(tmp_path: Path, table: str, key: str, value: object) -> None:
    document = tomlkit.parse(RECIPES[0]).unwrap()
    document.setdefault(table, {})[key] = value
    outcome(tmp_path, tomlkit.dumps(document).encode("utf-8", "replace"))


ARGUMENT = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda path, value: f"{'.'.join(path)}={value}",
        st.lists(st.sampled_from(NAMES), max_size=3),
        st.one_of(
            st.text(string.printable, max_size=12), st.sampled_from(["8", "[1", "{}", '"x', "", "nan", "[[]]", "true"])
        ),
    ),
)


@QUICK
@given(arguments=st.lists(ARGUMENT, max_size=4))
def test_any_set_arguments(tmp_path: Path, arguments: list[str]) -> None:
    outcome(tmp_path, RECIPES[0].encode(), arguments)


@QUICK
@given(data_dir=st.none() | st.text(max_size=9), checkpoint=st.none() | st.text(max_size=9), sample=st.booleans())
def test_any_flags(tmp_path: Path, data_dir: str | None, checkpoint: str | None, sample: bool) -> None:
    outcome(tmp_path, RECIPES[0].encode(), data_dir=data_dir, checkpoint=checkpoint, sample=sample)


@QUICK
@given(path=st.text(max_size=20))
def test_any_path(path: str) -> None:
    with pytest.raises(GlueftError):
        load_recipe("nowhere/" + path)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "{a=" * 5000,
        "[training]\nepochs = " + "9" * 5000,
        "[training]\nepochs = 0x" + "f" * 5000,
        "[schedule]\ninitial_learning_rate = 0x" + "f" * 5000,
        "[task]\nplugin = " + "[" * 200 + "]" * 200,
        "a." * 5000 + "b = 1",
        "[" + "a." * 3000 + "b]",
        "plugin = '" + "x" * 100_000 + "'",
    ],
    ids=[
        "lists",
        "tables",
        "digits",
        "hexadecimal",
        "hexadecimal rate",
        "nested value",
        "dotted key",
        "header",
        "long text",
    ],
)
def test_extremes(tmp_path: Path, text: str) -> None:
    error = outcome(tmp_path, text.encode())
    assert isinstance(error, GlueftError)
    assert all(len(line) < 1000 for line in str(error).splitlines())


@QUICK
@given(
    epochs=st.integers(1, 99),
    rate=st.floats(1e-9, 1, exclude_min=True),
    folder=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip),
    limit=st.none() | st.integers(1, 10**9),
    plugin=st.sampled_from(["adam", "adamw", "sgd"]),
)
def test_a_completed_recipe_is_the_same_recipe(
    tmp_path: Path, epochs: int, rate: float, folder: str, limit: int | None, plugin: str
) -> None:
    document = tomlkit.parse(RECIPES[0]).unwrap()
    document["training"]["epochs"] = epochs
    document["schedule"]["initial_learning_rate"] = rate
    document["data"] = {"source": "folder", "folder": folder}
    if limit is not None:
        document["data"]["limit_train"] = limit
    document["optimizer"]["plugin"] = plugin
    first = outcome(tmp_path, tomlkit.dumps(document).encode())
    assert isinstance(first, Recipe), first
    second = outcome(tmp_path, first.to_toml().encode())
    assert second == first
    assert isinstance(second, Recipe) and second.to_toml() == first.to_toml()
