"""A tiny encoder overfits a few rows of a task: texts and labels belong together, and reach the model."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.rows import Rows
from glueft.testing.check import ContractBrokenError, NotCheckedError, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded

ROWS = 16
EPOCHS = 60
ROUNDS = 4
LEARNING_RATE = 2e-3
ENOUGH = 15 / 16


def learns(subject: Subject) -> str:
    """A tiny BERT overfits 16 rows; with two labels, chance is half of them."""
    rows = first_rows(subject.rows["train"])
    with tempfile.TemporaryDirectory() as folder:
        model, encoded = tiny_classifier(Path(folder) / "bert", rows)
    inputs = padded(encoded)
    score, epochs = 0.0, 0
    for _ in range(ROUNDS):
        model.fit(inputs, encoded.labels, batch_size=ROWS, epochs=EPOCHS, verbose=0)
        epochs += EPOCHS
        score = agreement(model.predict(inputs, batch_size=ROWS, verbose=0), encoded.labels, bool(rows.label_names))
        if score >= ENOUGH:
            break
    what = f"{score:.0%} of {len(rows)} rows" if rows.label_names else f"Pearson {score:.2f} of {len(rows)} rows"
    if score < ENOUGH:
        raise ContractBrokenError(
            f"a tiny encoder does not overfit {len(rows)} rows: {what} after {epochs} epochs; check that texts and "
            "labels belong to each other, and that texts with different labels differ"
        )
    return f"a tiny encoder overfits: {what} after {epochs} epochs"


def first_rows(rows: Rows) -> Rows:
    """Sixteen of the rows, balanced by label.

    Raises:
        NotCheckedError: there are too few rows or labels to train on.
    """
    chosen = balanced(rows, ROWS)
    texts = tuple([column[row] for row in chosen] for column in rows.texts)
    few = dataclasses.replace(rows, texts=texts, labels=rows.labels[list(chosen)])
    if len(few) < 4 or (few.labels == few.labels[0]).all():
        raise NotCheckedError("its train split has fewer than four different rows, or only one label")
    return few


def tiny_classifier(folder: Path, rows: Rows) -> tuple[Any, Encoded]:
    """A compiled tiny BERT classifier that knows the rows' words, and the rows as its tokens."""
    import keras

    from glueft.data.encoding import encode
    from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer
    from glueft.testing.tiny_bert import make_tiny_bert
    from glueft.training.loss import loss_of
    from glueft.training.model import compile_model

    keras.utils.set_random_seed(0)
    make_tiny_bert(folder, texts=list(itertools.chain(*rows.texts)), vocab_size=2000, dropout=0.0)
    checkpoint = find_checkpoint(str(folder))
    labels, multi_label = tuple(rows.label_names), rows.labels.ndim == 2
    loaded = load_classifier(checkpoint, labels=labels, regression=not labels, multi_label=multi_label, seed=0)
    model, loss = loaded.model, loss_of(labels, multi_label=multi_label)
    compile_model(model, keras.optimizers.Adam(LEARNING_RATE), loss, jit_compile=False)
    return model, encode(rows, load_tokenizer(checkpoint), 64)


def padded(encoded: Encoded) -> dict[str, NDArray[np.int32]]:
    """All rows as one batch, each (rows, longest row)."""
    import numpy as np

    shape = len(encoded), int(encoded.lengths.max())
    batch = {
        "input_ids": np.full(shape, encoded.pad_id, np.int32),
        "attention_mask": np.zeros(shape, np.int32),
        "token_type_ids": np.zeros(shape, np.int32),
    }
    for row, (begin, end) in enumerate(itertools.pairwise(encoded.offsets)):
        batch["input_ids"][row, : end - begin] = encoded.ids[begin:end]
        batch["attention_mask"][row, : end - begin] = 1
        batch["token_type_ids"][row, : end - begin] = encoded.token_types[begin:end]
    return batch


def agreement(logits: Any, labels: NDArray[Any], classes: bool) -> float:
    """The share of rows with the right label, or exactly the right labels, or Pearson's correlation in regression."""
    import numpy as np

    if labels.ndim == 2:
        return float(((logits > 0) == labels).all(axis=1).mean())
    if classes:
        return float((logits.argmax(axis=1) == labels).mean())
    said = logits[:, 0]
    return float(np.corrcoef(said, labels)[0, 1]) if said.std() > 0 else 0.0


def balanced(rows: Rows, most: int) -> Sequence[int]:
    """The first rows of each label, or set of labels, in turn, `most` of them, each text once.

    In regression rows from low to high.
    """
    order = sorted(range(len(rows)), key=lambda row: float(rows.labels[row])) if not rows.label_names else None
    if order is not None:
        step = max(1, (len(order) - 1) / max(1, most - 1))
        return sorted({order[min(round(step * at), len(order) - 1)] for at in range(min(most, len(order)))})
    queues: dict[Any, list[int]] = {}
    keys = rows.labels.tolist() if rows.labels.ndim == 1 else [*map(tuple, rows.labels.tolist())]
    seen: set[tuple[str, ...]] = set()
    for row, texts in enumerate(zip(*rows.texts, strict=True)):
        if texts not in seen:
            seen.add(texts)
            queues.setdefault(keys[row], []).append(row)
    chosen: list[int] = []
    while len(chosen) < most and any(queues.values()):
        for label in sorted(queues):
            if queues[label] and len(chosen) < most:
                chosen.append(queues[label].pop(0))
    return sorted(chosen)
