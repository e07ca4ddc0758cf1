"""The executor "slurm", on a cluster of one node on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

import glueft
from glueft import testing
from glueft_executors import slurm_pool
from glueft_executors.node import Command
from glueft_executors.slurm import Slurm, minutes
from glueft_executors.slurm_pool import SlurmJob, SlurmPool
from slurm_cluster import slurm_cluster


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as file:
        yield file


@pytest.fixture
def cluster(configuration: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", configuration)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm_pool, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(slurm_pool, "LOOK_SECONDS", 0.2)


def opened(folder: Path, **options: Any) -> SlurmPool:
    return Slurm(Slurm.Options(**{"cpus_per_run": 1} | options)).open(folder, pytest.fail)


def job(folder: Path, program: str, name: str = "job") -> glueft.Job:
    (folder / name).mkdir()
    command = (sys.executable, "-c", program)
    return glueft.Job(name, command, folder / name, again=(*command, "again"))


def wait(done: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


def ended(running: SlurmJob) -> int | None:
    wait(lambda: running.state() == "ended")
    return running.exit_code()


# Saves how far it came when it is asked to end, and goes on from there.
COUNTS = """
import pathlib, signal, sys, time
saved = pathlib.Path("saved")
begun = int(saved.read_text()) if saved.exists() else 0
def end(number, frame):
    signal.signal(number, signal.SIG_IGN)  # SLURM sends it to the command, and to the job, which passes it on
    saved.write_text(str(begun + 1))
    print("saved by", signal.Signals(number).name, flush=True)
    sys.exit(143)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, end)
pathlib.Path(f"ready-{begun}").touch()
if sys.argv[1:] != ["again"]:
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("check", testing.checks(Slurm, {"cpus_per_run": 1}), ids=str)
def test_it_keeps_to_the_contract(check: testing.Check, cluster: None) -> None:
    check()


@pytest.mark.slow
def test_jobs_that_come_together_are_an_array(cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")  # as where the study itself runs in a job, whose settings they do not take
    monkeypatch.setenv("SLURM_OF_THAT_JOB", "1")
    pool = opened(tmp_path)
    jobs = [
        pool.start(
            job(
                tmp_path,
                f"import os; assert 'SLURM_OF_THAT_JOB' not in os.environ; raise SystemExit({code})",
                f"job-{code}",
            )
        )
        for code in (0, 2, 143)
    ]
    assert [running.id for running in jobs] == [None] * 3
    assert jobs[0].state() == "waiting"
    first, numbers = str(jobs[0].id).split("_")[0], [str(running.id).split("_")[1] for running in jobs]
    assert {str(running.id).split("_")[0] for running in jobs} == {first} and numbers == ["0", "1", "2"]
    assert [ended(running) for running in jobs] == [0, 2, 143]
    assert os.environ["SLURM_OF_THAT_JOB"] == "1"


@pytest.mark.slow
@pytest.mark.parametrize("cut_off", [("scancel", "--signal=USR2"), ("scontrol", "requeue")], ids=" ".join)
def test_a_job_whose_time_is_up_or_that_is_preempted_goes_on(
    cut_off: tuple[str, ...], cluster: None, tmp_path: Path
) -> None:
    """SIGUSR2 is what SLURM sends ahead of the time limit; `requeue` is what it does when it preempts a job."""
    running = opened(tmp_path).start(job(tmp_path, COUNTS))
    wait(lambda: running.state() == "running" and (tmp_path / "job" / "ready-0").exists())
    subprocess.run([*cut_off, str(running.id)], check=True)
    states = {running.state()}
    wait(lambda: states.add(running.state()) or running.state() == "ended")
    assert (running.exit_code(), states) == (0, {"waiting", "running", "ended"})
    assert (tmp_path / "job" / "ready-1").exists()
    by = "SIGUSR1" if cut_off[0] == "scancel" else "SIGTERM"
    assert {*(tmp_path / "job" / "log.txt").read_text().splitlines()} == {f"saved by {by}"}


@pytest.mark.slow
def test_a_job_in_the_queue_is_taken_off_it_and_one_that_runs_is_found_again(cluster: None, tmp_path: Path) -> None:
    pool = opened(tmp_path, sbatch={"exclusive": True})
    first = pool.start(job(tmp_path, COUNTS, "first"))
    wait(lambda: first.state() == "running" and (tmp_path / "first" / "ready-0").exists())
    second = pool.start(job(tmp_path, "", "second"))
    third = pool.start(job(tmp_path, "", "third"))
    assert second.state() == "waiting"
    second.stop()
    assert ended(second) is None
    never = pool.start(job(tmp_path, "", "never"))
    never.stop()
    assert (never.state(), never.id, pool.unsubmitted) == ("ended", None, [])
    found = opened(tmp_path).find(first_job := job(tmp_path, "", "again"), str(first.id))
    assert found is not None and found.state() == "running"
    assert opened(tmp_path).find(first_job, "999999_0") is None
    found.stop()
    assert ended(found) == 143 and ended(first) == 143
    assert ended(third) == 0
    again = opened(tmp_path).find(first_job, str(third.id))
    assert again is not None and ended(again) == 0


@pytest.mark.slow
def test_a_job_that_fails_before_its_run_is_no_lost_one(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_pool, "FILE_SECONDS", 2.0)
    running = opened(tmp_path, setup=("echo there is no such module >&2", "exit 3")).start(job(tmp_path, ""))
    assert ended(running) == 1
    log = (tmp_path / "job" / "log.txt").read_text()
    assert log.startswith(f"The SLURM job {running.id} has failed; from ") and "there is no such module\n" in log


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "received", "fix"),
    [
        ({"partition": "none"}, "Invalid partition name", "name one of the cluster's partitions in study.executor"),
        ({"gpus_per_run": 1}, "Invalid generic resource (gres)", "set study.executor.gpus_per_run = 0, or name"),
        ({"cpus_per_run": 999}, "Requested node configuration is not available", "ask for less: study.executor"),
        ({"sbatch": {"colour": "blue"}}, "unrecognized option '--colour=blue'", "correct study.executor.sbatch"),
    ],
)
def test_what_the_cluster_refuses_is_said_before_anything_begins(
    options: dict[str, Any], received: str, fix: str, cluster: None, tmp_path: Path
) -> None:
    with pytest.raises(glueft.PluginError) as error:
        opened(tmp_path, **options)
    assert error.value.message == "SLURM does not take jobs as [study.executor] has them"
    assert received in error.value.received and error.value.fix.startswith(fix)


