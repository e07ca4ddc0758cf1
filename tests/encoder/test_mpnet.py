"""MPNet: what its config may say, and its relative positions. test_exactness.py compares all else with PyTorch."""

from __future__ import annotations

from typing import Any

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.config import read_config
from glueft.errors import CheckpointError
from glueft_encoders.mpnet import relative_buckets
from reference_checkpoints import REFERENCE, labels_of, reference


def test_distances_are_put_into_the_buckets_of_transformers() -> None:
    buckets = relative_buckets(512)
    assert len(buckets) == 1024
    # From transformers 5.23, MPNetEncoder.relative_position_bucket.
    before = {0: 0, 1: 1, 7: 7, 8: 8, 11: 8, 12: 9, 15: 9, 16: 10, 22: 10, 23: 11, 45: 12, 46: 13, 90: 14, 91: 15}
    assert {distance: buckets[512 - distance] for distance in before} == before
    after = {1: 17, 8: 24, 12: 25, 16: 26, 91: 31, 511: 31}
    assert {distance: buckets[512 + distance] for distance in after} == after


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("pad_token_id", 0, "pad_token_id = 1, from which MPNet counts its positions"),
        ("relative_attention_num_buckets", 16, "32 or more: so many are in use, whatever it says"),
    ],
)
def test_what_the_layers_do_not_compute_is_refused(key: str, value: Any, expected: str) -> None:
    with pytest.raises(CheckpointError, match=f"{key} asks for an architecture") as caught:
        read_config({"model_type": "mpnet", key: value})
    assert (caught.value.expected, caught.value.received) == (expected, f"{key} = {value}")


def test_the_head_takes_the_hidden_dropout() -> None:
    rates = {"hidden_dropout_prob": 0.11, "classifier_dropout": 0.33}
    assert read_config({"model_type": "mpnet", **rates}).head_dropout == 0.11


def test_short_rows_are_those_of_padded_ones() -> None:
    model = load_classifier(
        find_checkpoint(str(REFERENCE / "mpnet")), labels=labels_of(REFERENCE / "mpnet"), seed=0
    ).model
    inputs = reference("mpnet")[0]
    for length in (2, 5):
        short = {key: value[:, :length] for key, value in inputs.items()}
        short["attention_mask"] = numpy.ones_like(short["attention_mask"])
        padded = {key: numpy.pad(value, ((0, 0), (0, 13 - length))) for key, value in short.items()}
        padded["input_ids"][:, length:] = 1
        first, second = (numpy.asarray(keras.ops.convert_to_numpy(model(rows))) for rows in (short, padded))
        numpy.testing.assert_allclose(first, second, atol=1e-5)
