"""Layer-wise learning rates: which variable gets which, and that every optimizer keeps to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glueft
from glueft.encoder.freezing import freeze
from glueft.encoder.lora import enable_lora
from glueft.encoder.word_embeddings import narrow_vocabulary
from glueft_optimizers.keras_layerwise import rate_factors
from optimizer_checks import NAMES, built, classifier, gradients, moved, value_of
from tiny_checkpoint import make_tiny_bert

QUICK = ("adam", "adamw", "lion", "muon", "sgd")
FACTORS = {"embeddings": 0.125, "block_0": 0.25, "block_1": 0.5, "head": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("layers") / "bert", layers=2, hidden=16)


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The variables of an encoder with one layer."""
    folder = make_tiny_bert(tmp_path_factory.mktemp("layer") / "bert", layers=1, hidden=16)
    return list(classifier(folder).trainable_variables)


@pytest.fixture(scope="module")
def variables(folder: Path) -> list[Any]:
    return list(classifier(folder).trainable_variables)


def part(path: str) -> str:
    (found,) = (name for name in FACTORS if f"/{name}/" in path)
    return found


def test_the_factors_of_a_model_s_own_variables(variables: list[Any]) -> None:
    paths = [variable.path for variable in variables]
    factors = rate_factors(paths, 0.5)
    assert factors == [FACTORS[part(path)] for path in paths]
    assert set(factors) == set(FACTORS.values())


def test_sgd_s_step_is_factor_times_rate_times_gradient(variables: list[Any]) -> None:
    before = {variable.path: value_of(variable) for variable in variables}
    after = moved(built("sgd", 0.1, layerwise_decay=0.5), variables, steps=1)
    for variable, gradient in zip(variables, gradients(variables, 0), strict=True):
        wanted = before[variable.path] - FACTORS[part(variable.path)] * 0.1 * gradient
        np.testing.assert_allclose(after[variable.path], wanted, rtol=0, atol=1e-7, err_msg=variable.path)


def test_adam_s_first_step(variables: list[Any]) -> None:
    before = {variable.path: value_of(variable) for variable in variables}
    after = moved(built("adam", 0.1, layerwise_decay=0.5), variables, steps=1)
    for variable, gradient in zip(variables, gradients(variables, 0), strict=True):
        mean, square = 0.1 * gradient.astype(np.float64), 0.001 * gradient.astype(np.float64) ** 2
        rate = FACTORS[part(variable.path)] * 0.1 * np.sqrt(1 - 0.999) / (1 - 0.9)
        wanted = before[variable.path] - rate * mean / (np.sqrt(square) + 1e-7)
        np.testing.assert_allclose(after[variable.path], wanted, rtol=0, atol=1e-6, err_msg=variable.path)


# Of those that have no step of their own, one is enough by default.
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_each_layer_moves_as_with_an_optimizer_of_its_own(name: str, fewer: list[Any]) -> None:
    """Weight decay is scaled as well: it is part of the step."""
    together = moved(built(name, 0.01, weight_decay=0.1, layerwise_decay=0.5), fewer)
    for layer, factor in (("embeddings", 0.25), ("block_0", 0.5), ("head", 1.0)):
        apart = moved(built(name, 0.01 * factor, weight_decay=0.1), fewer)
        same = {path: np.allclose(value, apart[path], rtol=1e-5, atol=1e-6) for path, value in together.items()}
        for other in ("embeddings", "block_0", "head"):
            # Only its own rate moves a layer so.
            assert all(same[path] for path in same if part(path) == other) == (other == layer), (layer, other)


def test_layers_that_are_frozen_still_count(folder: Path) -> None:
    model = classifier(folder)
    freeze(model, embeddings=True, layers=1)
    paths = [variable.path for variable in model.trainable_variables]
    assert {part(path): factor for path, factor in zip(paths, rate_factors(paths, 0.5), strict=True)} == {
        "block_1": 0.5,
        "head": 1.0,
    }


def test_the_matrices_of_lora_belong_to_their_layers(folder: Path) -> None:
    model = classifier(folder)
    enable_lora(model, 2, seed=0)
    paths = [variable.path for variable in model.trainable_variables]
    factors = dict(zip(paths, rate_factors(paths, 0.5), strict=True))
    assert factors["classifier/encoder/block_0/intermediate/lora_kernel_a"] == 0.25
    assert factors["classifier/encoder/block_1/query_key_value/lora_kernel_b"] == 0.5
    assert factors["classifier/head/output/kernel"] == 1.0


def test_embeddings_narrowed_to_the_words_in_use_are_embeddings_still(folder: Path) -> None:
    model = classifier(folder)
    narrow_vocabulary(model, [np.arange(20)])
    paths = {variable.path: variable.shape for variable in model.trainable_variables}
    factors = dict(zip(paths, rate_factors(list(paths), 0.5), strict=True))
    words = "classifier/encoder/embeddings/word_embeddings/embeddings"
    assert paths[words] == (20, 16) and factors[words] == 0.125


def test_layers_that_share_their_weights_are_one_layer() -> None:
    model = classifier(Path(__file__).parent.parent / "reference" / "albert")
    assert model.config.num_layers > len(model.encoder.blocks) == 1
    paths = [variable.path for variable in model.trainable_variables]
    factors = dict(zip(paths, rate_factors(paths, 0.5), strict=True))
    assert factors["classifier/encoder/embeddings/projection/kernel"] == 0.25
    assert factors["classifier/encoder/block_0/output/kernel"] == 0.5


@pytest.mark.parametrize("embeddings", [True, False])
def test_without_a_trained_layer_there_is_nothing_to_scale(folder: Path, embeddings: bool) -> None:
    model = classifier(folder)
    freeze(model, embeddings=embeddings, layers=2)
    with pytest.raises(glueft.TrainingError) as caught:
        built("adamw", 0.1, layerwise_decay=0.9).build(model.trainable_variables)
    assert "finds no encoder layer among the variables that are trained" in caught.value.message
    assert caught.value.expected == "a layer of the encoder that is trained"
    assert caught.value.received == "layerwise_decay = 0.9, and none that is"
    assert caught.value.fix == "remove optimizer.layerwise_decay, or lower model.freeze.layers"
