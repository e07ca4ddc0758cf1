"""Training only the words in use gives the same weights, and the whole vocabulary comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy
import pytest
from safetensors.numpy import load_file

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.classifier import Classifier
from glueft.encoder.freezing import freeze
from glueft.encoder.lora import enable_lora
from glueft.encoder.tensor_files import write_tensors
from glueft.encoder.weights import export_weights, exported_weights, tensor_table
from glueft.encoder.word_embeddings import (
    known_words,
    narrow_vocabulary,
    weights_left_out,
    widen_vocabulary,
)
from glueft.errors import TrainingError
from glueft.plugin.registry import load_registry
from glueft.training.loss import loss_of
from glueft.training.model import all_parameters, compile_model, trainable_parameters
from reference_checkpoints import REFERENCE, labels_of, reference

# ALBERT maps small embeddings to the hidden size, and RoBERTa's positions depend on the ids themselves.
CASES = ["bert", "albert", "roberta"]


def load(case: str) -> Classifier:
    folder = REFERENCE / case
    return load_classifier(find_checkpoint(str(folder)), labels=labels_of(folder), seed=1).model


def weights(model: Classifier) -> dict[str, Any]:
    return export_weights(tensor_table(model))


def fit(model: Classifier, case: str, optimizer: str = "adam", options: dict[str, Any] | None = None) -> None:
    """Train two epochs, several steps."""
    plugin = load_registry().find("optimizer", optimizer).cls
    inputs, _, expected = reference(case)
    compile_model(
        model, plugin(plugin.Options(**(options or {}))).build(1e-2), loss_of(("no", "yes")), jit_compile=False
    )
    model.run_eagerly = keras.backend.backend() != "jax"
    model.fit(inputs, numpy.arange(len(expected)) % expected.shape[1], batch_size=2, epochs=2, verbose=0, shuffle=False)


def words(case: str) -> Any:
    return reference(case)[0]["input_ids"]


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_training_the_whole_vocabulary(case: str) -> None:
    whole, narrow = load(case), load(case)
    count = narrow_vocabulary(narrow, [words(case)])
    assert count == len(numpy.unique(words(case))) < narrow.config.vocab_size
    paths = [[variable.path for variable in model.trainable_variables] for model in (whole, narrow)]
    assert paths[0] == paths[1]
    before = weights(narrow)
    for name, tensor in weights(whole).items():
        numpy.testing.assert_array_equal(before[name], tensor, err_msg=name)
    for model in (whole, narrow):
        # Without dropout, whose masks differ from model to model on some backends.
        for layer in model._flatten_layers():
            if type(layer).__name__ == "ByteDropout":
                layer.threshold, layer.scale = 0, 1.0
        fit(model, case)
    trained = weights(narrow)
    for name, tensor in weights(whole).items():
        numpy.testing.assert_allclose(trained[name], tensor, atol=1e-6, err_msg=name)
    table = next(name for name in trained if name.endswith("word_embeddings.weight"))
    changed = numpy.flatnonzero((trained[table] != before[table]).any(axis=1))
    assert set(changed) <= set(numpy.unique(words(case)))
    assert len(changed) > 3


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sgd", "rmsprop", "nadam", "lion"))],
)
def test_every_optimizer_that_says_so_leaves_unused_weights(optimizer: str) -> None:
    options = {"weight_decay": 0.0} if optimizer == "adamw" else {}
    plugin = load_registry().find("optimizer", optimizer).cls
    assert plugin(plugin.Options(**options)).leaves_unused_weights
    model = load("bert")
    before = weights(model)
    fit(model, "bert", optimizer, options)
    table = "bert.embeddings.word_embeddings.weight"
    unused = numpy.setdiff1d(numpy.arange(model.config.vocab_size), words("bert"))
    numpy.testing.assert_array_equal(weights(model)[table][unused], before[table][unused])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", "nadam", "lion", "lamb", "adafactor", "muon"])
def test_weight_decay_moves_unused_weights(optimizer: str) -> None:
    plugin = load_registry().find("optimizer", optimizer).cls
    assert not plugin(plugin.Options(weight_decay=0.01)).leaves_unused_weights


def test_the_whole_vocabulary_comes_back() -> None:
    model = load("bert")
    whole = load("bert")
    parameters = all_parameters(model), trainable_parameters(model)
    used = words("bert")
    unused = numpy.setdiff1d(numpy.arange(model.config.vocab_size), used)
    other = reference("bert")[0] | {"input_ids": numpy.resize(unused, used.shape).astype(numpy.int32)}
    narrow_vocabulary(model, [used])
    assert weights_left_out(model) > 0
    assert (all_parameters(model), trainable_parameters(model)) == parameters
    widen_vocabulary(model)
    assert weights_left_out(model) == 0
    assert (all_parameters(model), trainable_parameters(model)) == parameters
    numpy.testing.assert_array_equal(*(keras.ops.convert_to_numpy(each(other)) for each in (model, whole)))


def numbers(tensor: Any) -> Any:
    return keras.ops.convert_to_numpy(tensor)


def test_words_that_are_not_trained_are_answered_for_all_the_same() -> None:
    """Whoever asks, in whatever way, gets the logits of the whole model with the weights of now."""
    narrow, whole = load("bert"), load("bert")
    other = {name: array[1:] for name, array in reference("bert")[0].items()}
    narrow_vocabulary(narrow, [words("bert")[:1]])
    for model in (narrow, whole):
        compile_model(model, keras.optimizers.Adam(1e-2), loss_of(("no", "yes")), jit_compile=False)

    def hold() -> None:
        expected = numbers(whole(other))
        numpy.testing.assert_allclose(numbers(narrow(other)), expected, atol=1e-6)
        numpy.testing.assert_allclose(narrow.predict(other, verbose=0), expected, atol=1e-6)
        numpy.testing.assert_allclose(narrow.predict_on_batch(other), expected, atol=1e-6)

    with known_words(narrow):
        own = narrow.predict({name: array[:1] for name, array in reference("bert")[0].items()}, verbose=0)
    hold()
    program, others_program = narrow.predict_function, narrow._others_function
    assert program is not others_program  # Keras traces one for the run's own words, and one for all others
    embeddings = narrow.encoder.embeddings.word_embeddings
    for row in numpy.unique(words("bert")[:1])[1:3]:  # as a step of the training would
        wide = numbers(whole.encoder.embeddings.word_embeddings.embeddings).copy()
        wide[row] += 0.5
        whole.encoder.embeddings.word_embeddings.embeddings.assign(wide)
        embeddings.embeddings.assign(wide[embeddings.rows])
    hold()
    assert (narrow.predict_function, narrow._others_function) == (program, others_program)
    with known_words(narrow):
        again = narrow.predict({name: array[:1] for name, array in reference("bert")[0].items()}, verbose=0)
    assert (own != again).any()


def test_a_batch_of_ones_own_cannot_be_trained_on_meanwhile() -> None:
    model = load("bert")
    inputs, _, _ = reference("bert")
    narrow_vocabulary(model, [inputs["input_ids"]])
    compile_model(model, keras.optimizers.Adam(1e-2), loss_of(("no", "yes")), jit_compile=False)
    with pytest.raises(TrainingError, match="a batch of its own cannot be trained on"):
        model.train_on_batch(inputs, numpy.zeros(len(inputs["input_ids"]), numpy.int32))


def test_saved_weights_can_be_loaded_meanwhile(tmp_path: Path) -> None:
    model, other = load("bert"), load("bert")
    table = other.encoder.embeddings.word_embeddings.embeddings
    table.assign(numbers(table) + 1.0)
    other.save_weights(tmp_path / "other.weights.h5")
    narrow_vocabulary(model, [words("bert")[:1]])
    model.load_weights(tmp_path / "other.weights.h5")
    numpy.testing.assert_allclose(*(numbers(each(reference("bert")[0])) for each in (model, other)), atol=1e-6)
    widen_vocabulary(model)
    numpy.testing.assert_array_equal(numbers(model.encoder.embeddings.word_embeddings.embeddings), numbers(table))


def test_frozen_word_embeddings_are_left_alone() -> None:
    frozen, adapted = load("bert"), load("bert")
    freeze(frozen, embeddings=True)
    enable_lora(adapted, 2, seed=1)
    for model in (frozen, adapted):
        assert narrow_vocabulary(model, [words("bert")]) == 0
        assert weights_left_out(model) == 0


def test_weights_taken_before_a_step_stay_as_they_were(tmp_path: Path) -> None:
    """One table in memory serves all of them."""
    model = load("bert")
    narrow_vocabulary(model, [words("bert")])
    before, table = weights(model), tensor_table(model)
    shapes = {name: slot.tensor.shape for name, slot in table.items()}
    assert shapes == {name: tensor.shape for name, tensor in before.items()}
    write_tensors(tmp_path / "model.safetensors", shapes, exported_weights(table))
    fit(model, "bert")
    written, after = load_file(tmp_path / "model.safetensors"), weights(model)
    name = next(name for name in before if name.endswith("word_embeddings.weight"))
    assert (before[name] != after[name]).any()
    assert all((before[name] == written[name]).all() for name in before)
    widen_vocabulary(model)
    numpy.testing.assert_array_equal(weights(model)[name], after[name])
