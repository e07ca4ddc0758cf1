"""Fingerprints of what a run is made from: they tell whether another training is the same, and if not, what differs.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import datetime
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from glueft.data.array_files import arrays_sha256
from glueft.plugin.origin import Origin, in_words, origin_of, recorded_origins
from glueft.recipe.flatten import flatten
from glueft.runs.environment import installed_versions
from glueft.training.backend import keras_backend
from glueft.training.machine import describe_machine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.batches import Batches
    from glueft.data.encoding import Encoded
    from glueft.runs.record import Record
    from glueft.training.session import Session

Kind = Literal["content", "version", "machine"]

# Every part, in the order in which a difference of one explains those of the next.
KINDS: dict[str, Kind] = {
    "recipe": "content",
    "engine": "content",
    "versions": "version",
    "plugins": "version",
    "machine": "machine",
    "rows": "content",
    "tokens": "content",
    "checkpoint": "content",
    "teacher": "content",
    "teacher_logits": "machine",
    "batches": "content",
}
# In these, what only one of the two knows is no difference, but for a switch that is set: a later glueft records more,
# and one backend of several is in use.
_OPEN = ("versions", "plugins", "machine")
_SWITCHES = "switches."
# What a value is of, by part.
_NAMES = {
    "recipe": "{}",
    "engine": "{}",
    "versions": "version of {}",
    "plugins": "{}",
    "machine": "{}",
    "rows": "rows of {}",
    "tokens": "tokens of {}",
    "checkpoint": "the checkpoint's {}",
    "teacher": "the teacher's {}",
    "teacher_logits": "the teacher's logits of {}",
    "batches": "batches of {}",
}

# How numbers are computed; other padded lengths (the "widths") of the same batches change a last digit at most.
_ENGINE = ("backend", "precision", "jit_compile", "widths", "training_widths")
# Settings that change no number: places, and what is done with the result or meanwhile.
_IDLE = {
    "data": ("source", "folder", "revision"),
    "model": ("checkpoint", "revision"),
    "distill": ("teacher", "revision"),
    "training": ("checkpoint_minutes", "keep_checkpoints"),
}
_IDLE_TABLES = ("hub", "plugins")
# A setting that says nothing, and came after the first runs; what that of an engine has come to is compared as a part
# of the engine.
_LEFT_OPEN: Mapping[str, Mapping[str, Any]] = {
    "task": {"multi_label": False},
    "model": {"reinit_layers": 0},
    "training": {"sampler": "random"},
    "engine": {"backend": "auto", "devices": "auto"},
}
LOCAL_PATH = "(local path)"
_BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Difference:
    """Something that two trainings are made from and that differs.

    Attributes:
        part: of the fingerprints, such as "recipe" or "rows".
        what: within the part, such as "training.seed" or "train".
        before: of the run; None where it had none.
        now: None where there is none.
        kind: "content" makes it another training; "version" and "machine" can change a last digit of the same one.
    """

    part: str
    what: str
    before: Any
    now: Any
    kind: Kind

    @property
    def name(self) -> str:
        """`training.seed`, `rows of train`, `version of keras`."""
        return _NAMES[self.part].format(self.what.removeprefix(_SWITCHES))

    def __str__(self) -> str:
        return f"{self.name}: {value_text(self.before)} in the run, {value_text(self.now)} now"


def fingerprints(session: Session) -> dict[str, Any]:
    """Return the fingerprints of a session, by the parts of `KINDS`; plain JSON.

    A session that has not been loaded has them too; device and threads are then known as far as the environment says.
    """
    recipe, backend = session.recipe, keras_backend()
    loss = () if recipe.loss is None else (recipe.loss,)
    plugins = [recipe.task, recipe.optimizer, recipe.schedule, *loss, *recipe.callbacks, session.checkpoint.family]
    teacher, logits = session.teacher, session.batches.teacher
    return kept_fingerprints(session) | {
        "engine": {key: session.describe_engine()[key] for key in _ENGINE},
        "versions": _used(installed_versions() | {"python": platform.python_version()}, backend),
        "plugins": _origins({(plugin.kind, plugin.name): origin_of(plugin) for plugin in plugins}),
        "rows": {name: _rows(len(session.rows[name]), session.rows[name].sha256) for name in session.encoded},
        "checkpoint": dict(session.checkpoint.fingerprints),
        "teacher": {} if teacher is None else teacher.checkpoint.fingerprints | teacher.facts(),
        **({} if logits is None else {"teacher_logits": {"train": logits_fingerprint(logits)}}),
    }


def kept_fingerprints(session: Session) -> dict[str, Any]:
    """Return those that run.json keeps as `fingerprints`; the others stand elsewhere in it."""
    return {
        "recipe": settings_in_numbers(session.recipe.tables()),
        "tokens": {name: _tokens(encoded) for name, encoded in session.encoded.items()},
        "batches": {"train": _batches(session.batches)}
        | {name: _batches(batches) for name, batches in session.evaluation.items()},
        "machine": describe_machine(),
    }


def recorded_fingerprints(record: Record) -> dict[str, Any]:
    """Return the fingerprints of a run from its run.json. Of earlier runs, parts are empty or missing."""
    kept, backend = record.fingerprints.as_dict(), record.engine.backend
    versions = record.versions | ({} if record.host.python is None else {"python": record.host.python})
    family = record.checkpoint.family
    origins = recorded_origins(record) | ({("encoder", family.get("name", "")): family} if family else {})
    splits = record.data.splits
    teacher = record.distillation
    used = [name for name, split in splits.items() if split.tokens is not None] or ["train", record.primary_split]
    return {
        "recipe": kept.get("recipe", {}),
        "engine": {key: getattr(record.engine, key) for key in _ENGINE if key in record.engine},
        "versions": _used(versions, backend or ""),
        "plugins": _origins(origins),
        "machine": kept.get("machine", {}),
        "rows": {name: _rows(splits[name].rows, splits[name].sha256) for name in used if name in splits},
        "tokens": kept.get("tokens", {}),
        "checkpoint": dict(record.checkpoint.sha256),
        "teacher": {} if teacher is None else teacher.sha256 | teacher.facts(),
        "teacher_logits": {} if teacher is None else {"train": teacher.logits},
        "batches": kept.get("batches", {}),
    }


def differing(before: Mapping[str, Any], now: Mapping[str, Any], parts: Iterable[str] = KINDS) -> list[Difference]:
    """Return what differs, in the order of `KINDS`.

    Args:
        before: of a run, from `recorded_fingerprints`; what it does not know at all is not compared.
        now: from `fingerprints`.
        parts: the parts to compare; those that `now` lacks are not.
    """
    found: list[Difference] = []
    other_backend = _backend(before) != _backend(now)
    for part in parts:
        then, this = flatten(before.get(part) or {}), flatten(now.get(part) or {})
        if not then or part not in now:
            continue
        for what in dict.fromkeys([*then, *this]):
            values = then.get(what), this.get(what)
            open_ended = part in _OPEN and (other_backend or not what.startswith(_SWITCHES))
            if values[0] == values[1] or (open_ended and None in values):
                continue
            kind = KINDS[part]
            # A later glueft knows more settings, and fills in their defaults.
            if part == "recipe" and what not in then and _glueft(before) != _glueft(now):
                kind = "version"
            found.append(Difference(part, what, *values, kind))
    return found


def settings_in_numbers(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a complete recipe without what changes no number; local paths are not told apart."""
    return {
        name: _plain({key: value for key, value in table.items() if changes_numbers(name, key, value)})
        if isinstance(table, Mapping)
        else _plain(table)
        for name, table in tables.items()
        if name not in _IDLE_TABLES
    }


