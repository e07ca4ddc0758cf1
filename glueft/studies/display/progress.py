"""Shows a study: one live table of its runs with rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from glueft.studies.display.running import Now, look, study_seconds_left
from glueft.studies.result import OVER, StudyResult, StudyRun
from glueft.studies.words import counts_text, setting_text
from glueft.system.console import PlainConsole, Table, cell
from glueft.system.interruption import at_the_end, forget
from glueft.text import duration, printable_line, say, score_text

# Seconds between two drawings of the table, between two looks into the folder of a run, and between two plain lines
# that say how far the running ones are.
DRAWN, LOOKED, SAID = 0.5, 1.0, 60.0
# Names in a line.
MOST_NAMED = 4
BAR_WIDTH = 12
STYLES = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "pruned": "magenta",
    "stopped": "magenta",
    "waiting": "dim",
}


def make_study_progress(stream: IO[str]) -> StudyProgress:
    """Return the progress for a stream: a live table if it is a terminal, plain lines if not."""
    console = PlainConsole(stream)
    return LiveStudyProgress(console) if console.is_live else PlainStudyProgress(stream)


class StudyProgress:
    """Takes what happens in a study, and shows nothing."""

    def begin(self, result: StudyResult) -> None:
        """The study begins or goes on; `end` has to follow, also after an error."""

    def changed(self, result: StudyResult) -> None:
        """Show the study as it is now. Called as often as the driver looks at its runs, with the same result or not."""

    def say(self, line: str) -> None:
        """Show a line."""

    def end(self, result: StudyResult) -> None:
        """Nothing runs any more, whether or not all is over."""


class _Shown(StudyProgress):
    """What both ways of showing a study know of it.

    Attributes:
        result: the last that was told.
        over: the runs that are over, in the order in which they ended as far as it was seen.
    """

    result: StudyResult

    def begin(self, result: StudyResult) -> None:
        self.result = result
        self._began = time.monotonic()
        self._seen = {run.name: run for run in result.runs}
        self._looks: dict[str, tuple[float, Now]] = {}
        self._first_seen: dict[str, tuple[float, int]] = {}
        self.over = {run.name: run for run in result.runs if run.state in OVER}
        self.say(f"study {result.name}: {self.counts()}")

    def changed(self, result: StudyResult) -> None:
        if result is self.result:
            return
        self.result = result
        for run in result.runs:
            before = self._seen.get(run.name)
            if before is run:
                continue
            self._seen[run.name] = run
            if run.state in OVER:
                self.over[run.name] = run
            else:
                self.over.pop(run.name, None)
            # What is new in the plan waits, and nothing has happened to it.
            state = "waiting" if before is None else before.state
            if state != run.state or (before is not None and run.attempts > before.attempts > 0):
                self._first_seen.pop(run.name, None)
                self.happened(run)

    def happened(self, run: StudyRun) -> None:
        """A run has come to another state, or to another attempt."""

    def running(self) -> dict[str, tuple[StudyRun, Now]]:
        """Return the runs at work and what they do, by name."""
        moment = time.monotonic()
        found = {}
        for run in self.result.runs:
            if run.state != "running":
                continue
            looked = self._looks.get(run.name)
            if looked is None or moment - looked[0] >= LOOKED:
                now = self._timed(run.name, look(self.result.folder, run, self.result.runs), moment)
                looked = self._looks[run.name] = moment, now
            found[run.name] = run, looked[1]
        return found

    def _timed(self, name: str, now: Now, moment: float) -> Now:
        """Estimate the time left from the steps that were seen to be done: those before them waited for a compiler."""
        if now.steps is None or not now.step:
            return now
        begin, step = self._first_seen.setdefault(name, (moment, now.step))
        if now.step <= step:
            return now
        return replace(now, seconds_left=(moment - begin) / (now.step - step) * (now.steps - now.step))

    def counts(self) -> str:
        """Return `40 runs: 12 done, 2 running, 26 waiting`."""
        return counts_text(Counter(run.state for run in self.result.runs))

    def time_text(self, running: Mapping[str, tuple[StudyRun, Now]]) -> str:
        """Return `12:03 gone, about 24:10 left`."""
        left = study_seconds_left(
            self.result.runs, [now.seconds_left for _, now in running.values()], max(1, len(running))
        )
        gone = f"{duration(time.monotonic() - self._began)} gone"
        return gone if left is None or not running else f"{gone}, about {duration(left)} left"


class PlainStudyProgress(_Shown):
    """A line when a run begins and when it ends, and now and then one on those at work."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def say(self, line: str) -> None:
        say(line, stream=self.stream)

    def begin(self, result: StudyResult) -> None:
        super().begin(result)
        self._said = time.monotonic()

    def changed(self, result: StudyResult) -> None:
        super().changed(result)
        if time.monotonic() - self._said < SAID:
            return
        self._said = time.monotonic()
        running = self.running()
        if running:
            named = [f"{name} {now_text(now)}" for name, (_, now) in [*running.items()][:MOST_NAMED]]
            more = f" and {len(running) - MOST_NAMED} more" * (len(running) > MOST_NAMED)
            self.say(f"{self.counts()}; {self.time_text(running)}; {', '.join(named)}{more}")

    def happened(self, run: StudyRun) -> None:
        self.say(f"[{len(self.over):,}/{len(self.result.runs):,}] {run.name}: {event_text(run)}")

    def end(self, result: StudyResult) -> None:
        self.changed(result)
        self.say(f"study {result.name}: {self.counts()}")


