"""A signal ends the work, cleanly, once: also where Python or a library has swallowed what the handler raised."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from glueft.hub.client import in_thread
from glueft.system import interruption
from glueft.system.interruption import check, deferred, held, listening, meant, raise_received, received, take

unix = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has other signals")
# As in a process that a shell has not started in the background.
USUAL = "import signal, os, sys, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def press(number: int = signal.SIGINT) -> None:
    """Send this process a signal; its handler runs before the next line."""
    os.kill(os.getpid(), number)


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run([sys.executable, "-c", USUAL + code], capture_output=True, text=True, timeout=30, check=False)


def test_ctrl_c_is_raised_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), listening():
        press()
        pytest.fail("the handler raises")
    assert interruption.exit_code() is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_a_library_swallows_is_raised_at_the_next_step() -> None:
    with pytest.raises(KeyboardInterrupt), listening():
        check()
        try:
            press()
        except BaseException as lost:
            assert isinstance(lost, KeyboardInterrupt)
        check()
        pytest.fail("the signal was lost")


def test_what_python_drops_in_a_destructor_is_raised_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Group:
        def __del__(self) -> None:
            press()

    def drop() -> None:
        group = Group()
        del group
        for _ in range(1000):
            time.sleep(0.001)
        pytest.fail("the signal was lost")

    with pytest.raises(KeyboardInterrupt), listening():
        drop()
    assert "ignored" not in capsys.readouterr().err


def test_other_errors_of_destructors_are_shown_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Group:
        def __del__(self) -> None:
            raise ValueError("mine")

    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: shown.append(unraisable.exc_type))
    with listening():
        Group()
    assert shown == [ValueError]


def test_whoever_ends_the_work_is_not_interrupted_by_the_first() -> None:
    with pytest.raises(KeyboardInterrupt), listening():
        take()
        press()
        check()
        assert interruption.exit_code() == 130
        press()
        pytest.fail("the second is meant")


def test_another_thread_ends_its_own_work_alone() -> None:
    with pytest.raises(KeyboardInterrupt), listening():
        other = threading.Thread(target=take)
        other.start()
        other.join()
        press()
        pytest.fail("the handler raises")


def test_what_must_not_be_left_half_done_is_done_first() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), listening():
        with held():
            press()
            check()
            done.append("all")
        pytest.fail("it comes at the end of the block")
    assert done == ["all"]


def test_the_first_is_recorded_while_a_step_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "SAME_INTERRUPT_SECONDS", 60.0)  # the machine may be busy
    done = []
    with pytest.raises(KeyboardInterrupt), listening(), deferred():
        assert not received()
        raise_received()
        press()
        check()
        with held():
            press()  # the same once more: a launcher passes it on
        done.append(received())
        raise_received()
        pytest.fail("the block has ended the work")
    assert done == [True] and not received()


def test_the_end_of_the_block_raises_what_it_has_not() -> None:
    with pytest.raises(KeyboardInterrupt), listening():
        with deferred(), deferred():
            press()
        pytest.fail("the signal was lost")
    with pytest.raises(ValueError, match="its own"), listening(), deferred():
        press()
        raise ValueError("its own")


def test_the_second_is_raised_at_once_in_a_program_that_is_not_gluefts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "SAME_INTERRUPT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt), listening(), deferred():
        press()
        press()
        pytest.fail("the second is meant")
    with pytest.raises(KeyboardInterrupt), listening(), deferred():
        press()
        with held():
            press()
        pytest.fail("the second is meant")


def test_what_a_library_made_of_it_is_told_for_what_it_is() -> None:
    other = ValueError("of another cause")
    assert meant(other) is other
    with pytest.raises(KeyboardInterrupt) as raised, listening():
        try:
            press()
        except KeyboardInterrupt:
            raise meant(other)  # noqa: B904  # as it comes
    assert raised.value.__cause__ is other


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    def elsewhere() -> None:
        with listening():
            found.append(signal.getsignal(signal.SIGINT))

    found: list[object] = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    mine = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with listening():
            found.append(signal.getsignal(signal.SIGINT))
            press()
            check()
    finally:
        signal.signal(signal.SIGINT, mine)
    assert found == [signal.default_int_handler, signal.SIG_IGN]


@unix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_script_that_is_told_to_end_cleans_up_and_ends_by_the_signal(name: str, tmp_path: Path) -> None:
    done = python(
        f"from pathlib import Path; from glueft import files; from glueft.system import interruption\n"
        f"with interruption.listening(), files.whole_folder(Path({str(tmp_path / 'a')!r})) as beside:\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
    )
    assert done.returncode == -getattr(signal, name) and done.stderr == "" and list(tmp_path.iterdir()) == []


@unix
def test_a_script_goes_on_after_sigusr1_has_ended_its_run() -> None:
    """SIGUSR1 asks a run to end, as SLURM does before the job's time is over; a notebook lives on."""
    done = python(
        "from glueft.system import interruption\n"
        "try:\n"
        "    with interruption.listening(): os.kill(os.getpid(), signal.SIGUSR1)\n"
        "except interruption.TerminatedError as error: print(error)\n"
    )
    assert (done.returncode, done.stdout) == (0, "SIGUSR1\n"), done.stderr


