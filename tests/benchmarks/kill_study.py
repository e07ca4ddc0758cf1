"""A study that is killed at random moments until it is done, beside the same study left alone.

    python tests/benchmarks/kill_study.py STUDY --kills 10 --data-dir GLUE --checkpoint BERT [--set KEY=VALUE]

Killed is the driver alone (its runs go on), the driver with its runs, or a run; or the driver is told to end. At the
end both must have the same runs with the same scores, the same choices, and predictions that are equal to the last bit.
The exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from glueft.studies.result import StudyResult
from glueft.studies.result_file import read_result

GLUEFT = (sys.executable, "-m", "glueft.cli.start")
WAYS = ("driver", "all", "run", "term")


def run_study(arguments: Sequence[str], place: Path, kills: int, draw: random.Random, longest: float) -> list[str]:
    """Run a study, and end it so many times, each up to `longest` seconds after it began; return what was done."""
    story: list[str] = []
    log = (place / "log.txt").open("a")
    while True:
        command = [*GLUEFT, "study", *arguments, "--output-dir", str(place)]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        if len(story) == kills:
            code = process.wait()
            if code:
                raise SystemExit(f"{' '.join(command)} ended with {code}; see {log.name}")
            return story
        way, seconds = draw.choice(WAYS), draw.uniform(1.0, longest)
        try:
            process.wait(seconds)
            return story  # It was done before.
        except subprocess.TimeoutExpired:
            pass
        runs = children(process.pid)
        if way == "run" and runs:
            os.kill(draw.choice(runs), signal.SIGKILL)
            time.sleep(draw.uniform(0.0, 2.0))
        process.send_signal(signal.SIGTERM if way == "term" else signal.SIGKILL)
        if way == "all":
            for run in runs:
                os.kill(run, signal.SIGKILL)
        process.wait()
        story.append(f"{way} after {seconds:.1f} s")


def children(process: int) -> list[int]:
    """The processes that another has begun."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def differences(one: StudyResult, other: StudyResult) -> list[str]:
    """What differs between two studies that should be the same."""
    found: list[str] = []
    if [run.name for run in one.runs] != [run.name for run in other.runs]:
        return ["the runs have other names"]
    for mine, its in zip(one.recipes, other.recipes, strict=True):
        if (mine.chosen, mine.chosen_run) != (its.chosen, its.chosen_run):
            found.append(f"{mine.name}: {mine.chosen_run} is chosen, and {its.chosen_run}")
    for mine, its in zip(one.runs, other.runs, strict=True):
        if (mine.state, mine.score, mine.metrics) != (its.state, its.score, its.metrics):
            found.append(f"{mine.name}: {mine.state} with {mine.metrics}, and {its.state} with {its.metrics}")
        elif mine.folder is None or its.folder is None:
            found.append(f"{mine.name} has no folder")
        else:
            for path in sorted((mine.folder / "predictions").iterdir()):
                if path.read_bytes() != (its.folder / "predictions" / path.name).read_bytes():
                    found.append(f"{mine.name}: other predictions in {path.name}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--longest", type=float, default=60.0, help="seconds from a start to its end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--place", type=Path, help="where the two studies are kept")
    options, arguments = parser.parse_known_args()
    place = options.place or Path(tempfile.mkdtemp())
    found: list[StudyResult] = []
    for name, kills in (("whole", 0), ("killed", options.kills)):
        (place / name).mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        story = run_study(arguments, place / name, kills, random.Random(options.seed), options.longest)
        (folder,) = (path.parent for path in (place / name).glob("*/study.json"))
        found.append(read_result(folder))
        print(f"{name}: {time.monotonic() - begin:.0f} s; {len(found[-1].runs)} runs; ended {len(story)} times", *story)
    wrong = differences(*found)
    print(*(wrong or ["the two studies are the same"]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
