"""The labels of rows of a multi-label task as text, and read back."""

from __future__ import annotations

import numpy as np
import pytest

from glueft.metrics.label_sets import label_sets, read_sets, set_texts

LABELS = ("b", "a, c", 'say "é"\t', "[]")
ROWS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [-1, -1, -1, -1], [1, 1, 1, 1]], np.int32)


def test_sets_are_json_lists_in_index_order_and_read_back() -> None:
    texts = set_texts(ROWS, LABELS)
    assert texts == ['["b","say \\"é\\"\\t"]', "[]", "", '["b","a, c","say \\"é\\"\\t","[]"]']
    assert (read_sets(texts, LABELS) == ROWS).all()
    assert label_sets(ROWS, LABELS)[0] == ["b", 'say "é"\t'] and label_sets(ROWS, LABELS)[2] == []
    assert read_sets([], LABELS).shape == (0, 4)


@pytest.mark.parametrize("text", ["b", '"b"', "{}", '["b"', "[1]", '["d"]', "[[]]", "null", "[" * 100_000])
def test_what_is_no_list_of_the_labels_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_sets([text], LABELS)
    assert str(caught.value) == text
