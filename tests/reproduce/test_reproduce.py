"""A run is trained again and compared stage by stage: equal to the last bit, or the first difference by its name."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.errors import OutputError, RunFolderError
from glueft.recipe import load_recipe
from glueft.reproduce.original import Original
from glueft.reproduce.reproduce import _temporary_folder
from glueft.reproduce.stages import STAGES, unequal_numbers
from glueft.system.interruption import say_last
from glueft.system.process_identity import process_mark
from run_folders import change_record, make_run

Captured = pytest.CaptureFixture[str]
Reproduced = Callable[..., dict[str, Any]]
SAMPLE = Path(__file__).parents[2] / "plugins" / "glueft_tasks" / "samples"


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be changed."""
    return shutil.copytree(finished_run, tmp_path / "mrpc-42")


@pytest.fixture
def reproduced(capsys: Captured) -> Reproduced:
    """`glueft reproduce --json` with the exit code that goes with its result."""

    def call(*arguments: object) -> dict[str, Any]:
        code = command_line(["reproduce", *map(str, arguments), "--json"])
        told = capsys.readouterr()
        assert told.out.count("\n") == 1, told.err
        result: dict[str, Any] = json.loads(told.out)
        assert code == (0 if result["equal"] else 2)
        assert [stage["stage"] for stage in result["stages"]] == [*STAGES]
        return result

    return call


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {stage["stage"]: stage["status"] for stage in result["stages"]}


def differences(result: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    return next(each["differences"] for each in result["stages"] if each["stage"] == stage)


def add_callbacks(run: Path) -> None:
    """Give a run two callbacks that have changed nothing of it."""
    callbacks = [{"plugin": "early_stopping", "patience": 5, "min_delta": 0.0}]
    callbacks += [{"plugin": "csv", "every": "epoch", "file": "metrics.csv"}]
    recipe = run / "recipe.toml"
    recipe.write_text(
        recipe.read_text()
        + '\n[[callbacks]]\nplugin = "early_stopping"\npatience = 5\nmin_delta = 0.0\n'
        + '\n[[callbacks]]\nplugin = "csv"\nevery = "epoch"\nfile = "metrics.csv"\n'
    )
    change_record(run, fingerprints={"recipe": {"callbacks": callbacks}})


def test_the_same_to_the_last_bit(run: Path, reproduced: Reproduced) -> None:
    """With a callback that takes part and one that only watches; other versions alone are named."""
    add_callbacks(run)
    change_record(run, versions={"keras": "3.0.0;x"}, host={"system": "Plan 9"})
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    result = reproduced(run)
    assert {*statuses(result).values()} == {"equal", "different"}
    assert [stage for stage, status in statuses(result).items() if status == "different"] == ["versions", "machine"]
    assert result["summary"] == "equal to the last bit, with another version of keras, system"
    assert result["explanations"][1].startswith("system: Plan 9 in the run, ")
    assert result["explanations"][0].endswith("to have the run's: pip install 'keras==3.0.0;x'")
    assert result["steps"] == result["num_train_steps"] == 48
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_other_numbers(run: Path, capsys: Captured) -> None:
    """Each with its size, the first one and what explains it at the end."""
    history = (run / "history.jsonl").read_text().splitlines()
    third = json.loads(history[2])
    history[2] = json.dumps(third | {"loss": third["loss"] + 0.25})
    (run / "history.jsonl").write_text("\n".join(history) + "\n")
    record = json.loads((run / "run.json").read_text())
    change_record(
        run,
        fingerprints={"logits": {"validation": "a" * 64}, "machine": {"intra_op_threads": 64}},
        engine={"devices": {"count": 2}},
        metrics={"f1": record["metrics"]["f1"] - 0.5},
        model={"sha256": {"model.safetensors": "b" * 64}},
        parts=[
            {"status": "died", "started": "", "versions": {"keras": "3.1", "numpy": "2.0"}},
            {"status": "done", "started": "", "from_step": 20, "versions": {"keras": "3.2", "numpy": "2.0"}},
        ],
    )
    assert command_line(["reproduce", str(run)]) == 2
    told = capsys.readouterr().out.splitlines()
    assert "first loss: equal" in told and "tokens: equal" in told
    assert any(line.startswith("first difference: loss of step 3: ") for line in told)
    assert "losses and evaluations: different (48 steps, 1 evaluation)" in told
    (loss,) = {line.strip() for line in told if line.startswith("  loss of step 3: ")}
    assert loss.endswith(" now (0.25 apart)") and f"{third['loss'] + 0.25}" in loss
    assert any("logits of validation: aaaaaaaaaaaa... in the run" in line for line in told)
    assert any("probabilities up to 0 apart, 0 rows with another label" in line for line in told)
    assert any(line.startswith("  f1 of validation: ") and line.endswith("(0.5 apart)") for line in told)
    assert any(line.startswith("  model.safetensors: bbbbbbbbbbbb... in the run, ") for line in told)
    assert any("intra_op_threads: 64 in the run" in line and "TF_NUM_INTRAOP_THREADS=64" in line for line in told)
    assert "  devices: 2 in the run, 1 now" in told and "- devices: 2 in the run, 1 now" in told
    assert "- version of keras: 3.1 until the run was resumed at step 20, then 3.2" in told
    assert told[-1] == f"different: {loss}"


def test_another_setting_ends_it_before_anything_is_read(run: Path, reproduced: Reproduced) -> None:
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("beta_2 = 0.999", "beta_2 = 0.99"))
    result = reproduced(run, "--data-dir", "/nowhere")
    assert result["first_difference"] == "recipe" and result["steps"] == 0
    assert result["summary"] == "different: optimizer.beta_2: 0.999 in the run, 0.99 now; nothing was trained"
    assert {*statuses(result).values()} == {"different", "not reached"}
    shown = reproduced(run, "--set", "optimizer.beta_2=0.999", "--set", "training.seed=3")
    assert [each["what"] for each in differences(shown, "recipe")] == ["training.seed"]


