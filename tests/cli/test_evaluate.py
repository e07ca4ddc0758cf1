"""`glueft evaluate` as a user meets it: one JSON object, plain tables, and one sentence for each broken folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glueft.cli.main import command_line

Captured = pytest.CaptureFixture[str]


def test_the_result_as_one_json_object(finished_run: Path, capsys: Captured) -> None:
    assert command_line(["evaluate", str(finished_run), "--json"]) == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1
    result = json.loads(told.out)
    assert result["metrics"] == json.loads((finished_run / "run.json").read_text())["metrics"]
    assert result["comparison"]["equal"] is True
    assert "validation rows of mrpc (sample)" in told.err


def test_the_result_as_tables(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    assert command_line(["evaluate", str(finished_run / "model")]) == 0
    told = capsys.readouterr()
    assert told.err == "" and "precision  float32" in told.out
    assert "equal to the run's own numbers to the last digit, and so are the predictions of all 153 rows" in told.out
    assert "\nvalidation  accuracy  " in told.out and "the same as the run's" in told.out
    assert re.search(r"^split +metric +now +95 % interval +the run's own +difference$", told.out, re.M)
    assert re.search(r"^label +precision +recall +F1 +support$", told.out, re.M)
    assert "reference \\ predicted" in told.out and told.out.count("officially") == 1
    dev = Path("plugins/glueft_tasks/samples/MRPC/dev.tsv")
    source = Path(__file__).parent.parent.parent / dev
    (tmp_path / "dev.tsv").write_text("\n".join(source.read_text().splitlines()[:-3]) + "\n")
    assert command_line(["evaluate", str(finished_run), "--data-dir", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "150 validation rows, others than the run's" in told.out
    assert "validation rows: the run had 153 (SHA-256 " in told.out


def test_another_precision_is_told_and_no_fault(finished_run: Path, capsys: Captured) -> None:
    assert command_line(["evaluate", str(finished_run), "--precision", "mixed_bfloat16", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["engine"]["precision"] == "mixed_bfloat16"
    comparison = result["comparison"]
    assert comparison["equal"] is False
    assert comparison["differences"] == ["engine precision: the run had float32, now mixed_bfloat16"]
    assert comparison["summary"].endswith("the differences below may be why")
    assert 0 < comparison["splits"]["validation"]["furthest_apart"] < 1e-2
    assert command_line(["evaluate", str(finished_run), "--precision", "mixed"]) == 2
    assert 'no precision is called "mixed"' in capsys.readouterr().err


def test_a_checkpoint_on_the_command_line(finished_run: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = shutil.copytree(finished_run / "model", tmp_path / "classifier")
    assert command_line(["evaluate", "--task", "mrpc", "--checkpoint", str(folder), "--sample"]) == 0
    told = capsys.readouterr()
    assert f"model      {folder}" in told.out and "the run's own" not in told.out
    assert command_line(["evaluate", "--task", "mnli", "--checkpoint", str(folder), "--sample"]) == 2
    told = capsys.readouterr()
    assert 'its classification head does not fit the task "mnli"' in told.err
    assert command_line(["evaluate", str(folder)]) == 2
    assert f"glueft evaluate --task NAME --checkpoint {folder}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a RUN, or give both"),
        (["--task", "mrpc"], "name a RUN, or give both"),
        (["runs/one", "--task", "mrpc"], "leave out --task, --checkpoint and --label"),
        (["runs/one", "--label", "yes"], "leave out --task, --checkpoint and --label"),
        (["runs/none-of-that-name"], "this is not a run folder"),
        (["runs/none-of-that-name", "--split", "test", "--data-dir", "x"], "this is not a run folder"),
    ],
)
def test_what_cannot_be_meant_is_told(arguments: list[str], message: str, capsys: Captured) -> None:
    assert command_line(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


def cut(name: str, keep: float = 0.5) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return change


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "model" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


THREE = {"0": "entailment", "1": "neutral", "2": "contradiction"}
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no run.json": (remove("run.json"), "this is not a run folder"),
    "half a run.json": (cut("run.json"), "run.json: it is cut off or broken"),
    "an empty run.json": (cut("run.json", 0), "run.json: it is cut off or broken"),
    "no recipe": (remove("recipe.toml"), "recipe.toml: it cannot be read"),
    "half a recipe": (cut("recipe.toml"), "recipe.toml: "),
    "an empty recipe": (cut("recipe.toml", 0), "recipe.toml: 1 problem"),
    "no predictions": (remove("predictions/validation.tsv"), "validation.tsv: there is no such file"),
    "half the predictions": (cut("predictions/validation.tsv"), "validation.tsv: it is cut off"),
    "no model folder": (lambda folder: shutil.rmtree(folder / "model"), "the model is missing"),
    "no weights": (remove("model/model.safetensors"), "there are no weights"),
    "half the weights": (cut("model/model.safetensors"), "the weights cannot be read"),
    "empty weights": (cut("model/model.safetensors", 0), "the weights cannot be read"),
    "no config": (remove("model/config.json"), "there is no config.json"),
    "half a config": (cut("model/config.json"), "config.json: it "),
    "no tokenizer": (remove("model/tokenizer.json"), "there are no tokenizer files"),
    "half a tokenizer": (cut("model/tokenizer.json"), "the tokenizer cannot be read"),
    "half a tokenizer's settings": (cut("model/tokenizer_config.json"), "tokenizer_config.json: it cannot be read"),
    "other labels": (config(id2label={"0": "yes", "1": "no"}, label2id=None), "the model is that of another task"),
    "another number of labels": (config(id2label=THREE, label2id=None), "the model is that of another task"),
    "another size": (config(hidden_size=64), "the weights do not have the shapes that config.json says"),
    "too few positions": (
        config(max_position_embeddings=64),
        "the weights do not have the shapes that config.json says",
    ),
    "another kind of model": (config(model_type="gpt2"), "gpt2"),
    "another problem": (config(problem_type="regression"), "the model is that of another task"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_broken_run_folder_is_told_in_a_sentence(
    what: str, finished_run: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    change, message = HOSTILE[what]
    change(folder)
    assert command_line(["evaluate", str(folder), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err and "Traceback" not in told.err
    assert str(folder) in told.err


def test_help_imports_nothing_heavy() -> None:
    heavy = ("keras", "tensorflow", "jax", "torch", "datasets", "transformers", "evaluate", "numpy")
    code = (
        "import sys; from glueft.cli.main import command_line; import glueft.runs.run, "
        "glueft.inference.predictor, glueft.inference.evaluate, glueft.recipe.task_parts; "
        f"command_line(['evaluate', '--help']); print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--checkpoint" in done.stdout
