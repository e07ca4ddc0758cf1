"""The encoder tensors that a config.json calls for, held against the headers of the weights before anything is built.

Whatever numbers a config.json holds, no more is built than the weights have: the list is made one by one, and left at
the first tensors that are not there. Importing this module needs no Keras.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from glueft.encoder.config import EncoderConfig
from glueft.encoder.tensor_files import StoredTensor, without_wrappers
from glueft.errors import CheckpointError

# So many missing tensors are named; a config.json can call for any number of them.
MOST_NAMED = 1000
# ALBERT applies the same weights once a layer: nothing in them says how often. The deepest encoders have some 50.
MOST_LAYERS = 1000


def encoder_tensors(config: EncoderConfig) -> Iterator[tuple[str, str | None, tuple[int, ...]]]:
    """Give the name, the name of before 2019 if there was another, and the shape of each tensor of an encoder."""
    modules = {layer: config.family.prefix + module for layer, module in config.family.modules.items()}
    width, hidden, inner = config.embedding_size, config.hidden_size, config.intermediate_size

    def norm(module: str, size: int) -> Iterator[tuple[str, str | None, tuple[int, ...]]]:
        yield f"{module}.weight", f"{module}.gamma", (size,)
        yield f"{module}.bias", f"{module}.beta", (size,)

    def dense(module: str, rows: int, columns: int) -> Iterator[tuple[str, str | None, tuple[int, ...]]]:
        yield f"{module}.weight", None, (rows, columns)
        yield f"{module}.bias", None, (rows,)

    yield f"{modules['word_embeddings']}.weight", None, (config.vocab_size, width)
    yield f"{modules['position_embeddings']}.weight", None, (config.max_position_embeddings, width)
    if config.type_vocab_size:
        yield f"{modules['token_type_embeddings']}.weight", None, (config.type_vocab_size, width)
    yield from norm(modules["embeddings_norm"], width)
    if config.project_embeddings:
        yield from dense(modules["embeddings_projection"], hidden, width)
    index = 0
    while index < config.num_groups * config.blocks_per_group:
        group, place = divmod(index, config.blocks_per_group)
        named = {layer: name.format(block=index, group=group, inner=place) for layer, name in modules.items()}
        for layer in ("query", "key", "value", "projection"):
            yield from dense(named[layer], hidden, hidden)
        yield from norm(named["attention_norm"], hidden)
        yield from dense(named["intermediate"], inner, hidden)
        yield from dense(named["output"], hidden, inner)
        yield from norm(named["output_norm"], hidden)
        index += 1


def check_tensors(config: EncoderConfig, stored: Mapping[str, StoredTensor], name: str) -> None:
    """Hold what a config.json calls for against the tensors that are there.

    Args:
        config: from `read_config`.
        stored: from `read_headers`.
        name: the checkpoint's, for messages.

    Raises:
        CheckpointError: tensors are missing, or have another shape; all are named, up to `MOST_NAMED`. Or a layer is
            applied more often than in any encoder.
    """
    if config.num_layers > MOST_LAYERS:
        raise CheckpointError(
            f"{name}: config.json asks for more layers than any encoder has",
            expected=f"at most {MOST_LAYERS:,} layers",
            received=f"{config.num_layers:,}",
            fix="use the config.json that belongs to these weights",
        )
    there = without_wrappers(stored)
    missing: list[str] = []
    wrong: dict[str, Path] = {}
    for full, old, shape in encoder_tensors(config):
        variants = [full] if old is None else [full, old]
        variants += [variant.removeprefix(config.family.prefix) for variant in variants]
        found = next((stored[there[variant]] for variant in variants if variant in there), None)
        if found is None:
            missing.append(full)
        elif found.shape != shape:
            wrong[f"{found.name}: {list(found.shape)}, not {list(shape)}"] = found.path
        if len(missing) + len(wrong) > MOST_NAMED:
            break
    if missing:
        more = " and many more" if len(missing) + len(wrong) > MOST_NAMED else ""
        raise CheckpointError(
            f"{name}: tensors of the encoder are missing from the weights",
            expected="every tensor that config.json calls for, with or without the class prefix",
            received="no " + ", ".join(missing) + more,
            fix="use the weights that belong to this config.json; only a classification head may be missing",
        )
    if wrong:
        raise other_shapes(wrong)


def other_shapes(wrong: Mapping[str, Path]) -> CheckpointError:
    """The error for tensors whose shapes are not those of config.json; each is described, with the file it is in."""
    return CheckpointError(
        f"{next(iter(wrong.values()))}: the weights do not have the shapes that config.json says",
        expected="tensors of the shapes that follow from config.json",
        received="; ".join(wrong),
        fix="use the config.json that belongs to these weights",
    )
