"""Hidden states and logits against PyTorch transformers, for every family and every switch of the architecture."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.classifier import Classifier
from glueft.plugin.registry import load_registry
from reference_checkpoints import (
    CASES,
    FAMILIES,
    OWN_LAYERS,
    REFERENCE,
    copy_checkpoint,
    edit_config,
    labels_of,
    reference,
)

# Families without dropout unless config.json says so, and the keys that do.
NO_DROPOUT = {
    "modernbert": ("attention_dropout", "mlp_dropout", "embedding_dropout", "classifier_dropout"),
    "eurobert": ("attention_dropout",),
    "nomic_bert": ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
}
GRAPHS = (
    "bert",
    "roberta",
    "distilbert",
    "albert-groups",
    "electra",
    "deberta-v2",
    "mpnet",
    "modernbert",
    "eurobert",
    "nomic_bert",
)


def load(folder: Path, seed: int = 0) -> Classifier:
    labels = labels_of(folder)
    return load_classifier(find_checkpoint(str(folder)), labels=labels, regression=not labels, seed=seed).model


def numpy_of(tensor: object) -> numpy.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def close(actual: object, expected: numpy.ndarray, tolerance: float = 1e-5) -> bool:
    return bool(numpy.abs(numpy_of(actual) - expected).max() <= tolerance)


def test_every_family_has_a_reference() -> None:
    assert set(FAMILIES) <= set(CASES)
    assert len(CASES) == 26


@pytest.mark.parametrize("family", sorted({*FAMILIES} - {*OWN_LAYERS}))
def test_a_family_without_layers_of_its_own_is_roberta_but_for_its_names(family: str) -> None:
    cls = load_registry().find("encoder", family).cls
    assert cls.__bases__ == (load_registry().find("encoder", "roberta").cls,)
    assert {name for name in vars(cls) if not name.startswith("_")} - {"relatives"} == {
        "name",
        "architecture",
        "defaults",
    }


@pytest.mark.parametrize("case", CASES)
def test_hidden_states_and_logits_agree_with_pytorch(case: str) -> None:
    model = load(REFERENCE / case)
    inputs, hidden_states, logits = reference(case)
    hidden = model.encoder(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
    # A padding token that sees padding alone has no state of a meaning.
    tokens = inputs["attention_mask"].astype(bool)
    assert close(numpy_of(hidden)[tokens], hidden_states[tokens])
    assert close(model(inputs), logits)
    assert numpy_of(model(inputs)).dtype == numpy.float32


def test_minilm_agrees_with_pytorch(minilm: str) -> None:
    loaded = load_classifier(find_checkpoint(minilm), labels=("a", "b"), seed=0)
    with numpy.load(REFERENCE / "minilm.npz") as arrays:
        hidden = loaded.model.encoder(arrays["input_ids"], arrays["attention_mask"], arrays["token_type_ids"])
        assert close(hidden, arrays["hidden_states"], 1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", ["bert", "albert"])
def test_the_files_other_types_give_the_same(case: str, dtype: str, tmp_path: Path) -> None:
    # The references themselves are bfloat16.
    folder = copy_checkpoint(case, tmp_path / case, lambda file: {name: file[name].astype(dtype) for name in file})
    inputs, _, logits = reference(case)
    assert close(load(folder)(inputs), logits)


# Tracing takes a second, and XLA compiles for more: most are slow. BERT's layers are in all,
# ModernBERT and DeBERTa compute by the lengths.
QUICK = [("bert", False), ("bert", True), ("modernbert", False), ("deberta-v2", False)]


@pytest.mark.parametrize(
    ("case", "jit_compile"),
    [
        pytest.param(case, jit_compile, marks=() if (case, jit_compile) in QUICK else pytest.mark.slow)
        for case in GRAPHS
        for jit_compile in (False, True)
    ],
)
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function is TensorFlow's")
def test_one_graph_serves_every_shape(case: str, jit_compile: bool) -> None:
    import tensorflow

    model = load(REFERENCE / case)
    inputs, _, logits = reference(case)
    signature = {key: tensorflow.TensorSpec((None, None), tensorflow.int32) for key in inputs}
    graph = tensorflow.function(model, input_signature=[signature], jit_compile=jit_compile)
    assert close(graph(inputs), logits)
    first_two = {key: value[:2] for key, value in inputs.items()}
    assert close(graph(first_two), logits[:2])
    assert graph.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("case", OWN_LAYERS)
def test_padding_changes_nothing_and_the_mask_may_be_boolean(case: str) -> None:
    model = load(REFERENCE / case)
    inputs, _, logits = reference(case)
    wider = {key: numpy.pad(value, ((0, 0), (0, 3))) for key, value in inputs.items()}
    wider["input_ids"][:, -3:] = model.checkpoint_config["pad_token_id"]
    wider["attention_mask"] = wider["attention_mask"].astype(bool)
    # The head of a row that is padded on its left reads padding, which in some families sees all padding.
    whole = wider["attention_mask"][:, 0]
    assert close(numpy_of(model(wider))[whole], logits[whole])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_stays_finite_and_near(policy: str) -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = load(REFERENCE / "bert")
        inputs, _, logits = reference("bert")
        actual = numpy_of(model(inputs))
        hidden = model.encoder(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(hidden.dtype) == policy.removeprefix("mixed_")
    assert actual.dtype == numpy.float32
    assert {keras.backend.standardize_dtype(variable.dtype) for variable in model.trainable_variables} == {"float32"}
    assert numpy.abs(actual - logits).max() < 0.1
    nothing = {**inputs, "attention_mask": numpy.zeros_like(inputs["attention_mask"])}
    assert numpy.isfinite(numpy_of(model(nothing))).all()


@pytest.mark.parametrize("case", OWN_LAYERS)
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="GradientTape is TensorFlow's")
def test_every_weight_gets_a_gradient(case: str) -> None:
    import tensorflow

    model = load(REFERENCE / case)
    inputs, _, _ = reference(case)
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_sum(tensorflow.square(model(inputs, training=True)))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert numpy.abs(tensorflow.convert_to_tensor(gradient).numpy()).max() > 0, variable.path


@pytest.mark.parametrize("case", OWN_LAYERS)
def test_dropout_is_for_training_and_follows_the_seed(case: str, tmp_path: Path) -> None:
    inputs, _, logits = reference(case)
    folder = REFERENCE / case
    if case in NO_DROPOUT:
        folder = copy_checkpoint(case, tmp_path / case)
        edit_config(folder, **dict.fromkeys(NO_DROPOUT[case], 0.1))
    first, again, other = (load(folder, seed=seed) for seed in (1, 1, 2))
    steps = [numpy_of(first(inputs, training=True)) for _ in range(2)]
    assert not close(steps[0], logits, 1e-3)
    assert not close(steps[0], steps[1], 1e-3)
    assert [numpy_of(again(inputs, training=True)).tolist() for _ in range(2)] == [step.tolist() for step in steps]
    assert not close(other(inputs, training=True), steps[0], 1e-3)
    assert close(first(inputs), logits)


def test_weight_decay_can_tell_biases_and_norms_by_their_paths() -> None:
    kinds = {variable.path.rsplit("/", 1)[-1] for variable in load(REFERENCE / "albert").trainable_variables}
    assert kinds == {"kernel", "bias", "embeddings", "gamma", "beta"}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_other_backends_give_the_same(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = Path(__file__).parent / "compare_logits.py"
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    finished = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == [backend, *FAMILIES]
