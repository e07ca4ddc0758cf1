"""What differs between runs, and which runs differ in the seed alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glueft.comparison.differences import differences, ingredients, material, same_but_for_the_seed, same_in_fact
from glueft.comparison.seeds import seed_groups, spreads
from glueft.recipe.flatten import flatten
from glueft.runs.run import Run
from run_folders import make_run

PARTS = ("versions", "checkpoint", "data", "plugins", "engine", "callbacks", "host")
GIVEN, SAID = [1, 0, 1], [1, 1, 1]


def between(folder: Path, first: dict[str, Any], other: dict[str, Any]) -> Any:
    """The differences of two runs."""
    paths = [make_run(folder / name, GIVEN, SAID, **changes) for name, changes in (("a", first), ("b", other))]
    return differences([ingredients(Run.open(path)) for path in paths])


def test_dotted_keys() -> None:
    table = {"a": {"b": 1, "c": {"d": [1, 2]}}, "callbacks": [{"plugin": "csv"}, {"plugin": "tensorboard", "every": 3}]}
    assert flatten(table) == {
        "a.b": 1,
        "a.c.d": [1, 2],
        "callbacks.0.plugin": "csv",
        "callbacks.1.plugin": "tensorboard",
        "callbacks.1.every": 3,
    }


def test_recipe_keys_that_differ_or_are_missing(tmp_path: Path) -> None:
    linear = ["schedule.plugin=linear", "schedule.warmup_ratio=0.1", "training.epochs=1"]
    found = between(tmp_path, {}, {"overrides": [*linear, "schedule.end_learning_rate=0.0"]})
    recipe = found["recipe"]
    assert recipe["schedule.plugin"] == ["polynomial_decay", "linear"]
    assert recipe["schedule.power"] == [1.0, None]
    assert recipe["schedule.warmup_ratio"] == [None, 0.1]
    assert recipe["training.epochs"] == [3, 1]
    assert "training.seed" not in recipe and "task.plugin" not in recipe
    assert not any(found[part] for part in found if part != "recipe")


def test_callbacks_that_only_watch_are_told_apart_from_those_that_change_the_training(tmp_path: Path) -> None:
    stops, writes = '{plugin="early_stopping", patience=4}', '{plugin="csv"}'
    found = between(tmp_path / "1", {"seed": 7}, {"overrides": [f"callbacks=[{writes}]"]})
    assert found["callbacks"]["0.plugin"] == [None, "csv"] and "callbacks.0.plugin" not in found["recipe"]
    assert material(found)["recipe"] == {"training.seed": [7, 42]} and same_but_for_the_seed(found)
    found = between(
        tmp_path / "2", {"overrides": [f"callbacks=[{stops}]"]}, {"overrides": [f"callbacks=[{writes}, {stops}]"]}
    )
    assert found["callbacks"]["0.plugin"] == [None, "csv"] and not any(material(found).values())
    found = between(tmp_path / "3", {}, {"overrides": [f"callbacks=[{writes}, {stops}]"]})
    assert material(found)["recipe"]["callbacks.0.plugin"] == [None, "early_stopping"]
    assert not same_but_for_the_seed(found)


def test_a_key_that_came_later_stands_for_its_default(tmp_path: Path) -> None:
    earlier = make_run(tmp_path / "earlier", GIVEN, SAID)
    recipe = earlier / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('keep = "last"\n', ""))
    later = [make_run(tmp_path / keep, GIVEN, SAID, overrides=[f"training.keep={keep}"]) for keep in ("last", "best")]
    found = differences([ingredients(Run.open(path)) for path in (earlier, *later)])
    assert found["recipe"] == {"training.keep": ["last", "last", "best"]}
    for keep, written in (("last", "false"), ("best", "true")):
        recipe = tmp_path / keep / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("[task]\n", f"[task]\nmulti_label = {written}\n"))
    found = differences([ingredients(Run.open(path)) for path in (earlier, *later)])
    assert found["recipe"]["task.multi_label"] == [None, None, True]


@pytest.mark.parametrize(
    ("changes", "part", "key", "values"),
    [
        ({"versions": {"keras": "3.16.0"}}, "versions", "keras", ["3.15.1", "3.16.0"]),
        ({"versions": {"torch": "2.13"}}, "versions", "torch", [None, "2.13"]),
        ({"host": {"python": "3.12.1"}}, "versions", "python", ["3.11.7", "3.12.1"]),
        (
            {"checkpoint": {"sha256": {"model.safetensors": "d" * 64}}},
            "checkpoint",
            "sha256.model.safetensors",
            ["c" * 64, "d" * 64],
        ),
        ({"data": {"splits": {"train": {"rows": 59}}}}, "data", "train.rows", [60, 59]),
        ({"data": {"splits": {"train": {"sha256": "b" * 64}}}}, "data", "train.sha256", ["a" * 64, "b" * 64]),
        ({"engine": {"precision": "mixed_bfloat16"}}, "engine", "precision", ["float32", "mixed_bfloat16"]),
        ({"plugins": {"files": [{"path": "a.py", "sha256": "e"}]}}, "plugins", "files.0.sha256", [None, "e"]),
    ],
)
def test_what_else_can_change_a_number(
    tmp_path: Path, changes: dict[str, Any], part: str, key: str, values: list[Any]
) -> None:
    found = between(tmp_path, {}, {"seed": 43, **changes})
    assert found[part] == {key: values}
    assert not same_but_for_the_seed(found)


def test_the_seed_alone(tmp_path: Path) -> None:
    assert same_but_for_the_seed(between(tmp_path / "1", {}, {"seed": 43, "host": {"name": "quay", "cpus": 8}}))
    assert same_but_for_the_seed(between(tmp_path / "2", {}, {}))
    assert not same_but_for_the_seed(between(tmp_path / "3", {}, {"seed": 43, "overrides": ["training.epochs=1"]}))


def test_other_names_for_the_same_files_and_rows_make_no_difference(tmp_path: Path) -> None:
    idle = ['data.predict=["validation", "test"]', "training.checkpoint_minutes=1"]
    other = {"seed": 43, "overrides": ["model.checkpoint='./bert'", *idle]}
    found = between(tmp_path / "1", {}, other)
    assert same_in_fact(found) == {
        "model.checkpoint": "the files are the same (SHA-256)",
        "data.predict": "it has no part in the training",
        "training.checkpoint_minutes": "it has no part in the training",
    }
    assert same_but_for_the_seed(found)
    found = between(tmp_path / "2", {}, other | {"checkpoint": {"sha256": {"model.safetensors": "d"}}})
    assert list(same_in_fact(found)) == ["data.predict", "training.checkpoint_minutes"]
    assert not same_but_for_the_seed(found)


def test_an_engine_that_is_left_open_makes_no_difference_where_it_came_to_the_same(tmp_path: Path) -> None:
    auto = ["engine.precision=auto", "engine.jit_compile=false"]
    found = between(tmp_path / "1", {}, {"seed": 43, "overrides": [*auto, "engine.backend=tensorflow"]})
    assert same_in_fact(found) == {
        "engine.backend": "it came to the same backend",
        "engine.precision": "it came to the same precision",
        "engine.jit_compile": "it came to the same jit_compile",
    }
    assert same_but_for_the_seed(found)
    found = between(tmp_path / "2", {}, {"overrides": auto, "engine": {"precision": "mixed_bfloat16"}})
    assert list(same_in_fact(found)) == ["engine.jit_compile"] and not same_but_for_the_seed(found)


def test_how_many_devices_share_out_the_batches_is_told_and_makes_no_difference(tmp_path: Path) -> None:
    found = between(tmp_path, {}, {"overrides": ["engine.devices=2"], "engine": {"devices": {"count": 2}}})
    assert found["host"] == {"devices": [1, 2]}
    assert same_in_fact(found) == {"engine.devices": "how many share out the batches changes nothing but the rounding"}
    assert same_but_for_the_seed(found)


def test_a_recipe_from_before_there_was_a_backend_left_it_open(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(number), GIVEN, SAID) for number in (1, 2)]
    recipe = runs[0] / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('backend = "auto"\n', ""))
    first, second = (ingredients(Run.open(run)) for run in runs)
    assert first["recipe"] == second["recipe"] and first["recipe"]["engine.backend"] == "auto"


def made(seed: int, **recipe: Any) -> Any:
    parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    return {"recipe": {"training.seed": seed, **recipe}, **parts}


def test_groups_of_seeds() -> None:
    runs = [made(1), made(1, x=2), made(2), made(3, x=2), made(1), made(9, x=5)]
    groups = seed_groups(runs, [run["recipe"]["training.seed"] for run in runs])
    assert [(group.runs, group.seeds) for group in groups] == [((0, 2), (1, 2)), ((1, 3), (1, 3))]
    assert seed_groups([made(1), made(1)], [1, 1]) == []


def test_mean_and_standard_error_by_hand() -> None:
    (group,) = seed_groups([made(1), made(2), made(3)], [1, 2, 3])
    found = spreads(group, [{"f1": 0.8}, {"f1": 0.9}, {"f1": 0.7}])["f1"]
    assert found.mean == pytest.approx(0.8)
    # The deviations are 0, 0.1 and -0.1: the variance is 0.02 / 2.
    assert found.standard_deviation == pytest.approx(0.1)
    assert found.standard_error == pytest.approx(0.1 / 3**0.5)
