"""`glueft plugin new`: what it makes is complete and passes its own tests; what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from glueft import testing
from glueft.cli.main import command_line
from glueft.plugin.file import read_plugin_file
from glueft.plugin.kinds import KINDS
from glueft.plugin.registry import load_registry
from glueft.plugin.scaffold import class_of, kinds_with_template, module_of, nearest_name
from glueft.recipe import load_recipe

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_says_what_it_has_made(capsys: Captured) -> None:
    assert command_line(["plugin", "new", "demo"]) == 0
    assert capsys.readouterr().out == (
        "glueft-demo holds a package with the task demo:\n\n"
        "  glueft-demo/README.md\n"
        "  glueft-demo/glueft_demo/__init__.py\n"
        "  glueft-demo/glueft_demo/samples/demo/dev.tsv\n"
        "  glueft-demo/glueft_demo/samples/demo/train.tsv\n"
        "  glueft-demo/pyproject.toml\n"
        "  glueft-demo/recipe.toml\n"
        "  glueft-demo/tests/test_glueft_demo.py\n\n"
        "It works as it is:\n\n"
        "  pip install './glueft-demo[test]'\n"
        "  glueft plugin check demo\n"
        "  pytest glueft-demo\n"
        "  glueft run glueft-demo/recipe.toml\n\n"
        "glueft-demo/README.md says what to change.\n"
    )


def test_a_kind_without_a_template(capsys: Captured) -> None:
    assert command_line(["plugin", "new", "demo", "--kind", "encoder"]) == 2
    told = capsys.readouterr().err
    assert "there is no template for an encoder" in told and "one of task, optimizer, schedule" in told
    assert not list(Path().iterdir())


# The checks of an optimizer, a task and a loss train more than once; all kinds are checked in the slow test below, too.
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] * (kind in ("optimizer", "task", "loss")))
        for kind in kinds_with_template()
    ],
)
def test_what_it_makes_keeps_to_the_contract(kind: str, tmp_path: Path) -> None:
    """The module alone, as a plugin file; the package is installed in a slow test."""
    asked = ["plugin", "new", "My-demo_2".lower(), "--kind", KINDS[kind].plural]
    assert command_line([*asked, "--directory", "here/there"]) == 0
    folder = tmp_path / "here" / "there" / "glueft-my-demo-2"
    texts = {file: file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert not [file for file, text in texts.items() if "$" in text.replace("$0", "")]
    assert not re.search(r"https?://|pypi|\.org\b", "\n".join(texts.values()))
    module = folder / "glueft_my_demo_2" / "__init__.py"
    assert len(texts[module].splitlines()) < 60
    recipe = load_recipe(folder / "recipe.toml", plugins=[str(module)])
    (found,) = (plugin for plugin in recipe.registry.all() if plugin.point.file)
    assert (found.kind, found.name, found.cls.__name__) == (kind, "my-demo_2", f"MyDemo2{kind.capitalize()}")
    assert (
        f"from glueft_my_demo_2 import {found.cls.__name__}\n" in texts[folder / "tests" / "test_glueft_my_demo_2.py"]
    )
    for check in testing.checks(found.cls):
        check.run()


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("My Task", "my_task"),
        ("2fast", "fast"),
        ("glueft-reviews", "reviews"),
        ("tone__", "tone"),
        ("a--b", "a-b"),
        ("", "my_task"),
        ("Žluťoučký kůň", "zlutoucky_kun"),
        ("../etc", "etc"),
        ("x" * 60, "x" * 40),
    ],
)
def test_a_name_that_no_plugin_can_have(name: str, suggestion: str, capsys: Captured) -> None:
    assert command_line(["plugin", "new", name]) == 2
    told = capsys.readouterr().err
    assert "cannot be the name of a plugin" in told and f'to fix:   call it "{suggestion}"\n' in told
    assert nearest_name(suggestion, "task") == suggestion
    assert not list(Path().iterdir())


def test_a_name_that_is_taken(capsys: Captured) -> None:
    assert command_line(["plugin", "new", "adam"]) == 2
    told = capsys.readouterr().err
    assert 'there is a plugin called "adam" already' in told and "the optimizer of glueft" in told
    assert command_line(["plugin", "new", "tasks"]) == 2
    assert "would need the module glueft_tasks, which is installed already" in capsys.readouterr().err


def test_what_is_there_is_not_written_over(capsys: Captured) -> None:
    assert command_line(["plugin", "new", "demo"]) == 0
    before = Path("glueft-demo/README.md").read_text()
    Path("glueft-other").write_text("mine")
    for name, received in (("demo", "a folder"), ("other", "a file")):
        assert command_line(["plugin", "new", name, "--kind", "schedule"]) == 2
        told = capsys.readouterr().err
        assert f"glueft-{name}: the folder of the new package exists already" in told and received in told
    assert Path("glueft-demo/README.md").read_text() == before
    assert command_line(["plugin", "new", "third", "--directory", "glueft-other"]) == 2
    assert "the package glueft-other/glueft-third cannot be made" in capsys.readouterr().err
    assert command_line(["plugin", "new", "third", "--kind", "taks"]) == 2
    assert 'did you mean "task"?' in capsys.readouterr().err


@pytest.mark.parametrize("command", ["new", "check"])
def test_the_help_has_examples(command: str, capsys: Captured) -> None:
    assert command_line(["plugin", command, "--help"]) == 0
    assert f"Examples:\n    glueft plugin {command} demo" in capsys.readouterr().out
    assert command_line(["plugin"]) == 2
    assert "Begin a plugin of your own, and check it." in "".join(capsys.readouterr())


def test_names_of_modules_and_classes() -> None:
    assert (module_of("a-b_c"), class_of("a-b_c", "task")) == ("glueft_a_b_c", "ABCTask")
    assert (class_of("none", "callback"), class_of("path", "schedule")) == ("NoneCallback", "PathSchedule")
    assert class_of("my_task", "task") == "MyTask"


@pytest.mark.slow
def test_check_from_the_command_line(capsys: Captured) -> None:
    assert command_line(["plugin", "new", "tail", "--kind", "schedule"]) == 0
    capsys.readouterr()
    module = "glueft-tail/glueft_tail/__init__.py"
    assert command_line(["plugin", "check", "--plugin", module, "--set", "end_factor=0.5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (report,) = answer["plugins"]
    assert answer["passed"] and report["passed"] and report["file"] == str(Path(module).absolute())
    assert [finding["check"] for finding in report["checks"]][-4:] == ["rates", "whole run", "is saved", "resume"]
    assert {finding["state"] for finding in report["checks"]} == {"passed"}
    said = {finding["check"]: finding["said"] for finding in report["checks"]}
    assert said["options"] == "initial_learning_rate = 5e-05, end_factor = 0.5"
    text = Path(module).read_text().replace("decay_rate=self.options.end_factor", "decay_rate=-1.0")
    Path(module).write_text(text)
    assert command_line(["plugin", "check", "tail", "--plugin", module]) == 2
    told = capsys.readouterr().out
    assert "  ✗ rates         in a run of 1 steps the learning rate of step 1 is -5e-05" in told
    assert "  ✓ builds        ExponentialDecay\n" in told and "\ntail: 3 of 10 checks failed\n" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing"], 'no plugin is called "nothing"'),
        (["optimizer/adma"], 'did you mean "adam"?'),
        (["adam", "--set", "beta_1"], "there is no = in it"),
        (["adam", "--set", "optimizer.beta_1=0.5"], "an option is named here without its table"),
        (["--plugin", "none.py"], "there is no such file"),
    ],
)
def test_what_check_cannot_begin_with(arguments: list[str], told: str, capsys: Captured) -> None:
    assert command_line(["plugin", "check", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_without_a_name_glueft_s_own_are_left_out(capsys: Captured) -> None:
    if [plugin for plugin in load_registry().all() if plugin.package != "glueft"]:
        pytest.skip("another package with plugins is installed here, which would be checked")
    assert command_line(["plugin", "check"]) == 0
    assert capsys.readouterr().out.startswith("no plugin but glueft's own is installed; name one to check it")


def test_a_file_of_glueft_s_own_shape_is_read_once() -> None:
    assert command_line(["plugin", "new", "demo"]) == 0
    file = read_plugin_file("glueft-demo/glueft_demo/__init__.py")
    assert load_registry(file) is load_registry(read_plugin_file("glueft-demo/glueft_demo/__init__.py"))


@pytest.mark.slow  # pip, the packages' own tests and `glueft plugin check`, with TensorFlow: a minute
def test_the_packages_are_installed_checked_tested_and_trained(tmp_path: Path, tiny_bert: Path) -> None:
    """One of each kind, all of them in one environment, and in one training."""
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    names = {kind: f"demo_{kind}" for kind in kinds_with_template()}
    folders = [f"./glueft-demo-{kind}" for kind in kinds_with_template()]
    for kind, name in names.items():
        assert command_line(["plugin", "new", name, "--kind", kind]) == 0
    run("pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", "site", *folders)
    found = {plugin["name"]: plugin for plugin in json.loads(run("glueft.cli.main", "list", "--json"))["plugins"]}
    for kind, name in names.items():
        demo = found[name]
        assert (demo["kind"], demo["package"], demo["version"]) == (kind, f"glueft-demo-{kind}", "0.1.0")
    assert run("glueft.cli.main", "plugin", "check", *names.values()).count("checks passed") == len(names)
    assert " passed" in run("pytest", "-q", *folders)
    run("glueft.cli.main", "validate", *(f"{folder}/recipe.toml" for folder in folders))
    # One training has all of them: the callback's recipe, with the plugins of the others.
    metrics = f", metrics=['{names['metric']}']"
    others = {"task": metrics, "optimizer": "", "schedule": ", initial_learning_rate=1e-4", "loss": ", beta=0.2"}
    overrides = [f"{kind}={{plugin='{names[kind]}'{options}}}" for kind, options in others.items()]
    few = [*overrides, "data.limit_train=32", "training.epochs=1"]
    arguments = [
        "glueft-demo-callback/recipe.toml",
        *(f"--set={change}" for change in few),
        "--checkpoint",
        str(tiny_bert),
    ]
    record = json.loads(run("glueft.cli.main", "run", *arguments, "--json"))
    assert record["status"] == "done"
    assert all(json.dumps(name) in json.dumps(record["plugins"]) for kind, name in names.items() if kind != "metric")
    assert list(record["metrics"]) == [names["metric"]]
