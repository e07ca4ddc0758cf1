"""Checks the settings of a tokenizer before transformers uses them.

transformers takes any of its classes that the settings name, and passes most of their keys to it. So they could name a
class that asks on standard input whether to run code, or files from anywhere: Sudachi's configuration, for example,
names libraries to load.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glueft.encoder.checkpoint_finder import Checkpoint
from glueft.errors import CheckpointError
from glueft.system.plain_file import UnreadableError, read_json
from glueft.text import quoted

SETTINGS = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"

# Keys that take the path of a file in place of the content.
_CONTENTS = ("vocab", "merges", "entity_vocab")
# Keys, in a table for another package's reader, that name a file or hold options that can.
_NAMES_A_FILE = re.compile(r"(^|_)(file|path|dir|proto|option)$")


def check_settings(checkpoint: Checkpoint) -> None:
    """Refuse settings that make a tokenizer of anything but its own files.

    Raises:
        CheckpointError: their class is no tokenizer of transformers, a key names a file or holds options of a program,
            or the settings cannot be read.
    """
    settings = _read(checkpoint, SETTINGS)
    special = _read(checkpoint, SPECIAL_TOKENS)
    for name in (settings.get("tokenizer_class"), checkpoint.config.get("tokenizer_class")):
        if name is not None:
            _check_class(checkpoint, name)
    found = [
        *((SETTINGS, *pair) for pair in _that_name_files(settings)),
        *((SPECIAL_TOKENS, *pair) for pair in _others(special)),
    ]
    for file, key, value in found:
        raise CheckpointError(
            f"{checkpoint.folder / file}: {key} asks for more than a tokenizer that is made of the folder's own files",
            expected="no path of a file, and no options of another program",
            received=f"{key} = {quoted(str(value))}",
            fix=f"take {key} out of {file} if the tokenizer is right without it, or choose another checkpoint",
        )


def _that_name_files(settings: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((key, settings[key]) for key in _CONTENTS if isinstance(settings.get(key), str))
    yield from ((key, settings[key]) for key in ("gguf_file", "init_inputs") if settings.get(key))
    files = settings.get("fast_tokenizer_files") or []
    if files and files != ["tokenizer.json"]:  # which transformers would read in place of tokenizer.json
        yield "fast_tokenizer_files", files
    for key, table in settings.items():
        if key.endswith("_kwargs") and isinstance(table, dict):
            yield from (
                (f"{key}.{inner}", value) for inner, value in table.items() if _NAMES_A_FILE.search(inner) and value
            )


def _others(special: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    # In transformers, each of its keys wins over the files.
    yield from ((key, value) for key, value in special.items() if not re.search(r"_tokens?$", key))


def _check_class(checkpoint: Checkpoint, name: Any) -> None:
    """Refuse a class of transformers that is no tokenizer; transformers ignores one that it does not know."""
    if isinstance(name, str):
        from transformers import PreTrainedTokenizerBase
        from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

        try:
            found = tokenizer_class_from_name(name)
        except Exception:  # its module needs a package that is missing: loading the tokenizer says so
            return
        # A class with `_backends` stands for one whose package is missing; using it says so.
        if found is None or hasattr(found, "_backends"):
            return
        if isinstance(found, type) and issubclass(found, PreTrainedTokenizerBase):
            return
    raise CheckpointError(
        f"{checkpoint.name}: its tokenizer is said to be of a class that is no tokenizer",
        expected="tokenizer_class with the name of a tokenizer of transformers, such as BertTokenizer",
        received=f"tokenizer_class = {quoted(str(name))}",
        fix=f"correct it in {SETTINGS} or config.json, or choose another checkpoint",
    )


def _read(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    path: Path = checkpoint.folder / name
    try:
        content = read_json(path)
        received = "" if isinstance(content, dict) else f"a JSON {type(content).__name__}"
        json.dumps(content, ensure_ascii=False).encode()  # as transformers saves them after the training
    except FileNotFoundError:
        return {}
    except UnreadableError as error:
        received = str(error)
    except UnicodeEncodeError:
        received = "half of a surrogate pair, which has no form in UTF-8"
    if received:
        raise CheckpointError(
            f"{path}: it cannot be read",
            expected="a JSON object of texts in Unicode",
            received=received,
            fix="download or copy the tokenizer files again, or choose another checkpoint",
        )
    settings: dict[str, Any] = content
    return settings
