"""The best evaluation: which one it is, and that its state can be saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from glueft.inference.evaluate import evaluate_run
from glueft.launch import run_recipe
from glueft.recipe import load_recipe
from glueft.runs.run import Run
from glueft.training.kept import Kept
from python_process import run_python

nan = float("nan")


def model_at(step: int) -> Any:
    """A model whose one weight is the number of the step."""
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 1))
    layer.kernel.assign([[step]])
    return layer


def offered(metric: str, values: list[float]) -> Kept:
    kept = Kept(metric)
    for step, value in enumerate(values, start=1):
        metrics, logits = {"other": 9.0, metric: value}, np.full((2, 1), step, np.float32)
        kept.offer(model_at(step), metrics, step=step, epoch=step / 2, logits=logits)
    return kept


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("accuracy", [0.5, 0.75, 0.75, 0.6], 2),
        ("accuracy", [0.5, nan, 0.4], 1),
        ("accuracy", [nan, nan, 0.1, 0.1, nan], 3),
        ("accuracy", [nan, nan], 1),
        ("pearson", [-0.5, -0.25, -0.75], 2),
        ("rmse", [2.0, 1.0, 1.0, 3.0, nan], 2),  # The metric says that lower is better.
    ],
)
def test_the_first_of_the_best_is_kept_and_nan_never_wins(metric: str, values: list[float], best: int) -> None:
    kept = offered(metric, values)
    assert (kept.metric, kept.step, kept.epoch) == (metric, best, best / 2)
    np.testing.assert_equal(kept.value, values[best - 1])
    assert kept.logits is not None and kept.logits[0, 0] == best
    model = model_at(99)
    kept.put_back(model)
    assert float(model.kernel[0, 0]) == best


def test_its_state_is_taken_back() -> None:
    state = offered("accuracy", [0.5, 0.75]).state()
    other = Kept("accuracy")
    other.restore(state)
    # No better than what was kept.
    other.offer(model_at(3), {"accuracy": 0.75}, step=3, epoch=1.5, logits=np.zeros((2, 1), np.float32))
    model = model_at(99)
    other.put_back(model)
    assert (other.step, other.epoch, other.value, float(model.kernel[0, 0])) == (2, 1.0, 0.75, 2.0)
    assert set(state) == {"step", "epoch", "value", "logits", "weights"}


def trained(checkpoint: str, folder: str, change: str) -> list[dict[str, Any]]:
    """Return the record of a run with eight evaluations, and what `glueft evaluate` says of it."""
    changes = [
        "training={epochs=2, evaluate_every=0.25, keep='best'}",
        "schedule={plugin='constant', initial_learning_rate=2e-3}",
        *("data.limit_train=32", "data.limit_validation=16", "data.max_length=16"),
        'task.metrics=["roc_auc", "accuracy"]',  # It changes with every step.
        change,
    ]
    record = run_recipe(load_recipe("mrpc", changes, sample=True, checkpoint=checkpoint), output_dir=folder).record
    return [record, evaluate_run(Run.open(record["run_dir"]))]


def in_jax(*arguments: str) -> Any:
    pytest.importorskip("jax", reason="needs JAX: pip install 'glueft[jax]'")
    code = f"import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_kept; "
    return run_python(f"{code}print(json.dumps(test_kept.trained(*{arguments!r})))", KERAS_BACKEND="jax")


@pytest.mark.parametrize(
    ("backend", "train", "change"),
    [
        ("tensorflow", trained, "model.lora_rank=2"),
        # JAX compiles each batch shape.
        pytest.param("jax", in_jax, "model.freeze.embeddings=true", marks=pytest.mark.slow),
    ],
)
def test_what_is_saved_and_predicted_is_what_was_kept(
    backend: str, train: Callable[..., Any], change: str, tiny_bert: Path, tmp_path: Path
) -> None:
    record, again = train(str(tiny_bert), str(tmp_path), change)
    kept = record["kept"]
    assert record["engine"]["backend"] == backend and kept["evaluations"] == 8
    (entry,) = [each for each in [*record["epochs"], *record["mid_epochs"]] if each["step"] == kept["step"]]
    values = [each["metrics"]["roc_auc"] for each in [*record["epochs"], *record["mid_epochs"]]]
    assert kept["value"] == entry["metrics"]["roc_auc"] == max(values) > min(values)
    assert record["metrics"] == entry["metrics"]
    lines = Path(record["run_dir"], "predictions", "validation.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    shares = [float(row[4 if row[1] == "equivalent" else 3]) for row in rows]
    assert -np.log(shares).mean() == pytest.approx(entry["validation_loss"], abs=1e-5)
    assert again["metrics"] == record["metrics"]
