"""Last layers that start anew, and heads that read the states otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glueft.encoder.checkpoint import Checkpoint, find_checkpoint, load_classifier, saved_config
from glueft.encoder.new_parts import check_reinit, with_pooling
from glueft.encoder.weights import export_weights, tensor_table
from glueft.errors import CheckpointError
from glueft.recipe import RecipeError, load_recipe
from reference_checkpoints import REFERENCE, labels_of
from tiny_checkpoint import make_tiny_bert


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return find_checkpoint(str(make_tiny_bert(tmp_path_factory.mktemp("bert") / "bert", layers=3)))


def weights(checkpoint: Checkpoint, **options: Any) -> dict[str, np.ndarray]:
    loaded = load_classifier(checkpoint, labels=("no", "yes"), **{"seed": 1, "new_head": True} | options)
    return export_weights(tensor_table(loaded.model))


def test_the_last_layers_the_pooler_and_the_head_start_anew(bert: Checkpoint) -> None:
    kept, new = weights(bert), weights(bert, reinit_layers=2)
    changed = {name for name in kept if not np.array_equal(kept[name], new[name])}
    assert {name.rsplit(".", 1)[0] for name in changed} >= {
        "bert.encoder.layer.1.attention.self.query",
        "bert.encoder.layer.2.output.dense",
        "bert.pooler.dense",
    }
    assert not [name for name in changed if "embeddings" in name or ".layer.0." in name]
    for name, tensor in new.items():
        if ".layer.1." not in name and ".layer.2." not in name and "pooler" not in name:
            continue
        if name.endswith("LayerNorm.weight"):
            assert (tensor == 1).all()
        elif name.endswith("bias"):
            assert (tensor == 0).all()
        else:
            assert tensor.std() == pytest.approx(0.02, rel=0.15) and abs(tensor.mean()) < 0.005
    again, other = weights(bert, reinit_layers=2), weights(bert, reinit_layers=2, seed=2)
    name = "bert.encoder.layer.1.intermediate.dense.weight"
    assert np.array_equal(again[name], new[name]) and not np.array_equal(other[name], new[name])


def test_a_report_names_what_is_new(bert: Checkpoint) -> None:
    report = load_classifier(bert, labels=("no", "yes"), seed=1, new_head=True, reinit_layers=1).report
    assert report.head == "new" and "bert.encoder.layer.2.attention.self.key.weight" in report.new
    assert not [name for name in report.new if ".layer.1." in name]
    assert "encoder.layer.2.attention.self.key.weight" in report.left_over


@pytest.mark.parametrize(
    ("layers", "frozen", "message", "fix"),
    [
        (
            4,
            0,
            "model.reinit_layers is more than the layers of ",
            "set model.reinit_layers to 3 or less; 1 to 3 are usual",
        ),
        (2, 2, "a layer is to start anew and not to be trained", "set model.freeze.layers to 1 or less"),
        (3, 1, "a layer is to start anew and not to be trained", "set model.freeze.layers to 0"),
    ],
)
def test_layers_that_cannot_start_anew(bert: Checkpoint, layers: int, frozen: int, message: str, fix: str) -> None:
    check_reinit(bert, 3, 0)
    check_reinit(bert, 1, 2)
    check_reinit(bert, 0, 99)  # that is told of elsewhere
    with pytest.raises(CheckpointError) as caught:
        check_reinit(bert, layers, frozen)
    assert caught.value.message.startswith(message) and caught.value.fix == fix


def test_layers_that_share_their_weights() -> None:
    with pytest.raises(CheckpointError, match="the layers of this encoder share their weights"):
        check_reinit(find_checkpoint(str(REFERENCE / "albert")), 1, 0)


def test_lora_does_not_train_new_layers() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["model.reinit_layers=2", "model.lora_rank=4"])
    (problem,) = caught.value.problems
    assert problem.path == "model.reinit_layers" and "new layers would stay as they start" in problem.message


@pytest.mark.parametrize(
    ("family", "pooling", "key"),
    [("modernbert", "first", "cls"), ("modernbert", "mean", "mean"), ("eurobert", "first", "bos")],
)
def test_a_new_head_reads_the_states_as_the_saved_config_says(family: str, pooling: str, key: str) -> None:
    chosen = with_pooling(find_checkpoint(str(REFERENCE / family)), pooling, new_head=True)
    model = load_classifier(chosen, labels=labels_of(REFERENCE / family), seed=1, new_head=True).model
    assert model.config.pooling == pooling and model.head.first_token == (pooling == "first")
    assert saved_config(model)["classifier_pooling"] == key


def test_without_a_pooling_the_checkpoint_stays_as_it_is(bert: Checkpoint) -> None:
    assert with_pooling(bert, None, new_head=True) is bert


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_pooling_that_the_saved_model_could_not_have(bert: Checkpoint, pooling: str) -> None:
    assert with_pooling(bert, "first", new_head=False).config == bert.config
    with pytest.raises(CheckpointError, match="BertForSequenceClassification of transformers") as caught:
        with_pooling(bert, pooling, new_head=True)
    assert caught.value.expected == '"first"' and caught.value.received == f'model.pooling = "{pooling}"'
    if pooling == "max":
        assert caught.value.fix == "remove model.pooling; no family has it"
    else:
        assert "modernbert" in caught.value.fix


def test_a_head_keeps_the_pooling_that_it_was_trained_with() -> None:
    checkpoint = find_checkpoint(str(REFERENCE / "modernbert"))
    now = checkpoint.config.get("classifier_pooling", "cls")
    other = "mean" if now == "cls" else "first"
    with pytest.raises(CheckpointError, match="was trained with another pooling") as caught:
        with_pooling(checkpoint, other, new_head=False)
    assert caught.value.expected == f"classifier_pooling = {now!r}" and "model.new_head = true" in caught.value.fix
