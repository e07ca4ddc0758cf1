"""The tutorial of docs/plugins.md: every block of it is written to its file, or run, in the order of the text."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import glueft
from documents import CHECKOUT
from glueft import testing
from glueft.cli.main import command_line
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import load_registry
from glueft.recipe import load_recipe

TEXT = (CHECKOUT / "docs" / "plugins.md").read_text(encoding="utf-8")
TUTORIAL = TEXT[TEXT.index("## Add a task") : TEXT.index("## The hooks")]
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```", flags=re.DOTALL)
BLOCKS = BLOCK.findall(TUTORIAL)
FILES = {name: content for name, _, content in BLOCKS if name}
SCRIPTS = [content for name, language, content in BLOCKS if language == "sh"]


def test_the_page_opens_with_it() -> None:
    assert re.findall(r"^## (.*)$", TEXT, flags=re.MULTILINE)[0] == "Add a task"


def test_every_block_is_a_file_or_a_script() -> None:
    assert [name for name, language, _ in BLOCKS if not name and language != "sh"] == []
    assert list(FILES) == [
        *("harbour.py", "harbour.toml", "tickets.py", "logbook.py", "questions.py", "cooling.py", "samples.py"),
        *("kappa.py", "test_harbour.py"),
    ]
    assert len(SCRIPTS) == 10


def test_a_task_takes_less_than_sixty_lines() -> None:
    assert len(FILES["harbour.py"].splitlines()) < 60
    assert len(FILES["tickets.py"].splitlines()) < 60


def names_in(table: str) -> list[str]:
    """What stands in backquotes in the first column of a table of the tutorial."""
    rows = TUTORIAL[TUTORIAL.index(f"<!-- {table}") :].split("\n\n", 1)[0].splitlines()[3:]
    return [name for row in rows for name in re.findall(r"`(\w+)", row.split("|")[1])]


def test_what_it_says_of_source_field_and_data_error_is_so() -> None:
    assert {*names_in("of source")} == {name for name in dir(glueft.Source) if not name.startswith("_")} | {
        *glueft.Source.__annotations__,
        "folder",
    }
    assert {*names_in("of Field")} <= {*inspect.signature(glueft.Field).parameters}
    message, *others = inspect.signature(glueft.DataError).parameters.values()
    assert {(other.kind, other.default) for other in others} == {(inspect.Parameter.KEYWORD_ONLY, "")}
    # `mend` is the earlier name of `fix`.
    arguments = ", ".join([message.name, "*", *(f'{other.name}=""' for other in others if other.name != "mend")])
    assert f"`glueft.DataError({arguments})`" in TUTORIAL


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's files and rows, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_text(content)
    for script in SCRIPTS:
        # What stands before the first program makes the rows.
        rows = re.split(r"^(?:glueft|pip|pytest|python|cd) ", script, maxsplit=1, flags=re.MULTILINE)[0]
        subprocess.run(["bash", "-e", "-c", rows], check=True)
    return tmp_path


def test_the_files_load_and_train(
    written: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the slow test below does with the small encoder and pip, quickly."""
    harbour = load_recipe("harbour.toml")
    rows = testing.sample_rows(type(harbour.task))  # type: ignore[arg-type]
    assert (len(rows["train"]), len(rows["validation"])) == (16, 6)
    assert harbour.plugins.files == (str(written / "harbour.py"),)
    samples = ["--plugin", "samples.py", "--set", 'callbacks=[{plugin="samples", texts=["a rope, please"]}]']
    kappa = ["--plugin", "kappa.py", "--set", 'task.metrics=["accuracy", "quadratic_kappa"]']
    assert command_line(["run", "harbour.toml", "--checkpoint", str(tiny_bert), "--json", *samples, *kappa]) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    assert record["task"] == "harbour" and list(record["metrics"]) == ["accuracy", "quadratic_kappa"]
    history = [json.loads(line) for line in Path(record["run_dir"], "history.jsonl").read_text().splitlines()]
    answers = [line for line in history if line["kind"] == "samples"]
    assert [line["epoch"] for line in answers] == list(range(1, 11))
    for line in answers:
        assert f"epoch {line['epoch']}: {line['labels'][0]} (" in told.err
    last = record["metrics"]["accuracy"]
    wrong = [line for line in told.err.splitlines() if " of 6 validation rows are wrong" in line]
    assert len(wrong) == 10 and int(wrong[-1].split()[0]) == round(6 * (1 - last))
    tickets = load_recipe("mrpc", ['task={plugin="tickets", folder="tickets"}'], plugins=["tickets.py"]).task
    (check,) = (check for check in testing.checks(type(tickets), {"folder": "tickets"}) if check.name == "offline load")
    assert check.run() == "4 train, 4 validation rows from its files"


def checks_of(file: str, **options: object) -> dict[str, testing.Check]:
    (plugin,) = (plugin for plugin in load_registry(read_plugin_file(file)).all() if plugin.point.file)
    return {check.name: check for check in testing.checks(plugin.cls, options)}


def test_the_other_files_keep_to_the_contract(written: Path) -> None:
    """What their scripts check, but for the trainings."""
    logbook = checks_of("logbook.py", skip=["# "])
    assert logbook["offline load"].run() == "6 train, 2 validation rows from its files"
    assert logbook["bad rows"].run().startswith("refused: no train file, an empty train file, a train file that is not")
    assert logbook["options"].run().endswith("skip = ('# ',)")
    with pytest.raises(
        testing.ContractBrokenError, match=r"train.log, line 1: this is no entry \(expected weather: TEXT"
    ):
        checks_of("logbook.py")["offline load"].run()
    assert checks_of("questions.py", fine=True)["labels"].run() == "1 city, 1 river, 1 band, 1 painter"
    assert checks_of("kappa.py")["best value"].run().startswith("1 for right predictions")
    cooling = checks_of("cooling.py")
    for name in ("options", "builds", "rates", "whole run", "is saved"):
        cooling[name].run()


@pytest.mark.slow  # pip, the whole suite of checks three times, and four trainings
def test_every_command_does_what_it_says(tmp_path: Path, minilm: str) -> None:
    site = tmp_path / "site"
    programs = {
        "glueft": 'glueft.cli.main "$@"',
        "pytest": 'pytest "$@"',
        "pip": f'pip "$@" --quiet --no-deps --no-build-isolation --target {site}',
    }
    (tmp_path / "bin").mkdir()
    for name, arguments in programs.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\nexec {sys.executable} -m {arguments}\n")
        program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PYTHONPATH": str(site)}
    shown = ""
    # Of the test file two tests: the package has the same one, and all of it is run there.
    for name, language, content in [*BLOCKS, ("", "sh", "pytest test_harbour.py -k 'name or labels'")]:
        if language != "sh":
            (work / name).write_text(content)
            continue
        done = subprocess.run(
            ["bash", "-e", "-c", content], cwd=work, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{content}\n{done.stdout}\n{done.stderr}"
        shown += done.stdout
    assert shown.count("checks passed") == 5
    assert "LEFT OUT" not in shown
    assert "harbour, a plugin of kind task from glueft-harbour 0.1.0\n" in shown
    assert len(re.findall(r"^=+ \d+ passed", shown, flags=re.MULTILINE)) == 2
    runs = [json.loads(path.read_text()) for path in work.glob("runs/*/run.json")]
    assert [run["status"] for run in runs] == ["done"] * 6
    assert sorted(run["task"] for run in runs) == [*["harbour"] * 5, "tickets"]
