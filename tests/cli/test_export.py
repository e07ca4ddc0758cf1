"""`glueft export` as it is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.export.formats import FORMATS
from plugin_packages import glueft

Captured = pytest.CaptureFixture[str]


def test_a_run_is_exported(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out"
    assert command_line(["export", str(finished_run), str(out), "--format", "keras"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].startswith("load the model (") and lines[1].startswith("write and read back (keras) (")
    assert lines[2].startswith(f"{out}: BertForSequenceClassification in the format keras, 0.")
    assert lines[2].endswith("for rows of up to 128 tokens")
    assert lines[3] == "labels: not_equivalent, equivalent"
    assert lines[4].startswith("read back by keras ") and "the same logits on 11 rows (largest difference" in lines[4]
    assert lines[5:] == [f"{out}/README.md says how to call it"]
    assert told.err == ""

    assert command_line(["export", str(finished_run), str(out), "--format", "keras"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "add --force to replace it" in told.err


def test_as_json_from_the_model_folder(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out"
    assert command_line(["export", str(finished_run / "model"), str(out), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert command_line(["export", str(finished_run / "model"), str(out), "--json", "--force"]) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1 and "load the model" in told.err
    written = json.loads(told.out)
    assert written == first
    assert (written["format"], written["folder"]) == ("transformers", str(out))
    files = {path.name for path in out.iterdir()}
    assert set(written["files"]) == files >= {"config.json", "model.safetensors", "README.md", "export.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RUN", "OUT", "--format", "onx"], 'there is no format called "onx"'),
        (["RUN", "RUN"], "there is something in the place of the export"),
        (["RUN", "RUN", "--force"], "it holds what is to be exported, and is not replaced"),
        (["OUT/no", "OUT"], "this is not a run folder"),
    ],
)
def test_what_the_user_can_fix(
    arguments: list[str], message: str, finished_run: Path, tmp_path: Path, capsys: Captured
) -> None:
    places = {"RUN": str(finished_run), "OUT": str(tmp_path / "out"), "OUT/no": str(tmp_path / "no")}
    assert command_line(["export", *(places.get(word, word) for word in arguments)]) == 2
    told = capsys.readouterr()
    assert message in told.err and "Traceback" not in told.err
    assert not (tmp_path / "out").exists()


def test_help_and_refusals_import_nothing_heavy(finished_run: Path, tmp_path: Path) -> None:
    told = glueft("export", "--help", packages=tmp_path).stdout
    assert "--format" in told and all(name in told for name in FORMATS)
    heavy = ("keras", "tensorflow", "jax", "torch", "datasets", "transformers", "evaluate", "numpy", "onnx")
    code = f"""
import sys
from glueft.cli.main import command_line
import glueft.export.formats, glueft.export.exporter, glueft.export.check, glueft.export.readme
assert command_line(["export", "--help"]) == 0
assert command_line(["export", {str(finished_run)!r}, {str(finished_run)!r}]) == 2
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
