"""Rows -> tokens: one split's token ids in flat arrays, without a Python object a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.rows import Rows

# Rows handed to the tokenizer at a time: enough to keep its threads busy, few enough that the per-token Python
# objects of one chunk are a few megabytes.
CHUNK_ROWS = 2048


@dataclass(frozen=True)
class Encoded:
    """The tokens of one split; row `i` is `ids[offsets[i]:offsets[i + 1]]`.

    Attributes:
        ids: token ids, (tokens,), uint16 where the vocabulary fits and int32 elsewhere.
        token_types: the tokenizer's segments, mostly 0 for the first text of a row and 1 for the second, (tokens,),
            uint8; zeros where the tokenizer's model has none.
        offsets: where each row begins, (rows + 1,), int64.
        labels: (rows,), int32, or float32 in regression.
        pad_id: the id that fills short rows of a batch.
        truncated: how many rows lost tokens to `max_length`.
    """

    ids: NDArray[Any]
    token_types: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    labels: NDArray[Any]
    pad_id: int
    truncated: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each row, special tokens counted, (rows,)."""
        return np.diff(self.offsets)

    @property
    def nbytes(self) -> int:
        """Bytes held for the tokens of all rows."""
        return self.ids.nbytes + self.token_types.nbytes + self.offsets.nbytes


def encode(rows: Rows, tokenizer: Any, max_length: int) -> Encoded:
    """Tokenize one split as `tokenizer(*texts, truncation=True, max_length=max_length)` does.

    Args:
        rows: the split, with one or two texts a row.
        tokenizer: a fast (Rust) tokenizer of transformers.
        max_length: the most tokens of a row, special tokens counted. Of a pair the longer text is cut first.

    Raises:
        DataError: `max_length` leaves no room for text beside the special tokens.
    """
    special = tokenizer.num_special_tokens_to_add(pair=len(rows.texts) == 2)
    if max_length < special + len(rows.texts):
        raise DataError(
            f"data.max_length leaves no room for the text of a row of {rows.name!r}",
            expected=f"at least {special + len(rows.texts)}: {special} special tokens and one a text",
            received=str(max_length),
            mend="raise data.max_length; 128 suits most GLUE tasks",
        )
    # The Rust tokenizer itself, without the lists of Python integers that the transformers call builds around it.
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_length=max_length, strategy="longest_first")
    # A tokenizer may count segments that its model does not tell apart; transformers then leaves them out.
    has_types = "token_type_ids" in tokenizer.model_input_names
    wide = len(tokenizer) > np.iinfo(np.uint16).max
    ids: list[NDArray[Any]] = []
    token_types: list[NDArray[np.uint8]] = []
    lengths: list[int] = []
    truncated = 0
    for start in range(0, len(rows), CHUNK_ROWS):
        columns = [texts[start : start + CHUNK_ROWS] for texts in rows.texts]
        inputs = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        for encoding in backend.encode_batch_fast(inputs):
            row = encoding.ids
            ids.append(np.asarray(row, dtype=np.int32 if wide else np.uint16))
            types = encoding.type_ids if has_types else [0] * len(row)
            token_types.append(np.asarray(types, dtype=np.uint8))
            lengths.append(len(row))
            truncated += bool(encoding.overflowing)
        # One array a chunk in place of one a row: array headers would outweigh the tokens.
        first = start // CHUNK_ROWS
        ids[first:] = [np.concatenate(ids[first:])]
        token_types[first:] = [np.concatenate(token_types[first:])]
    return Encoded(
        ids=np.concatenate(ids),
        token_types=np.concatenate(token_types),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=rows.labels,
        pad_id=tokenizer.pad_token_id,
        truncated=truncated,
    )