def settings_to_hash(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same for a hash that outlives a version: a precision of "auto" counts as float32, once the default."""
    settings = settings_in_numbers(tables)
    if settings.get("engine", {}).get("precision") == "auto":
        settings["engine"]["precision"] = "float32"
    return settings


def changes_numbers(table: str, key: str, value: Any) -> bool:
    """Whether a setting of a complete recipe is one that changes numbers, and not as if it were not there."""
    return key not in _IDLE.get(table, ()) and _LEFT_OPEN.get(table, {}).get(key) != value


def logits_fingerprint(logits: NDArray[np.float32]) -> str:
    """Return the SHA-256 of the logits of a split, (rows, labels), float32 in the order of the split."""
    return arrays_sha256(logits)


def value_text(value: Any) -> str:
    """Return a value as it is told: a SHA-256 shortened, a list with commas, "none" for None and []."""
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1...", text)


def _plain(value: Any) -> Any:
    """A value of a recipe as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [*map(_plain, value)]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return LOCAL_PATH if isinstance(value, str) and len(value) > 1 and Path(value).is_absolute() else value


def _used(versions: Mapping[str, str], backend: str) -> dict[str, str]:
    return {name: version for name, version in versions.items() if name not in _BACKENDS or name == backend}


def _origins(origins: Mapping[tuple[str, str], Origin]) -> dict[str, str]:
    """What brought each plugin, without the places of files. glueft's own version is among the versions."""
    return {
        f"{kind} {name}": f"SHA-256 {origin['sha256']}" if "sha256" in origin else in_words(origin)
        for (kind, name), origin in origins.items()
        if origin and origin.get("package") != "glueft"
    }


def _rows(rows: int, sha256: str | None) -> str:
    return f"{rows:,} rows, SHA-256 {sha256}"


def _tokens(encoded: Encoded) -> str:
    windows = [] if encoded.windows is None else [encoded.windows.first]
    return arrays_sha256(encoded.ids, encoded.token_types, encoded.offsets, encoded.labels, *windows)


def _batches(batches: Batches) -> str:
    import numpy as np

    return arrays_sha256(np.concatenate(batches.plan), np.array([len(rows) for rows in batches.plan]))


def _backend(made_of: Mapping[str, Any]) -> Any:
    return made_of.get("engine", {}).get("backend")


def _glueft(made_of: Mapping[str, Any]) -> Any:
    return made_of.get("versions", {}).get("glueft")
