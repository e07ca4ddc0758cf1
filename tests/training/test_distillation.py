"""[distill]: what does not fit is refused first; the loss is PyTorch's; the teacher's logits are computed once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import glueft
from glueft import launch
from glueft.cli.main import command_line
from glueft.data.batches import Filling, TrainingBatches, targets
from glueft.data.encoding import Encoded
from glueft.data.windows import WindowsOfRows
from glueft.errors import GlueftError, RunFolderError, TrainingError
from glueft.inference.predictor import load_saved_model
from glueft.plugin.registry import known_classes
from glueft.plugin.task import Task
from glueft.recipe import Recipe, RecipeError, load_recipe
from glueft.recipe.sections import Distill
from glueft.report.write import write_report
from glueft.runs.public_record import public_record
from glueft.runs.run import Run
from glueft.training.loss import TrainingLoss, loss_of
from glueft.training.progress import Progress
from glueft.training.session import Session, read_session
from glueft.training.teacher import Teacher, refuse_itself
from glueft.training.teacher_logits import ask_teacher
from run_folders import change_record
from tiny_checkpoint import make_tiny_bert

STUDENT = [[0.3, -1.2, 2.0], [1.5, 0.1, -0.7], [-2.5, 0.0, 0.4], [0.2, 0.2, 0.2]]
TEACHER = [[1.0, -0.5, 3.0], [2.0, 2.5, -1.0], [0.0, -3.0, 1.0], [-1.0, 4.0, 0.5]]
LABELS = [2, 1, 0, 1]
# torch 2.13, in float64: 0.7 * 9 * F.kl_div(F.log_softmax(s / 3, -1), F.softmax(t / 3, -1), reduction="batchmean")
# + 0.3 * F.cross_entropy(s, y), the second with weight=[1, 3, 0.5] and label_smoothing=0.1; and its gradient.
OF_PYTORCH: list[tuple[bool, float, list[list[float]]]] = [
    (False, 1.2816587158915294, [
        [0.0193256, 0.0074279, -0.0267536], [0.0984317, -0.1484465, 0.0500147],
        [-0.1740544, 0.1629571, 0.0110974], [0.1339058, -0.224935, 0.0910291]]),
    (True, 1.268837579434929, [
        [0.010377, 0.0017287, -0.0121058], [0.1258298, -0.1783614, 0.0525316],
        [-0.1374402, 0.1461361, -0.0086959], [0.1455725, -0.248935, 0.1033625]]),
]  # fmt: skip


def loss_in_training(loss: TrainingLoss, wanted: np.ndarray, logits: Sequence[Any]) -> tuple[float, np.ndarray]:
    import tensorflow as tf

    variable = tf.Variable(np.array(logits, np.float32))
    with tf.GradientTape() as tape:
        value = loss.build()(wanted, variable)
    return float(value), np.asarray(tape.gradient(value, variable))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the gradient is asked of TensorFlow")
@pytest.mark.parametrize(("weighted", "value", "gradient"), OF_PYTORCH)
def test_the_loss_and_its_gradient_are_those_of_pytorch(
    weighted: bool, value: float, gradient: list[list[float]]
) -> None:
    plain = loss_of(("a", "b", "c"))
    options = {"label_smoothing": 0.1, "class_weights": {"b": 3.0, "c": 0.5}} if weighted else {}
    own = type(plain.plugin)(type(plain.plugin).Options(**options))
    loss = TrainingLoss(own, plain.task, Distill(teacher="none", temperature=3.0, weight=0.7))
    weights = None if loss.label_weights is None else loss.label_weights[LABELS] / loss.label_weights[LABELS].mean()
    wanted = targets(np.array(LABELS), weights, np.array(TEACHER, np.float32))
    found, slopes = loss_in_training(loss, wanted, STUDENT)
    assert found == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(slopes, gradient, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the gradient is asked of TensorFlow")
def test_any_number_of_labels_have_the_binary_cross_entropy_of_pytorch() -> None:
    """torch 2.13, in float64: 0.7 * 9 * bce(s / 3, sigmoid(t / 3)) + 0.3 * bce(s, y), of F's ..._with_logits."""
    task = Task()
    task.labels, task.multi_label = ("a", "b", "c"), True
    plugin = known_classes("loss")[task.default_loss()]()
    loss = TrainingLoss(plugin, task, Distill(teacher="none", temperature=3.0, weight=0.7))
    rows = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])
    wanted = targets(rows, None, np.array(TEACHER, np.float32))
    assert wanted.shape == (4, 7)
    found, slopes = loss_in_training(loss, wanted, STUDENT)
    assert found == pytest.approx(4.552869740844835, rel=1e-6)
    expected = [[-0.0207174, -0.0042086, -0.015283], [0.0137374, -0.0199027, 0.0125828],
                [-0.0575889, 0.0279353, -0.0186579], [0.0311112, -0.0593321, 0.0093866]]  # fmt: skip
    np.testing.assert_allclose(slopes, expected, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the gradient is asked of TensorFlow")
def test_scores_have_the_squared_error_to_the_teachers() -> None:
    plain = loss_of(())
    loss = TrainingLoss(plain.plugin, plain.task, Distill(teacher="none", weight=0.25))
    scores, taught, given = np.array([1.0, 2.0]), np.array([[0.5], [4.0]], np.float32), np.array([[2.0], [1.0]])
    value, slopes = loss_in_training(loss, targets(scores, None, taught), given)
    assert value == pytest.approx(0.25 * (1.5**2 + 3**2) / 2 + 0.75 * (1 + 1) / 2)
    np.testing.assert_allclose(slopes[:, 0], 0.25 * np.array([1.5, -3]) + 0.75 * np.array([1, -1]), rtol=1e-6)


def test_each_window_has_the_logits_of_its_row_and_filling_weighs_nothing() -> None:
    """Three rows, of which the second is in two windows."""
    offsets = np.array([0, 2, 5, 7, 9], np.int64)
    windows = WindowsOfRows(np.array([0, 1, 3], np.int64), 4, "mean")
    labels = np.array([0, 1, 1], np.int32)
    encoded = Encoded(np.arange(9, dtype=np.uint16), np.zeros(9, np.uint8), offsets, labels, 0, 0, windows)
    batches = TrainingBatches(encoded, batch_size=4, epochs=1, seed=1, label_weights=np.array([1.0, 4.0]))
    batches.teacher = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    plain = [row for _, wanted, *weights in batches for row in wanted if not weights]
    rows = windows.rows_of(batches.plan[0])
    mean = (1 + 3 * 4) / 4
    expected = [[labels[row], (1, 4)[labels[row]] / mean, *batches.teacher[row]] for row in rows]
    np.testing.assert_allclose(plain, expected, rtol=1e-6)
    batches.filling = Filling(2, 3, 3)
    ((_, wanted, weights),) = batches
    assert batches.weighted and weights.tolist() == [1, 1, 1, 1, 0, 0]
    np.testing.assert_allclose(wanted[:4], expected, rtol=1e-6)


def problems(recipe: str, *overrides: str) -> list[tuple[str, str]]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, overrides)
    return [(problem.path, f"{problem.message} {problem.fix}") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("recipe", "change", "path", "told"),
    [
        ("mrpc", "distill.weight=0.5", "distill.teacher", "missing"),
        ("mrpc", 'distill.teacher="run:"', "distill.teacher", "must name the folder of a run"),
        ("mrpc", 'distill={teacher="a/b", weight=1.5}', "distill.weight", "from 0 to 1"),
        ("mrpc", 'distill={teacher="a/b", temperature=0}', "distill.temperature", "above 0"),
        ("mrpc", 'distill={teacher="a/b", temprature=2.0}', "distill.temprature", "temperature"),
        ("mrpc", 'distill={teacher="run:x", revision="v1"}', "distill.revision", "only checkpoints on the hub have"),
        ("stsb", 'distill={teacher="a/b", temperature=2.0}', "distill.temperature", "remove temperature"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_before_anything_runs(
    recipe: str, change: str, path: str, told: str
) -> None:
    ((found, message),) = problems(recipe, change)
    assert found == path and told in message


def test_a_complete_recipe_names_the_teacher_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_recipe("mrpc").distill is None and "distill" not in load_recipe("mrpc").tables()
    recipe = load_recipe("mrpc", ['distill={teacher="run:runs/big"}'])
    assert recipe.tables()["distill"] == {"teacher": f"run:{tmp_path}/runs/big", "weight": 0.5}
    (tmp_path / "whole.toml").write_text(recipe.to_toml())
    assert load_recipe("whole.toml") == recipe
    assert load_recipe("stsb", ['distill={teacher="a/b"}']).distill is not None


# Runs of small encoders on 48 rows, on one of which a callback fails.

STUMBLE = '''
"""A callback that fails on demand."""

import threading
from pathlib import Path

import glueft

class Stumble(glueft.Callback):
    """Fails on demand."""

    name = "stumble"

    def build(self, run):
        import keras

        def batch_end(batch, logs=None):
            for thread in threading.enumerate():
                if thread.name == "glueft-state":
                    thread.join()
            if batch == 1 and Path(__file__).with_name("stone").exists():
                raise RuntimeError("a stone")

        return keras.callbacks.LambdaCallback(on_train_batch_end=batch_end)

    def state(self):
        return {}

    def restore(self, state):
        pass

@glueft.hookimpl
def glueft_callbacks():
    return [Stumble]
'''


@pytest.fixture(scope="module")
def stumble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "stumble.py"
    path.write_text(STUMBLE)
    return path


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of another encoder, which reads less of a row than its student."""
    folder = tmp_path_factory.mktemp("teacher")
    checkpoint = make_tiny_bert(folder / "bert", layers=1, hidden=24)
    changes = ["training.epochs=1", "data.limit_train=48", "data.limit_validation=20", "data.max_length=16"]
    changes += ["engine.precision=float32", "schedule.initial_learning_rate=1e-2"]
    return glueft.run(load_recipe("mrpc", changes, sample=True, checkpoint=str(checkpoint)), output_dir=folder).folder


def recipe_of(teacher: str, student: Path, stumble: Path, *changes: str) -> Recipe:
    few = ["training.epochs=1", "training.batch_size=16", "data.limit_train=48", "data.limit_validation=20"]
    few += ["training.checkpoint_minutes=1e-9", 'callbacks=[{plugin="stumble"}]', "engine.precision=float32"]
    taught = f'distill={{teacher="{teacher}", temperature=3.0, weight=0.8}}'
    return load_recipe("mrpc", [*few, taught, *changes], sample=True, checkpoint=str(student), plugins=[str(stumble)])


@pytest.fixture(scope="module")
def recipe(teacher: Path, tiny_bert: Path, stumble: Path) -> Recipe:
    return recipe_of(f"run:{teacher}", tiny_bert, stumble)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="module")
def student(recipe: Recipe, tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> glueft.Result:
    return launch.run_recipe(recipe, output_dir=tmp_path_factory.mktemp("student"), token_cache=tokens)


def session_of(recipe: Recipe) -> Session:
    return read_session(recipe, Progress())


def test_the_student_learns_what_the_teacher_says_of_its_own_tokens(
    student: glueft.Result, tokens: Path, teacher: Path, recipe: Recipe
) -> None:
    session = session_of(recipe)
    ask_teacher(session, tokens, Progress())
    saved = load_saved_model(teacher)
    np.testing.assert_array_equal(session.batches.teacher, saved.logits(session.rows["train"]))
    taught = student.record["distillation"]
    assert taught["teacher"] == f"run:{teacher}" and taught["run"]["task"] == "mrpc"
    assert taught["sha256"] == json.loads((teacher / "run.json").read_text())["model"]["sha256"]
    known = ("max_length", "windows", "precision", "temperature", "weight")
    assert [taught[key] for key in known] == [16, None, "float32", 3.0, 0.8]
    kinds = {file["kind"] for file in student.record["inputs"]}
    assert kinds == {"data", "checkpoint", "teacher"}


def test_the_validation_loss_is_the_recipes_own(student: glueft.Result) -> None:
    lines = (student.folder / "predictions" / "validation.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    right = [float(row[3 + ["not_equivalent", "equivalent"].index(row[1])]) for row in rows]
    assert student.record["epochs"][0]["validation_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert student.record["epochs"][0]["loss"] != pytest.approx(-np.log(right).mean(), rel=0.02)


def test_runs_that_share_their_tokens_share_the_teachers_logits(
    student: glueft.Result, recipe: Recipe, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that finds them there ends as the one that has computed them."""
    assert len([*tokens.glob("teacher-*.npz")]) == 1
    monkeypatch.setattr(Teacher, "loaded", lambda *_: pytest.fail("the teacher was asked again"))
    again = launch.run_recipe(recipe, output_dir=tmp_path, token_cache=tokens)
    assert again.record["model"]["sha256"] == student.record["model"]["sha256"]
    assert again.record["distillation"] == student.record["distillation"]


@pytest.mark.slow
def test_a_run_goes_on_with_the_logits_that_it_had_and_refuses_another_teacher(
    student: glueft.Result,
    stumble: Path,
    teacher: Path,
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = Path(shutil.copytree(teacher, tmp_path / "teacher"))
    stumble.with_name("stone").touch()
    try:
        with pytest.raises(GlueftError, match="a stone"):
            glueft.run(recipe_of(f"run:{mine}", tiny_bert, stumble), output_dir=tmp_path / "runs")
    finally:
        stumble.with_name("stone").unlink()
    (run,) = (tmp_path / "runs").iterdir()
    assert len([*(run / "checkpoints").glob("teacher-*.npz")]) == 1

    config = mine / "model" / "config.json"
    kept = config.read_text()
    config.write_text(kept.replace('"dtype"', '"more": 1, "dtype"'))
    record = json.loads((mine / "run.json").read_text())
    del record["model"]["sha256"]["config.json"]
    (mine / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match="cannot go on as it began") as caught:
        glueft.resume(run)
    assert "the teacher's config.json" in caught.value.received
    config.write_text(kept)

    monkeypatch.setattr(Teacher, "loaded", lambda *_: pytest.fail("the teacher was asked again"))
    done = glueft.resume(run)
    assert done is not None and done.record["resume"] == {"exact": True, "reasons": []}
    assert done.record["model"]["sha256"] == student.record["model"]["sha256"]
    assert not (run / "checkpoints").exists()


@pytest.mark.slow
def test_reports_cards_and_plans_name_the_teacher(
    student: glueft.Result, teacher: Path, recipe: Recipe, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = write_report(student.folder, tmp_path / "report.html").path.read_text("utf-8")
    assert f"{teacher.name} (mrpc)" in page and "[distill]" in page
    published = json.loads(json.dumps(public_record(Run.open(student.folder).record).as_dict()))
    assert (
        published["distillation"]["teacher"] == f"./{teacher.name}" and "folder" not in published["distillation"]["run"]
    )
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    assert command_line(["validate", str(tmp_path / "recipe.toml")]) == 0
    assert f"teacher run:{teacher}" in capsys.readouterr().out
    assert command_line(["plan", str(tmp_path / "recipe.toml"), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["distillation"]["weight"] == 0.8 and plan["estimate"]["seconds"]["teacher"] > 0


def refused(recipe: Recipe) -> GlueftError:
    with pytest.raises(GlueftError) as caught:
        session_of(recipe)
    assert caught.value.message.startswith("distill.teacher: ") and caught.value.fix
    return caught.value


def changed_head(model: Path, folder: Path, **config: Any) -> str:
    """A copy of a model folder whose config.json says something else."""
    shutil.copytree(model, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return str(folder)


def test_a_teacher_that_does_not_fit_is_refused_before_anything_is_trained(
    teacher: Path, tiny_bert: Path, stumble: Path, tmp_path: Path
) -> None:
    def of(name: str, *changes: str) -> GlueftError:
        return refused(recipe_of(name, tiny_bert, stumble, *changes))

    assert "there is no classification head" in of(str(tiny_bert)).message
    model = teacher / "model"
    other = of(changed_head(model, tmp_path / "other", id2label={"0": "no", "1": "yes"}, label2id={"no": 0, "yes": 1}))
    assert other.expected == 'the task\'s labels: "not_equivalent", "equivalent"'
    assert other.received.endswith('"no", "yes"') and "run:FOLDER" in other.fix
    unnamed = of(changed_head(model, tmp_path / "unnamed", id2label=None, label2id=None))
    assert "write the names into id2label" in unnamed.fix and "new_head" not in unnamed.fix
    regression = of(changed_head(model, tmp_path / "regression", problem_type="regression"))
    assert "problem_type regression" in regression.received
    assert "nothing" in of(f"run:{tmp_path}/gone").received or "gone" in of(f"run:{tmp_path}/gone").message
    same = refused(recipe_of(f"run:{teacher}", model, stumble))
    assert "the model that the run begins with" in same.message


@pytest.mark.parametrize(("of_student", "rows"), [(8, 8), (100, 64)])
def test_the_teacher_reads_no_more_rows_at_once_than_the_student(
    of_student: int, rows: int, teacher: Path, tiny_bert: Path, stumble: Path
) -> None:
    """So that what an error of its memory says to change helps."""
    change = f"training.evaluation_batch_size={of_student}"
    found = session_of(recipe_of(f"run:{teacher}", tiny_bert, stumble, change)).teacher
    alone = session_of(recipe_of(str(teacher / "model"), tiny_bert, stumble, change)).teacher
    assert found is not None and found.batch_size == rows and alone is not None and alone.batch_size == of_student


def test_what_the_teacher_was_trained_on_is_told(teacher: Path, tiny_bert: Path, stumble: Path, tmp_path: Path) -> None:
    def warned(run: Path, *changes: str) -> list[str]:
        warnings = session_of(recipe_of(f"run:{run}", tiny_bert, stumble, *changes)).warnings
        return [text for text in warnings if text.startswith("the teacher was trained on")]

    assert not warned(teacher)
    (held_out,) = warned(teacher, "data.held_out=4")
    assert "on mrpc too, and may have seen the held_out rows" in held_out
    shutil.copytree(teacher, tmp_path / "run")
    change_record(tmp_path / "run", task="qqp")
    recipe = tmp_path / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('plugin = "mrpc"', 'plugin = "qqp"'))
    (other,) = warned(tmp_path / "run")
    assert "trained on qqp, and its labels have the names of those of mrpc" in other


def test_a_run_is_not_its_own_teacher(recipe: Recipe, teacher: Path) -> None:
    refuse_itself(recipe, teacher.parent)
    with pytest.raises(TrainingError, match="the teacher is the run itself"):
        refuse_itself(recipe, teacher)


def test_labels_are_matched_by_name_in_any_order(
    teacher: Path, recipe: Recipe, tiny_bert: Path, stumble: Path, tmp_path: Path
) -> None:
    names = {"id2label": {"0": "equivalent", "1": "not_equivalent"}, "label2id": None}
    weights = Path(changed_head(teacher / "model", tmp_path / "turned", **names)) / "model.safetensors"
    tensors = load_file(weights)
    head = {name: tensors[name][::-1].copy() for name in ("classifier.weight", "classifier.bias")}
    save_file(tensors | head, weights, {"format": "pt"})
    session = session_of(recipe_of(str(tmp_path / "turned"), tiny_bert, stumble))
    # The folder says how its rows were cut in training.
    assert session.teacher is not None and session.teacher.max_length == 16
    ask_teacher(session, None, Progress())
    itself = load_saved_model(tmp_path / "turned")
    assert itself.labels == ("equivalent", "not_equivalent")
    np.testing.assert_allclose(session.batches.teacher, itself.logits(session.rows["train"])[:, ::-1], atol=1e-6)
