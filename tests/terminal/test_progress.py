"""What a run shows: rich on a terminal, plain lines without control codes elsewhere."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from glueft.runs.record import Record
from glueft.system import interruption
from glueft.terminal.progress import PlainProgress, RichProgress, make_progress, seconds_left
from glueft.text import duration
from glueft.training.observers import EpochReport, MidEpochReport, StepReport, Training
from glueft.training.step_times import StepTimes

RECORD: dict[str, Any] = {
    "status": "done",
    "task": "mrpc",
    "seed": 42,
    "started": "2026-01-02T03:04:05+00:00",
    "data": {
        "source": "folder",
        "validation_split": "validation",
        "splits": {"train": {"rows": 3000}, "validation": {"rows": 408}},
        "notes": ["train has 3,000 rows; officially it has 3,668"],
    },
    "warnings": ["two labels look alike"],
    "metrics": {"accuracy": 0.8578, "f1": 0.8999},
    "majority_accuracy": 0.6838,
    "baseline": {"accuracy": 0.6838, "f1": 0.8122},
    "published": [
        {"model": "bert-base-cased", "metrics": {"accuracy": 0.8407, "f1": 0.8885}, "source": "a page", "split": None}
    ],
    "num_train_steps": 1377,
    "epochs": [
        {
            "epoch": number,
            "step": 459 * number,
            "loss": loss,
            "validation_loss": validation_loss,
            "metrics": {"accuracy": accuracy, "f1": f1},
            "seconds": 60.0,
        }
        for number, loss, validation_loss, accuracy, f1 in (
            (1, 0.55, 0.45, 0.8, 0.87),
            (2, 0.4, 0.42, 0.82, 0.88),
            (3, 0.35, 0.4, 0.8578, 0.9),
        )
    ],
    "seconds": {"setup": 9.5, "train": 121.0, "evaluate": 2.0, "total": 132.5, "first_step": 14.2, "compile": 4.7},
    "peak_memory_bytes": 1_932_735_283,
    "peak_device_memory_bytes": 3 * 2**30,
    "examples_per_second": 60.1,
    "tokens_per_second": 3200.4,
    "padding_waste": 0.031,
    "run_dir": "/somewhere/runs/mrpc-20260102-030405-abcdef",
}
STEP = StepReport(step=10, loss=0.69, examples=80, seconds=2.0, rate=lambda step: 4.9e-5)
EPOCH = EpochReport(
    epoch=1, step=459, loss=0.55, validation_loss=0.45, metrics={"accuracy": 0.8, "f1": 0.87}, seconds=61.0
)


HALF = MidEpochReport(
    epoch=0.5, step=230, loss=0.6, validation_loss=0.5, metrics={"accuracy": 0.7, "f1": 0.8}, seconds=31.0
)


def training(epochs: int, num_train_steps: int) -> Training:
    """What progress asks of a training."""
    batches = SimpleNamespace(epochs=epochs, num_train_steps=num_train_steps)
    session: Any = SimpleNamespace(batches=batches, metric_labels={})
    return Training(session, [], StepTimes(by_shape=False))


def test_the_terminal_has_its_cursor_again_whatever_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_last", [])
    stream = io.StringIO()
    progress = RichProgress(Console(file=stream, force_terminal=True, width=120))  # type: ignore[arg-type]
    progress.begin(training(1, 10))
    interruption.say_last()  # as on a second Ctrl-C, which ends the process on the spot
    assert stream.getvalue().endswith("\x1b[?25h")
    progress.end(None)
    assert interruption._last == []


def play(progress: Any) -> None:
    """Act out a run."""
    with progress.phase("rows of mrpc (sample)"):
        pass
    progress.begin(training(3, 1377))
    progress.shown = -1e9
    progress.step(STEP)
    progress.mid_epoch(HALF)
    progress.epoch(EPOCH)
    progress.end(None)
    progress.finished(Record.model_validate(RECORD))


@pytest.mark.parametrize("terminal", [False, True])
def test_a_run_shows_phases_steps_epochs_and_the_result(terminal: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=140, highlight=False, legacy_windows=False)
    progress = RichProgress(console) if terminal else PlainProgress(stream)
    play(progress)
    text = stream.getvalue()
    for part in ("rows of mrpc (sample)", "epoch 1/3", "loss 0.5500", "validation loss 0.4500", "accuracy 0.8000"):
        assert part in text
    assert "epoch 0.5/3: loss 0.6000, validation loss 0.5000, accuracy 0.7000, f1 0.8000 (31.0 s)" in text
    for part in ("0.8578", "0.6838", "total 132.5", "60.1 examples/s", "3.1%", "mrpc-20260102-030405-abcdef", "1,377"):
        assert part in text
    for name, value in (
        ("first step", "14.2 s after the start"),
        ("compiling", "4.7 s"),
        ("throughput", "60.1 examples/s, 3,200 tokens/s"),
        ("padding waste", "3.1% of all tokens"),
        ("warning", "two labels look alike"),
        ("peak memory", "1.8 GiB, and 3.0 GiB on the GPU"),
    ):
        assert re.search(rf"{name} +(\S+ )?{value}", text), name
    assert ("\x1b" in text) == terminal
    if terminal:
        for part in ("lr 4.90e-05", "40.0 examples/s", "4:33 left"):
            assert part in text


def test_evaluations_within_epochs_and_the_one_that_was_kept() -> None:
    half = RECORD["epochs"][0] | {"epoch": 1.5, "step": 690, "validation_loss": 0.1234}
    kept = {"metric": "f1", "value": 0.87, "step": 690, "epoch": 1.5, "evaluations": 4}
    labels = {"f1": "equivalent"}
    stream = io.StringIO()
    PlainProgress(stream).finished(
        Record.model_validate(RECORD | {"mid_epochs": [half], "kept": kept, "metric_labels": labels})
    )
    text = stream.getvalue()
    assert re.search(r"^ kept +epoch 1.5, step 690 \(f1 of equivalent 0.8700\), the best of 4 evaluations$", text, re.M)
    assert re.findall(r"^ +([\d.]+) +0\.\d{4} +0\.\d{4}", text, re.M) == ["1", "1.5", "2", "3"]


def test_memory_that_the_system_does_not_tell_is_left_out() -> None:
    stream = io.StringIO()
    untold = {"peak_memory_bytes": None, "peak_device_memory_bytes": None}
    PlainProgress(stream).finished(Record.model_validate(RECORD | untold))
    assert "padding waste" in stream.getvalue()
    assert "memory" not in stream.getvalue()


def test_plain_steps_are_some_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    now = [100.0]
    monkeypatch.setattr("glueft.terminal.progress.time.perf_counter", lambda: now[0])
    progress.begin(training(1, 1377))
    for _ in range(25):
        now[0] += 1.0
        progress.step(STEP)
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("step")]
    assert len(lines) == 3  # the first, and then one every ten seconds
    assert lines[0] == "step 10/1,377  loss 0.6900  lr 4.90e-05  40.0 examples/s  4:33 left"


def test_the_first_step_tells_no_speed() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.begin(training(1, 1377))
    progress.step(replace(STEP, step=1))
    assert stream.getvalue().splitlines()[-1] == "step 1/1,377  loss 0.6900  lr 4.90e-05"


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(make_progress(io.StringIO()), PlainProgress)


def test_time_left() -> None:
    assert seconds_left(STEP, 30) == 4.0
    assert [duration(seconds) for seconds in (0.4, 61, 3599.6, 7325)] == ["0:00", "1:01", "1:00:00", "2:02:05"]


def test_a_run_that_stopped_early_says_how_many_steps_it_made() -> None:
    stream = io.StringIO()
    PlainProgress(stream).finished(Record.model_validate(RECORD | {"epochs": RECORD["epochs"][:2]}))
    assert "918 of 1,377; stopped early" in stream.getvalue()
