"""What of a run may be published: without paths, names of hosts, addresses and secrets of whoever ran it.

Of run.json only what is listed here is published, so that a new key stays private until it is listed. A recipe can hold
anything that a plugin takes, so there every text is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any, TypeVar

from glueft.runs.record import (
    Checkpoint,
    Data,
    Distillation,
    Host,
    Origin,
    ParentRun,
    Part,
    PluginFile,
    Plugins,
    Record,
    RunPart,
    Split,
)

P = TypeVar("P", bound=Part)

LEFT_OUT = "(left out)"

# The published keys of each table of run.json. Tables that are not named here are published whole.
_KEYS: dict[type[Part], tuple[str, ...]] = {
    Record: (
        "status", "task", "seed", "started", "finished", "metrics", "metrics_by_split", "multi_label", "metric_labels",
        "metric_facts", "loss_function", "distillation", "other_metrics", "other_metrics_by_split", "intervals",
        "label_scores", "confusion", "remarks",
        "majority_accuracy", "baseline", "published", "warnings", "epochs", "mid_epochs", "kept", "decision",
        "collapse", "seconds", "versions", "parameters", "trainable_parameters", "num_train_steps",
        "examples_per_second", "tokens_per_second", "padding_waste", "peak_memory_bytes", "peak_device_memory_bytes",
        "engine", "data", "checkpoint", "host", "plugins", "parts",
    ),
    Data: (
        "source", "dataset", "config", "revision", "package", "task", "validation_split", "max_length", "notes",
        "left_out", "splits", "leaks", "windows",
    ),
    Split: (
        "rows", "sha256", "limited_from", "limit_draw", "part_of", "drawn_from", "dropped", "official_rows", "labels",
        "tokens", "truncated_rows", "windows",
    ),
    Checkpoint: ("name", "revision", "sha256", "head", "new", "left_over", "family", "run"),
    Distillation: (
        "teacher", "revision", "sha256", "run", "max_length", "windows", "precision", "temperature", "weight", "logits",
    ),
    ParentRun: ("task", "checkpoint", "sha256"),
    Host: ("system", "cpus", "python"),
    RunPart: ("status", "started", "finished", "from_step", "to_step", "seconds", "host", "versions"),
    Plugins: ("task", "optimizer", "schedule", "loss", "callbacks", "packages", "files"),
    Origin: ("package", "version", "file", "sha256"),
    PluginFile: ("name", "sha256"),
}  # fmt: skip
# Where a checkpoint's or a tokenizer's own files say from where they were read.
_FILE_KEYS = (
    "_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file", "vocab_file", "merges_file",
    "spm_file", "cache_dir", "_commit_hash",
)  # fmt: skip

_PATH = re.compile(r"^(/.|run:[/~.]|~|\.\.?/|[A-Za-z]:[\\/]|\\\\|file:)", re.DOTALL)
_ADDRESS = re.compile(r"^[A-Za-z][\w+.-]*://")
_INSIDE = re.compile(
    r"(?<![\w./-])(\.{0,2}/[\w.@+-]+(/[\w.@+-]+)+/?|~[\w.-]*(/[\w.@+-]+)+/?|[A-Za-z]:[\\/][^\s\"']+"
    r"|\\\\[\w.-]+\\[^\s\"']+|[A-Za-z][\w+.-]*://[^\s\"']+)"
)
_SECRET = re.compile(
    r"(token|secret|passw(or)?d|passphrase|credentials?|(api|access|private|secret)[_-]?key|auth(orization)?)$",
    re.IGNORECASE,
)


def public_record(record: Record) -> Record:
    """Return what of run.json is published."""
    return public_part(record)


def public_recipe(tables: Mapping[str, Any], *, inside: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Return a complete recipe as it is shown, and the dotted keys whose values were left out or shortened.

    It stays a recipe: a folder is shown as one of that name beside the recipe. Where to push is nobody else's business,
    and files with plugins are named by the record. `inside` also looks for paths within longer texts.
    """
    kept = {name: table for name, table in tables.items() if name not in ("hub", "plugins")}
    shown = {name: _public(table, inside=inside) for name, table in kept.items()}
    changed = sorted(_differences(kept, shown))
    return shown, changed + [f"plugins.{key}" for key in tables.get("plugins", {})]


def public_settings(text: bytes) -> bytes:
    """Return config.json or tokenizer_config.json without what they say of the machine they were made on.

    A tokenizer pads on the right, as glueft has trained with it; earlier versions left the side that they had found.
    """
    settings = json.loads(text)
    private = [key for key in _FILE_KEYS if isinstance(settings.get(key), str) and _PATH.match(settings[key])]
    left = settings.get("padding_side") == "left"
    if not private and not left:
        return text
    kept = {key: value for key, value in settings.items() if key not in private}
    kept |= {"padding_side": "right"} if left else {}
    return (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode()


def is_local(name: str) -> bool:
    """Whether a name is that of a file or folder of this machine."""
    return _PATH.match(name) is not None


def public_part(part: P) -> P:
    """Return a table of run.json without what is private."""
    keys = _KEYS.get(type(part))
    extra = part.__pydantic_extra__ or {}
    values = {key: extra[key] if key in extra else getattr(part, key) for key in part.written()}
    # A file is named without its folder.
    if isinstance(part, PluginFile):
        values["name"] = Path(part.path).name
    if isinstance(part, Origin) and part.file is not None:
        values["file"] = Path(part.file).name
    return part.model_construct(**_public({key: value for key, value in values.items() if keys is None or key in keys}))


def _public(value: Any, *, inside: bool = True) -> Any:
    """A value without what is private; `inside` also looks for paths within sentences."""
    if isinstance(value, Part):
        return public_part(value)
    if isinstance(value, Mapping):
        return {
            key: _without_texts(element) if _SECRET.search(str(key)) else _public(element, inside=inside)
            for key, element in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_public(element, inside=inside) for element in value]
    return _public_text(str(value), inside=inside) if isinstance(value, str) else value


def _without_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_texts(element) for key, element in value.items()}
    if isinstance(value, (list, tuple)):
        return [*map(_without_texts, value)]
    return LEFT_OUT if isinstance(value, str) else value


def _public_text(text: str, *, inside: bool) -> str:
    if _ADDRESS.match(text):
        return LEFT_OUT
    if is_local(text):
        path = PureWindowsPath(text) if "\\" in text else Path(text)
        # A home folder bears its owner's name.
        nameless = path.name in ("", "~", "..") or path.parent.name in ("home", "Users") or path == Path.home()
        return "./folder" if nameless else f"./{path.name}"
    return _INSIDE.sub(LEFT_OUT, text) if inside else text


def _differences(before: Any, after: Any, path: str = "") -> list[str]:
    if isinstance(before, Mapping):
        return [
            place
            for key in before
            for place in _differences(before[key], after[key], f"{path}.{key}" if path else str(key))
        ]
    if isinstance(before, (list, tuple)):
        return sorted({place for old, new in zip(before, after, strict=True) for place in _differences(old, new, path)})
    return [path] if before != after else []
