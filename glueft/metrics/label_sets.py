"""The labels of the rows of a multi-label task: 0 and 1 by index, names, and the text of a table's cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def label_sets(rows: NDArray[Any], labels: Sequence[str]) -> list[list[str]]:
    """Return the names of the labels of each row, in index order.

    Args:
        rows: 0 and 1, (rows, labels); all of a row without a reference are -1, and it has none.
        labels: the names.
    """
    return [[label for label, there in zip(labels, row, strict=True) if there == 1] for row in rows.tolist()]


def set_text(names: Sequence[str]) -> str:
    """Return the names of a row's labels as a table has them, a JSON list: `["a","c"]`."""
    return json.dumps(names, ensure_ascii=False, separators=(",", ":"))


def set_texts(rows: NDArray[Any], labels: Sequence[str]) -> list[str]:
    """Return the `set_text` of each row, "" for one without a reference; arguments as for `label_sets`."""
    known = rows.min(axis=1) >= 0
    return [set_text(names) if there else "" for names, there in zip(label_sets(rows, labels), known, strict=True)]


def read_sets(texts: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Return what `set_texts` was made of, int64 (rows, labels).

    Raises:
        ValueError: a text is no list of these labels; the message is the text.
    """
    import numpy as np

    index = {label: number for number, label in enumerate(labels)}
    none = [-1] * len(labels)
    known: dict[str, list[int]] = {"": none}
    for text in dict.fromkeys(texts):
        if text:
            known[text] = [0] * len(labels)
            for label in _names(text, index):
                known[text][index[label]] = 1
    return np.array([known[text] for text in texts], np.int64).reshape(len(texts), len(labels))


def _names(text: str, known: dict[str, int]) -> list[str]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and name in known for name in names):
        raise ValueError(text)
    return names
