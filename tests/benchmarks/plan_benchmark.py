"""An epoch's batch plan, against one sort of the lengths."""

from __future__ import annotations

import numpy as np
from result import Result
from rounds import in_turn, timed

from glueft.data.batches import plan_training

BATCH_SIZE = 8


def measure_plan(*, rows: int, rounds: int) -> Result:
    """Plan one epoch of so many rows, 8 a batch."""
    lengths = np.maximum(np.random.default_rng(0).lognormal(3.3, 0.4, rows), 6).astype(np.int64)
    seconds = in_turn(
        {
            "plan": timed(lambda: plan_training(lengths, BATCH_SIZE, seed=1, epoch=0)),
            "sort": timed(lambda: np.argsort(lengths, kind="stable")),
        },
        rounds,
    )
    rate, floor = (rows / np.median(seconds[name]) for name in ("plan", "sort"))
    return Result(
        name=f"plan the batches of {rows:,} rows",
        value=f"{rate / 1e6:.1f} M rows/s",
        floor=f"{floor / 1e6:.1f} M rows/s, one sort of the lengths",
        seconds=seconds["plan"],
        floor_seconds=seconds["sort"],
        numbers={"rows_per_second": rate, "floor_rows_per_second": floor},
    )
