"""Rows -> tokens: one split's token ids in flat arrays, without a Python object a token; long rows in windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.data.windows import Windowing, WindowsOfRows
from glueft.encoder.tokenizer import first_line, is_tokenizer_fault
from glueft.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.rows import Rows

# Rows handed to the tokenizer at a time: enough to keep its threads busy, few enough that its objects stay small.
# Chunks of 256 rows take a tenth longer, chunks of 8192 no less.
CHUNK_ROWS = 2048


@dataclass(frozen=True)
class Encoded:
    """The tokens of one split; row `i` is `ids[offsets[i]:offsets[i + 1]]`, or window `i` where there are windows.

    Its length is the number of these.

    Attributes:
        token_types: the tokenizer's segments, mostly 0 for the first text of a row and 1 for the second, (tokens,);
            zeros where the tokenizer's model has none.
    """

    ids: NDArray[Any]  # (tokens,), uint16 where all of them fit, else int32
    token_types: NDArray[np.uint8]
    offsets: NDArray[np.int64]  # where each row or window begins, (rows + 1,) or (windows + 1,)
    labels: NDArray[Any]  # (rows,), int32, or float32 in regression
    pad_id: int
    truncated: int  # the rows that lost tokens to `max_length`
    windows: WindowsOfRows | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each row or window, special tokens counted, (rows,) or (windows,)."""
        return np.diff(self.offsets)

    def rows_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows that some rows or windows are of."""
        return places if self.windows is None else self.windows.rows_of(places)

    def labels_of(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return the labels of some rows or windows; a window has that of its row."""
        return self.labels[self.rows_of(places)]


