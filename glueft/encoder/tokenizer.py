"""A checkpoint's own tokenizer (transformers), checked against its encoder."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glueft.encoder.checkpoint_finder import Checkpoint
from glueft.encoder.tokenizer_settings import check_settings
from glueft.errors import CheckpointError
from glueft.files import is_utf8
from glueft.hub.checkpoint_files import CONFIG, ORIGIN_KEYS, TOKENIZER_CONFIG, TOKENIZER_FILES

# One of these holds the vocabulary.
_SENTENCEPIECE = ("spiece.model", "sentencepiece.bpe.model", "spm.model")
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", *_SENTENCEPIECE)
_READS_SENTENCEPIECE = {"sentencepiece": "sentencepiece", "google.protobuf": "protobuf"}

# Arguments of a call, which some settings keep of the source's training, and which no loader reads.
_CALL_KEYS = ("max_length", "stride", "truncation_strategy")

# transformers 5.24 writes the merges of BERTweet and PhoBERT in a form that it misreads. So a tokenizer in Python keeps
# the vocabulary files that it was read from, by name, in this attribute.
_VOCABULARY_FILES = "glueft_vocabulary_files"


def load_tokenizer(checkpoint: Checkpoint, *, pair: bool = False) -> Any:
    """Load the tokenizer of a checkpoint folder; no code of the checkpoint is run.

    It pads on the right, whatever its files say, and is saved so. It truncates on its own side.

    Args:
        checkpoint: from `find_checkpoint`.
        pair: whether rows of two texts will be read.

    Returns:
        A transformers tokenizer, in Rust or in Python (BERTweet's, PhoBERT's, Japanese BERT's).

    Raises:
        CheckpointError: there are no tokenizer files, they cannot be read, or do not match the encoder; the tokenizer
            adds no special tokens, or puts nothing between the texts of a pair; or its settings are unsafe.
    """
    folder = checkpoint.folder
    _check_files(checkpoint)
    check_settings(checkpoint)
    from transformers import AutoTokenizer

    try:
        with _for_rust(folder) as readable:
            tokenizer = AutoTokenizer.from_pretrained(
                readable, config=_dispatch_config(checkpoint), local_files_only=True, trust_remote_code=False
            )
    except BaseException as error:  # tokenizer classes raise anything on bad files
        if not is_tokenizer_fault(error):
            raise
        raise CheckpointError(
            f"{checkpoint.name}: the tokenizer cannot be read",
            expected="tokenizer files that transformers can load",
            received=first_line(error),
            fix=_fix(error, folder),
        ) from error
    _check_tokenizer(tokenizer, checkpoint)
    if pair:
        refuse_joined_pairs(tokenizer, checkpoint.name)
    tokenizer.padding_side = "right"
    # The next call loses what tokenizer.json says of truncation; it is saved from here.
    tokenizer.init_kwargs |= {"padding_side": "right", "truncation_side": tokenizer.truncation_side}
    if not tokenizer.is_fast:
        names = [name for name in tokenizer.vocab_files_names.values() if (folder / name).is_file()]
        setattr(tokenizer, _VOCABULARY_FILES, {name: (folder / name).read_bytes() for name in names})
    return tokenizer


def _check_files(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if no vocabulary is there, or only SentencePiece's, which nothing here reads."""
    folder = checkpoint.folder
    there = [name for name in _VOCABULARIES if (folder / name).is_file()]
    if not there:
        raise CheckpointError(
            f"{checkpoint.name}: there are no tokenizer files",
            expected="one of " + ", ".join(_VOCABULARIES),
            received=", ".join(name for name in TOKENIZER_FILES if (folder / name).is_file()) or f"none in {folder}",
            fix="copy the tokenizer files of the checkpoint that this one was trained from into the folder",
        )
    lacking = [package for module, package in _READS_SENTENCEPIECE.items() if not _installed(module)]
    if lacking and set(there) <= set(_SENTENCEPIECE):
        raise CheckpointError(
            f"{checkpoint.name}: the tokenizer cannot be read",
            expected=f"tokenizer.json, or the packages that read {there[0]}",
            received=f"{there[0]} alone, and no {' or '.join(lacking)} in this Python environment",
            fix=f"pip install {' '.join(lacking)}; or choose a checkpoint with a tokenizer.json",
        )


@contextmanager
def _for_rust(folder: Path) -> Iterator[Path]:
    """Give a folder with the same tokenizer files and a path in UTF-8: readers in Rust take no other."""
    if is_utf8(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as elsewhere:
        for name in (CONFIG, *TOKENIZER_FILES):
            if (folder / name).is_file():
                shutil.copyfile(folder / name, Path(elsewhere) / name)
        yield Path(elsewhere)


def save_tokenizer(tokenizer: Any, folder: Path, longest_row: int) -> None:
    """Write the files of a tokenizer into a folder that exists; `longest_row` is that of its encoder, in tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # Else it saves the length of its last call, and truncates to it wherever it is loaded.
        backend.no_truncation()
        backend.no_padding()
    if is_utf8(folder):
        tokenizer.save_pretrained(folder)
    else:  # Its own writer, in Rust, takes no such path.
        with tempfile.TemporaryDirectory() as elsewhere:
            tokenizer.save_pretrained(elsewhere)
            for file in Path(elsewhere).iterdir():
                shutil.copyfile(file, folder / file.name)
    for name, content in getattr(tokenizer, _VOCABULARY_FILES, {}).items():
        (folder / name).write_bytes(content)
    path = folder / TOKENIZER_CONFIG
    settings = json.loads(path.read_text(encoding="utf-8")) | {"model_max_length": longest_row}
    kept = {key: value for key, value in settings.items() if key not in ORIGIN_KEYS + _CALL_KEYS}
    path.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def refuse_joined_pairs(tokenizer: Any, name: str) -> None:
    """Raise CheckpointError if nothing stands between the two texts of a pair; `name` is the checkpoint's."""
    if _joins_pairs(tokenizer):
        pair = tokenizer.convert_ids_to_tokens(tokenizer("a", "b")["input_ids"])
        raise CheckpointError(
            f"{name}: the tokenizer puts nothing between the two texts of a pair",
            expected="a special token between them, such as [SEP]: [CLS] a [SEP] b [SEP]",
            received=f'"a" and "b" become {" ".join(pair)}',
            fix="give tokenizer.json a post_processor with a template for pairs, or choose another checkpoint",
        )


def _joins_pairs(tokenizer: Any) -> bool:
    if not getattr(tokenizer, "is_fast", False):
        ids = tokenizer.build_inputs_with_special_tokens([-1], [-2])
        return bool(ids.index(-2) == ids.index(-1) + 1)
    sequences = tokenizer("a", "b").sequence_ids()
    # A vocabulary without both letters tells nothing.
    return any(sequences[place : place + 2] == [0, 1] for place in range(len(sequences)))


def _dispatch_config(checkpoint: Checkpoint) -> Any:
    """The keys of config.json that choose the tokenizer's class, and no others."""
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    named = checkpoint.config.get("tokenizer_class")
    # A family that transformers does not know has no class of its own there.
    model_type = checkpoint.family.name
    known = model_type in CONFIG_MAPPING
    kind = CONFIG_MAPPING[model_type] if known else PreTrainedConfig  # not `get`, which finds what is loaded alone
    config = kind(tokenizer_class=named if isinstance(named, str) else None)
    config.name_or_path = str(checkpoint.folder)
    return config


def is_tokenizer_fault(error: BaseException) -> bool:
    """Whether an error is a tokenizer's own: any Exception, or a panic of its Rust code, which is not one."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _fix(error: BaseException, folder: Path) -> str:
    if isinstance(error, ImportError):
        return "install the package that it asks for into glueft's environment, or choose another checkpoint"
    return f"download or copy the tokenizer files again ({folder}), or choose another checkpoint"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def first_line(error: BaseException) -> str:
    """The class of an error, and the first line of its message."""
    lines = str(error).split("\n")
    return f"{type(error).__name__}: {next((line for line in lines if line.strip()), '').strip()}"


def _check_tokenizer(tokenizer: Any, checkpoint: Checkpoint) -> None:
    config = checkpoint.encoder_config

    def mismatch(
        expected: str, received: str, fix: str = "use the tokenizer files that belong to these weights"
    ) -> CheckpointError:
        return CheckpointError(
            f"{checkpoint.name}: the tokenizer does not match the encoder",
            expected=expected,
            received=received,
            fix=fix,
        )

    vocabulary = tokenizer.get_vocab()
    if not vocabulary:
        raise mismatch("a vocabulary", "a tokenizer without one")
    last = max(vocabulary, key=vocabulary.__getitem__)
    if vocabulary[last] >= config.vocab_size:
        raise mismatch(
            f"token ids below {config.vocab_size}, the number of the encoder's word embeddings",
            f"ids up to {vocabulary[last]} ({last!r})",
        )
    if tokenizer.pad_token_id is None:
        raise mismatch("a padding token", "a tokenizer without one")
    if config.padding_index is not None and tokenizer.pad_token_id != config.padding_index:
        raise mismatch(
            f"the padding token with id {config.padding_index} (pad_token_id of config.json), from which this family "
            "counts its positions",
            f"{tokenizer.pad_token!r} with id {tokenizer.pad_token_id}",
        )
    try:
        special = tokenizer.num_special_tokens_to_add(pair=False)
        pair = tokenizer("a", "b")
    except BaseException as error:  # as above
        if not is_tokenizer_fault(error):
            raise
        raise mismatch("a tokenizer that can encode a pair of texts", first_line(error)) from error
    if not special:
        raise mismatch(
            "special tokens around a text, such as [CLS] and [SEP]: the classifier reads the first of them",
            "a tokenizer that adds none",
            "give tokenizer.json the post_processor that the encoder was trained with, or choose another checkpoint",
        )
    ids = pair["input_ids"]
    if max(ids) >= config.vocab_size:
        raise mismatch(f"token ids below {config.vocab_size}", f"the id {max(ids)} in an encoded pair")
    # Zeros, where model_input_names lacks them.
    types = pair.get("token_type_ids", [0])
    if config.type_vocab_size and max(types) >= config.type_vocab_size:
        raise mismatch(
            f"token type ids below {config.type_vocab_size} (type_vocab_size of config.json)",
            f"the token type id {max(types)} in an encoded pair",
        )
    if getattr(tokenizer, "normalization", False) and getattr(tokenizer, "demojizer", True) is None:
        raise mismatch(
            "the package emoji, by which this tokenizer turns emoji into words",
            "none in this Python environment",
            "install it: pip install emoji",
        )
