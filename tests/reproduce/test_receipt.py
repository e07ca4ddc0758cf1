"""Receipts: all that it takes to train a run again elsewhere, and nothing of who ran it and where."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.recipe import load_recipe
from glueft.reproduce.original import Original
from glueft.reproduce.receipt import read_receipt
from glueft.runs.run import Run
from glueft.training.fingerprints import settings_in_numbers
from run_folders import change_record, make_run

Captured = pytest.CaptureFixture[str]
SAMPLES = Path(__file__).parents[2] / "plugins" / "glueft_tasks" / "samples"

PLUGIN = '''
"""A callback of somebody's own."""

import glueft


class Watcher(glueft.Callback):
    """Watches."""

    name = "watcher"

    class Options(glueft.Options):
        folder: glueft.LocalPath | None = glueft.Field(None, description="A folder.")
        api_key: str = glueft.Field("", description="A key.")
        flags: str = glueft.Field("", description="Flags.")
        authToken: str = glueft.Field("", description="Another key.")
        title: str = glueft.Field("", description="A title.")

    def build(self, run):
        raise NotImplementedError
'''


@pytest.fixture
def private_run(tmp_path: Path) -> Path:
    """A run of anna's on the host harbour, with her places in all that it records."""
    home = tmp_path / "home" / "anna"
    home.mkdir(parents=True)
    (home / "watcher.py").write_text(PLUGIN)
    folder = make_run(
        home / "runs" / "mrpc-42",
        [1, 0, 1],
        [1, 1, 1],
        overrides=[
            f'model.checkpoint="{home}/bert"',
            'data.source="folder"',
            f'data.folder="{home}/data of anna"',
            'hub.push="anna/secret"',
        ],
        warnings=[
            f"{home}/data of anna/train.tsv has rows twice, says harbour to anna, see ../anna/notes/today.txt",
            "a bannana is none",
            "nothing at C:/Users/anna/x, harbour:/home/anna/x, ~anna/notes or \\\\harbour\\anna, says harbour",
        ],
        error=f"in {home}",
        host={"name": "harbour.example.org"},
        collapse={"kind": "one label", "sign": f"all the same, {home}/data of harbour", "metric": "f1", "value": 0.0}
        | {"step": 1, "last_step": 1, "epoch": 1, "evaluations": 1, "result": True},
        checkpoint={
            "name": f"run:{home}/runs/one",
            "run": {"folder": f"{home}/runs/one", "task": "mnli", "checkpoint": f"run:{home}/anna"},
        },
        data={"folder": f"{home}/data of anna/MRPC", "notes": ["train is without 1 line of /home/anna/x/train.tsv"]},
        plugins={
            "files": [{"path": f"{home}/watcher.py", "sha256": "e" * 64}],
            "packages": {"callbacks": [{"file": f"{home}/watcher.py", "sha256": "e" * 64}]},
        },
        fingerprints={
            "machine": {"processor": "Abacus", "switches": {"XLA_FLAGS": "--xla_dump_to=/home/anna/dump"}},
            "tokens": {"train": "f" * 64},
        },
        anything_of_a_plugin={"user": "anna"},
    )
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'plugins.files = ["{home}/watcher.py"]\n{recipe.read_text()}\n[[callbacks]]\nplugin = "watcher"\n'
        f'folder = "{home}/curves"\napi_key = "hunter2"\nflags = "--dump=/home/anna/dump --fast"\n'
        'authToken = "hunter2"\ntitle = "anna on harbour"\n'
    )
    settings = settings_in_numbers(load_recipe(recipe, trust=True).tables())
    change_record(folder, fingerprints={"recipe": settings})
    history = [
        {"kind": "step", "step": 1, "loss": 0.7, "learning_rate": 1e-4, "host": "harbour"},
        {"kind": "samples", "user": "anna"},
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history))
    return folder


def receipt(run: Path, capsys: Captured) -> dict[str, Any]:
    assert command_line(["receipt", str(run)]) == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_nothing_of_who_ran_it(private_run: Path, tmp_path: Path, capsys: Captured) -> None:
    content = receipt(private_run, capsys)
    text = json.dumps(content)
    for private in ("anna", "harbour", "hunter2", str(tmp_path), "/home/"):
        assert private not in text.replace("bannana", ""), private
    assert content["left_out"] == [
        "plugins.files",
        "model.checkpoint",
        "data.folder",
        "callbacks.0.folder",
        "callbacks.0.api_key",
        "callbacks.0.flags",
        "callbacks.0.authToken",
        "callbacks.0.title",
    ]
    assert content["run"]["plugins"]["files"] == [{"sha256": "e" * 64, "name": "watcher.py"}]
    assert content["run"]["warnings"][1] == "a bannana is none"
    assert content["history"] == [{"kind": "step", "step": 1, "loss": 0.7, "learning_rate": 1e-4}]
    assert content["run"]["fingerprints"]["tokens"] == {"train": "f" * 64}
    assert content["run"]["fingerprints"]["machine"]["processor"] == "Abacus"


def test_what_was_local_must_be_named(private_run: Path, tiny_bert: Path, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "receipt.json"
    assert command_line(["receipt", str(private_run), "--output", str(file)]) == 0
    assert command_line(["receipt", str(private_run), "--output", str(file)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert command_line(["reproduce", str(file)]) == 2
    told = capsys.readouterr().err
    assert "the run has read local files, which a receipt does not name" in told
    assert f"glueft reproduce {file} --checkpoint run:DIR --data-dir DIR --plugin watcher.py" in told
    plugin = str(private_run.parents[1] / "watcher.py")
    recipe = Original.open(str(file)).load_recipe(data_dir=str(tmp_path), checkpoint=str(tmp_path), plugins=[plugin])
    assert recipe.data.folder == str(tmp_path) and recipe.model.checkpoint == str(tmp_path)
    assert recipe.callbacks[0].options.api_key == "" and recipe.hub.push is None
    # What a receipt has left out is no difference of settings.
    named = ["--data-dir", str(SAMPLES), "--checkpoint", str(tiny_bert), "--plugin", plugin]
    assert command_line(["reproduce", str(file), *named, "--json"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["stages"][0]["status"] == "equal", told.out


def test_no_file_that_a_receipt_names_is_run(private_run: Path, tmp_path: Path, capsys: Captured) -> None:
    content = receipt(private_run, capsys)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'was here')!r}, 'w')\n")
    content["recipe"] = f'plugins.files = ["{tmp_path}/evil.py"]\n' + content["recipe"]
    content["run"]["plugins"]["files"] = [{"name": "x; rm -rf ~", "sha256": "e" * 64}]
    content["left_out"] = ["$(rm -rf ~)"]
    file = tmp_path / "a receipt.json"
    file.write_text(json.dumps(content))
    assert command_line(["reproduce", str(file)]) == 2
    told = capsys.readouterr().err.replace("\n    ", " ")
    assert f"glueft reproduce '{file}' --set '$(rm -rf ~)=VALUE' --plugin 'x; rm -rf ~'" in told
    content["run"]["plugins"]["files"] = content["left_out"] = []
    file.write_text(json.dumps(content))
    assert command_line(["reproduce", str(file)]) == 2
    assert "no callback is called" in capsys.readouterr().err
    assert not (tmp_path / "was here").exists()


def test_the_receipt_of_a_real_run(finished_run: Path, tiny_bert: Path, tmp_path: Path, capsys: Captured) -> None:
    """It knows what the run knows, but for the places: the checkpoint is named, and rows that differ are found."""
    run = shutil.copytree(finished_run, tmp_path / "mrpc-42")
    change_record(run, data={"splits": {"train": {"sha256": "a" * 64}}})
    file = tmp_path / "receipt.json"
    assert command_line(["receipt", str(run), "--output", str(file)]) == 0
    content = json.loads(file.read_text())
    assert content["left_out"] == ["model.checkpoint"] and str(tiny_bert) not in file.read_text()
    assert content["history"] == [line for line in Run.open(run).history() if line["kind"] in ("step", "epoch")]
    capsys.readouterr()
    assert command_line(["reproduce", str(file), "--checkpoint", str(tiny_bert), "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    status = {stage["stage"]: stage["status"] for stage in result["stages"]}
    assert result["first_difference"] == "rows"
    assert status.pop("rows") == "different"
    assert {status[stage] for stage in ("recipe", "versions", "machine", "tokens", "checkpoint", "batches")} == {
        "equal"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"receipt": 2}, "it was written by a later glueft"),
        ({"recipe": None}, "this is no receipt of a run"),
        ({"run": {"status": "done"}}, "nothing of use at run."),
        ({"recipe": "[", "left_out": []}, "not TOML"),
        ({"history": [{"kind": "step", "step": 1}]}, "nothing of use at history.0.loss, history.0.learning_rate"),
        ({"history": [{"kind": ["step"]}]}, "history.0.kind: one of step, epoch"),
    ],
)
def test_a_broken_receipt(
    finished_run: Path, tmp_path: Path, capsys: Captured, change: dict[str, Any], message: str
) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt(finished_run, capsys) | change))
    assert command_line(["reproduce", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_receipt(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "receipt.json"
    for text, message in (
        ("{", "it is cut off or broken"),
        ("[]", "it is not a receipt"),
        ("{}", "no receipt of a run"),
    ):
        file.write_text(text)
        assert command_line(["reproduce", str(file)]) == 2
        assert message in capsys.readouterr().err


def test_the_schema(finished_run: Path, capsys: Captured) -> None:
    content = receipt(finished_run, capsys)
    assert command_line(["schema", "--receipt"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {*schema["required"]} == {*content}
    assert all(described["description"] for described in schema["properties"].values())
    assert command_line(["schema", "--run", "--receipt"]) == 2
    assert "one schema at a time" in capsys.readouterr().err


def test_a_written_receipt_is_read(finished_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    assert command_line(["receipt", str(finished_run), "--output", str(file)]) == 0
    read, record = read_receipt(file)
    assert read.receipt == 1 and record.metrics == Run.open(finished_run).record.metrics
