"""The driver with real processes that leave run folders and train nothing: what is started, and what is made of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import study_worker
from glueft.cli.study import run_and_tell
from glueft.errors import CheckpointError, GlueftError, PluginError, StudyError, TrainingError
from glueft.plugin.executor import Job
from glueft.plugin.origin import Point, remember
from glueft.runs.lease import Lease
from glueft.studies.definition.study import Prune, Range, Study, StudyRecipe
from glueft.studies.display.progress import StudyProgress
from glueft.studies.execution import driver
from glueft.studies.execution.folder import Notes, StudyFolder
from glueft.studies.execution.planned import Planner
from glueft.studies.execution.search import open_search
from glueft.studies.result import StudyResult
from glueft.studies.result_file import as_json, read_result
from glueft.studies.run import refuse_failures, run_study
from glueft.system.interruption import listening
from glueft.system.process_identity import process_mark_is_alive
from small_studies import RATE, Fork, Forks, local_executor, small_study, study_recipe

GRID = {RATE: (2e-5, 5e-5)}


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "PROGRAM", (sys.executable, study_worker.__file__))
    monkeypatch.setattr(driver, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(driver, "LOOK_SECONDS", 0.1)


class Told(StudyProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def drive(study: Study, place: Path, **options: Any) -> tuple[StudyResult, list[str]]:
    told = Told()
    folder = StudyFolder(place / study.name)
    folder.runs.mkdir(parents=True, exist_ok=True)
    return driver.Driver(study, folder, told, **options).run(), told.lines


def starts(place: Path) -> list[str]:
    path = place / "starts"
    return path.read_text().splitlines() if path.exists() else []


def names(study: Study, place: Path) -> dict[tuple[str, Any, int], str]:
    plans = Planner(study, open_search(study, place)).plan({})
    return {(run.recipe, run.setting.get(RATE), run.seed): run.name for plan in plans for run in plan.runs}


def order(place: Path, **of_runs: str) -> None:
    (place / "orders").write_text("".join(f"{name} {what}\n" for name, what in of_runs.items()))


def wait_until_they_train(place: Path, runs: int) -> None:
    """Until then a run that is told to end leaves no state to go on with."""
    until = time.monotonic() + 30
    while len([*(place / "glue" / "runs").glob("*/*/history.jsonl")]) < runs:
        assert time.monotonic() < until
        time.sleep(0.02)


def states(result: StudyResult) -> Counter[str]:
    return Counter(run.state for run in result.runs)


def test_the_baseline_is_that_of_the_rows_in_the_table(tmp_path: Path) -> None:
    study = small_study(study_recipe(grid=GRID), choose="held_out", seeds=(1,))
    for _ in ("run", "found as it was left"):
        (recipe,) = drive(study, tmp_path)[0].recipes
        assert [run.stage for run in recipe.runs] == ["search", "search", "final"]
        assert set(recipe.baseline.values()) == {0.5}
    assert (tmp_path / study.name / "tokens").is_dir()  # where the runs of a study share their tokens


def test_a_study_is_run_once_chosen_from_and_not_run_again(tmp_path: Path) -> None:
    study = small_study(study_recipe(grid=GRID), final_seeds=(7,))
    result, _ = drive(study, tmp_path)
    (recipe,) = result.recipes
    assert states(result) == {"done": 5} and len(starts(tmp_path)) == 5
    assert recipe.chosen == {RATE: 5e-5} and [run.score for run in recipe.reported] == [pytest.approx(0.12)]
    assert [run.has_model for run in recipe.runs] == [False, False, False, False, True]
    assert result.finished is not None and result.left_out == []
    assert as_json(read_result(result.folder)) == as_json(result)
    assert drive(study, tmp_path)[0].runs == result.runs and len(starts(tmp_path)) == 5


def test_settings_are_chosen_by_the_loss(tmp_path: Path) -> None:
    result, _ = drive(small_study(study_recipe(grid=GRID), seeds=(1,), metric="loss"), tmp_path)
    (recipe,) = result.recipes
    assert [run.score for run in recipe.runs] == [pytest.approx(1 - 0.03), pytest.approx(1 - 0.06)]
    assert recipe.chosen == {RATE: 5e-5} and recipe.reason.startswith("the best mean loss on validation")
    assert [score for _, _, score in recipe.runs[0].validations] == [pytest.approx(1 - 0.03)] * 3


def test_what_the_edited_study_does_not_ask_for_is_left_out_and_what_is_new_is_run(tmp_path: Path) -> None:
    first, _ = drive(small_study(study_recipe(), keep_models="all"), tmp_path)
    edited = small_study(study_recipe(), seeds=(2, 3), keep_models="all")
    result, _ = drive(edited, tmp_path)
    assert [run.seed for run in result.runs] == [2, 3] and len(starts(tmp_path)) == 3
    assert result.runs[0] == first.runs[1]
    assert result.left_out == [
        (str(result.folder / "runs" / first.runs[0].name), "the study as it is now does not ask for it")
    ]


def test_a_recipe_begins_with_the_model_of_the_one_before(tmp_path: Path) -> None:
    study = small_study(
        study_recipe("rte", starts_from="mnli"), study_recipe("mnli"), keep_models="none", start_from={"rte": "mnli"}
    )
    result, _ = drive(study, tmp_path)
    rte, mnli = result.recipes
    assert (rte.name, mnli.name, mnli.chosen_run) == ("rte", "mnli", mnli.runs[1].name)
    for run in rte.runs:
        assert run.folder is not None
        record = json.loads((run.folder / "run.json").read_text())
        assert record["checkpoint"]["sha256"] == {"model.safetensors": mnli.chosen_run}
    assert not any(run.has_model for run in result.runs)  # kept until nothing began with it any more
    # One more recipe begins with it: it is made again, and what began with it is not.
    third = study_recipe("qnli", starts_from="mnli")
    before = [run.folder for run in rte.runs]
    with_a_third = small_study(study_recipe("rte", starts_from="mnli"), study_recipe("mnli"), third, seeds=(1, 2))
    result, _ = drive(with_a_third, tmp_path)
    assert states(result) == {"done": 6} and [run.folder for run in result.recipes[0].runs] == before
    assert [run.attempts for run in result.recipes[1].runs] == [1, 2]
    # Another model to begin with makes other runs.
    more = small_study(
        study_recipe("rte", starts_from="mnli"), study_recipe("mnli"), seeds=(2, 3), start_from={"rte": "mnli"}
    )
    again, _ = drive(more, tmp_path)
    assert states(again) == {"done": 4} and again.recipes[1].chosen_run == again.recipes[1].runs[1].name
    assert Counter(starts(tmp_path))[f"{rte.runs[1].name} run"] == 2
    assert (str(rte.runs[1].folder), "it began with another run's encoder") in again.left_out


def test_runs_that_fail_die_or_collapse_stand_in_the_table_as_what_they_are(tmp_path: Path) -> None:
    study = small_study(study_recipe(), seeds=(1, 2, 3, 4, 5, 6))
    of = {seed: name for (_, _, seed), name in names(study, tmp_path).items()}
    order(
        tmp_path,
        **{of[1]: "fail", of[2]: "fail-once", of[3]: "die-once", of[4]: "collapse", of[5]: "refuse"}
        | {of[6]: "die-once-for-good"},
    )
    result, told = drive(study, tmp_path)
    runs = {run.seed: run for run in result.runs}
    assert [runs[seed].state for seed in runs] == ["failed", "done", "done", "done", "failed", "done"]
    assert runs[1].error == "the loss is not a number" and runs[1].attempts == 2
    assert runs[5].error is not None and runs[5].error.endswith("there is no such folder") and runs[5].attempts == 0
    assert runs[4].collapsed and runs[4].score is not None and not runs[2].collapsed
    ways = Counter(starts(tmp_path))
    assert ways[f"{of[1]} run"] == 2 and ways[f"{of[2]} run"] == 2 and ways[f"{of[5]} run"] == 1
    assert ways[f"{of[3]} run"] == 1 and ways[f"{of[3]} resume"] == 1 and runs[3].attempts == 1
    assert ways[f"{of[6]} run"] == 2 and ways[f"{of[6]} resume"] == 1 and runs[6].attempts == 2
    assert result.recipes[0].chosen_run == of[6]
    assert any(line.startswith(f"{of[2]} failed: the loss is not a number; it is tried again") for line in told)
    with pytest.raises(StudyError, match="glue: 2 runs of 6 failed") as error:
        refuse_failures(result)
    assert "the loss is not a number" in error.value.received and "there is no such folder" in error.value.received
    assert error.value.fix.endswith(f"{result.command} --retry-failed")
    # They are not tried for ever, but when that is asked for.
    assert states(drive(study, tmp_path)[0])["failed"] == 2 and Counter(starts(tmp_path)) == ways
    (tmp_path / "orders").unlink()
    assert states(drive(study, tmp_path, retry_failed=True)[0]) == {"done": 6}


def test_what_cannot_begin_for_want_of_a_parent_has_failed(tmp_path: Path) -> None:
    study = small_study(study_recipe("mnli"), study_recipe("rte", starts_from="mnli"), retries=0)
    order(tmp_path, **{name: "fail" for (recipe, _, _), name in names(study, tmp_path).items() if recipe == "mnli"})
    result, _ = drive(study, tmp_path)
    assert [run.error for run in result.recipes[1].runs] == ["mnli has no run to begin with"] * 2
    assert result.finished is not None


def test_changed_rows_make_the_run_be_done_again(tmp_path: Path) -> None:
    study = small_study(study_recipe(), seeds=(1,))
    rows = tmp_path / "train.tsv"
    rows.write_text("before")
    result, _ = drive(study, tmp_path)
    folder = result.runs[0].folder
    assert folder is not None
    record = json.loads((folder / "run.json").read_text())
    stat = rows.stat()
    record["inputs"] = [
        {
            "kind": "data",
            "path": str(rows),
            "bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": hashlib.sha256(b"before").hexdigest(),
        }
    ]
    (folder / "run.json").write_text(json.dumps(record))
    assert drive(study, tmp_path)[0].runs[0].folder == folder
    rows.write_text("after!")
    again, _ = drive(study, tmp_path)
    assert again.runs[0].folder != folder and len(starts(tmp_path)) == 2
    assert again.left_out == [(str(folder), f"the data file {rows} has changed since the run")]


@pytest.mark.parametrize(
    ("recipe", "changes", "jobs"),
    [
        (study_recipe(), {}, 2),
        (study_recipe(grid={RATE: (1e-5, 2e-5)}), {"final_seeds": (7, 8, 9)}, 7),
        (study_recipe(ranges={RATE: Range(1e-5, 1e-4, log=True)}), {"sampler": "tpe", "trials": 3}, 6),
    ],
    ids=["seeds", "final", "not drawn yet"],
)
def test_the_executor_learns_how_many_runs_there_will_be(
    recipe: StudyRecipe, changes: dict[str, Any], jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study(recipe, **changes)
    asked: list[int | None] = []

    def open_pool(*arguments: Any, jobs: int | None = None) -> Any:
        asked.append(jobs)
        raise StudyError("not now")

    monkeypatch.setattr(study.executor, "open", open_pool)
    with pytest.raises(StudyError):
        drive(study, tmp_path)
    assert asked == [jobs]


def test_poor_runs_are_pruned_and_their_settings_not_chosen(tmp_path: Path) -> None:
    drawn = {"ranges": {RATE: Range(1e-5, 1e-4, log=True)}}
    # Of a study whose last drawn rate is the poorest, and slow: without pruning it would take a minute.
    for number in range(50):
        study = small_study(
            study_recipe(**drawn), executor=Forks(1), trials=3, seeds=(1, 2), prune=Prune(runs=4), name=f"study{number}"
        )
        rates = {(rate, seed): name for (_, rate, seed), name in names(study, tmp_path).items()}
        if [*rates][-2] == min(rates):
            break
    order(tmp_path, **{rates[min(rates)]: "slow"})
    result, told = drive(study, tmp_path)
    assert states(result) == {"done": 4, "pruned": 2} and any("is stopped" in line for line in told)
    stopped, last = result.recipes[0].runs[-2:]
    assert stopped.folder is not None and not (stopped.folder / "checkpoints").exists()
    assert last.error == "the run of another seed of this setting was stopped" and last.attempts == 0
    again, _ = drive(study, tmp_path)
    assert states(again) == states(result) and again.recipes[0].chosen == result.recipes[0].chosen


def test_two_drivers_share_a_folder_and_do_no_run_twice(tmp_path: Path) -> None:
    study = small_study(study_recipe(grid=GRID), seeds=(1, 2, 3))
    found: list[StudyResult] = []
    both = [threading.Thread(target=lambda: found.append(drive(study, tmp_path)[0])) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [states(result) for result in found] == [{"done": 6}] * 2
    assert len(starts(tmp_path)) == 6 == len({*starts(tmp_path)})


def test_a_signal_has_the_runs_save_their_states_and_the_same_command_goes_on(tmp_path: Path) -> None:
    study = small_study(study_recipe(), executor=local_executor(), seeds=(1, 2, 3))
    order(tmp_path, **dict.fromkeys(names(study, tmp_path).values(), "slow"))
    code = (
        "import sys, runpy; sys.path.insert(0, sys.argv[1]); sys.path.insert(0, sys.argv[1] + '/studies')\n"
        "from pathlib import Path; import test_driver as t; from glueft.studies.execution import driver\n"
        "from glueft.system.interruption import listening, own_process; own_process()\n"
        "driver.PROGRAM = (sys.executable, t.study_worker.__file__)\n"
        "from small_studies import *\n"
        "t.drive(small_study(study_recipe(), executor=local_executor(), seeds=(1, 2, 3)), Path(sys.argv[2]))\n"
    )
    tests = str(Path(study_worker.__file__).parent)
    with subprocess.Popen([sys.executable, "-c", code, tests, str(tmp_path)], stderr=subprocess.PIPE) as process:
        wait_until_they_train(tmp_path, 2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    for path in (tmp_path / "glue" / "runs").glob("*/*/run.json"):
        assert json.loads(path.read_text())["status"] == "interrupted"
    stopped = read_result(tmp_path / "glue")
    assert states(stopped) == {"waiting": 3} and stopped.finished is None
    (tmp_path / "orders").unlink()
    result, _ = drive(study, tmp_path)
    ways = Counter(line.split()[1] for line in starts(tmp_path))
    assert states(result) == {"done": 3} and ways == {"run": 3, "resume": 2}


def test_what_a_killed_driver_left_running_is_waited_for(tmp_path: Path) -> None:
    study = small_study(study_recipe(), executor=local_executor(), seeds=(1,))
    (name,) = names(study, tmp_path).values()
    order(tmp_path, **{name: "slow"})
    child = os.fork()
    if child == 0:
        try:
            drive(study, tmp_path)
        finally:
            os._exit(0)
    wait_until_they_train(tmp_path, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (run,) = (tmp_path / "glue" / "runs").glob("*/*/run.json")
    trainer = json.loads(run.read_text())["process"]["pid"]
    ended = threading.Timer(0.5, os.kill, (trainer, signal.SIGTERM))
    (tmp_path / "orders").unlink()
    ended.start()
    result, _ = drive(study, tmp_path)
    assert states(result) == {"done": 1} and [line.split()[1] for line in starts(tmp_path)] == ["run", "resume"]


def test_a_run_that_fails_is_tried_again_also_where_runs_are_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LOOK_SECONDS", 0.0)  # Its folder is seen while it runs.
    study = small_study(study_recipe(), seeds=(1,), prune=Prune())
    order(tmp_path, **dict.fromkeys(names(study, tmp_path).values(), "fail-once"))
    assert [run.attempts for run in drive(study, tmp_path)[0].runs] == [2]


@pytest.mark.parametrize(
    ("printed", "code", "words"),
    [
        ("epoch 1\nthere are no rows\n  expected: rows\n  received: none\n", 2, "there are no rows: none"),
        ("", 2, "exit code 2"),
        ("epoch 1\n", -9, "signal 9 ended it; the last line it printed: epoch 1"),
        ("", None, "it was lost"),
    ],
)
def test_the_last_words_of_a_run_are_its_own(printed: str, code: int | None, words: str, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    log = folder.log("rte")
    log.parent.mkdir(parents=True)
    log.write_text("an earlier attempt\n")
    before = folder.logged("rte")
    with log.open("a") as file:
        file.write(printed)
    assert folder.last_words("rte", before, code) == words


def test_edits_of_what_is_kept_and_ended_early_hold_for_what_has_been_run(tmp_path: Path) -> None:
    study = small_study(study_recipe(), seeds=(1,), prune=Prune(), keep_models="all")
    (name,) = names(study, tmp_path).values()
    folder = StudyFolder(tmp_path / study.name)
    folder.of_run(name).mkdir(parents=True)
    folder.note(name, Notes(pruned="it fell behind"))
    assert states(drive(study, tmp_path)[0]) == {"pruned": 1} and not starts(tmp_path)
    study = small_study(study_recipe(), seeds=(1,), keep_models="all")
    assert drive(study, tmp_path)[0].runs[0].has_model
    folder.log(name).with_name("job.json").write_text('{"failures": "many"}')
    study = small_study(study_recipe(), seeds=(1,), keep_models="none")
    with pytest.MonkeyPatch.context() as patch:  # There is nothing to run: a cluster is not asked for.
        patch.setattr(Forks, "open", None)
        assert not drive(study, tmp_path)[0].runs[0].has_model


def test_the_progress_ends_also_where_the_executor_cannot_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live table that did not end would leave the terminal without its cursor."""
    study = small_study(study_recipe())
    ends = []

    def refuse(*arguments: Any, **options: Any) -> None:
        raise GlueftError("no cluster", expected="one", received="none", fix="start it")

    monkeypatch.setattr(type(study.executor), "open", refuse)
    monkeypatch.setattr(Told, "end", lambda self, result: ends.append(result))
    with pytest.raises(GlueftError, match="no cluster"):
        drive(study, tmp_path)
    assert [states(result) for result in ends] == [{"waiting": 2}]


