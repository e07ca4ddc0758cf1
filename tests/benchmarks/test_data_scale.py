"""Rows by the hundred thousand: time and memory grow with their number, and no faster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from generated_rows import held_bytes, question_pairs

from glueft.data.batches import TrainingBatches
from glueft.data.encoding import Encoded, encode
from glueft.data.rows import Rows
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer

BYTES_A_TOKEN = 8
SMALL, LARGE = 12_000, 120_000


def seconds(work: Callable[[], object]) -> float:
    """Of processor time, which other processes do not lengthen."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def plan(encoded: Encoded) -> TrainingBatches:
    return TrainingBatches(encoded, batch_size=8, epochs=1, seed=1)


@pytest.mark.slow  # encodes 130,000 pairs
def test_ten_times_the_rows_take_ten_times_the_time_and_memory(minilm: str) -> None:
    tokenizer = load_tokenizer(find_checkpoint(minilm))
    large_rows = question_pairs(tokenizer, LARGE)
    small_rows = Rows(
        "train", tuple(texts[:SMALL] for texts in large_rows.texts), large_rows.labels[:SMALL], large_rows.label_names
    )
    encoded: dict[int, Encoded] = {}

    def encode_rows(rows: Rows) -> None:
        encoded[len(rows)] = encode(rows, tokenizer, 128)

    # Twice as much as ten times leaves room for a machine whose speed changes; growth by the square would be 100 times.
    assert seconds(lambda: encode_rows(large_rows)) < 20 * seconds(lambda: encode_rows(small_rows))
    small, large = encoded[SMALL], encoded[LARGE]
    assert held_bytes(large) < BYTES_A_TOKEN * len(large.ids)
    assert held_bytes(large) / len(large.ids) == pytest.approx(held_bytes(small) / len(small.ids), rel=0.01)
    assert np.array_equal(large.ids[: len(small.ids)], small.ids)
    small_plan, large_plan = (min(seconds(lambda e=e: plan(e)) for _ in range(5)) for e in (small, large))
    assert large_plan < 40 * small_plan


MEASURE_MEMORY = """
import sys
from generated_rows import question_pairs
from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
from glueft.data.encoding import encode

def resident():
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmRSS"))

tokenizer = load_tokenizer(find_checkpoint(sys.argv[1]))
encode(question_pairs(tokenizer, 20_000), tokenizer, 128)  # what the tokenizer keeps for itself
rows = question_pairs(tokenizer, 60_000, seed=1)
before = resident()
encoded = encode(rows, tokenizer, 128)
print((resident() - before) / len(encoded.ids))
"""


@pytest.mark.slow  # encodes 80,000 pairs in a process of its own
@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident memory from /proc")
def test_a_process_keeps_few_bytes_a_token(minilm: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", MEASURE_MEMORY, minilm],
        env={"PYTHONPATH": str(Path(__file__).parent), "HF_HUB_OFFLINE": "1", "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert float(finished.stdout) < BYTES_A_TOKEN
