"""`glueft run` as a user types it: its output, its exit code; in a process of its own where that matters."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.training.session import Session

FAST = ["--set", "training.epochs=1", "--set", "data.limit_train=32", "--set", "data.limit_validation=16"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "glueft.cli.main", "run", *arguments]


def glueft_run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def noisy_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As TensorFlow is in a new process: its C++ code writes past Python while it is imported."""
    load = Session.load

    def noisy(session: Session) -> None:
        os.write(2, b"oneDNN custom operations are on\n")
        load(session)

    monkeypatch.setattr(Session, "load", noisy)


@pytest.mark.usefixtures("noisy_libraries")
def test_json_is_one_object_on_stdout_and_progress_goes_to_stderr(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line(["run", "mrpc", "--sample", "--checkpoint", str(tiny_bert), "--json", *FAST]) == 0
    told = capfd.readouterr()
    record = json.loads(told.out)
    assert told.out.count("\n") == 1
    assert record["status"] == "done"
    assert {"task", "seed", "status", "metrics", "seconds", "examples_per_second", "padding_waste", "run_dir"} <= set(
        record
    )
    seconds = record["seconds"]
    assert seconds["setup"] < seconds["first_step"] < seconds["total"]
    assert 0 < seconds["compile"] < seconds["train"] + seconds["evaluate"]
    assert record["tokens_per_second"] > 0 and record["peak_memory_bytes"] > 2**20
    assert record == json.loads((tmp_path / "runs" / Path(record["run_dir"]).name / "run.json").read_text())
    assert "epoch 1/1" in told.err
    assert "\x1b" not in told.err
    (known,) = record["warnings"]  # The tiny model has learnt nothing from so few rows.
    assert known.startswith("all 16 validation rows got the same answer")
    others = re.sub(f"warning:? +{re.escape(known)}", "", told.err)
    for noise in ("oneDNN", "cuda", "absl", "PyTorch was not found", "Warning", "warning"):
        assert noise not in others


def test_plain_output_is_only_glueft_s_own(tiny_bert: Path, tmp_path: Path) -> None:
    arguments = ("--sample", "--checkpoint", str(tiny_bert), "--output-dir", "out", "--token-cache", "tokens")
    done = glueft_run(tmp_path, "sst2", *arguments, *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"checkpoint {tiny_bert}")
    assert any(line.split()[:1] == ["accuracy"] for line in lines)
    assert str(next((tmp_path / "out").iterdir())) in done.stdout
    assert len([*(tmp_path / "tokens").iterdir()]) == 2


@pytest.mark.slow  # a process that imports TensorFlow
def test_verbose_lets_tensorflow_speak(tiny_bert: Path, tmp_path: Path) -> None:
    arguments = ("mrpc", "--sample", "--checkpoint", str(tiny_bert), "--verbose", *FAST)
    done = glueft_run(tmp_path, *arguments, TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0
    assert "tensorflow" in done.stderr.lower() or "onednn" in done.stderr.lower()


@pytest.mark.usefixtures("noisy_libraries")
def test_verbose_lets_the_libraries_speak(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [
        "run",
        "mrpc",
        "--sample",
        "--checkpoint",
        str(tiny_bert),
        "--verbose",
        "--set",
        "model.freeze.layers=9",
    ]
    assert command_line(arguments) == 2
    assert capfd.readouterr().err.startswith("oneDNN custom operations are on\n")


def test_a_rich_terminal_gets_bars_and_tables(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}.items():
        monkeypatch.setenv(name, value)
    leader, follower = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while part := os.read(leader, 65536):
                shown.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with open(follower, "w", encoding="utf-8") as terminal, monkeypatch.context() as patched:  # noqa: PTH123
        patched.setattr(sys, "stdout", terminal)
        patched.setattr(sys, "stderr", terminal)
        code = command_line(["run", "mrpc", "--sample", "--checkpoint", str(tiny_bert), *FAST])
    reader.join()
    os.close(leader)
    text = b"".join(shown).decode()
    assert code == 0, text
    assert "\x1b[" in text
    assert "━" in text  # the bar
    assert "95 % interval" in text


def a_long_run(checkpoint: Path, folder: Path) -> subprocess.Popen[str]:
    """Start one that a signal must end."""
    return subprocess.Popen(
        command("sst2", "--sample", "--checkpoint", str(checkpoint), "--set", "training.epochs=10000"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets what it starts in the background ignore the signal, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.slow  # three processes that import TensorFlow
@pytest.mark.parametrize(
    ("signals", "after", "code"),
    [
        ([signal.SIGINT], "tokens", 130),  # while the model is built
        ([signal.SIGTERM], "training:", 143),  # while the first step is traced
        ([signal.SIGINT, signal.SIGINT], "training:", 130),
    ],
)
def test_signals_where_they_used_to_be_lost(
    signals: list[signal.Signals], after: str, code: int, tiny_bert: Path, tmp_path: Path
) -> None:
    with a_long_run(tiny_bert, tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(after):
                break
        for number in signals:
            time.sleep(0.3)
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code and "interrupted" in errors and "Traceback" not in errors
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_ctrl_c_ends_with_130_and_a_record_that_says_so(tiny_bert: Path, tmp_path: Path) -> None:
    with a_long_run(tiny_bert, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("step 1/"):
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert str(folder) in output
    assert not (folder / "model").exists()


@pytest.mark.parametrize(
    "arguments", [("mrpc", "--data-dir", "nowhere"), ("mrpc", "--sample", "--checkpoint", "./nowhere")]
)
def test_an_error_is_a_message_and_exit_code_2(
    arguments: tuple[str, ...],
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = () if "--checkpoint" in arguments else ("--checkpoint", str(tiny_bert))
    assert command_line(["run", *arguments, *checkpoint]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    for part in ("expected:", "received:", "to fix:", "nowhere"):
        assert part in told
    assert not list((tmp_path / "runs").iterdir()) if (tmp_path / "runs").exists() else True


@pytest.mark.slow
def test_xla_on_demand(tiny_bert: Path, tmp_path: Path) -> None:
    arguments = ("mrpc", "--sample", "--checkpoint", str(tiny_bert), "--json", "--set", "engine.jit_compile=true")
    first, second = (glueft_run(tmp_path, *arguments, *FAST) for _ in range(2))
    assert first.returncode == 0, first.stderr
    records = [json.loads(done.stdout) for done in (first, second)]
    assert [record["engine"]["jit_compile"] for record in records] == [True, True]
    assert records[0]["epochs"][0]["loss"] == records[1]["epochs"][0]["loss"]


@pytest.mark.slow  # JAX is imported and compiles in a process of its own
def test_jax_trains_as_well(tiny_bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    arguments = ("mrpc", "--sample", "--checkpoint", str(tiny_bert), "--json", *FAST)
    done = glueft_run(tmp_path, *arguments, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["engine"]["backend"] == "jax"
    assert record["engine"]["jit_compile"] is True


def test_torch_trains_as_well(tiny_bert: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs PyTorch, which glueft does not install")
    arguments = ("mrpc", "--sample", "--checkpoint", str(tiny_bert), "--json", *FAST)
    done = glueft_run(tmp_path, *arguments, KERAS_BACKEND="torch")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["engine"]["backend"] == "torch"