def test_a_second_signal_kills_what_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    monkeypatch.setattr(driver, "PROGRAM", (sys.executable, "-c", deaf))
    study = small_study(study_recipe(), executor=local_executor(1), seeds=(1,))
    (name,) = names(study, tmp_path).values()
    folder = StudyFolder(tmp_path / study.name)

    def interrupt() -> None:
        for ready in (lambda: folder.logged(name), lambda: any("second Ctrl-C" in line for line in told.lines)):
            until = time.monotonic() + 20
            while not ready() and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

    told = Told()
    folder.runs.mkdir(parents=True)
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with listening():
            driver.Driver(study, folder, told).run()
    trainer = folder.notes(name).id
    assert trainer is not None and not process_mark_is_alive(trainer)
    Lease.take(folder.of_run(name)).release()  # And it is free for the next driver of this process.


def test_what_cannot_be_written_is_an_error_that_says_how_it_goes_on(tmp_path: Path) -> None:
    study = small_study(study_recipe(), seeds=(1,))
    (tmp_path / "glue" / "table.md").mkdir(parents=True)
    with pytest.raises(StudyError, match=r"(?s)glue cannot be written.*the same command goes on"):
        run_study(study, output_dir=tmp_path)


def test_a_token_cache_that_the_user_names_takes_the_place_of_the_study_s(tmp_path: Path) -> None:
    run_and_tell(small_study(study_recipe(), seeds=(1,)), str(tmp_path), token_cache=tmp_path / "shared tokens")
    assert (tmp_path / "shared tokens").is_dir() and not (tmp_path / "glue" / "tokens").exists()