def test_a_callback_that_only_watches_is_no_setting(run: Path, reproduced: Reproduced) -> None:
    change_record(
        run,
        fingerprints={"recipe": {"callbacks": [{"plugin": "csv", "every": "step"}]}},
        data={"splits": {"train": {"sha256": "a" * 64}}},
    )
    assert reproduced(run)["first_difference"] == "rows"


def test_a_setting_that_the_run_did_not_know(run: Path, reproduced: Reproduced) -> None:
    """The default of a later glueft is no difference; a key that was written into the recipe is."""
    record = json.loads((run / "run.json").read_text())
    del record["fingerprints"]["recipe"]["training"]["evaluation_batch_size"]
    record["data"]["splits"]["train"]["sha256"] = "c" * 64
    (run / "run.json").write_text(json.dumps(record))
    recipe = run / "recipe.toml"
    whole = recipe.read_text()
    recipe.write_text(whole.replace("evaluation_batch_size = 64\n", ""))
    assert reproduced(run)["first_difference"] == "rows"
    recipe.write_text(whole)
    assert reproduced(run)["summary"].startswith("different: training.evaluation_batch_size: none in the run, 64 now")


def test_one_changed_row(run: Path, tmp_path: Path, reproduced: Reproduced) -> None:
    data = shutil.copytree(SAMPLE / "MRPC", tmp_path / "data" / "MRPC")
    lines = (data / "train.tsv").read_text(encoding="utf-8").split("\n")
    lines[5] = lines[5].replace("the", "one", 1) + "!"
    (data / "train.tsv").write_text("\n".join(lines), encoding="utf-8")
    result = reproduced(run, "--data-dir", data.parent)
    assert result["first_difference"] == "rows" and result["steps"] == 0
    (row,) = differences(result, "rows")
    assert row["what"] == "rows of train" and row["run"].startswith("377 rows, SHA-256 ")
    assert statuses(result)["first_loss"] == "not reached"
    assert str(data) in result["explanations"][0] and "sample" in result["explanations"][0]


