"""Reads a checkpoint's config.json with the family of its model_type. Importing this module needs no Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glueft.errors import CheckpointError, PluginError
from glueft.plugin.attribution import attributed, named
from glueft.plugin.encoder import ConfigReader, Encoder, EncoderConfig
from glueft.plugin.registry import Registry, load_registry
from glueft.suggest import did_you_mean
from glueft.text import short_repr

# What no family builds, and what is expected instead.
_NEVER = {
    "is_decoder": "an encoder (is_decoder = false)",
    "add_cross_attention": "an encoder without cross-attention",
    "pruned_heads": "all attention heads in place",
    "quantization_config": "weights in float32, float16 or bfloat16",
}


class UnknownFamilyError(CheckpointError):
    """No plugin that was found brings the family of a checkpoint."""


def read_config(config: Mapping[str, Any], where: str = "config.json", family: Encoder | None = None) -> EncoderConfig:
    """Translate a config.json, already parsed.

    Args:
        config: its keys; one that is left out has the family's default.
        where: the file's name, for messages.
        family: that of its model_type, if it is known already.

    Raises:
        CheckpointError: the model_type or a feature is not supported, or a value is of the wrong type or size.
    """
    family = family or find_family(config, where)
    raw = ConfigReader(config, where)
    for key, expected in _NEVER.items():
        raw.refuse(key, config.get(key), expected)
    raw.refuse("auto_map", _foreign_code(config.get("auto_map"), family), "an architecture of transformers' own")
    given = {family.aliases.get(key, key): value for key, value in config.items()}
    values = {key: given.get(key, default) for key, default in family.defaults.items()}
    with attributed(family, "read_config"):
        found = family.read_config(ConfigReader(values, where))
    if not isinstance(found, EncoderConfig):
        raise broken_family(family, "`read_config` does not return a glueft.EncoderConfig", short_repr(found))
    return found


def _foreign_code(auto_map: Any, family: Encoder) -> bool:
    """Whether a checkpoint's model is code that comes with it, and that transformers has not taken over.

    The code's name is "module.Class", or "owner/name--module.Class" in another repository of the hub.
    """
    if not isinstance(auto_map, dict):
        return False
    models = [str(code) for key, code in auto_map.items() if key.startswith("AutoModel")]
    return any(code.rpartition("--")[2].partition(".")[0] not in family.own_code for code in models)


def broken_family(family: Encoder, message: str, received: str) -> PluginError:
    """The error for a family whose parts do not fit together, which is the plugin's own fault."""
    return PluginError(
        f"{named(family)}: {message}",
        expected="what the docstrings of glueft.Encoder describe",
        received=received,
        fix="fix the plugin, or tell its authors; glueft plugin check finds such mistakes",
    )


def in_transformers(model_type: str) -> bool:
    """Whether transformers has the encoder of a model_type, and so opens what is saved of it. Imports transformers."""
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING


def _nearest_family(model_type: str, registry: Registry) -> str | None:
    """The family that calls a model_type a relative of its own."""

    def spelled(name: str) -> str:
        return name.replace("_", "-").lower()

    for name, family in registry.classes("encoder").items():
        if spelled(model_type) in map(spelled, family.relatives):
            return name
    return None


def find_family(config: Mapping[str, Any], where: str = "config.json", registry: Registry | None = None) -> Encoder:
    """Return the family that a config.json's model_type names.

    Args:
        config: of the checkpoint.
        where: the file's name, for messages.
        registry: where families are looked for; by default, all installed packages.

    Raises:
        UnknownFamilyError: there is none; the message names all that there are, and the nearest.
    """
    registry = registry or load_registry()
    model_type = config.get("model_type")
    if isinstance(model_type, str) and ("encoder", model_type) in registry.plugins:
        family: Encoder = registry.find("encoder", model_type).cls()  # type: ignore[assignment]
        return family
    names = registry.names("encoder")
    lost = [failure for failure in registry.failures if (failure.kind, failure.name) == ("encoder", model_type)]
    if lost:
        raise UnknownFamilyError(
            f"{where}: the plugin of the encoder family cannot be used",
            expected="one that keeps to the plugin contract",
            received="; ".join(map(str, lost)),
            fix="fix the plugin, or tell its authors",
        )
    fix = (
        "choose an encoder of one of these families, such as google-bert/bert-base-uncased; or bring the plugin of "
        "another family: install its package, or name its file with --plugin"
    )
    if isinstance(model_type, str):
        relative = _nearest_family(model_type, registry)
        fix = (f"the nearest family that is: {relative}; " if relative else did_you_mean(model_type, names)) + fix
    if not names:  # an editable installation that was made before the code brought families as plugins
        fix = "install glueft again, so that its own families are found: pip install --editable . in its checkout"
    # A package that could not be used might have brought the family.
    if registry.failures:
        fix += ".  It may be in what could not be used: " + "; ".join(map(str, registry.failures))
    raise UnknownFamilyError(
        f"{where}: model_type is not supported",
        expected="one of " + (", ".join(names) or "none: no family is installed"),
        received="no model_type" if model_type is None else repr(model_type),
        fix=fix,
    )
