"""The settings of a tokenizer, looked at before transformers goes by them.

transformers looks up the class that they name among all of its own, and hands that class most of their keys. So they
could name one that asks on standard input whether to run the checkpoint's code, or files from anywhere: a
configuration of Sudachi, say, names libraries to load.
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

# What a tokenizer's class may take in place of the content: the path of a file.
_CONTENTS = ("vocab", "merges", "entity_vocab")
# Of a table that is handed to another package's reader, what names a file, or holds options that can.
_NAMES_A_FILE = re.compile(r"(^|_)(file|path|dir|proto|option)$")


def check_settings(checkpoint: Checkpoint) -> None:
    """Refuse settings by which a checkpoint's tokenizer would be more than a tokenizer made of its own files.

    Raises:
        CheckpointError: the class that they name is no tokenizer of transformers, a key names a file or holds options
            of a program, or a file of theirs cannot be read.
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
    # transformers lets each of its keys go before the files that it has found.
    yield from ((key, value) for key, value in special.items() if not re.search(r"_tokens?$", key))


def _check_class(checkpoint: Checkpoint, name: Any) -> None:
    """Refuse a class of transformers that is no tokenizer; one that it does not know, it passes over."""
    if isinstance(name, str):
        from transformers import PreTrainedTokenizerBase
        from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

        try:
            found = tokenizer_class_from_name(name)
        except Exception:  # its module needs what is not there: loading the tokenizer says so
            return
        # In the place of a class whose package is missing there is one that says so as soon as it is used.
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
        json.dumps(content, ensure_ascii=False).encode()  # as transformers saves them, after the training
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