def test_what_no_run_could_begin_with_is_told_before_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = (f"model.checkpoint={tmp_path / 'encoder'}", "data.source=folder", f"data.folder={tmp_path}")
    one = study_recipe("mrpc", missing[0])
    # That of the other begins with a run of the first.
    other = study_recipe("rte", *missing, starts_from="mrpc")
    with pytest.raises(CheckpointError, match="there is no such checkpoint folder"):
        run_study(small_study(one, executor=local_executor()), output_dir=tmp_path)
    monkeypatch.setattr("glueft.training.engine_choice.is_installed", lambda name: name != "jax")
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    on_jax = study_recipe("mrpc", "engine.backend=jax")
    with pytest.raises(TrainingError, match='Keras cannot use the backend "jax" here'):
        run_study(small_study(on_jax, executor=local_executor()), output_dir=tmp_path)
    with pytest.raises(StudyError, match="runs cannot begin, for 2 reasons") as error:
        run_study(small_study(one, other, executor=local_executor()), output_dir=tmp_path)
    assert "no such checkpoint folder" in error.value.received and "RTE/train.tsv" in error.value.received
    assert len(error.value.received.splitlines()) == 2 and [*tmp_path.iterdir()] == []


class Hollow(Forks):
    def open(self, folder: Path, say: Any, *, jobs: int | None = None) -> Any:
        return None


class Low(Forks):
    def start(self, job: Job) -> Fork:
        raise ValueError("the tide is low")


def test_an_error_of_an_executor_names_it(tmp_path: Path) -> None:
    remember(Low, Point("tides", "glueft-tides", "1.0"))
    with pytest.raises(PluginError, match="failed in its `start`: ValueError: the tide is low"):
        drive(small_study(study_recipe(), executor=Low()), tmp_path)
    with pytest.raises(PluginError, match='`open` of the executor "forks" returns no pool') as error:
        drive(small_study(study_recipe(), executor=Hollow()), tmp_path / "hollow")
    assert error.value.received == "None, without slots, describe, start, find, close"
