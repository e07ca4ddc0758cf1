"""What a study shows while it runs: a live table on a terminal, plain lines elsewhere, and how far each run is."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from glueft.runs.checkpoints import checkpoint_folder
from glueft.runs.lease import Lease
from glueft.studies.display import progress as study_progress
from glueft.studies.display.progress import (
    LiveStudyProgress,
    PlainStudyProgress,
    make_study_progress,
    now_text,
    run_table,
)
from glueft.studies.display.running import Now, look, study_seconds_left
from glueft.studies.result import StudyResult, StudyRun
from glueft.studies.words import setting_text
from glueft.system import interruption
from glueft.system.console import PlainConsole
from glueft.system.process_identity import process_identity
from report_runs import change_record, make_table_run
from study_results import recipe_result, study_result, study_run
from terminal_picture import final_screen

RATE = "schedule.initial_learning_rate"
HOSTILE = "DataError: [red]rows.tsv[/red] \x1b[31m cannot be read\nexpected: a file"


def planned(seed: int, recipe: str = "mrpc", **changes: Any) -> StudyRun:
    nothing = dict.fromkeys(("folder", "step", "steps", "seconds"))
    return study_run(recipe, seed, **{"state": "waiting", "attempts": 0} | nothing | changes)


def ended(seed: int, score: float, **changes: Any) -> StudyRun:
    return study_run("mrpc", seed, score, score, **{"seconds": 60.0} | changes)


@pytest.fixture
def runs() -> list[StudyRun]:
    return [planned(seed, setting={RATE: 2e-5, "training.shuffle": True}) for seed in (1, 2, 3)]


def result_of(folder: Path, runs: list[StudyRun]) -> StudyResult:
    return study_result(recipe_result("mrpc", list(runs)), folder=folder)


def test_plain_lines_tell_of_each_begin_and_end(runs: list[StudyRun], tmp_path: Path) -> None:
    stream = io.StringIO()
    progress = make_study_progress(stream)
    runs[0] = ended(1, 0.8, setting=runs[0].setting)
    progress.begin(result_of(tmp_path, runs))

    def change(number: int, **changes: Any) -> None:
        runs[number] = replace(runs[number], **changes)
        progress.changed(result_of(tmp_path, runs))

    change(1, state="running")
    change(1, attempts=1, step=10)
    change(1, state="waiting", error="it died")
    change(1, state="running", attempts=2)
    change(1, state="failed", error=HOSTILE)
    change(2, state="running", attempts=1, step=5)
    done = ended(3, 0.75, collapsed=True, setting=runs[2].setting)
    progress.changed(result_of(tmp_path, [*runs[:2], done]))
    # More seeds: nothing has happened to them.
    progress.end(result_of(tmp_path, [*runs[:2], done, planned(4)]))
    second, third = runs[1].name, runs[2].name
    assert stream.getvalue().splitlines() == [
        "study glue: 3 runs: 1 done, 2 waiting",
        f"[1/3] {second}: begins (initial_learning_rate=2e-05, shuffle=true)",
        f"[1/3] {second}: will be tried again: it died",
        f"[1/3] {second}: begins again (attempt 2)",
        f"[2/3] {second}: failed: DataError: [red]rows.tsv[/red] \\x1b[31m cannot be read",
        f"[2/3] {third}: goes on",
        f"[3/3] {third}: done, score 0.7500, collapsed (1:00)",
        "study glue: 4 runs: 2 done, 1 failed, 1 waiting",
    ]


def test_now_and_then_a_plain_line_says_how_far_the_runs_are(
    runs: list[StudyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    progress = PlainStudyProgress(stream)
    runs = [ended(1, 0.8), *(replace(runs[1], name=f"run{n}", state="running") for n in range(6))]
    progress.begin(result_of(tmp_path, runs))
    progress.changed(progress.result)
    assert len(stream.getvalue().splitlines()) == 1
    monkeypatch.setattr(study_progress, "SAID", 0.0)
    monkeypatch.setattr(study_progress, "look", lambda study, run, runs: Now(True, study, 3, 10, 30.0))
    progress.changed(progress.result)
    named = ", ".join(f"run{n} at step 3/10 (0:30 left)" for n in range(4))
    assert stream.getvalue().splitlines()[1:] == [
        f"7 runs: 1 done, 6 running; 0:00 gone, about 0:30 left; {named} and 2 more"
    ]


def test_a_run_whose_steps_are_done_still_evaluates(
    runs: list[StudyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Now(True, tmp_path, 10, 10, 0.0)
    assert now_text(now) == "all 10 steps done, finishing"
    table = run_table([(replace(runs[0], state="running", setting={}), now)])
    stream = io.StringIO()
    PlainConsole(stream, width=60).print(table)
    assert "setting" not in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("10/10         finishing")


def played(progress: LiveStudyProgress, stream: io.StringIO) -> list[str]:
    return [Text.from_ansi(line).plain.rstrip() for line in final_screen(stream.getvalue())]


@pytest.mark.parametrize("width", [60, 120])
def test_the_live_table_of_many_runs_fits_the_window(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    console = PlainConsole(stream, force_terminal=True, width=width, height=20)
    progress = LiveStudyProgress(console)
    monkeypatch.setattr(study_progress, "look", lambda study, run, runs: Now(True, study, 50, 100, 61.0))
    runs = [planned(seed, setting={RATE: 2e-5}) for seed in range(1, 1001)]
    progress.begin(result_of(tmp_path, runs))
    for number in range(100):
        runs[number] = ended(number + 1, 0.8, setting={RATE: 2e-5})
    for number in range(100, 140):
        runs[number] = replace(runs[number], state="failed", error=HOSTILE)
    for number in (140, 141):
        runs[number] = replace(runs[number], state="running", attempts=1)
    progress.changed(result_of(tmp_path, runs))
    progress.end(result_of(tmp_path, runs))
    lines = played(progress, stream)
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("glue")) :]
    assert table[0].startswith("glue  1,000 runs: 100 done, 2 running, 40 failed, 858 waiting"[: width - 1])
    assert len([line for line in table if line]) <= 20
    assert table[1] == "… 133 before these are over" and table[2].split() == [
        "run",
        "setting",
        "state",
        "score",
        "time",
    ]
    assert [line.split()[0] for line in table if "left" in line][-2:] == [runs[140].name, runs[141].name]
    assert "50/100" in stream.getvalue() if width > 60 else "1:01 left" in stream.getvalue()
    assert table[-2] == "… 852 more wait"
    assert "\x1b[31m cannot" not in stream.getvalue()
    assert "[red]rows.tsv[/red] \\x1b[31m" in stream.getvalue() or width == 60


def test_the_terminal_has_its_cursor_again_whatever_ends_the_process(
    runs: list[StudyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "_last", [])
    stream = io.StringIO()
    progress = LiveStudyProgress(PlainConsole(stream, force_terminal=True, width=120, height=30))
    progress.begin(result_of(tmp_path, runs))
    assert not stream.getvalue().endswith("\x1b[?25h")
    interruption.say_last()  # as on a second Ctrl-C, which ends the process on the spot
    shown = stream.getvalue()
    assert shown.endswith("\x1b[?25h")
    progress.end(progress.result)
    assert stream.getvalue() == shown and interruption._last == []


def test_the_live_table_shows_all_runs_where_there_is_room(
    runs: list[StudyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    progress = LiveStudyProgress(PlainConsole(stream, force_terminal=True, width=120, height=30))
    monkeypatch.setattr(study_progress, "look", lambda study, run, runs: Now(False, None, 0, None, None))
    runs[0] = ended(1, 0.81234, collapsed=True, setting=runs[0].setting)
    runs[1] = replace(runs[1], state="running")
    progress.begin(result_of(tmp_path, runs))
    progress.say("a line [bold]above\x1b[2J")
    progress.end(result_of(tmp_path, runs))
    lines = [line for line in played(progress, stream) if line]
    assert lines[1] == "a line [bold]above\\x1b[2J"
    assert [line.split() for line in lines[4:]] == [
        [runs[0].name, "initial_learning_rate=2e-05,", "shuffle=true", "done,", "collapsed", "0.8123", "1:00"],
        [runs[1].name, "initial_learning_rate=2e-05,", "shuffle=true", "stopped"],
        [runs[2].name, "initial_learning_rate=2e-05,", "shuffle=true", "waiting"],
    ]


def test_the_time_left_is_of_the_steps_that_were_seen(
    runs: list[StudyRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first of them a process compiles its step."""
    progress = PlainStudyProgress(io.StringIO())
    moment, step = 0.0, 4
    monkeypatch.setattr(study_progress.time, "monotonic", lambda: moment)
    monkeypatch.setattr(study_progress, "look", lambda study, run, runs: Now(True, study, step, 100, 999.0))
    running = replace(runs[0], state="running")
    progress.begin(result_of(tmp_path, [running]))
    seen = []
    for moment, step in ((10.0, 4), (20.0, 9), (20.5, 10), (22.0, 10)):  # noqa: B007
        ((_, now),) = progress.running().values()
        seen.append(now.seconds_left)
    assert seen == [999.0, 182.0, 182.0, 180.0]
    progress.changed(result_of(tmp_path, [replace(running, state="waiting")]))
    progress.changed(result_of(tmp_path, [running]))
    moment = 30.0
    assert [now.seconds_left for _, now in progress.running().values()] == [999.0]


