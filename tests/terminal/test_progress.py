"""What a run shows: rich on a terminal, plain lines without control codes elsewhere."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from glueft.runs.record import Record
from glueft.system import interruption
from glueft.system.console import PlainConsole
from glueft.terminal.pace import STEPS, Pace
from glueft.terminal.progress import PlainProgress, QuietProgress, RichProgress, make_progress
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
    session: Any = SimpleNamespace(batches=batches, metric_labels={}, evaluated=np.ones(epochs, bool))
    return Training(session, [], StepTimes(by_shape=False))


def test_the_terminal_has_its_cursor_again_whatever_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_last", [])
    stream = io.StringIO()
    progress = RichProgress(PlainConsole(stream, force_terminal=True, width=120))
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
    console = PlainConsole(stream, force_terminal=terminal, width=140, legacy_windows=False)
    progress = RichProgress(console, verbose=True) if terminal else PlainProgress(stream, verbose=True)
    play(progress)
    text = stream.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    for line in (
        "             loss  validation loss  accuracy       f1     time",
        "epoch 0.5/3   0.6000           0.5000    0.7000   0.8000   31.0 s  best so far",
        "epoch 1/3   0.5500           0.4500    0.8000   0.8700   61.0 s  best so far",
    ):
        assert line in plain
    for part in ("rows of mrpc (sample)", "0.8578", "0.6838", "total 132.5", "60.1 examples/s", "3.1%", "1,377"):
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
    if not terminal:
        assert all(cell_len(line) <= 80 for line in plain.splitlines() if line.startswith("epoch"))


def test_the_evaluation_that_was_kept() -> None:
    kept = {"metric": "f1", "value": 0.87, "step": 690, "epoch": 1.5, "evaluations": 4}
    text = finished(kept=kept, metric_labels={"f1": "equivalent"})
    assert re.search(r"^kept +epoch 1.5, step 690 \(f1 of equivalent 0.8700\), the best of 4 evaluations$", text, re.M)


def finished(width: int | None = None, *, verbose: bool = False, **changes: Any) -> str:
    """What is shown at the end of a run whose record has some changes: plain, or on a terminal of a width."""
    stream = io.StringIO()
    record = Record.model_validate(RECORD | changes)
    if width is None:
        PlainProgress(stream, verbose=verbose).finished(record)
    else:
        RichProgress(PlainConsole(stream, force_terminal=True, width=width, color_system=None)).finished(record)
    return stream.getvalue()


def test_the_last_tables_begin_with_the_metrics_their_intervals_and_the_baseline() -> None:
    text = finished(intervals={"validation": {"accuracy": [0.8211, 0.8921], "f1": [0.871, 0.924]}})
    assert text.splitlines()[1:5] == [
        "mrpc: 408 validation rows",
        "metric     value     95 % interval  baseline",
        "accuracy  0.8578  0.8211 to 0.8921    0.6838",
        "f1        0.8999  0.8710 to 0.9240    0.8122",
    ]
    assert "interval" not in finished()  # a run of earlier versions has none
    assert "official" not in text  # said at the beginning
    assert "validation by epoch" not in text and "0.5500" not in text  # nor are the epochs repeated
    assert "compiling" not in text and "compiling" in finished(verbose=True)
    assert re.search(r"^time +2:12, 60.1 examples/s in training$", text, re.M)


def test_metrics_of_several_splits() -> None:
    by_split = {"validation": {"accuracy": 0.8}, "validation_mismatched": {"accuracy": 0.7}}
    text = finished(metrics={"accuracy": 0.8}, metrics_by_split=by_split, other_metrics_by_split={})
    assert re.search(r"^split +metric +value  baseline$", text, re.M)
    assert re.search(r"^validation_mismatched  accuracy  0.7000$", text, re.M)


SCORES = {"precision": 0.5, "recall": 0.25, "f1": 0.3333, "support": 1200, "predicted": 600}


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("count", [2, 3, 8, 9, 20, 21, 300])
def test_labels_and_their_confusions_as_far_as_there_is_room(count: int, width: int) -> None:
    names = ["not_equivalent", *(f"\x1b[31mlabel {number}" for number in range(1, count))]
    scores = {"validation": dict.fromkeys(names, SCORES)}
    text = finished(width, label_scores=scores, confusion={"validation": [[7] * count for _ in names]})
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert "\x1b" not in text and ("\\x1b[31mlabel 1" in text) == (count <= 20)  # data does not steer a terminal
    assert ("precision" in text) == (count <= 20)
    assert ("reference \\ predicted" in text) == (count <= (3 if width == 60 else 8))
    assert (f"labels      {count}: the scores of each are in the report" in text) == (count > 20)


def test_thresholds_that_were_tuned_stand_beside_their_labels() -> None:
    decision = {"temperature": 1.0, "thresholds": {"a": 0.25, "b": 0.5}}
    text = finished(label_scores={"validation": {"a": SCORES, "b": SCORES}}, decision=decision)
    assert re.search(r"^label .* support  threshold$", text, re.M) and re.search(r"^a .* 1,200     0.2500$", text, re.M)
    assert re.search(r"^decision +each label from its own threshold on$", text, re.M)
    assert '"a" from a probability of 0.25 on' in finished(decision=decision)  # there is no table of labels


def test_a_line_to_be_copied_is_not_broken() -> None:
    line = f"next: glueft report '/a folder/{'long ' * 30}'"
    stream = io.StringIO()
    QuietProgress(RichProgress(PlainConsole(stream, width=60, force_terminal=True))).say_unbroken(line)
    assert stream.getvalue() == f"{line}\n"


def test_the_run_folder_is_not_broken() -> None:
    folder = f"/somewhere/{'deep/' * 20}mrpc-1"
    for width in (None, 60):
        assert f"run folder  {folder}" in finished(width, run_dir=folder).splitlines()
    decided = finished(decision={"temperature": 1.0, "plain_metrics": {"validation": {"f1": 0.5}}}, run_dir="a\nb")
    assert "run folder      a\\nb\n" in decided and "plain decision  f1" in decided  # in line with the table


def test_a_multi_label_run_has_no_confusion_matrix() -> None:
    text = finished(label_scores={"validation": {"a": SCORES, "b": SCORES, "c": SCORES}})
    assert re.search(r"^a +0.5000  0.2500  0.3333    1,200$", text, re.M) and "predicted" not in text


def test_sentences_on_the_result_stand_before_the_folder() -> None:
    remark = "accuracy is below the baseline: 0.6, and 0.7 for always the same answer"
    for text in (finished(remarks=[remark]), finished(80, remarks=[remark])):
        assert text.index("baseline: 0.6") < text.index("run folder")


def test_memory_that_the_system_does_not_tell_is_left_out() -> None:
    stream = io.StringIO()
    untold = {"peak_memory_bytes": None, "peak_device_memory_bytes": None}
    PlainProgress(stream, verbose=True).finished(Record.model_validate(RECORD | untold))
    assert "run folder" in stream.getvalue()
    assert "memory" not in stream.getvalue()


def test_plain_steps_are_some_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    now = [100.0]
    monkeypatch.setattr("glueft.terminal.progress.time.perf_counter", lambda: now[0])
    progress.begin(training(1, 1377))
    for _ in range(25):
        now[0] += 1.0
        progress.step(replace(STEP, step=int(now[0]) - 100, seconds=now[0] - 50, examples=8 * int(now[0])))
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("step")]
    assert len(lines) == 3  # the first, and then one every ten seconds
    assert lines[0] == "step 1/1,377  loss 0.6900  lr 4.90e-05  ... left"
    assert lines[1] == "step 11/1,377  loss 0.6900  lr 4.90e-05  8.0 examples/s  22:46 left"


def test_the_first_step_tells_no_speed() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.begin(training(1, 1377))
    progress.step(replace(STEP, step=1))
    assert stream.getvalue().splitlines()[-1] == "step 1/1,377  loss 0.6900  lr 4.90e-05  ... left"


def test_a_stream_that_is_no_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in CI
    assert isinstance(make_progress(io.StringIO()), PlainProgress)


def test_the_time_left_is_by_a_moving_mean_without_the_first_step() -> None:
    pace = Pace()
    pace.add(replace(STEP, step=1, seconds=60.0, examples=8))  # it traces the model
    assert pace.seconds_left(1000) is None and pace.examples_per_second() is None
    pace.add(replace(STEP, step=2, seconds=60.5, examples=16))
    assert pace.seconds_left(1000) == 499.0 and pace.examples_per_second() == 16.0
    for step in range(3, 3 + STEPS):  # from here on steps are quicker
        pace.add(replace(STEP, step=step, seconds=60.5 + 0.1 * (step - 2), examples=8 * step))
    assert pace.seconds_left(1102) == pytest.approx(100.0)
    assert pace.examples_per_second() == pytest.approx(80.0)
    assert [duration(seconds) for seconds in (0.4, 61, 3599.6, 7325)] == ["0:00", "1:01", "1:00:00", "2:02:05"]


def test_the_time_left_has_the_evaluations_to_come_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("glueft.terminal.pace.time.perf_counter", lambda: now[0])
    pace = Pace(np.arange(1, 101) % 2 == 0)  # after each second step
    for step, seconds in ((1, 60.0), (2, 60.5), (3, 61.0), (4, 61.5)):
        pace.add(replace(STEP, step=step, seconds=seconds))
        if step % 2 == 0:
            now[0] += 30.0 if step == 2 else 2.0  # the first traces the model
            pace.add_evaluation()
        assert step < 2 or pace.seconds_left(100) == 0.5 * (100 - step) + (2.0 * 48 if step == 4 else 0)


def test_a_run_that_goes_on_knows_the_best_of_its_epochs_before() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    resumed = training(3, 1377)
    resumed.epochs.append(EPOCH)
    progress.begin(resumed)
    progress.epoch(replace(EPOCH, epoch=2, metrics={"accuracy": 0.79, "f1": 0.9}))
    progress.epoch(replace(EPOCH, epoch=3, metrics={"accuracy": 0.81, "f1": 0.9}))
    second, third = stream.getvalue().splitlines()[-2:]
    assert second.startswith("epoch 2/3") and "best" not in second and third.endswith("best so far")


METRICS = ("matthews_correlation", "f1 of a label with a very long name", "accuracy", "roc_auc", "pearson", "spearmanr")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("count", [1, 2, 6])
def test_lines_of_epochs_fit_the_terminal_with_the_primary_metric_in_any_case(count: int, width: int) -> None:
    stream = io.StringIO()
    progress = RichProgress(PlainConsole(stream, force_terminal=True, width=width, color_system=None))
    begun = training(10, 1377)
    begun.session.evaluated = np.ones(20, bool)
    progress.begin(begun)
    progress.bar.stop()
    stream.truncate(0)
    metrics = dict.fromkeys(METRICS[:count], -0.1234)
    progress.mid_epoch(replace(HALF, epoch=9.333, metrics=metrics, seconds=7322.0))
    lines = stream.getvalue().replace("\0", "").splitlines()
    assert max(map(cell_len, lines)) <= width
    line = next(line for line in lines if line.startswith("epoch 9.333/10"))
    assert re.search(r"0\.6000 +0\.5000 +-0\.1234.* 2:02:02  (best so far|\*)$", line)
    assert "correlation" in stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_fits_on_one_line(width: int) -> None:
    stream = io.StringIO()
    progress = RichProgress(PlainConsole(stream, force_terminal=True, width=width, color_system=None))
    progress.begin(training(3, 123_456))
    for step in (1, 2):
        progress.shown = None
        progress.step(replace(STEP, step=step, seconds=float(step)))
    progress.bar.refresh()
    shown = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()))[-1]
    assert "loss 0.6900" in shown and "34:17:34 left" in shown and cell_len(shown) <= width
    assert ("examples/s" in shown) == (width >= 80) and ("lr 4.90e-05" in shown) == (width >= 120)
    progress.end(None)


def test_no_color_leaves_colours_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    for value in ("", "1"):
        if value:
            monkeypatch.setenv("NO_COLOR", value)
        else:  # rich 13 takes one that is empty for one that is set
            monkeypatch.delenv("NO_COLOR", raising=False)
        stream = io.StringIO()
        play(RichProgress(PlainConsole(stream, force_terminal=True, width=80, color_system="standard")))
        shown[value] = set(re.findall(r"\x1b\[([\d;]+)m", stream.getvalue()))
    coloured = {code for code in shown[""] if set(code.split(";")) & {"31", "32", "33", "34", "35", "36"}}
    assert coloured and not shown["1"] & coloured and "1" in shown["1"]  # what is bold stays


def test_quiet_leaves_out_what_is_going_on() -> None:
    stream = io.StringIO()
    progress = QuietProgress(PlainProgress(stream))
    progress.inform("TensorFlow on the CPU")
    progress.warn("two labels look alike")
    play(progress)
    text = stream.getvalue()
    assert text.startswith("warning: two labels look alike\n\nmrpc: 408 validation rows\n")
    assert not [line for line in text.splitlines() if line.startswith(("epoch", "step", "training", "TensorFlow"))]


@pytest.mark.parametrize(("seconds", "verbose", "line"), [(1.0, False, False), (11.0, False, True), (1.0, True, True)])
def test_on_a_terminal_a_phase_leaves_a_line_if_it_took_long(
    seconds: float, verbose: bool, line: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    stream = io.StringIO()
    progress = RichProgress(PlainConsole(stream, force_terminal=True, width=80), verbose=verbose)
    monkeypatch.setattr("glueft.terminal.progress.time.perf_counter", lambda: now[0])
    with progress.phase("tokens"):
        now[0] += seconds
    assert ("✓" in stream.getvalue()) == line


def test_a_run_that_stopped_early_says_how_many_steps_it_made() -> None:
    stream = io.StringIO()
    PlainProgress(stream).finished(Record.model_validate(RECORD | {"epochs": RECORD["epochs"][:2]}))
    assert "918 of 1,377; stopped early" in stream.getvalue()
