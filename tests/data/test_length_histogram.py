"""The lengths that a run leaves in run.json, for its report."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.data.splits import length_histogram


@pytest.mark.parametrize(
    ("lengths", "bin_tokens", "rows"),
    [
        ([1], 1, [1]),
        ([3, 5, 5, 32], 1, [0, 0, 1, 0, 2, *[0] * 26, 1]),
        ([2, 3, 33], 2, [1, 1, *[0] * 14, 1]),
        ([1, 4, 5, 128], 4, [2, 1, *[0] * 29, 1]),
        ([129, 1], 8, [1, *[0] * 15, 1]),
    ],
)
def test_every_row_is_in_the_bin_of_its_length(lengths: list[int], bin_tokens: int, rows: list[int]) -> None:
    assert length_histogram(np.array(lengths)) == {"bin_tokens": bin_tokens, "rows": rows}
