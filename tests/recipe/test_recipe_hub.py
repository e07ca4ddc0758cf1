"""[hub] in a recipe: what it takes, what it refuses, and that it says nothing where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft.plugin.registry import load_registry
from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.schema import recipe_schema


def test_a_recipe_without_it_stays_as_it_was() -> None:
    assert "[hub]" not in load_recipe("mrpc").to_toml()
    assert load_recipe("mrpc").hub.push is None


def test_defaults_and_a_round_trip(tmp_path: Path) -> None:
    recipe = load_recipe("mrpc", ["hub.push=alice/mrpc", "hub.revision=trial"])
    assert (recipe.hub.private, recipe.hub.when) == (False, "end")
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert load_recipe(tmp_path / "recipe.toml") == recipe != load_recipe("mrpc")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["hub.push=alice"], "must be USER/NAME: the account or organization on the hub, a slash, and the repository"),
        (["hub.push=alice/a--b"], 'must not hold "--" or ".."'),
        (["hub.push=3"], "expected text in quotes"),
        (["hub.push=alice/x", "hub.when=never"], 'expected one of "end", "epoch"'),
        (["hub.push=alice/x", 'hub.revision="a b"'], "must be the name of a branch"),
        (["hub.push=alice/x", "hub.privat=true"], 'did you mean "private"?'),
        (["hub.private=true"], "missing; private has no effect without it"),
        (['hub.push="a/b"', 'hub.license="Apache 2"'], '"Apache 2"'),
        (["hub.private=true", "hub.when=epoch"], "missing; private, when have no effect without it"),
    ],
)
def test_refusals(changes: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", changes)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_the_schema_knows_it() -> None:
    hub = recipe_schema(load_registry())["properties"]["hub"]
    assert set(hub["properties"]) == {"push", "private", "revision", "when", "license", "language"}
    assert hub["additionalProperties"] is False and hub["properties"]["push"]["pattern"].startswith("^")
    assert hub["properties"]["when"]["enum"] == ["end", "epoch"]
