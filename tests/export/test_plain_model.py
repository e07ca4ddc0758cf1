"""What training puts about a model does not reach an export; and a classifier goes through a .keras file as it is."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.classifier import Classifier
from glueft.encoder.lora import enable_lora
from glueft.encoder.word_embeddings import narrow_vocabulary
from glueft.export.plain_model import plain_copy
from glueft.training.backend import dtype_policy
from reference_checkpoints import copy_checkpoint, labels_of, reference


def load(folder: Path) -> Classifier:
    return load_classifier(find_checkpoint(str(folder)), labels=labels_of(folder), seed=0).model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_checkpoint("bert", tmp_path / "bert")


def test_mixed_precision_is_left_behind(folder: Path) -> None:
    with dtype_policy("mixed_bfloat16"):
        model = load(folder)
    inputs, _, logits = reference("bert")
    assert numpy.abs(keras.ops.convert_to_numpy(model(inputs)) - logits).max() > 1e-4
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(plain_copy(model)(inputs)), logits, atol=1e-5)


def test_lora_is_added_to_the_kernels(folder: Path) -> None:
    model = load(folder)
    enable_lora(model, 2, seed=0)
    for block in model.encoder.blocks:
        block.intermediate.lora_kernel_b.assign(numpy.full(block.intermediate.lora_kernel_b.shape, 0.1, "float32"))
    inputs, _, logits = reference("bert")
    expected = keras.ops.convert_to_numpy(model(inputs))
    assert numpy.abs(expected - logits).max() > 1e-2
    copy = plain_copy(model)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(copy(inputs)), expected, atol=1e-5)
    assert not any("lora" in variable.path for variable in copy.weights)
    assert len(copy.trainable_variables) > len(model.trainable_variables)


@pytest.mark.parametrize("saved", [False, True])
def test_words_that_were_left_out_are_there_again(saved: bool, folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    inputs, _, logits = reference("bert")
    assert narrow_vocabulary(model, [numpy.array([5, 6])]) == 2
    if saved:
        model.save(tmp_path / "model.keras")
        copy = keras.saving.load_model(tmp_path / "model.keras")
    else:
        copy = plain_copy(model)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(copy(inputs)), logits, atol=1e-5)
