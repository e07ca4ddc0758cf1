"""The executor "ray", on a cluster of two nodes on this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import glueft
from glueft import testing
from glueft_executors import ray_task
from glueft_executors.node import Command
from glueft_executors.ray import Ray
from ray_cluster import TwoNodes, two_nodes

if TYPE_CHECKING:
    from glueft_executors.ray_pool import RayPool

    Opened = Callable[[Ray.Options], RayPool]


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    pytest.importorskip("ray", reason="needs Ray: pip install 'glueft[ray]'")
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Open a pool, and close it at the end."""
    with ExitStack() as stack:

        def open_pool(options: Ray.Options) -> RayPool:
            pool = Ray(options).open(tmp_path, pytest.fail)
            stack.callback(pool.close)
            return pool

        yield open_pool


def job(folder: Path, program: str, name: str = "job") -> glueft.Job:
    (folder / name).mkdir()
    command = (sys.executable, "-c", program)
    return glueft.Job(name, command, folder / name, again=(*command, "again"))


def wait(done: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


# Says that it goes on if it is begun again; else waits until it may end.
GOES_ON = """
import os, pathlib, sys, time
if sys.argv[1:] == ["again"]:
    print("goes on", flush=True)
    sys.exit(0)
pathlib.Path("saved").write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']} {os.environ['NPROC']}")
pathlib.Path("ready").touch()
while not pathlib.Path("../release").exists():
    time.sleep(0.05)
"""


@pytest.mark.slow
def test_it_keeps_to_the_contract(cluster: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for check in testing.checks(Ray, {"address": cluster.address}):
        check.run()


@pytest.mark.slow
def test_runs_end_with_the_study_that_is_killed(cluster: TwoNodes, tmp_path: Path) -> None:
    begins = (
        "import os, pathlib, sys, time, glueft; from glueft_executors.ray import Ray\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        f"pool = Ray(Ray.Options(address={cluster.address!r})).open(folder, print)\n"
        f"pool.start(glueft.Job('job', (sys.executable, '-c', {GOES_ON!r}), folder / 'job'))\n"
        "while not (folder / 'job' / 'ready').exists(): time.sleep(0.1)\n"
        "os.kill(os.getpid(), 9)"
    )
    (tmp_path / "job").mkdir()
    done = subprocess.run([sys.executable, "-c", begins], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = (tmp_path / "job" / "saved").read_text().split()[0]
    wait(lambda: not Path("/proc", pid).exists())


@pytest.mark.slow
def test_what_no_node_has_is_said_before_anything_begins(cluster: TwoNodes, opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(glueft.PluginError) as error:
        Ray(Ray.Options(address=cluster.address, gpus_per_run=0.5, memory=1.0)).open(tmp_path, print)
    assert error.value.message == "no node of the Ray cluster has what a run asks for"
    assert error.value.expected == "1 CPU, 0.5 GPU, 1.0 GB of memory"
    nodes = sorted(error.value.received.split("; "))
    assert [node.split(", ")[:2] for node in nodes] == [["1 CPU", "1 head"], ["1 CPU", nodes[1].split(", ")[1]]]
    assert nodes[1].endswith(" GB of memory, 1 other")
    pool = opened(Ray.Options(address=cluster.address, resources={"other": 0.5}, parallel=3))
    assert (pool.slots, pool.find(job(tmp_path, ""), "any")) == (3, None)


@pytest.mark.slow
def test_a_task_that_fails_without_its_command(cluster: TwoNodes, opened: Opened, tmp_path: Path) -> None:
    pool = opened(Ray.Options(address=cluster.address))
    lost = pool.start(glueft.Job("lost", ("true",), tmp_path / "no" / "folder"))
    wait(lambda: lost.state() == "ended")
    assert lost.exit_code() == 1
    begun = job(tmp_path, "")
    nothing = pool.start(glueft.Job("nothing", ("/no/such/program",), begun.folder))
    wait(lambda: nothing.state() == "ended")
    assert nothing.exit_code() == 1 and (begun.folder / "log.txt").read_text() == (
        "/no/such/program: No such file or directory\n"
    )


@pytest.mark.slow
def test_a_run_whose_node_is_lost_goes_on_elsewhere(
    cluster: TwoNodes, opened: Opened, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    pool = opened(Ray.Options(address=cluster.address))
    assert signal.getsignal(signal.SIGTERM) is handler
    assert pool.describe() == "2 runs at once on the Ray cluster, 2 nodes, each on 1 core and no GPU"
    jobs = [pool.start(job(tmp_path, GOES_ON, f"job-{number}")) for number in range(2)]
    folders = [tmp_path / f"job-{number}" for number in range(2)]
    wait(lambda: all((folder / "ready").exists() for folder in folders))
    wait(lambda: [running.state() for running in jobs] == ["running"] * 2)
    one_too_many = pool.start(job(tmp_path, "", "job-2"))
    assert one_too_many.state() == "waiting"
    one_too_many.stop()
    wait(lambda: one_too_many.state() == "ended")
    assert one_too_many.exit_code() is None
    saved = [(folder / "saved").read_text().split() for folder in folders]
    assert [threads for _, *threads in saved] == [["1", "1"]] * 2
    cluster.lose()
    wait(lambda: not all(Path("/proc", pid).exists() for pid, *_ in saved))
    (tmp_path / "release").touch()
    wait(lambda: [running.state() for running in jobs] == ["ended"] * 2)
    assert [running.exit_code() for running in jobs] == [0, 0]
    assert sorted((folder / "log.txt").read_text() for folder in folders) == ["", "goes on\n"]
    assert "will be retried" in (tmp_path / "executor" / "ray" / "messages.txt").read_text()
    assert capfd.readouterr().out == ""


def test_a_cluster_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="needs Ray: pip install 'glueft[ray]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "auto"):
            with pytest.raises(glueft.PluginError) as error:
                Ray(Ray.Options(address=address)).open(tmp_path, print)
            assert error.value.message == f"the Ray cluster {address!r} cannot be reached"
            assert error.value.received == "ConnectionRefusedError: [Errno 111] Connection refused"
            assert error.value.fix == "start it, or correct study.executor.address"


def test_without_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(glueft.PluginError) as error:
        Ray().open(tmp_path, print)
    assert error.value.message == 'the executor "ray" needs the package ray, which is not installed'
    assert error.value.fix == "pip install 'glueft[ray]', or set study.executor.plugin = \"local\""


def test_a_run_waits_until_that_of_a_lost_host_counts_as_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(ray_task, "time", SimpleNamespace(monotonic=lambda: sum(waits), sleep=waits.append))
    first, again = ((sys.executable, "-c", f"raise SystemExit({code})") for code in (7, 8))
    command = Command(first, again, str(tmp_path), {}, 1)
    begun = tmp_path / "begun"
    for code, host, waited in ((7, None, 0), (8, "another", ray_task.LOST_SECONDS), (8, None, 0)):
        if host is not None:
            begun.write_text(host)
        waits.clear()
        assert ray_task.run(command, str(begun)) == code
        assert sum(waits) == pytest.approx(waited, abs=1)