class LiveStudyProgress(_Shown):
    """A table that is drawn anew: the runs at work, the last that ended, the next to come, as far as there is room."""

    def __init__(self, console: PlainConsole) -> None:
        self.console = console
        self._live: Live | None = None

    def say(self, line: str) -> None:
        self.console.print(cell(line), soft_wrap=True)  # a path, to be copied

    def begin(self, result: StudyResult) -> None:
        super().begin(result)
        self._drawn = 0.0
        self._live = self._opened()
        at_the_end(self._stop)  # It gives the terminal its cursor back.
        self._draw()

    def changed(self, result: StudyResult) -> None:
        super().changed(result)
        if time.monotonic() - self._drawn >= DRAWN:
            self._draw()

    def end(self, result: StudyResult) -> None:
        super().changed(result)
        self._draw()
        forget(self._stop)
        self._stop()

    def _opened(self) -> Any:
        live = Live(console=self.console, auto_refresh=False, vertical_overflow="crop")
        live.start()
        return live

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _draw(self) -> None:
        if self._live is None:
            return
        self._drawn = time.monotonic()
        running = self.running()
        # Of the window's lines two are the counts and the table's header, and two may say what is left out; the last
        # is the cursor's.
        table, before, after = self._table(running, max(3, self.console.size.height - 5))
        counts = Text.assemble((printable_line(self.result.name), "bold"), f"  {self.counts()}  ")
        counts.append(self.time_text(running), "dim")
        parts: list[Any] = [counts, table]
        parts[1:1] = [Text(f"… {before:,} before these are over", "dim")] if before else []
        parts += [Text(f"… {after:,} more wait", "dim")] if after else []
        for part in parts:
            if isinstance(part, Text):
                part.no_wrap, part.overflow = True, "ellipsis"
        self._live.update(Group(*parts), refresh=True)

    def _table(self, running: Mapping[str, tuple[StudyRun, Now]], room: int) -> tuple[Table, int, int]:
        """Return the table of at most so many rows, and how many runs that are over and that wait it leaves out."""
        over = [*self.over.values()]
        waiting = [run for run in self.result.runs if run.state == "waiting"]
        at_work = [*running.values()][:room]
        room -= len(at_work)
        # Half of the room for what comes, all of it if nothing else needs it.
        next_ones = waiting[: max(room // 2, room - len(over))]
        last = over[-(room - len(next_ones)) :] if room > len(next_ones) else []
        rows = [*((run, None) for run in last), *at_work, *((run, None) for run in next_ones)]
        hidden = len(running) - len(at_work)
        return run_table(rows), len(over) - len(last), len(waiting) - len(next_ones) + hidden


def run_table(rows: Sequence[tuple[StudyRun, Now | None]]) -> Table:
    """Return a table of runs, a line each, with what those do that are not over.

    Where there is little room, settings and reasons give way first; without any setting there is no such column.
    """
    with_settings = any(run.setting for run, _ in rows)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("run", no_wrap=True, overflow="ellipsis")
    if with_settings:
        table.add_column("setting", min_width=7)
    table.add_column("state", min_width=7)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for run, now in rows:
        words = printable_line(setting_text(run.setting, rounded=True)) if run.setting else ""
        state, seconds = _state_and_time(run, now)
        cells = [Text(words), state] if with_settings else [state]
        for text in cells:
            text.no_wrap, text.overflow = True, "ellipsis"
        table.add_row(run.name, *cells, "" if run.score is None else score_text(run.score), seconds)
    return table


def _state_and_time(run: StudyRun, now: Now | None) -> tuple[Text, str]:
    """Return what a run does or has become, and the time that it took or still takes."""
    if run.state != "running" or now is None:
        style = STYLES["stopped" if run.state == "waiting" and run.step else run.state]
        return Text(state_text(run), style), "" if run.seconds is None else duration(run.seconds)
    if now.alive is False:
        return Text(f"stopped {now_text(now)}" if now.step else "stopped", STYLES["stopped"]), ""
    if now.steps and now.step >= now.steps:
        return _progress(now), "finishing"
    return _progress(now), "" if now.seconds_left is None else f"{duration(now.seconds_left)} left"


def _progress(now: Now) -> Text:
    """A bar and the steps, or that there are none yet."""
    if not now.steps:
        return Text("setting up" if now.folder else "starting", STYLES["running"])
    full = min(BAR_WIDTH, BAR_WIDTH * now.step // now.steps)
    bar = (("━" * full, STYLES["running"]), ("━" * (BAR_WIDTH - full), "dim"))
    return Text.assemble(*bar, f" {now.step:,}/{now.steps:,}")


def now_text(now: Now) -> str:
    """Return `at step 120/1,377 (0:45 left)`, in words where there is no such step."""
    if not now.steps:
        return "setting up" if now.folder else "starting"
    if now.step >= now.steps:
        return f"all {now.steps:,} steps done, finishing"  # It evaluates, and writes its model and predictions.
    left = "" if now.seconds_left is None else f" ({duration(now.seconds_left)} left)"
    return f"at step {now.step:,}/{now.steps:,}{left}"


def state_text(run: StudyRun) -> str:
    """Return the state, with the reason where there is one."""
    if run.state == "done" and run.collapsed:
        return "done, collapsed"
    if run.state == "waiting" and run.step:
        return f"stopped at step {run.step:,}" + (f"/{run.steps:,}" if run.steps else "")
    reason = _reason(run)
    return f"{run.state}: {reason}" if run.state in ("failed", "pruned") and reason else run.state


def event_text(run: StudyRun) -> str:
    """Return what has just happened to a run, in a line."""
    if run.state == "running":
        if run.attempts > 1:
            return f"begins again (attempt {run.attempts})"
        return "goes on" if run.step else f"begins ({setting_text(run.setting)})" if run.setting else "begins"
    if run.state == "waiting":
        reason = _reason(run)
        return f"will be tried again: {reason}" if reason else "waits again"
    if run.state != "done":
        return state_text(run)
    score = "" if run.score is None else f", score {score_text(run.score)}"
    seconds = "" if run.seconds is None else f" ({duration(run.seconds)})"
    return f"done{score}{', collapsed' * run.collapsed}{seconds}"


def _reason(run: StudyRun) -> str:
    return printable_line((run.error or "").strip().partition("\n")[0])
