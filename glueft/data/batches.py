"""Tokens -> batches: which rows go together, in which order, and how they are padded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glueft.data.encoding import Encoded

Inputs = dict[str, NDArray[np.int32]]
Plan = list[NDArray[np.int64]]

# Batches are cut from pools of this many batches' rows, each pool drawn at random and sorted by length within. 50 is
# what the Hugging Face Trainer uses to group by length: padding all but vanishes, and a batch is still a random draw.
POOL_BATCHES = 50


def plan_training(lengths: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int) -> Plan:
    """Return the rows of each batch of one epoch, in order.

    Every row comes once. Rows of like length go together; the batches themselves come in random order, so that no
    epoch runs from long to short. The plan is a function of the arguments alone. The last, partial batch is kept (and
    may come anywhere in the order).

    Args:
        lengths: tokens in each row, (rows,).
        batch_size: rows a batch.
        seed: the run's seed.
        epoch: the epoch's number from 0.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    pool = batch_size * POOL_BATCHES
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        order[start : start + pool] = rows[np.argsort(-lengths[rows], kind="stable")]
    batches = np.split(order, range(batch_size, len(order), batch_size))
    return [batches[index] for index in random.permutation(len(batches))]


def plan_evaluation(lengths: NDArray[np.int64], batch_size: int) -> Plan:
    """Return the rows of each batch, longest rows first: every row once, least padding."""
    order = np.argsort(-lengths, kind="stable")
    return np.split(order, range(batch_size, len(order), batch_size))


def width(lengths: NDArray[np.int64], multiple: int, limit: int) -> int:
    """The padded length of a batch: its longest row, rounded up to a multiple but not past `limit`."""
    longest = int(lengths.max())
    return max(longest, min(-(-longest // multiple) * multiple, limit))


def collate(encoded: Encoded, rows: NDArray[np.int64], *, multiple: int = 1, limit: int = 0) -> Inputs:
    """Return one padded batch: `input_ids`, `attention_mask`, `token_type_ids`, each (rows, width) int32.

    Args:
        encoded: the split.
        rows: indices of the batch's rows.
        multiple: round the width up to a multiple of this, for backends that compile a program for every shape.
        limit: the width that rounding may not pass: the run's `max_length`.
    """
    starts = encoded.offsets[rows]
    lengths = encoded.offsets[rows + 1] - starts
    columns = np.arange(width(lengths, multiple, limit))
    mask = columns < lengths[:, None]
    tokens = np.where(mask, starts[:, None] + columns, 0)
    return {
        "input_ids": np.where(mask, encoded.ids[tokens], encoded.pad_id).astype(np.int32),
        "attention_mask": mask.astype(np.int32),
        "token_type_ids": np.where(mask, encoded.token_types[tokens], 0).astype(np.int32),
    }


class TrainingBatches:
    """All batches of a run, epoch after epoch.

    Attributes:
        steps_per_epoch: batches an epoch, the last partial one counted.
        num_train_steps: batches of all epochs.
    """

    def __init__(
        self, encoded: Encoded, *, batch_size: int, epochs: int, seed: int, multiple: int = 1, limit: int = 0
    ) -> None:
        self.encoded = encoded
        self.multiple = multiple
        self.limit = limit
        lengths = encoded.lengths
        self.plans = [plan_training(lengths, batch_size, seed=seed, epoch=epoch) for epoch in range(epochs)]
        self.steps_per_epoch = len(self.plans[0])
        self.num_train_steps = sum(map(len, self.plans))

    def __iter__(self) -> Iterator[tuple[Inputs, NDArray[Any]]]:
        for plan in self.plans:
            for rows in plan:
                inputs = collate(self.encoded, rows, multiple=self.multiple, limit=self.limit)
                yield inputs, self.encoded.labels[rows]

    def sizes(self) -> NDArray[np.int64]:
        """Rows in each batch of all epochs, (num_train_steps,)."""
        return np.array([len(rows) for plan in self.plans for rows in plan])

    def tokens(self, steps: int) -> tuple[int, int]:
        """Return the real tokens and the padding tokens of the first `steps` batches."""
        lengths = self.encoded.lengths
        real = padded = 0
        for rows in itertools.islice(itertools.chain.from_iterable(self.plans), steps):
            real += int(lengths[rows].sum())
            padded += len(rows) * width(lengths[rows], self.multiple, self.limit)
        return real, padded - real


class EvaluationBatches:
    """All rows of a split once, longest first; `restore` puts results back into the split's own order."""

    def __init__(self, encoded: Encoded, *, batch_size: int, multiple: int = 1, limit: int = 0) -> None:
        self.encoded = encoded
        self.multiple = multiple
        self.limit = limit
        self.plan = plan_evaluation(encoded.lengths, batch_size)

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Inputs]:
        for rows in self.plan:
            yield collate(self.encoded, rows, multiple=self.multiple, limit=self.limit)

    def restore(self, results: NDArray[Any]) -> NDArray[Any]:
        """Return `results`, one a row in batch order, in the order of the split."""
        restored = np.empty_like(results)
        restored[np.concatenate(self.plan)] = results
        return restored
