"""Tokens -> batches: which rows go together, in which order, and how they are padded."""

from __future__ import annotations

import copy
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


def width(longest: Any, multiple: int, limit: int) -> Any:
    """The padded length of batches with these longest rows: rounded up to a multiple but not past `limit`."""
    return np.maximum(longest, np.minimum(-(-longest // multiple) * multiple, limit))


def measure(plan: Plan, lengths: NDArray[np.int64], *, multiple: int, limit: int) -> NDArray[np.int64]:
    """Return the rows, the width and the tokens, padding not counted, of each batch: (batches, 3)."""
    rows = np.array([len(batch) for batch in plan])
    starts = np.cumsum(rows) - rows
    in_order = lengths[np.concatenate(plan)]
    longest = np.maximum.reduceat(in_order, starts)
    return np.stack([rows, width(longest, multiple, limit), np.add.reduceat(in_order, starts)], axis=1)


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
    columns = np.arange(width(lengths.max(), multiple, limit))
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

    def measures(self) -> NDArray[np.int64]:
        """Rows, width and tokens, padding not counted, of each batch of all epochs: (num_train_steps, 3)."""
        plan = list(itertools.chain.from_iterable(self.plans))
        return measure(plan, self.encoded.lengths, multiple=self.multiple, limit=self.limit)

    def sizes(self) -> NDArray[np.int64]:
        """Rows in each batch of all epochs, (num_train_steps,)."""
        return np.array([len(rows) for plan in self.plans for rows in plan])

    def tokens(self, steps: int) -> tuple[int, int]:
        """Return the real tokens and the padding tokens of the first `steps` batches."""
        rows, widths, tokens = self.measures()[:steps].T
        real, padded = int(tokens.sum()), int((rows * widths).sum())
        return real, padded - real

    def only(self, steps: NDArray[np.int64]) -> TrainingBatches:
        """The batches of some steps alone, numbered from 0 over all epochs, as one epoch: for trials."""
        plan = list(itertools.chain.from_iterable(self.plans))
        few = copy.copy(self)
        few.plans = [[plan[step] for step in steps]]
        few.steps_per_epoch = few.num_train_steps = len(steps)
        return few


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

    def measures(self) -> NDArray[np.int64]:
        """Rows, width and tokens, padding not counted, of each batch: (batches, 3)."""
        return measure(self.plan, self.encoded.lengths, multiple=self.multiple, limit=self.limit)

    def only(self, batches: NDArray[np.int64]) -> EvaluationBatches:
        """Some of the batches alone: for trials. Their results cannot be restored, as rows are missing."""
        few = copy.copy(self)
        few.plan = [self.plan[batch] for batch in batches]
        return few

    def restore(self, results: NDArray[Any]) -> NDArray[Any]:
        """Return `results`, one a row in batch order, in the order of the split."""
        restored = np.empty_like(results)
        restored[np.concatenate(self.plan)] = results
        return restored
