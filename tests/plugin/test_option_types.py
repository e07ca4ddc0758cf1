"""Options of types that TOML does not have: a recipe's list serves for a tuple, a value for the member of an Enum."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest

import glueft
from glueft.recipe import RecipeError, load_recipe
from glueft.testing.option_types import unsettable

PLUGIN = '''
import enum
import glueft
from decimal import Decimal


class Size(enum.IntEnum):
    small = 1
    large = 2


class Window(glueft.Options):
    edges: tuple[int, int] = glueft.Field((0, 0), description="Where it begins and ends.")


class Steps(glueft.Schedule):
    """Options of many types."""

    name = "steps"

    class Options(glueft.Options):
        words: tuple[str, ...] = glueft.Field((), description="Words.")
        edges: tuple[int, int] = glueft.Field((0, 1), description="Two numbers.")
        only: frozenset[str] = glueft.Field(frozenset(), description="A set.")
        deep: tuple[tuple[float, ...], ...] = glueft.Field((), description="Tuples in a tuple.")
        size: Size = glueft.Field(Size.small, description="A member of an Enum.")
        window: Window = glueft.Field(Window(), description="A table.")
        named: dict[str, tuple[int, ...]] | None = glueft.Field(None, description="Keys of one's own.")

    def build(self, total_steps):
        raise NotImplementedError


class Exact(glueft.Schedule):
    """An option that becomes what TOML cannot write."""

    name = "exact"

    class Options(glueft.Options):
        rate: Decimal = glueft.Field(Decimal("0.1"), strict=False, description="A rate.")

    def build(self, total_steps):
        raise NotImplementedError
'''


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    file = tmp_path / "steps.py"
    file.write_text(PLUGIN)
    return file


def test_lists_serve_for_tuples_and_sets(steps: Path, tmp_path: Path) -> None:
    lines = [
        'plugin = "steps"',
        'words = ["b", "a"]',
        "edges = [3, 4]",
        'only = ["z", "y", "z"]',
        "deep = [[1, 2.5], []]",
        "size = 2",
        "window = { edges = [5, 6] }",
        "named = { a = [1] }",
    ]
    by_argument = load_recipe("mrpc", [f"schedule={{{', '.join(lines)}}}"], plugins=[steps])
    file = tmp_path / "recipe.toml"
    table = "\n".join(["[schedule]", *lines, "\n"])
    file.write_text(re.sub(r"(?s)\[schedule\].*?\n\n", table, load_recipe("mrpc").to_toml()))
    by_file = load_recipe(file, plugins=[steps])
    for recipe in (by_argument, by_file):
        options: Any = recipe.schedule.options
        assert options.words == ("b", "a")
        assert options.edges == (3, 4)
        assert options.only == frozenset({"y", "z"})
        assert options.deep == ((1.0, 2.5), ())
        assert options.size.name == "large"
        assert options.window.edges == (5, 6)
        assert options.named == {"a": (1,)}
    written = tmp_path / "written.toml"
    written.write_text(by_file.to_toml())
    assert load_recipe(written) == by_file


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("words", '"a"', 'expected a list, each text in quotes; received "a" (text)'),
        ("words", '["a", 1]', "expected text in quotes; received 1 (a whole number)"),
        ("edges", "[1]", "expected a list of 2, each a whole number; received a list of 1"),
        ("edges", "[1, 2, 3]", "expected a list of 2, each a whole number; received a list of 3"),
        ("edges", "[1, 2.5]", "expected a whole number; received 2.5 (a number)"),
        ("only", "{a=1}", "expected a list, each text in quotes; received a table"),
        ("deep", "[1]", "expected a list, each a number; received 1 (a whole number)"),
        ("size", '"1"', 'expected one of 1, 2; received "1" (text)'),
        ("size", "true", "expected one of 1, 2; received true (true or false)"),
        ("window", "{edges=[0, 0], edge=1}", 'unknown key for schedule "steps"'),
        ("named", '{a=["1"]}', 'expected a whole number; received "1" (text)'),
    ],
)
def test_all_else_stays_strict(steps: Path, key: str, value: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", [f'schedule={{plugin="steps", {key}={value}}}'], plugins=[steps])
    (problem,) = caught.value.problems
    assert problem.message == told
    assert problem.fix


def test_an_option_that_no_recipe_can_set_says_so(steps: Path) -> None:
    steps.write_text(
        PLUGIN.replace("words: tuple[str, ...] = glueft.Field((), ", "words: bytes | None = glueft.Field(None, ")
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ['schedule={plugin="steps", words="a"}'], plugins=[steps])
    (problem,) = caught.value.problems
    assert problem.message == "no recipe can set this option: TOML has no value of its type"
    assert problem.fix.startswith("leave words out, and tell the authors of ")
    assert problem.fix.endswith("`glueft plugin check steps` says which type to take")


def test_what_no_recipe_can_hold_is_refused_before_a_run(steps: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ['schedule={plugin="exact", rate="0.5"}'], plugins=[steps])
    (problem,) = caught.value.problems
    assert problem.message == 'schedule "exact" has an option that a recipe cannot hold'
    assert problem.received == "a Decimal"


class Colour(enum.Enum):
    red = "red"


class Loose(pydantic.BaseModel):
    depth: int = 1


class Inner(glueft.Options):
    again: tuple[Inner, ...] = glueft.Field((), description="Its like.")


@pytest.mark.parametrize(
    "kind",
    [
        *(str, bool, int, float, list, tuple, dict, Any, Colour, Inner, glueft.LocalPath),
        *(datetime.date, datetime.datetime, datetime.time, Literal["a", 1]),
        *(tuple[str, ...], tuple[int, int], frozenset[Colour], set[int], list[tuple[int, str]], dict[str, Inner]),
        tuple[glueft.MetricName, ...],
        Annotated[pathlib.Path, pydantic.BeforeValidator(lambda text: pathlib.Path(text))],
    ],
)
def test_types_that_a_recipe_can_set(kind: Any) -> None:
    assert unsettable(_options(kind, ...)) is None
    assert unsettable(_options(kind | None, None)) is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (pathlib.Path, "which is Path: use glueft.LocalPath, the text of a path"),
        (tuple[pathlib.Path, ...], "which is tuple[pathlib.Path, ...]: use glueft.LocalPath"),
        (bytes, "which is bytes: use str"),
        (datetime.timedelta, "which is timedelta: use float, a number of seconds"),
        (decimal.Decimal, "which is Decimal: use a type that TOML has: str, bool, int, float"),
        (Annotated[decimal.Decimal, pydantic.Field(strict=False)], "which is Decimal: use a type that TOML has"),
        (re.Pattern[str], "which is re.Pattern[str]: use str"),
        (dict[int, str], "which is dict[int, str]: use a type that TOML has"),
        (complex, "which is complex: use a type that TOML has"),
        (None, "which is NoneType: use a type that TOML has"),
        (int | pathlib.Path, "which is int | pathlib.Path: use glueft.LocalPath"),
        (Loose, "strictly: Loose ignores unknown keys; derive it from glueft.Options"),
        (tuple[Loose, ...], "strictly: Loose ignores unknown keys"),
    ],
)
def test_types_that_none_can_set(kind: Any, told: str) -> None:
    reason = unsettable(_options(kind, ...))
    assert reason is not None
    assert reason.startswith(f"no recipe can set its option `value`{'' if told.startswith('strictly') else ','} {told}")


def test_none_is_the_default_or_no_value() -> None:
    reason = unsettable(_options(int | None, 5))
    assert reason is not None
    assert reason.startswith("no recipe can set its option `value` to None, which TOML does not have")


def _options(kind: Any, default: Any) -> type[glueft.Options]:
    made: type[glueft.Options] = pydantic.create_model("Made", __base__=glueft.Options, value=(kind, default))
    return made
