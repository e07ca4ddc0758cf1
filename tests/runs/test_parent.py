"""Runs that begin with the model of another run: which, with which head, and what run.json says of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import glueft
from glueft.cli.main import command_line
from glueft.data.rows import load_rows
from glueft.data.sources import make_source
from glueft.errors import CheckpointError, GlueftError, RunFolderError
from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.sections import Model
from glueft.runs.inputs import changed_inputs
from glueft.runs.models import remove_model
from glueft.runs.parent import Parent, find_start
from glueft.runs.public_record import public_record
from glueft.runs.record import ParentRun
from glueft.runs.run import Run
from run_folders import change_record

FEW = ["training.epochs=1", "data.limit_train=16", "data.limit_validation=8", "data.max_length=16"]


def test_the_encoder_of_another_task_s_run_gets_a_new_head(finished_run: Path, tmp_path: Path) -> None:
    recipe = load_recipe("qqp", FEW, sample=True, checkpoint=f"run:{finished_run}")
    result = glueft.run(recipe, output_dir=tmp_path)
    run, parent = Run.open(result.folder), Run.open(finished_run)
    checkpoint = run.record.checkpoint
    assert checkpoint.name == f"run:{finished_run}" and checkpoint.head == "new"
    assert checkpoint.run is not None and checkpoint.run.as_dict() == {
        "folder": str(finished_run),
        "task": "mrpc",
        "checkpoint": parent.record.checkpoint.name,
        "sha256": parent.record.model.sha256,
    }
    assert checkpoint.sha256 == parent.record.model.sha256 and changed_inputs(run.record) == []
    assert load_recipe(run.folder / "recipe.toml").to_toml() == recipe.to_toml() == run.recipe.to_toml()
    shown = public_record(run.record).as_dict()["checkpoint"]
    assert str(finished_run.parent) not in str(shown) and shown["run"]["task"] == "mrpc"
    assert run.labels == ("not_duplicate", "duplicate")


def test_the_head_of_the_same_task_s_run_comes_with_it_and_that_is_said(
    finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [argument for setting in FEW for argument in ("--set", setting)]
    arguments = ["plan", "mrpc", "--sample", "--no-probe", *sets, "--checkpoint", f"run:{finished_run}"]
    assert command_line(arguments) == 0
    told = capsys.readouterr()
    assert f"the encoder and the head of {finished_run.name} (mrpc)" in told.out + told.err
    assert command_line([*arguments[:1], "rte", *arguments[2:]]) == 0
    told = capsys.readouterr()
    assert f"the encoder of {finished_run.name} (mrpc), with a new head" in told.out + told.err
    assert command_line([*arguments, "--set", "model.new_head=true"]) == 0
    told = capsys.readouterr()
    assert f"the encoder of {finished_run.name} (mrpc), with a new head" in told.out + told.err


@pytest.mark.parametrize(
    ("task", "labels", "gives"),
    [
        ("qnli", ("entailment", "not_entailment"), True),
        ("qnli", ("not_entailment", "entailment"), True),
        ("rte", ("entailment", "not_entailment"), False),  # the same words, and another question
        ("qnli", ("yes", "no"), False),
        ("stsb", (), False),
    ],
)
def test_a_head_is_only_ever_that_of_the_same_task(task: str, labels: tuple[str, ...], gives: bool) -> None:
    record = ParentRun(folder="/runs/one", task="qnli")
    parent = Parent(Path("/runs/one"), "qnli", ("entailment", "not_entailment"), record)
    wanted = SimpleNamespace(name=task, labels=labels, multi_label=False)
    assert parent.gives_head(wanted) is gives  # type: ignore[arg-type]
    assert not replace(parent, multi_label=True).gives_head(wanted)  # type: ignore[arg-type]


def test_the_folder_is_seen_from_the_recipe_or_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "here" / "recipe.toml"
    recipe.parent.mkdir()
    text = load_recipe("mrpc").to_toml()
    recipe.write_text(text.replace("google-bert/bert-base-uncased", "run:../runs/one"))
    monkeypatch.chdir(tmp_path)
    assert load_recipe(recipe).model.checkpoint == f"run:{tmp_path}/here/../runs/one"
    assert load_recipe("mrpc", checkpoint="run:runs/one/model").model.checkpoint == f"run:{tmp_path}/runs/one/model"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_recipe("mrpc", checkpoint="run:~/one").model.checkpoint == f"run:{tmp_path}/one"
    with pytest.raises(RecipeError, match="only checkpoints on the hub have revisions"):
        load_recipe("mrpc", ["model.revision=main"], checkpoint="run:one")
    for nameless in ("run:", "run: "):
        with pytest.raises(RecipeError, match="must name the folder of a run"):
            load_recipe("mrpc", checkpoint=nameless)


def test_a_run_has_one_name_also_when_its_model_is_named_and_gone(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    assert load_recipe("mrpc", checkpoint=f"run:{folder}/model").model.checkpoint == f"run:{folder}"
    remove_model(folder)
    recipe = load_recipe("mrpc", checkpoint=f"run:{folder}/model")
    for model in (recipe.model, Model(checkpoint=f"run:{folder}/model")):
        with pytest.raises(RunFolderError, match="the model was removed to save room"):
            find_start(model)


def test_held_out_rows_that_the_checkpoint_may_have_seen(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    sets = [argument for setting in [*FEW, "data.held_out=4"] for argument in ("--set", setting)]

    def warned(task: str) -> bool:
        assert command_line(["plan", task, "--sample", "--no-probe", *sets, "--checkpoint", f"run:{folder}"]) == 0
        return f"trained on {task} too, and may have seen the held_out rows" in capsys.readouterr().out

    assert warned("mrpc") and not warned("rte")
    recipe = load_recipe("mrpc", [*FEW, "data.held_out=4"], sample=True)
    rows = load_rows(recipe.task, make_source(recipe.data, recipe.task), recipe.data.selection)
    change_record(folder, data={"splits": {"held_out": {"rows": 4, "sha256": rows["held_out"].sha256}}})
    assert not warned("mrpc")


def test_a_run_that_is_named_as_a_folder_is_told_how(finished_run: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no config\.json") as caught:
        find_start(Model(checkpoint=str(finished_run)))
    assert f"write run:{finished_run}" in caught.value.fix


def test_a_checkpoint_that_is_named_as_a_run_is_told_how(tiny_bert: Path) -> None:
    with pytest.raises(RunFolderError, match="this is not a run folder") as caught:
        find_start(Model(checkpoint=f"run:{tiny_bert}"))
    assert caught.value.fix.startswith("leave run: out")


@pytest.mark.parametrize("name", ["run:~nobody-of-that-name/x", "~nobody-of-that-name/x"])
def test_a_user_that_there_is_not(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["evaluate", "--task", "mrpc", "--sample", "--checkpoint", name]) == 2
    assert "~nobody-of-that-name/x" in capsys.readouterr().err


def test_a_run_or_its_model_folder(finished_run: Path) -> None:
    for name in (f"run:{finished_run}", f"run:{finished_run / 'model'}"):
        checkpoint, parent = find_start(Model(checkpoint=name))
        assert checkpoint.name == name and checkpoint.folder == (finished_run / "model").resolve()
        assert parent is not None and parent.folder == finished_run
    assert find_start(Model(checkpoint=str(finished_run / "model")))[1] is None


@pytest.mark.parametrize(
    ("status", "received"), [("failed", '"failed": the disk was full'), ("interrupted", '"interrupted"')]
)
def test_a_run_that_is_not_done(finished_run: Path, tmp_path: Path, status: str, received: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    change_record(folder, status=status, **({"error": "the disk was full"} if status == "failed" else {}))
    with pytest.raises(RunFolderError, match=f"the checkpoint run:{folder} cannot be used: .* is not done") as caught:
        find_start(Model(checkpoint=f"run:{folder}"))
    assert caught.value.received.startswith(received) and "glueft resume" in caught.value.fix


def test_what_is_no_run_or_has_another_model_now(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"cannot be used: .*: this is not a run folder"):
        find_start(Model(checkpoint=f"run:{tmp_path}"))
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    config = folder / "model" / "config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(CheckpointError, match="is not the model that the run has saved") as caught:
        find_start(Model(checkpoint=f"run:{folder}"))
    assert caught.value.received == "config.json changed since the run" and str(folder / "model") in caught.value.fix


def test_a_run_s_model_is_evaluated_on_its_task_by_that_name(
    finished_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from glueft.inference.evaluate import evaluate_checkpoint
    from glueft.recipe.task_parts import load_task_parts

    monkeypatch.chdir(finished_run.parent)
    parts = load_task_parts("mrpc", f"run:{finished_run.name}", sample=True)
    assert evaluate_checkpoint(parts)["metrics"] == Run.open(finished_run).record["metrics"]
    with pytest.raises(GlueftError, match="does not fit the task"):
        evaluate_checkpoint(load_task_parts("qqp", f"run:{finished_run.name}", sample=True))
