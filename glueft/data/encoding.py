"""Rows -> tokens: one split's token ids in flat arrays, without a Python object a token."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.rows import Rows

# Rows handed to the tokenizer at a time: enough to keep its threads busy, few enough that its own objects for one chunk
# stay small. Chunks of 256 rows take a tenth longer, chunks of 8192 no less.
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
    ids_type = np.uint16 if len(tokenizer) <= np.iinfo(np.uint16).max + 1 else np.int32
    ids: list[NDArray[Any]] = []
    token_types: list[NDArray[np.uint8]] = []
    lengths: list[NDArray[np.int64]] = []
    truncated = 0
    for start in range(0, len(rows), CHUNK_ROWS):
        columns = [texts[start : start + CHUNK_ROWS] for texts in rows.texts]
        inputs = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        encodings = backend.encode_batch_fast(inputs)
        lengths.append(np.fromiter(map(len, encodings), np.int64, len(encodings)))
        tokens = int(lengths[-1].sum())
        # Read row by row into one array a chunk: no more than one row's Python integers at a time, and no array a row.
        ids.append(np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), ids_type, tokens))
        if has_types:
            types = chain.from_iterable(encoding.type_ids for encoding in encodings)
            token_types.append(np.fromiter(types, np.uint8, tokens))
        else:
            token_types.append(np.zeros(tokens, np.uint8))
        truncated += sum(bool(encoding.overflowing) for encoding in encodings)
    return Encoded(
        ids=np.concatenate(ids),
        token_types=np.concatenate(token_types),
        offsets=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        labels=rows.labels,
        pad_id=tokenizer.pad_token_id,
        truncated=truncated,
    )
