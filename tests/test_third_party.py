"""The package that CONTRIBUTING shows is found after `pip install`, trains, and appears under its own name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from documents import files_in

NOTES = (
    ("please send the pilot boat to the north quay", "request"),
    ("the fog lifted a little after nine", "remark"),
    ("could somebody mend the lamp on pier two", "request"),
    ("two seals slept on the slipway all morning", "remark"),
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    files = files_in("CONTRIBUTING.md")
    assert set(files) == {"pyproject.toml", "glueft_harbour.py"}
    for name, content in files.items():
        (source / name).write_text(content)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True, timeout=120)
    return os.environ | {"PYTHONPATH": str(site)}


def glueft_command(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glueft.cli.main", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


def test_it_is_listed_with_its_package(environment: dict[str, str], tmp_path: Path) -> None:
    done = glueft_command(environment, tmp_path, "list", "task", "--json")
    assert done.returncode == 0, done.stderr
    plugins = {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
    assert plugins["harbour"]["package"] == "glueft-harbour"
    assert plugins["harbour"]["version"] == "0.1"
    assert plugins["mrpc"]["package"] == "glueft"
    assert "glueft-harbour" in glueft_command(environment, tmp_path, "list").stdout


def test_it_trains(environment: dict[str, str], tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "DATA" / "harbour"
    folder.mkdir(parents=True)
    rows = "".join(f"{text}\t{kind}\n" for text, kind in NOTES)
    (folder / "train.tsv").write_text("text\tkind\n" + rows * 4)
    (folder / "dev.tsv").write_text("text\tkind\n" + rows)
    arguments = ["mrpc", "--set", "task.plugin=harbour", "--data-dir", "DATA", "--checkpoint", str(tiny_bert), "--json"]
    done = glueft_command(environment, tmp_path, "run", *arguments)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["task"] == "harbour"
    assert set(record["metrics"]) == {"accuracy", "f1"}
    predictions = next((tmp_path / "runs").glob("*/predictions/validation.tsv")).read_text()
    assert predictions.startswith("id\tlabel\tprediction\tprobability_remark\tprobability_request\n")