@pytest.mark.slow
def test_what_the_cluster_does_not_take_now_is_submitted_later(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    pool = Slurm(Slurm.Options(cpus_per_run=1)).open(tmp_path, said.append)
    running = pool.start(job(tmp_path, ""))
    with monkeypatch.context() as busy:
        busy.setenv("SBATCH_PARTITION", "none")
        assert (running.state(), running.id) == ("waiting", None)
    assert said == [f"SLURM does not take 1 job now; again in a minute: {said[0].partition('minute: ')[2]}"]
    assert (running.state(), running.id) == ("waiting", None)
    pool.refused = float("-inf")
    assert ended(running) == 0


def test_the_task_of_a_job_where_there_is_no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In submitit's local executor."""
    monkeypatch.delenv("NPROC", raising=False)
    submitit = pytest.importorskip("submitit", reason="needs submitit: pip install 'glueft[slurm]'")
    from glueft_executors.slurm_task import Task, told_exit

    executor = submitit.LocalExecutor(tmp_path / "executor")
    told = "import os; print('threads', os.environ['NPROC']); raise SystemExit(7)"
    running = executor.submit(Task(Command.of(job(tmp_path, told), 3), tmp_path / "executor"))
    assert (running.result(), told_exit(tmp_path / "executor", running.job_id)) == (7, 7)
    assert (tmp_path / "job" / "log.txt").read_text() == "threads 3\n"


def test_without_slurm_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(glueft.PluginError) as error:
        Slurm().open(tmp_path, print)
    assert str(error.value) == (
        'the executor "slurm" finds no sbatch\n'
        "  expected: a machine from which SLURM jobs are submitted, such as the login node of a cluster\n"
        "  received: no program sbatch in PATH\n"
        '  to fix:   run the study on a login node, or set study.executor.plugin = "local"'
    )


def test_slurm_is_not_set_up_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="needs submitit: pip install 'glueft[slurm]'")
    said = "sbatch: fatal: Could not establish a configuration source"
    for program in ("sbatch", "squeue", "scancel", "srun"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(glueft.PluginError) as error:
        Slurm().open(tmp_path, print)
    assert error.value.received == said
    assert error.value.fix == "SLURM is not set up on this machine: run the study on a login node of the cluster"


def test_without_submitit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(glueft.PluginError) as error:
        Slurm().open(tmp_path, print)
    assert error.value.message == 'the executor "slurm" needs the package submitit, which is not installed'
    assert error.value.fix == "pip install 'glueft[slurm]', or set study.executor.plugin = \"local\""


@pytest.mark.parametrize(
    ("time", "whole"),
    [
        ("90", 90), ("90:00", 90), ("0:30", 1), ("4:00:00", 240), ("1:30:01", 91), ("2-12", 3600), ("1-0:30", 1470),
        ("1-00:30:00", 1470),
    ],
)  # fmt: skip
def test_time_limits(time: str, whole: int) -> None:
    assert minutes(time) == whole
    assert Slurm.Options(time=time).time == time


@pytest.mark.parametrize("time", ["", "0", "4 hours", "1:99:00", "-5", "1-", "UNLIMITED"])
def test_what_is_no_time_limit(time: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        Slurm.Options(time=time)
