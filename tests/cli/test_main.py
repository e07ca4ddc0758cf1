"""The command line as a whole: exit codes, where things are printed, and what is imported."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import glueft as package
from broken_recipes import GOOD
from glueft.cli import main
from glueft.plugin.registry import load_registry
from plugin_packages import glueft, install

Captured = pytest.CaptureFixture[str]
BAD = GOOD.replace('"mrpc"', '"mrcp"').replace("initial_", "").replace("learning_rate = 5e", "lerning_rate = 5e")
BAD = BAD.replace("batch_size = 8", 'batch_size = "8"')
LONG = [
    "run",
    "resume",
    "plan",
    "evaluate",
    "predict",
    "explain",
    "report",
    "compare",
    "reproduce",
    "export",
    "push",
    "serve",
    "submit",
]
COMMANDS = [*LONG, "validate", "show", "list-runs", "receipt", "list", "describe", "schema", "env"]


def test_the_package_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python -m glueft`, where the script is not on the path."""
    begun: list[bool] = []
    monkeypatch.setattr("glueft.cli.start.main", lambda: begun.append(True))
    runpy.run_module("glueft", run_name="__main__")
    assert begun == [True]


def test_help_and_version() -> None:
    done = glueft("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout
    assert "glueft run mrpc --sample" in done.stdout
    # What trains comes first, and every command has its place.
    headings = ["Train:", "Inspect:", "Ship:", "Extend:"]
    lines = done.stdout.splitlines()
    assert [line for line in lines if line in headings] == headings and "Commands of plugins" not in done.stdout
    train = lines[lines.index("Train:") + 1 :]
    assert [line.split()[0] for line in train[:3]] == ["run", "study", "resume"]
    assert "..." not in done.stdout.partition("Train:")[2].partition("Examples:")[0]  # nothing is cut off
    assert glueft("-h").stdout == done.stdout
    assert glueft("--version").stdout == f"glueft {package.__version__}\n"
    # Completion of the user's shell is typer's.
    assert "--install-completion" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_examples(command: str, capsys: Captured) -> None:
    assert main.command_line([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert main.command_line([command, "-h"]) == 0
    assert capsys.readouterr().out == told
    assert "Examples:\n" in told and f"  glueft {command}" in told


def test_the_help_of_study_has_the_options_of_its_runs(capsys: Captured) -> None:
    assert main.command_line(["study", "--help"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Usage: glueft study {FILE | COMMAND ...} [OPTIONS]\n")
    for option in ("--set KEY=VALUE", "--sample", "--data-dir DIR", "--output-dir DIR", "--retry-failed", "--json"):
        assert f"\n  {option} " in told


def test_the_acceptance_check(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD)
    done = glueft("run", "bad.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("bad.toml: 3 problems, nothing was run\n\n  task.plugin (line 2) ")
    for suggestion in (
        'did you mean "mrpc"?',
        'did you mean "initial_learning_rate"?',
        "remove the quotes: batch_size = 8",
    ):
        assert suggestion in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["bad.toml"]
    assert glueft("validate", "bad.toml", cwd=tmp_path).stderr.strip() == done.stderr.strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["train", "mrpc"], "No such command 'train'. Did you mean: glueft run"),
        (["help", "run"], "No such command 'help'. Did you mean: glueft run --help"),
        (["run", "mrpc", "--smaple"], "No such option: --smaple"),
        (["run", "mrpc", "--lr", "1e-4"], "No such option: --lr (did you mean --learning-rate?)"),
        (
            ["plan", "mrpc", "--zzz=1", "--batch_size", "2", "--epochs", "3", "--no-probe"],
            "No such options: --zzz, --batch_size (did you mean --batch-size?)\n",
        ),
        (["-q", "run", "mrpc"], "No such option: -q; it stands behind a command: glueft run -q ..."),
        (["list", "--jsn"], "--json"),
        (["validate"], "Missing argument"),
        (["describe"], "Missing argument"),
        (["run", "mrpc", "--set"], "requires an argument"),
        ([], "Usage: glueft"),
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], words: str, capsys: Captured) -> None:
    assert main.command_line(arguments) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == "" and "Traceback" not in told.err


def test_a_process_ends_with_the_code_of_its_command() -> None:
    done = glueft("lst")
    assert (done.returncode, done.stdout) == (2, "") and "Did you mean 'list'?" in done.stderr


LIGHT = [
    "--help",
    "run --help",
    "plan --help",
    "list",
    "list --json",
    "describe mrpc",
    "describe adamw --json",
    "validate mrpc sst2",
    "show mrpc",
    "schema",
    "plugin new --help",
    "plugin check --help",
]


def test_light_commands_import_little() -> None:
    """Of others' packages, only what a command line and checks are made of. One command after the other in one process:
    the first that takes more is named."""
    code = (
        "import json, sys; from glueft.cli.main import command_line\n"
        f"for arguments in {LIGHT!r}:\n"
        "    code = command_line(arguments.split())\n"
        "    roots = {name.partition('.')[0] for name in sys.modules if not name.startswith('_')}\n"
        "    backend = 'glueft.training.backend' in sys.modules\n"
        "    print('\\nLOADED', json.dumps([arguments, sorted(roots - sys.stdlib_module_names), backend, code]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = [json.loads(line.removeprefix("LOADED ")) for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    plugins = {point.value for point in importlib.metadata.entry_points(group="glueft")}
    few = {
        "glueft",
        "typer",
        "annotated_doc",
        "shellingham",
        "pluggy",
        "typing_extensions",
        "typing_inspection",
    } | plugins
    few |= {"pydantic", "pydantic_core", "annotated_types", "tomlkit"}
    assert [arguments for arguments, *_ in told] == LIGHT
    assert [(arguments, sorted(set(roots) - few), backend, code) for arguments, roots, backend, code in told] == [
        (arguments, [], False, 0) for arguments in LIGHT
    ]


@pytest.mark.parametrize(
    ("moment", "code", "said"), [("command_line", 130, "interrupted\n"), ("settle_streams", 0, "")]
)
def test_no_moment_is_bare_of_a_handler(moment: str, code: int, said: str) -> None:
    program = (
        "import os, signal, sys; from glueft.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"main.{moment} = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['glueft', '--version']; main.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, said)


def test_an_interrupt_ends_with_130_and_a_message(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("glueft.recipe.load_recipe", interrupt)
    assert main.command_line(["validate", "mrpc"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interrupted_study_says_how_it_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def run_study(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("glueft.studies.run.run_study", run_study)
    assert main.command_line(["study", "glue", "--sample"]) == 130
    said = "what is done is kept; the same command goes on from here\ninterrupted\n"
    assert capsys.readouterr().err.endswith(said)


def test_a_bug_keeps_its_traceback_and_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("in the depths")

    monkeypatch.setattr("glueft.recipe.load_recipe", fail)
    assert main.command_line(["validate", "mrpc"]) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told and "ZeroDivisionError: in the depths" in told
    assert told.endswith(
        "this is a bug in glueft or in a plugin; please report it with the lines above and those of `glueft env`\n"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 7.11 PiB"), "memory ran out"),
        (RuntimeError("DNN library initialization failed"), "a library of the GPU could not begin, most often because"),
    ],
)
def test_memory_that_runs_out_is_no_bug(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("glueft.recipe.load_recipe", fail)
    assert main.command_line(["validate", "mrpc"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(message) and f"received: {error}\n" in told and "Traceback" not in told


def test_a_failure_with_its_remedy_ends_with_2(capsys: Captured) -> None:
    names = ", ".join(plugin.name for plugin in load_registry().all())
    assert main.command_line(["describe", "adamm"]) == 2
    assert capsys.readouterr().err == (
        'no plugin is called "adamm"\n'
        f"  expected: one of {names}\n"
        '  received: "adamm"\n'
        '  to fix:   did you mean "adam"?\n'
    )


def test_a_reader_who_goes_away_gives_no_traceback() -> None:
    shell = f"{sys.executable} -m glueft.cli.main schema | head -c 1"
    done = subprocess.run(["bash", "-c", shell + "; exit ${PIPESTATUS[0]}"], capture_output=True, text=True)
    assert done.stdout == "{" and done.stderr == ""
    assert done.returncode in (0, main.READER_GONE)  # 0 where the pipe holds all of it


def test_output_that_cannot_show_a_letter(tmp_path: Path) -> None:
    (tmp_path / "é.toml").write_text("x = 1")
    done = subprocess.run(
        [sys.executable, "-m", "glueft.cli.main", "validate", "é.toml"],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("\\xe9.toml: ")


HELLO = """
import glueft

@glueft.hookimpl
def glueft_commands(app):
    @app.command("hello")
    def hello(name: str = "you"):
        "Say hello."
        print(f"hello, {name}")
"""


def test_a_plugin_adds_a_command(tmp_path: Path) -> None:
    install(tmp_path, "glueft-hello", HELLO)
    assert glueft("hello", "--name", "Ada", packages=tmp_path).stdout == "hello, Ada\n"
    assert re.search(r"^  hello +Say hello\.$", glueft("--help", packages=tmp_path).stdout, flags=re.MULTILINE)


def test_commands_that_may_run_for_long_have_their_garbage_collected(tmp_path: Path) -> None:
    install(tmp_path, "glueft-hello", HELLO.replace('print(f"hello, {name}")', "import gc; print(gc.isenabled())"))
    assert glueft("hello", packages=tmp_path).stdout == "True\n"
    assert not {*LONG} & {*main.LIGHT} and {*LONG, *main.LIGHT} == {*COMMANDS} == {name for name, _, _ in main.COMMANDS}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (HELLO.replace('"hello")', '"list")'), 'it adds a command "list", a name that is already in use'),
        (
            HELLO.replace("        print", "        pass\n    1 / 0\n    print"),
            "its glueft_commands failed: ZeroDivisionError",
        ),
        (HELLO.replace('app.command("hello")', "app.callback()"), None),
    ],
)
def test_a_plugin_whose_commands_go_wrong(tmp_path: Path, source: str, reason: str | None) -> None:
    install(tmp_path, "glueft-hello", source)
    done = glueft("list", "task", packages=tmp_path)
    assert "mrpc" in done.stdout
    if reason:
        assert done.returncode == 0
        assert done.stderr == f"warning: package glueft-hello 1.0, entry point glueft_hello: {reason}" + (
            ": division by zero\n" if "Zero" in reason else "\n"
        )
        assert "hello" not in glueft("--help", packages=tmp_path).stdout


@pytest.mark.parametrize("command", ["evaluate", "compare", "submit", "report"])
def test_a_path_that_the_system_refuses_is_a_sentence(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """A folder that may not be entered fails in the same place, but not for root, who runs tests in containers."""
    folder = "x" * 300
    monkeypatch.chdir(tmp_path)
    assert main.command_line([command, folder, *([folder] if command == "compare" else [])]) == 2
    told = capsys.readouterr()
    assert "Traceback" not in told.err and "received: File name too long" in told.err
    assert told.out == ""


def test_a_message_does_not_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    record = {"status": "failed", "task": "mrpc", "seed": 1, "started": "", "run_dir": "", "error": "\x1b[2J\rgone"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    assert main.command_line(["evaluate", "."]) == 2
    assert '"failed": \\x1b[2J\\rgone' in capsys.readouterr().err


def test_a_record_that_is_a_loop_of_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    (tmp_path / "run.json").symlink_to("run.json")
    monkeypatch.chdir(tmp_path)
    assert main.command_line(["evaluate", "."]) == 2
    told = capsys.readouterr().err
    assert "run.json: it cannot be read" in told and "Too many levels of symbolic links" in told


def test_a_metavar_that_is_the_name_in_capitals_comes_with_the_name() -> None:
    """Without it typer 0.27 makes `--PORT` of it."""
    for file in (Path(package.__file__).parent / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.arg) or node.annotation is None:
                continue
            for call in ast.walk(node.annotation):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "typer.Option":
                    metavars = [ast.literal_eval(word.value) for word in call.keywords if word.arg == "metavar"]
                    assert call.args or node.arg.upper() not in metavars, f"{file.name}: {node.arg}"
