"""`glueft env` as a user types it. That the backend is asked is seen by tests/test_readme.py."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fake_nvidia_smi import ANSWER, put_nvidia_smi
from glueft.cli.main import command_line
from glueft.system import nvidia

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def old_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs and a driver of 2022."""
    put_nvidia_smi(tmp_path, ANSWER.replace("580.95.05", "515.105.01"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path / "none")
    for variable in ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("old_driver")
def test_json_is_one_object_with_all_facts_and_problems(capsys: Captured) -> None:
    assert command_line(["env", "--backend", "tensorflow", "--no-probe", "--json"]) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1 and told.err == ""
    found = json.loads(told.out)
    assert set(found) == {
        "glueft", "python", "executable", "system", "processor", "accelerators", "gpus", "installed_gpus", "driver",
        "nvidia_smi", "setting", "engine", "cuda", "with_cuda", "backend", "packages", "misfits", "plugins",
        "plugin_failures", "hub", "folders", "keras_file", "variables", "problems",
    }  # fmt: skip
    assert [(gpu["model"], gpu["compute_capability"]) for gpu in found["gpus"]] == [
        ("NVIDIA H100 80GB HBM3", "9.0"), ("Tesla T4", "7.5"),
    ]  # fmt: skip
    assert (found["driver"], found["backend"], found["engine"]["backend"]) == ("515.105.01", None, "tensorflow")
    (problem,) = [problem for problem in found["problems"] if problem["name"] == "driver_too_old"]
    assert problem["fix"] == "update the driver to 525 or newer"


@pytest.mark.usefixtures("old_driver")
def test_the_report_ends_with_what_is_wrong_and_tells_no_secret(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789abcdefghij")
    monkeypatch.setenv("https_proxy", "http://ada:geheim99@proxy.example:3128")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for arguments in ([], ["--json"]):
        assert command_line(["env", "--no-probe", *arguments]) == 0
        told = capsys.readouterr()
        assert "geheim99" not in told.out and "0123456789" not in told.out and "proxy.example" in told.out
        if not arguments:
            assert "\n  hidden          2 GPUs, by CUDA_VISIBLE_DEVICES\n" in told.out
            assert "\n  HF_TOKEN=(set)\n" in told.out
            assert '. CUDA_VISIBLE_DEVICES="" hides all GPUs (2 GPUs installed)\n     to fix: unset' in told.out


def test_a_backend_of_no_such_name(capsys: Captured) -> None:
    assert command_line(["env", "--backend", "tensorfow", "--no-probe"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and 'did you mean "tensorflow"?' in told.err
