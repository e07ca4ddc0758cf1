"""A checkpoint's own tokenizer (transformers), checked against its encoder."""

from __future__ import annotations

from typing import Any

from glueft.checkpoint_files import TOKENIZER_FILES
from glueft.checkpoint_finder import Checkpoint
from glueft.errors import CheckpointError

# One of these holds the vocabulary.
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load the tokenizer of a checkpoint folder; no code of the checkpoint's is run.

    Returns:
        A transformers tokenizer.

    Raises:
        CheckpointError: there are no tokenizer files, they cannot be read, or the tokenizer makes ids that the encoder
            has no embeddings for.
    """
    folder = checkpoint.folder
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        raise CheckpointError(
            f"{checkpoint.name}: there are no tokenizer files",
            expected="one of " + ", ".join(_VOCABULARIES),
            received=", ".join(name for name in TOKENIZER_FILES if (folder / name).is_file()) or f"none in {folder}",
            mend="copy the tokenizer files of the checkpoint that this one was trained from into the folder",
        )
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizer classes raise whatever their files make them stumble over
        raise CheckpointError(
            f"{checkpoint.name}: the tokenizer cannot be read",
            expected="tokenizer files that transformers can load",
            received=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            mend=f"download or copy the tokenizer files again ({folder})",
        ) from error
    _check_tokenizer(tokenizer, checkpoint)
    return tokenizer


def _check_tokenizer(tokenizer: Any, checkpoint: Checkpoint) -> None:
    config = checkpoint.encoder_config

    def mismatch(expected: str, received: str) -> CheckpointError:
        return CheckpointError(
            f"{checkpoint.name}: the tokenizer does not match the encoder",
            expected=expected,
            received=received,
            mend="use the tokenizer files that belong to these weights",
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
        pair = tokenizer("a", "b", return_token_type_ids=True)
    except Exception as error:  # as above
        raise mismatch("a tokenizer that can encode a pair of texts", f"{type(error).__name__}: {error}") from error
    ids, types = pair["input_ids"], pair["token_type_ids"]
    if max(ids) >= config.vocab_size:
        raise mismatch(f"token ids below {config.vocab_size}", f"the id {max(ids)} in an encoded pair")
    if config.type_vocab_size and max(types) >= config.type_vocab_size:
        raise mismatch(
            f"token type ids below {config.type_vocab_size} (type_vocab_size of config.json)",
            f"the token type id {max(types)} in an encoded pair",
        )