def test_another_file_of_the_checkpoint(run: Path, tiny_bert: Path, tmp_path: Path, reproduced: Reproduced) -> None:
    """The weights alone: the tokens are the same."""
    other = shutil.copytree(tiny_bert, tmp_path / "other")
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    result = reproduced(run, "--checkpoint", other)
    assert result["first_difference"] == "checkpoint" and statuses(result)["tokens"] == "equal"
    assert [each["what"] for each in differences(result, "checkpoint")] == ["the checkpoint's model.safetensors"]
    assert result["explanations"] == [f"the checkpoint came from {other}; in the run from {tiny_bert}"]
    change_record(run, checkpoint={"name": str(other)})
    result = reproduced(run, "--checkpoint", other)
    assert result["explanations"] == [f"the checkpoint in the same place ({other}) changed after the run"]


def test_a_tokenizer_of_other_tokens_explains_them(
    run: Path, tiny_bert: Path, tmp_path: Path, reproduced: Reproduced
) -> None:
    other = shutil.copytree(tiny_bert, tmp_path / "other")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words["the"], words["of"] = words["of"], words["the"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    result = reproduced(run, "--checkpoint", other)
    assert result["first_difference"] == "tokens" and statuses(result)["rows"] == "equal"
    (line,) = result["explanations"]
    assert line.startswith("the checkpoint's tokenizer.json: ")


def test_a_value_of_a_record_makes_no_line_of_its_own(run: Path, capsys: Captured) -> None:
    change_record(run, fingerprints={"recipe": {"optimizer": {"beta_1": "0.5\nequal to the last bit"}}})
    assert command_line(["reproduce", str(run)]) == 2
    told = capsys.readouterr().out.splitlines()
    assert "equal to the last bit" not in told and r"0.5\nequal to the last bit in the run, 0.9 now" in told[-1]


def test_a_folder_that_is_gone(tmp_path: Path, capsys: Captured) -> None:
    places = ["data.source=folder", f'data.folder="{tmp_path}/rows"', f'model.checkpoint="{tmp_path}/bert"']
    run = make_run(tmp_path / "mrpc-42", [1, 0], [1, 0], overrides=places)
    assert command_line(["reproduce", str(run)]) == 2
    assert "name the folder where they are now: --data-dir DIR" in capsys.readouterr().err
    assert command_line(["reproduce", str(run), "--data-dir", str(tmp_path)]) == 2
    assert "name the folder where it is now: --checkpoint DIR" in capsys.readouterr().err
    of_run = make_run(tmp_path / "rte", [1, 0], [1, 0], overrides=[f'model.checkpoint="run:{tmp_path}/runs/mnli"'])
    assert command_line(["reproduce", str(of_run)]) == 2
    told = capsys.readouterr().err
    assert (
        "name the folder where it is now: --checkpoint run:DIR" in told and f"nothing at {tmp_path}/runs/mnli" in told
    )


def test_a_file_of_an_own_table_that_is_gone(tmp_path: Path, capsys: Captured) -> None:
    run = make_run(tmp_path / "mrpc-42", [1, 0], [1, 0])
    recipe = load_recipe("table", [f'task.train="{tmp_path}/rows.csv"'])
    (run / "recipe.toml").write_text(recipe.to_toml())
    assert command_line(["reproduce", str(run)]) == 2
    told = capsys.readouterr().err
    assert f"nothing at {tmp_path}/rows.csv" in told and "--set task.train=FILE" in told


def test_no_room_for_temporary_files_and_none_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pid, ticks, here = process_mark().split("-")
    of_killed = tmp_path / f"glueft-reproduce-{pid}-{int(ticks) + 1}-{here}.x"
    of_another_host = tmp_path / f"glueft-reproduce-{pid}-{int(ticks) + 1}-00000000.x"
    of_living = tmp_path / f"glueft-reproduce-{process_mark()}.x"
    for folder in (of_killed, of_another_host, of_living):
        folder.mkdir()
    with pytest.raises(OutputError) as caught, _temporary_folder() as folder:
        raise RunFolderError(f"{folder}/history.jsonl cannot be written", received="No space left on device")
    assert "TMPDIR=DIR glueft reproduce" in caught.value.fix and not folder.exists()
    assert {*tmp_path.iterdir()} == {of_another_host, of_living}
    with _temporary_folder() as folder:  # a second signal ends the process here
        say_last()
        assert not folder.exists()


def test_a_run_from_before_fingerprints(run: Path, reproduced: Reproduced) -> None:
    record = json.loads((run / "run.json").read_text())
    del record["fingerprints"]
    record["data"]["splits"]["validation"]["sha256"] = "d" * 64
    (run / "run.json").write_text(json.dumps(record))
    assert reproduced(run, "--set", "training.seed=3")["first_difference"] == "recipe"
    result = reproduced(run)
    found = statuses(result)
    assert [stage for stage, status in found.items() if status == "unknown"] == ["recipe", "tokens", "batches"]
    assert found["machine"] == found["checkpoint"] == "equal"
    assert result["first_difference"] == "rows"
    assert result["summary"].endswith("not compared, for the run has not recorded it: recipe, tokens, batches")


def test_what_came_from_the_hub_is_read_at_the_commit_of_then(tmp_path: Path) -> None:
    places = ["data.source=hub", "model.checkpoint=anna/bert", "model.revision=main"]
    run = make_run(
        tmp_path / "mrpc-42",
        [1, 0],
        [1, 0],
        overrides=places,
        data={"source": "hub", "revision": "d" * 40},
        checkpoint={"name": "anna/bert", "revision": "c" * 40},
    )
    original = Original.open(str(run))
    recipe = original.load_recipe()
    assert (recipe.data.revision, recipe.model.revision) == ("d" * 40, "c" * 40)
    recipe = original.load_recipe(["data.source=sample"], checkpoint="bob/bert")
    assert (recipe.data.revision, recipe.model.revision) == (None, None)
    recipe = original.load_recipe(["data.revision=main", "model.revision=v1"])
    assert (recipe.data.revision, recipe.model.revision) == ("main", "v1")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda run: (run / "run.json").unlink(), "this is not a run folder"),
        (lambda run: change_record(run, status="failed"), "the run is not done"),
        (lambda run: (run / "recipe.toml").unlink(), "recipe.toml"),
        (lambda run: (run / "history.jsonl").unlink(), "history.jsonl: it cannot be read"),
    ],
)
def test_what_is_no_finished_run(run: Path, broken: Callable[[Path], Any], message: str, capsys: Captured) -> None:
    broken(run)
    assert command_line(["reproduce", str(run)]) == 2
    told = capsys.readouterr()
    assert message in told.err and "Traceback" not in told.err


def test_numbers_that_are_equal_in_every_bit() -> None:
    nan = float("nan")
    assert unequal_numbers("{}", {"a": 0.5, "b": nan}, {"a": 0.5, "b": nan}) == []
    (found,) = unequal_numbers("{} of dev", {"a": 0.1 + 0.2}, {"a": 0.3})
    assert str(found) == "a of dev: 0.30000000000000004 in the run, 0.3 now (5.6e-17 apart)"
    (found,) = unequal_numbers("{}", {"a": nan}, {"a": 0.3})
    assert found.now == 0.3 and found.size is None
    (found,) = unequal_numbers("{}", {"a": 1.0}, {})
    assert str(found) == "a: 1.0 in the run, none now"