def test_a_run_is_looked_up_in_its_folder(tmp_path: Path) -> None:
    run = planned(1)
    place = tmp_path / "runs" / run.name
    assert look(tmp_path, run) == Now(None, None, 0, None, None)
    place.mkdir(parents=True)
    lease = Lease.take(place)
    assert look(tmp_path, run) == Now(True, None, 0, None, None)
    attempt = make_table_run(place, [("a", "b", "yes"), ("c", "d", "no")], ("no", "yes"), [1, 0])
    attempt = attempt.rename(place / "mrpc-20260131-120000-a1b2c3")
    (place / "mrpc-20260130-120000-a1b2c3").mkdir()
    (place / "mrpc-20260130-120000-a1b2c3" / "run.json").write_text("{")
    change_record(attempt, status="running", metrics={}, epochs=[], num_train_steps=100, process=None)
    (attempt / "history.jsonl").unlink()
    assert look(tmp_path, run) == Now(True, attempt, 0, 100, None)
    line = {"kind": "step", "step": 40, "loss": 0.5, "learning_rate": 1e-5}
    (attempt / "history.jsonl").write_text(json.dumps(line) + "\n")
    now = (attempt / "history.jsonl").stat().st_mtime
    os.utime(attempt / "run.json", (now - 20, now - 20))
    found = look(tmp_path, run)
    assert (found.step, found.steps) == (40, 100) and found.seconds_left == pytest.approx(30, abs=2)
    # A resumed run has done its last steps alone since its process began.
    part = {"status": "running", "started": "2026-01-31T12:00:00+00:00", "from_step": 20}
    change_record(attempt, parts=[part])
    os.utime(attempt / "run.json", (now - 20, now - 20))
    assert look(tmp_path, run).seconds_left == pytest.approx(60, abs=2)
    # Others of the recipe that are done tell how long a step takes.
    done = [ended(2, 0.8, steps=100, seconds=200.0), ended(3, 0.8, steps=50, seconds=200.0)]
    assert look(tmp_path, run, [*done, planned(4)]).seconds_left == pytest.approx(3 * 60)
    assert look(tmp_path, run, [replace(done[0], recipe="cola")]).seconds_left == pytest.approx(60, abs=2)
    lease.release()
    assert look(tmp_path, run).alive is None
    change_record(attempt, process=process_identity() | {"pid": 2**22 + 1})
    assert look(tmp_path, run) == Now(False, attempt, 40, 100, None)
    checkpoint_folder(attempt, 50).mkdir(parents=True)
    assert look(tmp_path, run).step == 50
    (attempt / "run.json").write_text("{")
    assert look(tmp_path, run) == Now(None, attempt, 0, None, None)


