"""The executor "local": what a process on this machine gets, how it ends, and how many there are at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import glueft
from glueft import testing
from glueft.system import nvidia
from glueft.system.nvidia import GPU
from glueft_executors.local import Local, LocalJob, LocalPool
from glueft_executors.node import THREADS

GB = 10**9


@pytest.mark.parametrize("check", testing.checks(Local), ids=str)
def test_it_keeps_to_the_contract(check: testing.Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check()


def pool(
    *,
    cores: int = 2,
    memory: int | None = None,
    memory_limit: int | None = None,
    jobs: int | None = None,
    gpus: Any = (),
    **options: Any,
) -> LocalPool:
    return LocalPool(Local.Options(**options), list(gpus), cores, memory, memory_limit or memory, jobs)


def job(folder: Path, program: str, **more: Any) -> glueft.Job:
    return glueft.Job("job", (sys.executable, "-c", program), folder, **more)


def ended(running: LocalJob) -> LocalJob:
    wait(lambda: running.state() == "ended")
    return running


def wait(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or nobody has asked for its exit code yet."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_exit_codes_are_exact_and_no_zombie_is_left(tmp_path: Path) -> None:
    here = pool()
    codes = {"pass": 0, "raise SystemExit(3)": 3, "import os; os.kill(os.getpid(), 9)": -9}
    for program, code in codes.items():
        running = here.start(job(tmp_path, program))
        assert ended(running).exit_code() == code
        assert not Path("/proc", str(running.pid)).exists()
    last = here.start(job(tmp_path, "pass"))
    assert last.process is not None
    os.waitid(os.P_PID, last.pid, os.WEXITED | os.WNOWAIT)
    here.close()
    assert not Path("/proc", str(last.pid)).exists()


def test_a_process_is_in_a_session_of_its_own_and_inherits_what_it_is_given(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    told = f"import os; os.write({writer}, str([os.getsid(0) == os.getpid(), os.getcwd(), os.read(0, 9)]).encode())"
    ended(pool().start(job(tmp_path, told, file_descriptors=(writer,))))
    assert os.read(reader, 1000).decode() == str([True, str(tmp_path), b""])
    closed = f"import os; os.write({writer}, b'.')"
    assert ended(pool().start(job(tmp_path, closed))).exit_code() == 1
    assert "Bad file descriptor" in (tmp_path / "log.txt").read_text()
    os.close(reader)
    os.close(writer)


def test_kill_ends_what_the_process_has_begun_too(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); import time; time.sleep(60)"
    )
    running = pool().start(job(tmp_path, program))
    log = tmp_path / "log.txt"
    wait(lambda: log.read_text().endswith("\n"))
    child = int(log.read_text())
    running.kill()
    assert (running.state(), running.exit_code()) == ("ended", -signal.SIGKILL)
    wait(lambda: has_ended(child))
    running.stop()
    running.kill()


def test_a_process_is_found_again_after_the_one_that_began_it_was_killed(tmp_path: Path) -> None:
    begins = (
        "import os, sys, pathlib, glueft; from glueft_executors.local import Local\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "pool = Local().open(folder, print)\n"
        "print(pool.start(glueft.Job('job', ('sleep', '60'), folder)).id, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", begins], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    here = pool()
    found = here.find(job(tmp_path, ""), done.stdout.strip())
    assert found is not None and found.id == done.stdout.strip() and here.running == [found]
    assert (found.state(), found.exit_code()) == ("running", None)
    found.stop()
    assert ended(found).exit_code() is None
    assert here.find(job(tmp_path, ""), found.id) is None
    again = here.find(job(tmp_path, ""), "no id of ours")
    assert again is None


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(glueft.PluginError) as error:
        pool().start(glueft.Job("mrpc-1", ("/no/such/program",), tmp_path))
    assert error.value.message == 'the run "mrpc-1" cannot be started'
    assert error.value.received == "/no/such/program: No such file or directory"
    (tmp_path / "file").touch()
    with pytest.raises(glueft.PluginError, match='the run "job" cannot be started'):
        pool().start(job(tmp_path / "file" / "run", "pass"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cores": 2}, "2 runs at once on this machine, 1 core each"),
        ({"cores": 8, "jobs": 3}, "3 runs at once on this machine, 2 cores each"),
        ({"cores": 8, "jobs": 1}, "1 run at once on this machine, 8 cores"),
        ({"cores": 8, "memory": 8 * GB}, "3 runs at once on this machine, 2 cores each (memory for no more than 3)"),
        ({"cores": 8, "memory": GB}, "1 run at once on this machine, 8 cores (memory for no more than 1)"),
        ({"cores": 8, "memory": 5 * GB, "memory_limit": 10 * GB},
         "2 runs at once on this machine, 2 cores each (memory for no more than 2)"),
        ({"cores": 2, "memory": GB, "parallel": 3}, "3 runs at once on this machine, 1 core each"),
        ({"cores": 16, "gpus": [GPU("0", 24 * GB)]}, "1 run at once on this machine, 1 GPU, 16 cores"),
        ({"cores": 16, "gpus": [GPU("0", 80 * GB)] * 2}, "8 runs at once on this machine, 2 GPUs, 2 cores each"),
        ({"cores": 4, "gpus": [GPU("0", None)] * 8}, "8 runs at once on this machine, 8 GPUs, 1 core each"),
        ({"gpus": [GPU("0", 80 * GB)], "gpu_memory": 40.0, "cores": 64},
         "2 runs at once on this machine, 1 GPU, 32 cores each"),
    ],
)  # fmt: skip
def test_how_many_runs_at_once(given: dict[str, Any], said: str) -> None:
    here = pool(**given)
    assert here.describe() == said
    assert here.slots == int(said.split()[0])


def test_what_a_run_needs_of_the_memory_counts(tmp_path: Path) -> None:
    here = pool(cores=8, memory=10 * GB)
    assert here.slots == 4
    ended(here.start(job(tmp_path, "pass", memory=4 * GB)))
    assert here.slots == 2
    ended(here.start(job(tmp_path, "pass", memory=GB)))
    assert (here.slots, here.threads) == (2, 2)
    ended(here.start(job(tmp_path, "pass", memory=40 * GB)))
    assert here.slots == 1


def variables(here: LocalPool, folder: Path, **more: str) -> dict[str, str]:
    """What a run finds in its environment."""
    (folder / "log.txt").unlink(missing_ok=True)
    ended(here.start(job(folder, "import os; print(dict(os.environ))", environment=more)))
    found: dict[str, str] = eval((folder / "log.txt").read_text())
    return found


def test_the_cores_are_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    found = variables(pool(cores=8, parallel=3), tmp_path)
    assert {name: found.get(name) for name in THREADS} == dict.fromkeys(THREADS, "2")
    assert not {*THREADS} & {*variables(pool(cores=8, parallel=1), tmp_path)}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    found = variables(pool(cores=8, parallel=3), tmp_path, NPROC="4")
    assert [found[name] for name in ("OMP_NUM_THREADS", "NPROC", "TF_NUM_INTRAOP_THREADS")] == ["5", "4", "2"]


def test_each_run_sees_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"):
        monkeypatch.delenv(name, raising=False)
    here = pool(gpus=[GPU("GPU-a", 24 * GB), GPU("GPU-b", 24 * GB)])
    running = [here.start(job(tmp_path / str(number), "import time; time.sleep(60)")) for number in range(3)]
    assert [one.gpu for one in running] == ["GPU-a", "GPU-b", "GPU-a"]
    running[1].kill()
    found = variables(here, tmp_path)
    assert found["CUDA_VISIBLE_DEVICES"] == "GPU-b" and "XLA_CLIENT_MEM_FRACTION" not in found
    for one in running:
        one.kill()
    found = variables(pool(gpus=[GPU("3", None)], parallel=4), tmp_path)
    assert (found["CUDA_VISIBLE_DEVICES"], found["XLA_CLIENT_MEM_FRACTION"]) == ("3", "0.225")
    # JAX refuses both names together, and the user's own one counts.
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.4")
    assert "XLA_CLIENT_MEM_FRACTION" not in variables(pool(gpus=[GPU("3", None)], parallel=4), tmp_path)
    assert variables(pool(device="cpu"), tmp_path)["CUDA_VISIBLE_DEVICES"] == "-1"


def test_a_gpu_is_asked_for_where_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nvidia, "PROGRAMS", ())
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(glueft.PluginError) as error:
        Local(Local.Options(device="gpu")).open(tmp_path, print)
    assert str(error.value) == (
        'the executor "local" finds no GPU\n'
        "  expected: a GPU that nvidia-smi lists and CUDA_VISIBLE_DEVICES does not hide\n"
        "  received: none\n"
        '  to fix:   install the driver (`glueft env` says what is wrong), or set study.executor.device = "cpu"'
    )
