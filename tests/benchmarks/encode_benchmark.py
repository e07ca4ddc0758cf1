"""Rows to tokens, against the Rust tokenizer alone over the same texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from generated_rows import held_bytes, question_pairs
from result import Result
from rounds import in_turn, timed

from glueft.data.encoding import CHUNK_ROWS, encode

MAX_LENGTH = 128


def measure_encode(tokenizer: Any, *, pairs: int, rounds: int) -> Result:
    """Encode so many pairs; the floor is the tokenizer's `encode_batch_fast`, whose results nobody reads."""
    rows = question_pairs(tokenizer, pairs)
    inputs = list(zip(*rows.texts, strict=True))

    def bare() -> None:
        backend = tokenizer.backend_tokenizer
        for start in range(0, pairs, CHUNK_ROWS):
            backend.encode_batch_fast(inputs[start : start + CHUNK_ROWS])

    encoded = encode(rows, tokenizer, MAX_LENGTH)  # sets the tokenizer's truncation, for both
    seconds = in_turn({"encode": timed(lambda: encode(rows, tokenizer, MAX_LENGTH)), "bare": timed(bare)}, rounds)
    rate, floor = (pairs / np.median(seconds[name]) for name in ("encode", "bare"))
    return Result(
        name=f"encode {pairs:,} pairs of {encoded.lengths.mean():.1f} tokens",
        value=f"{rate:,.0f} pairs/s",
        floor=f"{floor:,.0f} pairs/s, the tokenizer alone",
        seconds=seconds["encode"],
        floor_seconds=seconds["bare"],
        numbers={
            "pairs_per_second": rate,
            "floor_pairs_per_second": floor,
            "bytes_per_token": held_bytes(encoded) / len(encoded.ids),
        },
    )
