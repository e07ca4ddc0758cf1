"""Standard output holds what was asked for and nothing else, whatever a plugin prints, and in whatever way."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.system.standard_output import aside, for_the_result
from plugin_packages import glueft

NOISY = '''
import atexit, logging, os, subprocess, sys
import glueft

print("import: print")
os.write(1, b"import: descriptor\\n")
subprocess.run([sys.executable, "-c", "print('import: child')"])
logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)
atexit.register(print, "at the end")

class Noisy(glueft.Callback):
    """Prints."""
    name = "noisy"
    def check(self, task):
        print("check: print")
        logging.info("check: log")
    def build(self, run):
        raise NotImplementedError

@glueft.hookimpl
def glueft_callbacks():
    print("hook: print")
    return [Noisy]
'''
IMPORT = ["import: print", "import: descriptor", "import: child", "hook: print", "at the end"]
CALLBACKS = "callbacks=[{plugin='noisy'}]"


@pytest.mark.parametrize("arguments", [("list", "--json"), ("describe", "noisy", "--json"), ("schema",)])
def test_what_an_import_prints_goes_to_standard_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    done = glueft(*arguments, "--plugin", str(tmp_path / "noisy.py"))
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    assert [line for line in IMPORT if line not in done.stderr.splitlines()] == []


def test_what_a_check_prints_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    done = glueft("show", "mrpc", "--plugin", str(tmp_path / "noisy.py"), "--set", CALLBACKS)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads(done.stdout)["callbacks"] == [{"plugin": "noisy"}]
    assert {"check: print", "INFO:root:check: log", *IMPORT} <= set(done.stderr.splitlines())


def test_every_command_with_json_keeps_standard_output_for_it() -> None:
    """Each `--json` is the option that sets standard output aside."""
    import typer

    from glueft.cli.main import make_app
    from glueft.cli.options import _keep_standard_output

    def options(command: object) -> list[tuple[str, object]]:
        found = [(command.name, option) for option in command.params if "--json" in option.opts]  # type: ignore[attr-defined]
        for inner in getattr(command, "commands", {}).values():
            found += options(inner)
        return found

    found = options(typer.main.get_command(make_app()))
    assert {"run", "evaluate", "predict", "plan", "list", "check"} <= {name for name, _ in found}
    for name, option in found:
        wrapped = option.callback  # type: ignore[attr-defined]
        assert getattr(wrapped, "__wrapped__", wrapped) is _keep_standard_output, name


def test_standard_output_is_itself_again_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    assert command_line(["describe", "mrpc", "--json"]) == 0
    assert command_line(["describe", "no-such-plugin", "--json"]) == 2
    assert command_line(["describe", "mrpc", "--json", "--no-such-option"]) == 2
    assert sys.stdout is before
    assert json.loads(capsys.readouterr().out)["name"] == "mrpc"


def test_only_the_result_comes_through(tmp_path: Path) -> None:
    code = """
import os, sys
from glueft.system.standard_output import aside, for_the_result
held = sys.stdout
with aside():
    print("noise")
    held.write("noise\\n")
    with aside():
        os.write(1, b"noise\\n")
    with for_the_result():
        print("result")
    os.system("echo noise")
print("after")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "result\nafter\n"
    assert done.stderr == "noise\n" * 4


def test_a_stream_without_a_descriptor_is_set_aside_too(capsys: pytest.CaptureFixture[str]) -> None:
    with aside():
        print("noise")
        with for_the_result():
            print("result")
    assert tuple(capsys.readouterr()) == ("result\n", "noise\n")
