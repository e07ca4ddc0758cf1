"""What differs between runs: recipe, versions, files, rows, callbacks that only watch, host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.plugin.origin import in_words, recorded_origins
from glueft.plugin.registry import known_classes
from glueft.recipe.flatten import flatten
from glueft.recipe.sections import SECTIONS
from glueft.training.fingerprints import changes_numbers

if TYPE_CHECKING:
    from glueft.runs.record import Data, Part, Record
    from glueft.runs.run import Run

# By part: dotted keys and their values.
Ingredients = dict[str, dict[str, Any]]
# By part: the dotted keys that differ, each with the value of every run; None for a run without it.
Differences = dict[str, dict[str, list[Any]]]

SEED = "training.seed"
# Recipe keys of places. They make no difference where what was read there is the same.
_CHECKPOINT_KEYS = ("model.checkpoint", "model.revision")
_DATA_KEYS = ("data.source", "data.folder", "data.revision")
# Recipe keys that may be "auto". They make no difference where they came to the same.
_ENGINE_KEYS = ("engine.backend", "engine.precision", "engine.jit_compile")
# Recipe keys for what is done with the result, and to be able to resume.
_AFTERWARDS = ("data.predict", "hub.", "training.checkpoint_minutes", "training.keep_checkpoints")
# Parts that can change a number, beside the recipe. Callbacks that only watch and the host are shown, and count as no
# difference.
_MATERIAL = ("versions", "checkpoint", "data", "plugins", "engine")


def ingredients(run: Run) -> Ingredients:
    """Return what a run was made of, by part: its recipe.toml, and the rest from run.json.

    Raises:
        RunFolderError: recipe.toml is missing or broken.
    """
    record, settings = run.record, run.recipe_settings()
    # A key that was not there yet when the recipe was written stands for its default.
    later = {
        name: SECTIONS[name].model_construct().model_dump(exclude_none=True) | settings.get(name, {})
        for name in ("model", "data", "training", "decision", "engine")
    }
    task = {key: value for key, value in settings.get("task", {}).items() if changes_numbers("task", key, value)}
    changing, watching = _callbacks(settings)
    watchers, origins = _watchers(), _origins(record)
    return {
        "recipe": flatten(settings | later | {"task": task, "callbacks": changing}),
        "versions": record.versions | _kept(record.host, "python"),
        "checkpoint": flatten(_kept(record.checkpoint, "revision", "sha256", "head")),
        "data": _rows_used(record.data),
        "plugins": _plugin_files(record) | {key: told for key, told in origins.items() if key not in watchers},
        "engine": _kept(record.engine, "backend", "precision", "jit_compile", "onednn"),
        "callbacks": flatten(watching) | {key: told for key, told in origins.items() if key in watchers},
        "host": _kept(record.host, "name", "system", "cpus")
        | flatten(record.fingerprints.machine.as_dict())
        | {"devices": (record.engine.devices and record.engine.devices.count) or 1},
    }


def differences(made_of: Sequence[Ingredients]) -> Differences:
    """Return what differs, by part; a part in which nothing differs is an empty table."""
    return {part: _differing([each[part] for each in made_of]) for part in made_of[0]}


def same_in_fact(found: Differences) -> dict[str, str]:
    """Return the recipe keys that are written differently and change nothing in these runs, each with the reason."""
    same: dict[str, str] = {}
    for key in found["recipe"]:
        if key in _CHECKPOINT_KEYS and not found["checkpoint"]:
            same[key] = "the files are the same (SHA-256)"
        elif key in _DATA_KEYS and not found["data"]:
            same[key] = "the rows are the same (SHA-256)"
        elif key.startswith("plugins.files") and not found["plugins"]:
            same[key] = "the files are the same (SHA-256)"
        elif key in _ENGINE_KEYS and key.partition(".")[2] not in found["engine"]:
            same[key] = f"it came to the same {key.partition('.')[2]}"
        elif key == "engine.devices":
            same[key] = "how many share out the batches changes nothing but the rounding"
        elif key.startswith(_AFTERWARDS):
            same[key] = "it has no part in the training"
    return same


def material(found: Differences) -> Differences:
    """Return what of the differences can have changed a result, by part."""
    same = same_in_fact(found)
    recipe = {key: values for key, values in found["recipe"].items() if key not in same}
    return {"recipe": recipe} | {part: found[part] for part in _MATERIAL}


def same_but_for_the_seed(found: Differences) -> bool:
    """Whether nothing but the seed can have made a difference, but for the host; the seed may be the same, too."""
    recipe, *others = material(found).values()
    return set(recipe) <= {SEED} and not any(others)


def _differing(tables: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for table in tables for key in table)
    values = {key: [table.get(key) for table in tables] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found[1:])}


def _rows_used(data: Data) -> dict[str, Any]:
    """Rows and SHA-256 of the training split and the primary split; other splits have no part in the numbers."""
    used = [name for name in ("train", data.validation_split) if name in data.splits]
    return flatten({name: _kept(data.splits[name], "rows", "sha256") for name in used})


def _plugin_files(record: Record) -> dict[str, Any]:
    return {f"files.{number}.sha256": file.sha256 for number, file in enumerate(record.plugins.files)}


def _callbacks(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of callbacks that can change the training, and of those that only watch, each under its number."""
    tables = settings.get("callbacks", [])
    watching = [
        table
        for table in (tables if isinstance(tables, list) else [])
        if isinstance(table, dict) and f"callback.{table.get('plugin')}" in _watchers()
    ]
    changing = [table for table in tables if table not in watching]
    return _numbered(changing), _numbered(watching)


def _numbered(values: Sequence[Any]) -> dict[str, Any]:
    return {str(number): value for number, value in enumerate(values)}


def _watchers() -> set[str]:
    """The installed callbacks that change nothing of a training, as keys of `_origins`."""
    return {f"callback.{name}" for name, callback in known_classes("callback").items() if callback.only_watches}


def _origins(record: Record) -> dict[str, Any]:
    """The package that brought each plugin; glueft's own version is among the versions."""
    return {
        f"{kind}.{name}": in_words(origin)
        for (kind, name), origin in recorded_origins(record).items()
        if "package" in origin and origin["package"] != "glueft"
    }


def _kept(part: Part, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in part.as_dict().items() if key in keys}
