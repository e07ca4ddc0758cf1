"""Ten wrong plugins side by side: each gives one clear sentence with its package, and all others go on working."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.data.rows import load_rows
from glueft.data.sources import SampleSource
from glueft.errors import PluginError
from glueft.plugin.registry import load_registry
from glueft.recipe import RecipeError, load_recipe
from plugin_packages import forget, install
from wrong_plugins import WRONG, task

FOUND_LATER = [name for name, wrong in WRONG.items() if wrong.when_loaded]
FOUND_AT_ONCE = [name for name in WRONG if name not in FOUND_LATER]


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one that each command waits for."""
    folder = tmp_path_factory.mktemp("hanging")
    install(folder, "glueft-hangs", WRONG["hangs"].source)
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All the others."""
    folder = tmp_path_factory.mktemp("wrong")
    for name, wrong in WRONG.items():
        if name != "hangs":
            install(folder, f"glueft-{name}", wrong.source)
    install(folder, "glueft-good", task("good"))
    hidden = task("hidden").replace("class Mood", "def glueft_mood():\n  class Mood").replace("\n    ", "\n      ")
    hidden = hidden.replace("\n@glueft.hookimpl", "\n  return Mood\n\n@glueft.hookimpl").replace(
        "[Mood]", "[glueft_mood()]"
    )
    install(folder, "glueft-hidden", hidden)
    install(folder, "glueft-buggy", task("buggy", "return {}['train']"))
    return folder


def glueft(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, where an import may take two seconds."""
    environment = os.environ | {"PYTHONPATH": packages, "GLUEFT_IMPORT_SECONDS": "2"}
    return subprocess.run(
        [sys.executable, "-m", "glueft.cli.main", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def listed(packages: Path, hanging: Path) -> dict[str, Any]:
    done = glueft(os.pathsep.join(map(str, (packages, hanging))), "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def here(packages: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The packages in this process, after glueft's own."""
    load_registry()
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.chdir(tmp_path)
    load_registry.cache_clear()
    yield
    forget(packages)


@pytest.fixture
def hangs(here: None, hanging: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one that hangs too, with time enough for the others on a busy machine."""
    monkeypatch.syspath_prepend(str(hanging))
    monkeypatch.setenv("GLUEFT_IMPORT_SECONDS", "1")
    yield
    forget(hanging)


def test_there_are_ten() -> None:
    assert len(WRONG) == 10


@pytest.mark.parametrize("name", FOUND_AT_ONCE)
def test_list_names_the_package_and_says_in_one_sentence_what_is_wrong(name: str, listed: dict[str, Any]) -> None:
    failures = [failure for failure in listed["failures"] if WRONG[name].told in failure["reason"]]
    assert len(failures) == 1, listed["failures"]
    failure = failures[0]
    assert failure["package"] == f"glueft-{name}"
    assert (failure["name"], failure["kind"]) == (WRONG[name].plugin, WRONG[name].plugin and "task")
    assert "\n" not in failure["reason"]


@pytest.mark.usefixtures("hangs")
def test_the_others_go_on(listed: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    names = {plugin["name"] for plugin in listed["plugins"]}
    assert {"mrpc", "adam", "linear", "good", *FOUND_LATER} <= names
    assert not names & {*FOUND_AT_ONCE, "sst2"}
    assert len(listed["failures"]) == len(FOUND_AT_ONCE)
    assert command_line(["validate", "mrpc"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("mrpc: good")
    assert told.err.count("warning: ") == len(FOUND_AT_ONCE) == len(told.err.splitlines())


@pytest.mark.usefixtures("here")
def test_a_recipe_that_needs_one_of_them_is_told_why() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=no-docstring"])
    (problem,) = caught.value.problems
    assert problem.message == 'task "no-docstring" cannot be used'
    assert (
        "package glueft-no-docstring 1.0, entry point glueft_no_docstring: class Mood needs a docstring" in problem.fix
    )


@pytest.mark.usefixtures("here")
def test_a_run_of_a_wrong_one_ends_with_a_sentence(tiny_bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in FOUND_LATER:
        arguments = ["run", "mrpc", "--set", f"task.plugin={name}", "--checkpoint", str(tiny_bert), "--sample"]
        assert command_line(arguments) == 2
        told = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
        assert WRONG[name].told in told[0]


@pytest.mark.usefixtures("here")
def test_a_bug_in_a_plugin_is_the_plugin_s(packages: Path) -> None:
    recipe = load_recipe("mrpc", ["task.plugin=buggy"], sample=True)
    with pytest.raises(PluginError) as caught:
        load_rows(recipe.task, SampleSource())
    line = task("buggy", "return {}['train']").splitlines().index("        return {}['train']") + 1
    error = caught.value
    assert error.message == "the task \"buggy\" (glueft-buggy 1.0) failed in its `load`: KeyError: 'train'"
    assert error.received == f"KeyError: 'train', in {packages / 'glueft_buggy.py'}, line {line}"
    assert isinstance(error.__cause__, KeyError)


@pytest.mark.parametrize(
    ("load", "check", "told"),
    [
        (
            "import time; time.sleep(3600)",
            "offline load",
            "it did not finish within 1.5 s and was stopped; it may hang",
        ),
        pytest.param(
            "import os; os._exit(7)",
            "offline load",
            "it ended the process: exit code 7",
            marks=pytest.mark.slow,  # two more processes, with datasets in each
        ),
    ],
)
def test_the_check_of_a_plugin_that_hangs_or_leaves_goes_on(load: str, check: str, told: str, tmp_path: Path) -> None:
    install(tmp_path, "glueft-rows", task("rows", load))
    done = glueft(str(tmp_path), "plugin", "check", "rows", "--time-limit", "1.5", "--json")
    assert done.returncode == 2
    (report,) = json.loads(done.stdout)["plugins"]
    states = {finding["check"]: finding for finding in report["checks"]}
    assert (states[check]["state"], states[check]["said"]) == ("failed", told)
    assert states["labels"] == {"check": "labels", "state": "not checked", "said": "its rows cannot be loaded"}
    assert len(states) == 12


@pytest.mark.usefixtures("here")
def test_a_class_that_no_other_process_finds(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["plugin", "check", "hidden"]) == 2
    assert (
        "✗ found         the class is defined inside a function, where no other process finds it: define it at the top "
        "level of its module\n"
    ) in capsys.readouterr().out


@pytest.mark.usefixtures("hangs")
def test_plugin_check_tells_of_what_could_not_be_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["plugin", "check", "raises-on-import", "hangs", "no-docstring"]) == 2
    assert capsys.readouterr().out == (
        "package glueft-raises-on-import 1.0, entry point glueft_raises_on_import\n"
        "  ✗ found         cannot be imported: RuntimeError: no weights here\n\n"
        "package glueft-hangs 1.0, entry point glueft_hangs\n"
        "  ✗ found         its import did not finish within 1 s\n\n"
        "no-docstring, a plugin of kind task from package glueft-no-docstring 1.0, entry point glueft_no_docstring\n"
        "  ✗ found         class Mood needs a docstring: its first line is the description that users see\n\n"
    )