def encode(rows: Rows, tokenizer: Any, max_length: int, windowing: Windowing | None = None) -> Encoded:
    """Tokenize one split as `tokenizer(*texts, truncation=True, max_length=max_length)` does, for every command.

    With `windowing` as it does with `stride` and `return_overflowing_tokens=True`: no row is cut.

    Args:
        rows: the split, with one or two texts a row.
        tokenizer: a tokenizer of transformers, from `load_tokenizer`.
        max_length: the most tokens of a row, special tokens counted. Of a pair the longer text is cut first, on the
            tokenizer's `truncation_side`.
        windowing: how longer rows are cut into windows; None to cut them off.

    Raises:
        DataError: `max_length` leaves no room for text beside the special tokens, or those that windows share; or rows
            of two texts are to be cut into windows.
        CheckpointError: the tokenizer fails at a text, or makes no windows.
    """
    special = tokenizer.num_special_tokens_to_add(pair=len(rows.texts) == 2)
    if max_length < special + len(rows.texts):
        raise DataError(
            f"data.max_length leaves no room for the text of a row of {rows.name!r}",
            expected=f"at least {special + len(rows.texts)}: {special} special tokens and one a text",
            received=str(max_length),
            fix="raise data.max_length; 128 suits most GLUE tasks",
        )
    if windowing is not None:
        _check_windows(rows, max_length - special, windowing)
    encode_chunk = _rust_encoder(tokenizer, max_length, windowing)
    if encode_chunk is None:
        if windowing is not None:
            raise CheckpointError(
                f"{tokenizer.name_or_path}: the tokenizer cuts no text into windows",
                expected="a tokenizer of the library tokenizers (tokenizer.json), for data.windows",
                received=f"{type(tokenizer).__name__}, which is written in Python",
                fix="remove data.windows, or choose another checkpoint",
            )
        encode_chunk = partial(_encode_in_python, tokenizer, max_length)
    chunks = []
    for start in range(0, len(rows), CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, len(rows))
        try:
            chunks.append(encode_chunk([texts[start:stop] for texts in rows.texts]))
        except BaseException as error:
            if not is_tokenizer_fault(error):
                raise
            where = f"row {start:,}" if stop == start + 1 else f"rows {start:,} to {stop - 1:,}"
            raise CheckpointError(
                f"{tokenizer.name_or_path}: the tokenizer fails at a text of the {rows.name} rows",
                expected="tokens for any text",
                received=f"{first_line(error)} (in {where})",
                fix="use the tokenizer files that belong to the model, whole",
            ) from error
    lengths = np.concatenate([chunk.lengths for chunk in chunks])
    windows = None
    if windowing is not None:
        counts = np.concatenate([chunk.windows for chunk in chunks])
        windows = WindowsOfRows(np.cumsum(counts) - counts, len(lengths), windowing.pool)
    return Encoded(
        ids=np.concatenate([chunk.ids for chunk in chunks]),
        token_types=np.concatenate([chunk.token_types for chunk in chunks]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        labels=rows.labels,
        pad_id=tokenizer.pad_token_id,
        truncated=0 if windowing else sum(chunk.truncated for chunk in chunks),
        windows=windows,
    )


def _check_windows(rows: Rows, room: int, windowing: Windowing) -> None:
    """Raise the errors of `encode`; `room` is for the tokens of the text."""
    if len(rows.texts) == 2:
        raise DataError(
            "data.windows cuts one text into windows, and the rows are pairs",
            expected="rows of one text",
            received="rows of two texts",
            fix="remove data.windows: of a pair the longer text is cut to data.max_length",
        )
    if windowing.stride >= room:
        raise DataError(
            "data.windows.stride leaves no new token in a window",
            expected=f"less than {room:,}: data.max_length without the special tokens",
            received=f"{windowing.stride:,}",
            fix="lower data.windows.stride, or raise data.max_length",
        )


@dataclass(frozen=True)
class _Chunk:
    """The tokens of a few rows, as in `Encoded`, with the length of each row or window, and the windows of each row."""

    ids: NDArray[Any]
    token_types: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    truncated: int
    windows: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        rows: Sequence[Sized],
        ids: Iterable[Sequence[int]],
        types: Iterable[Sequence[int]] | None,
        truncated: int,
        windows: NDArray[np.int64],
    ) -> _Chunk:
        """Join the ids and token types of rows or windows that are as long as `rows`; without types, zeros."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        tokens = int(lengths.sum())
        # Row by row into one array a chunk: never more than one row's Python integers, and no array a row.
        flat = np.fromiter(chain.from_iterable(ids), np.int32, tokens)
        if not tokens or flat.max() <= np.iinfo(np.uint16).max:
            flat = flat.astype(np.uint16)
        if types is None:
            return cls(flat, np.zeros(tokens, np.uint8), lengths, truncated, windows)
        return cls(flat, np.fromiter(chain.from_iterable(types), np.uint8, tokens), lengths, truncated, windows)


def _rust_encoder(
    tokenizer: Any, max_length: int, windowing: Windowing | None = None
) -> Callable[[Sequence[Sequence[str]]], _Chunk] | None:
    """Return what the tokenizer's call does in Rust, without the lists of Python integers that it builds around it.

    None for a tokenizer in Python, and for one that overrides the call.
    """
    from transformers import PreTrainedTokenizerBase, TokenizersBackend

    own = type(tokenizer)
    if (
        not isinstance(tokenizer, TokenizersBackend)
        or own.__call__ is not PreTrainedTokenizerBase.__call__
        or own._encode_plus is not TokenizersBackend._encode_plus
    ):
        return None
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    stride = 0 if windowing is None else windowing.stride
    direction = tokenizer.truncation_side
    backend.enable_truncation(max_length=max_length, stride=stride, strategy="longest_first", direction=direction)
    backend.encode_special_tokens = tokenizer.split_special_tokens
    # Fast is without offsets; tokenizers 0.23 then loses the segments too where there is no post-processor.
    encode_batch = backend.encode_batch if backend.post_processor is None else backend.encode_batch_fast
    # A tokenizer may count segments that its model does not tell apart; transformers then leaves them out.
    has_types = "token_type_ids" in tokenizer.model_input_names

    def encode_chunk(texts: Sequence[Sequence[str]]) -> _Chunk:
        inputs = texts[0] if len(texts) == 1 else list(zip(*texts, strict=True))
        encodings = encode_batch(inputs)
        truncated = sum(bool(encoding.overflowing) for encoding in encodings)
        windows = np.ones(len(encodings), np.int64)
        if windowing is not None:
            windows += [len(encoding.overflowing) for encoding in encodings]
            encodings = [window for encoding in encodings for window in (encoding, *encoding.overflowing)]
        return _Chunk.of(
            encodings,
            (encoding.ids for encoding in encodings),
            (encoding.type_ids for encoding in encodings) if has_types else None,
            truncated,
            windows,
        )

    return encode_chunk


def _encode_in_python(tokenizer: Any, max_length: int, texts: Sequence[Sequence[str]]) -> _Chunk:
    columns = [list(column) for column in texts]
    tokens = tokenizer(*columns, truncation=True, max_length=max_length, return_attention_mask=False)
    ids = tokens["input_ids"]
    # Such a tokenizer does not report truncation, and a row of exactly `max_length` tokens may be whole.
    longest = [row for row, row_ids in enumerate(ids) if len(row_ids) == max_length]
    truncated = 0
    if longest:
        whole = tokenizer(*([column[row] for row in longest] for column in columns), return_attention_mask=False)
        truncated = sum(len(row_ids) > max_length for row_ids in whole["input_ids"])
    return _Chunk.of(ids, ids, tokens.get("token_type_ids"), truncated, np.ones(len(ids), np.int64))