@unix
@pytest.mark.parametrize("name", ["SIGINT", "SIGUSR1"])
def test_a_second_signal_ends_a_step_at_once(name: str) -> None:
    done = python(
        "from glueft.system import interruption\n"
        "interruption.SAME_END_SECONDS = 0.1\n"
        "interruption.own_process()\n"
        f"def press(): os.kill(os.getpid(), signal.{name}); time.sleep(0.2)\n"
        "with interruption.deferred():\n"
        "    press(); print(interruption.received(), interruption.exit_code(), flush=True)\n"
        "    for _ in range(20): press()\n"  # the machine may be busy
        "    print('on')\n"
    )
    code = {"SIGINT": 130, "SIGUSR1": 143}[name]
    assert (done.returncode, done.stdout) == (code, f"True {code}\n"), done.stderr


@unix
def test_a_second_signal_ends_a_process_that_is_stuck_in_c(tmp_path: Path) -> None:
    done = python(
        "import hashlib, threading; from pathlib import Path\n"
        "from glueft import files; from glueft.system import interruption\n"
        "interruption.own_process()\n"
        f"files.WholeFile(Path({str(tmp_path / 'a')!r})).__enter__()\n"
        "interruption.at_the_end(lambda: print('the last word', flush=True))\n"
        "def press():\n"
        "    while True: time.sleep(0.2); os.kill(os.getpid(), signal.SIGINT)\n"  # the machine may be busy
        "threading.Thread(target=press, daemon=True).start()\n"
        "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
    )
    assert (done.returncode, done.stdout) == (130, "the last word\n"), done.stderr
    assert done.stderr.endswith("interrupted\n") and list(tmp_path.iterdir()) == []


def test_nobody_waits_for_a_download() -> None:
    started = threading.Event()

    def download() -> None:
        started.set()
        time.sleep(20)

    def when_started() -> None:
        started.wait()
        press()

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), listening():
        threading.Thread(target=when_started, daemon=True).start()
        in_thread(download)
    assert time.monotonic() - begin < 10


def test_whatever_ends_work_in_a_thread_ends_the_waiting() -> None:
    with pytest.raises(SystemExit):
        in_thread(lambda: sys.exit(3), seconds=5)


@unix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_process_that_is_about_to_end_ends_as_it_would_have(name: str) -> None:
    done = python(
        "from glueft.system import interruption\n"
        "interruption.own_process()\n"
        "class Late:\n"
        f"    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.{name}): kill(me, number)\n"
        "late = Late()\n"
        "sys.exit(3)\n"
    )
    assert (done.returncode, done.stderr) == (3, "")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    done = python(
        "from glueft.system import interruption; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "interruption.own_process(); os.kill(os.getpid(), signal.SIGINT); interruption.check(); print('on')\n"
    )
    assert (done.returncode, done.stdout) == (0, "on\n")
