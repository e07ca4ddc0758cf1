"""Compares the tensors that a config.json asks for with those in the weights, before anything is built.

Whatever sizes a config.json has, no more is built than the weights hold: the tensors are listed one by one, and not
further than some that are missing. Importing this module needs no Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from glueft.encoder.config import broken_family
from glueft.encoder.tensor_files import StoredTensor, without_wrappers
from glueft.errors import CheckpointError
from glueft.plugin.attribution import attributed, is_foreign, named
from glueft.plugin.encoder import WRONG_CONFIG, CheckpointTensor, Encoder, EncoderConfig

# At most so many missing tensors are named.
MOST_NAMED = 1000
# Where layers share their weights, these do not say how many layers there are. The deepest encoders have some 50.
MOST_LAYERS = 1000


def name_in_file(tensor: CheckpointTensor, stored: Mapping[str, str], prefix: str) -> str | None:
    """Return the name of a tensor in a file, in whatever variant, or None; `stored` is from `without_wrappers`.

    Files of the bare encoder leave out the prefix (`bert.`); old ones say gamma and beta for a norm's weight and bias.
    """
    variants = [tensor.name] if tensor.old_name is None else [tensor.name, tensor.old_name]
    variants += [variant.removeprefix(prefix) for variant in variants if variant.startswith(prefix)]
    return next((stored[variant] for variant in variants if variant in stored), None)


def output_tensor(family: Encoder, config: EncoderConfig) -> CheckpointTensor:
    """Return the tensor by which a classification head is recognised: the last one of its last layer."""
    with attributed(family, "tensors"):
        outputs = [tensor for tensor in family.tensors(config, 1) if tensor.role == "output"]
    if not outputs:
        raise broken_family(family, '`tensors` gives none of the role "output"', "no last layer of the head")
    return outputs[-1]


def check_tensors(family: Encoder, config: EncoderConfig, stored: Mapping[str, StoredTensor], name: str) -> None:
    """Compare what a config.json asks for with the tensors that are there.

    Raises:
        CheckpointError: tensors are missing, or have other shapes (all are named, up to `MOST_NAMED`); or there are
            more layers than in any encoder.
    """
    if config.num_layers > MOST_LAYERS:
        raise CheckpointError(
            f"{name}: config.json asks for more layers than any encoder has",
            expected=f"at most {MOST_LAYERS:,} layers",
            received=f"{config.num_layers:,}",
            fix=WRONG_CONFIG,
        )
    there = without_wrappers(stored)
    missing: list[str] = []
    wrong: dict[str, Path] = {}
    with attributed(family, "tensors"):
        for tensor in family.tensors(config, 1):
            if tensor.role != "encoder":
                break
            found = name_in_file(tensor, there, family.prefix)
            if found is None:
                missing.append(tensor.name)
            elif stored[found].shape != tensor.shape:
                wrong[misshapen(tensor, stored[found])] = stored[found].path
            if len(missing) + len(wrong) > MOST_NAMED:
                break
    or_family = f"; or fix `tensors` of {named(family)}" if is_foreign(family) else ""
    if missing:
        more = " and many more" if len(missing) + len(wrong) > MOST_NAMED else ""
        raise CheckpointError(
            f"{name}: tensors of the encoder are missing from the weights",
            expected="every tensor that config.json calls for, with or without the class prefix",
            received="no " + ", ".join(missing) + more,
            fix="use the weights that belong to this config.json; only a classification head may be missing"
            + or_family,
        )
    if wrong:
        error = other_shapes(wrong)
        error.fix += or_family
        raise error


def misshapen(tensor: CheckpointTensor, stored: StoredTensor) -> str:
    """Both shapes of a tensor, for `other_shapes`."""
    return f"{stored.name}: {list(stored.shape)}, not {list(tensor.shape)}"


def other_shapes(wrong: Mapping[str, Path]) -> CheckpointError:
    """The error for tensors with other shapes than config.json says; each is described, with the file that it is in."""
    return CheckpointError(
        f"{next(iter(wrong.values()))}: the weights do not have the shapes that config.json says",
        expected="tensors of the shapes that follow from config.json",
        received="; ".join(wrong),
        fix=WRONG_CONFIG,
    )