def test_the_time_left_of_a_study() -> None:
    waiting = [planned(seed) for seed in (3, 4)]
    assert study_seconds_left(waiting, [], 1) is None
    runs = [ended(1, 0.8, seconds=40.0), ended(2, 0.8, seconds=60.0), *waiting]
    runs += [planned(1, recipe="cola")]
    assert study_seconds_left(runs, [], 1) == 150
    assert study_seconds_left(runs, [10.0, None], 2) == (150 + 10 + 25) / 2
    assert study_seconds_left(runs, [500.0], 1) == 650
    assert study_seconds_left(runs[:2], [500.0, 10.0], 2) == 500


def test_a_setting_in_words() -> None:
    assert setting_text({RATE: 2e-5, "training.shuffle": True, "a.b": "x"}) == (
        "initial_learning_rate=2e-05, shuffle=true, b=x"
    )
    assert setting_text({"a.rate": 1, "b.rate": 0.5}) == "a.rate=1, b.rate=0.5"
    assert setting_text({}) == "as in the recipe"
    drawn = {RATE: 3.47219834722e-05, "a.b": 12345678}
    assert setting_text(drawn) == "initial_learning_rate=3.47219834722e-05, b=12345678"
    assert setting_text(drawn, rounded=True) == "initial_learning_rate=3.472e-05, b=12345678"
