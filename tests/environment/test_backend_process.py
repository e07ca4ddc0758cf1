"""A backend is asked for its devices in a process of its own, which may crash or hang."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from glueft.environment import backend_process
from glueft.environment.backend_process import Answer, BackendProcess

# What the program asks PyTorch for, as PyTorch has it.
TORCH = """
import os, sys, types

print("PyTorch says hello")
print("2026-11-26 15:00:00.123: E external/xla/cuda_platform.cc:51] failed call to cuInit: no device", file=sys.stderr)
print("W0000 00:00:1764169263.5 123 gpu_device.cc:2430] Cannot dlopen some GPU libraries.", file=sys.stderr)
print("of no interest\\n  a_line_of_code(cuda)\\nRuntimeError: Unable to load cuDNN", file=sys.stderr)
assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
__version__ = "2.11.0+cu130"
version = types.SimpleNamespace(cuda="13.0")


class cuda:
    device_count = staticmethod(lambda: 1)

    @staticmethod
    def get_device_properties(number):
        return types.SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30, major=9, minor=0)
"""


NO_CUDNN = "RuntimeError: Unable to load cuDNN"


@pytest.fixture
def torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of that name, which comes before an installed one."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "torch.py"


def answer(seconds: float = 30.0) -> Answer:
    process = BackendProcess("torch")
    try:
        return process.answer(seconds)
    finally:
        process.end()


def test_devices_and_what_is_logged_of_them(torch: Path) -> None:
    torch.write_text(TORCH)
    device = {"kind": "gpu", "model": "NVIDIA H100", "memory": 80 * 2**30, "compute_capability": "9.0"}
    told = answer()
    assert (told.version, told.devices, told.failure) == ("2.11.0+cu130", [device], None)
    assert told.messages == ("failed call to cuInit: no device", "Cannot dlopen some GPU libraries.", NO_CUDNN)
    assert 0 <= told.seconds < 30


def test_without_a_gpu_it_is_the_processor(torch: Path) -> None:
    torch.write_text(TORCH.replace("lambda: 1", "lambda: 0"))
    assert [device["kind"] for device in answer().devices] == ["cpu"]


@pytest.mark.parametrize(
    ("source", "failure"),
    [
        ("raise ImportError('libcudart.so.13: no such file')", "ImportError: libcudart.so.13: no such file"),
        (  # as TensorFlow's
            "raise ImportError('Traceback:\\nImportError: libcublas.so.12\\n\\nFailed to load.\\nIf you need help')",
            "ImportError: libcublas.so.12",
        ),
        ("import os; os.abort()", "it crashes (SIGABRT)"),
        ("import os; os._exit(3)", "its process ends with the exit code 3"),
        ("import sys; sys.exit(0)", "its process ends with the exit code 0"),
    ],
)
def test_a_backend_that_fails(source: str, failure: str, torch: Path) -> None:
    torch.write_text(source)
    assert (answer().failure, answer().devices) == (failure, [])


def test_a_backend_that_hangs_is_given_up_with_all_that_it_has_begun(
    torch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.write_text(
        "import pathlib, subprocess, time\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(subprocess.Popen(['sleep', '60']).pid))\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(backend_process, "TOLD_AFTER", 0.1)
    told: list[str] = []
    process, begin = BackendProcess("torch"), time.monotonic()
    try:
        assert process.answer(2.0, told.append).failure == "it does not answer in 2 s"
    finally:
        process.end()
    assert time.monotonic() - begin < 10
    assert told == ["still importing torch to ask for its devices; it has 2 s"]
    begun, end = int((tmp_path / "pid").read_text()), time.monotonic() + 5
    while Path(f"/proc/{begun}/cmdline").exists() and b"sleep" in Path(f"/proc/{begun}/cmdline").read_bytes():
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.01)
