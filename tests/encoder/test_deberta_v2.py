"""DeBERTa-v2: what its config may say, its buckets, and rows of every length. test_exactness.py compares it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

import glueft
from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.classifier import Classifier
from glueft.encoder.config import read_config
from glueft.encoder.layers import diagonals
from glueft.errors import CheckpointError, TrainingError
from glueft.inference.predictor import load_saved_model
from glueft.recipe import load_recipe
from glueft.training.model import refuse_precision
from reference_checkpoints import REFERENCE, copy_checkpoint, labels_of, reference
from reference_checkpoints import read_config as read_json

TINY = read_json(REFERENCE / "deberta-v2")
CASES = ("deberta-v2", "deberta-v2-apart", "deberta-v2-p2c")


def load(case: str) -> Classifier:
    folder = REFERENCE / case
    return load_classifier(find_checkpoint(str(folder)), labels=labels_of(folder), seed=0).model


def logits(model: Classifier, inputs: dict[str, Any]) -> numpy.ndarray:
    return numpy.asarray(keras.ops.convert_to_numpy(model(inputs)))


@pytest.mark.parametrize(
    ("changes", "message", "received"),
    [
        ({"conv_kernel_size": 3}, "conv_kernel_size asks for an architecture", "conv_kernel_size = 3"),
        ({"pos_att_type": ["p2p", "c2p"]}, "pos_att_type asks for an architecture", "pos_att_type = ['p2p', 'c2p']"),
        ({"pos_att_type": 2}, "pos_att_type asks for an architecture", "pos_att_type = 2"),
        ({"attention_head_size": 64}, "attention_head_size does not fit", "attention_head_size = 64"),
        ({"pooler_hidden_size": 12}, "pooler_hidden_size does not fit", "pooler_hidden_size = 12"),
        ({"relative_attention": 1}, "relative_attention has a value", "relative_attention = 1"),
        ({"norm_rel_ebd": None}, "norm_rel_ebd has a value", "norm_rel_ebd = None"),
        ({"position_buckets": 1}, "position_buckets does not fit", "1 buckets, relative positions up to 20"),
        (
            {"position_buckets": 8, "max_relative_positions": 5},
            "position_buckets does not fit",
            "8 buckets, relative positions up to 5",
        ),
        ({"max_position_embeddings": 1 << 40}, "larger than any encoder's", "1,099,511,627,776"),
        ({"position_buckets": 1 << 40}, "position_buckets is larger than any encoder's", "1,099,511,627,776"),
    ],
)
def test_what_the_layers_do_not_compute_is_refused(changes: dict[str, Any], message: str, received: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        read_config({**TINY, **changes})
    assert caught.value.received == received


def test_the_refusal_of_a_convolution_names_checkpoints_without_one() -> None:
    with pytest.raises(CheckpointError) as caught:
        read_config({**TINY, "conv_kernel_size": 3})
    assert "deberta-v3-xsmall to -large have none" in caught.value.expected
    assert read_config({**TINY, "conv_kernel_size": 0}) == read_config(TINY)


def test_few_positions_need_no_bucket_of_several() -> None:
    assert read_config({**TINY, "position_buckets": 256}).span == 256


def test_terms_may_stand_in_one_text() -> None:
    assert read_config({**TINY, "pos_att_type": "P2C|c2p"}) == read_config(TINY)
    assert not read_config({**TINY, "pos_att_type": None}).relative_terms


def test_distances_are_put_into_the_buckets_of_transformers() -> None:
    config = {"model_type": "deberta-v2", "position_buckets": 256, "max_relative_positions": 512}
    rows = read_config(config).relative_rows()
    assert len(rows) == 1024
    # From transformers 5.23, build_relative_position(..., 256, 512) + 256.
    expected = {0: 256, 1: 257, 128: 384, 129: 385, 130: 386, 200: 425, 300: 463, 400: 489, 510: 511, 511: 511}
    assert {distance: rows[512 + distance] for distance in expected} == expected
    assert [rows[512 - distance] for distance in (1, 128, 200, 511)] == [255, 128, 87, 1]


@pytest.mark.parametrize("case", CASES)
def test_short_rows_are_those_of_padded_ones(case: str) -> None:
    model = load(case)
    inputs = reference(case)[0]
    for length in (2, 3, 6):
        short = {key: value[:, :length] for key, value in inputs.items()}
        short["attention_mask"] = numpy.ones_like(short["attention_mask"])
        padded = {key: numpy.pad(value, ((0, 0), (0, 13 - length))) for key, value in short.items()}
        numpy.testing.assert_allclose(logits(model, short), logits(model, padded), atol=1e-5)


@pytest.mark.parametrize("start", [2, 3])
def test_diagonals_and_their_gradient(start: int) -> None:
    products = numpy.arange(2 * 2 * 3 * 6, dtype="float32").reshape(2, 2, 3, 6)
    expected = numpy.array([[row[start - i : start - i + 3] for i, row in enumerate(rows)] for rows in products[0]])
    numpy.testing.assert_array_equal(numpy.asarray(diagonals(products, 3, start))[0], expected)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensor = tensorflow.constant(products)
        with tensorflow.GradientTape() as tape:
            tape.watch(tensor)
            loss = tensorflow.reduce_sum(diagonals(tensor, 3, start) ** 2)
        gradient = tape.gradient(loss, tensor).numpy()
        used = numpy.isin(products, numpy.asarray(diagonals(tensor, 3, start)))
        numpy.testing.assert_array_equal(gradient, numpy.where(used, 2 * products, 0))


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_float16_is_refused_with_the_reason(precision: str, tmp_path: Path) -> None:
    checkpoint = find_checkpoint(str(copy_checkpoint("deberta-v2", tmp_path / "tiny")))
    if precision == "mixed_bfloat16":
        refuse_precision(checkpoint, precision)
        return
    with pytest.raises(TrainingError, match="family deberta-v2 cannot compute in mixed_float16") as caught:
        refuse_precision(checkpoint, precision)
    assert "65,504" in caught.value.received
    refuse_precision(find_checkpoint(str(REFERENCE / "bert")), precision)


def test_neither_a_run_nor_a_prediction_begins_in_float16(tmp_path: Path) -> None:
    checkpoint = copy_checkpoint("deberta-v2", tmp_path / "tiny")
    changes = ["engine.precision=mixed_float16", "data.max_length=20"]
    recipe = load_recipe("mrpc", changes, sample=True, checkpoint=str(checkpoint))
    with pytest.raises(TrainingError, match="cannot compute in mixed_float16"):
        glueft.run(recipe, output_dir=tmp_path / "runs")
    assert not [*tmp_path.glob("runs/*/model")]
    with pytest.raises(TrainingError, match="cannot compute in mixed_float16"):
        load_saved_model(checkpoint, precision="mixed_float16")
