"""Frozen weights do not move; LoRA trains few parameters, repeats, and is merged into what is saved."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer, save_classifier
from glueft.encoder.classifier import Classifier
from glueft.encoder.freezing import freeze
from glueft.encoder.lora import enable_lora
from glueft.encoder.weights import export_weights, tensor_table
from glueft.errors import CheckpointError
from glueft.training.backend import dtype_policy
from glueft.training.loss import loss_of
from glueft.training.model import all_parameters, compile_model, trainable_parameters
from reference_checkpoints import OWN_LAYERS, REFERENCE, copy_checkpoint, labels_of, reference

# A second each: the other families are left to the long tests.
QUICK = ("bert", "albert", "modernbert", "deberta-v2")


def load(case: str | Path, seed: int = 1, precision: str = "float32") -> Classifier:
    folder = REFERENCE / case if isinstance(case, str) else case
    with dtype_policy(precision):
        return load_classifier(find_checkpoint(str(folder)), labels=labels_of(folder), seed=seed).model


def weights(model: Classifier) -> dict[str, Any]:
    return export_weights(tensor_table(model))


def logits(model: Classifier, case: str) -> Any:
    return keras.ops.convert_to_numpy(model(reference(case)[0]))


def moved(model: Classifier, case: str) -> set[str]:
    """Train two steps with decoupled weight decay, which would move every weight; return the tensors that changed."""
    before = weights(model)
    inputs, _, expected = reference(case)
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=0.1)
    compile_model(model, optimizer, loss_of(("no", "yes")), jit_compile=False)
    model.run_eagerly = True  # quicker than to trace two steps
    model.fit(inputs, numpy.arange(len(expected)) % expected.shape[1], batch_size=2, epochs=1, verbose=0)
    return {name for name, tensor in weights(model).items() if not numpy.array_equal(tensor, before[name])}


@pytest.mark.parametrize(("embeddings", "layers"), [(False, 1), (True, 0), (True, 2)])
def test_frozen_weights_do_not_move_and_all_others_do(embeddings: bool, layers: int) -> None:
    model = load("bert")
    everything = trainable_parameters(model)
    assert model.config.num_layers == 2
    freeze(model, embeddings=embeddings, layers=layers)
    frozen = ("bert.embeddings.",) * embeddings
    frozen += tuple(f"bert.encoder.layer.{index}." for index in range(layers))
    expected = {name for name in weights(model) if not name.startswith(frozen)}
    still = sum(tensor.size for name, tensor in weights(model).items() if name not in expected)
    assert trainable_parameters(model) == everything - still
    assert all_parameters(model) == everything
    assert moved(model, "bert") == expected


@pytest.mark.parametrize("case", ["albert", "electra", "distilbert"])
def test_embeddings_are_frozen_with_all_that_belongs_to_them(case: str) -> None:
    model = load(case)
    freeze(model, embeddings=True)
    still = {name for name in weights(model) if "embedding" in name}
    assert any(tensor.startswith("electra.embeddings_project.") for tensor in still) == (case == "electra")
    assert moved(model, case) == set(weights(model)) - still


@pytest.mark.parametrize(
    ("case", "layers", "message", "expected"),
    [
        ("bert", 3, "more layers than the encoder has", "at most 2 layers"),
        ("albert", 1, "layers share their weights", "layers = 0"),
        ("albert-groups", 1, "layers share their weights", "layers = 0"),
    ],
)
def test_layers_that_cannot_be_frozen(case: str, layers: int, message: str, expected: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        freeze(load(case), layers=layers)
    assert expected in str(caught.value)
    assert f"layers = {layers}" in str(caught.value)
    assert "model.freeze" in caught.value.fix


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in OWN_LAYERS]
)
def test_lora_starts_from_the_checkpoint_adapts_the_kernels_alone_and_is_merged_when_saved(
    case: str, tmp_path: Path
) -> None:
    source = copy_checkpoint(case, tmp_path / "source")
    model = load(source)
    names = set(weights(model))
    numpy.testing.assert_allclose(logits(model, case), reference(case)[2], atol=1e-5)
    head = {name for name, slot in tensor_table(model).items() if slot.tensor.role != "encoder"}
    whole = all_parameters(model)
    enable_lora(model, 2, seed=1)
    numpy.testing.assert_allclose(logits(model, case), reference(case)[2], atol=1e-5)

    kernels = [getattr(block, name).kernel for block in model.encoder.blocks for name in model.family.adapted]
    assert len(kernels) == 4 * len(model.encoder.blocks)
    added = sum(2 * sum(kernel.shape) for kernel in kernels)
    in_head = sum(weights(model)[name].size for name in head)
    assert trainable_parameters(model) == added + in_head
    assert all_parameters(model) == whole + added
    adapted = {
        name
        for name, slot in tensor_table(model).items()
        if slot.tensor.role == "encoder" and slot.tensor.transposed and "embed" not in name
    }
    assert moved(model, case) == head | adapted

    save_classifier(model, tmp_path / "saved", load_tokenizer(find_checkpoint(str(source))))
    assert set(weights(model)) == names
    saved = load(tmp_path / "saved")
    assert not any("lora" in variable.path for variable in saved.variables)
    numpy.testing.assert_allclose(logits(saved, case), logits(model, case), atol=1e-5)
    if importlib.util.find_spec("torch") is not None:
        pytorch_agrees(tmp_path / "saved", case, logits(model, case))


def pytorch_agrees(folder: Path, case: str, expected: Any) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification

    theirs, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    given = {key: torch.tensor(value).long() for key, value in reference(case)[0].items()}
    if case == "distilbert":
        del given["token_type_ids"]
    with torch.no_grad():
        found = theirs.eval()(**given).logits.numpy()
    numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_lora_repeats_and_follows_the_seed() -> None:
    def first_matrices(seed: int) -> list[Any]:
        keras.utils.set_random_seed(int(numpy.random.default_rng().integers(1000)))  # must not matter
        model = load("bert")
        enable_lora(model, 2, seed=seed)
        return [numpy.asarray(block.query_key_value.lora_kernel_a) for block in model.encoder.blocks]

    first, again, other = first_matrices(1), first_matrices(1), first_matrices(2)
    assert all(numpy.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not numpy.array_equal(first[0], other[0])
    assert not numpy.array_equal(first[0], first[1])
    limit = (6 / first[0].shape[0]) ** 0.5
    assert 0.8 * limit < abs(first[0]).max() <= limit


def test_a_rank_that_is_none() -> None:
    with pytest.raises(CheckpointError, match="higher than the rank of the encoder's own kernels") as caught:
        enable_lora(load("bert"), 1000, seed=0)
    assert "lora_rank = 1000" in str(caught.value)
    assert "at most" in caught.value.expected


def test_what_is_saved_is_not_rounded_to_the_precision_of_the_run() -> None:
    model = load("bert", precision="mixed_bfloat16")
    before = weights(model)
    enable_lora(model, 2, seed=1)
    assert all(numpy.array_equal(tensor, before[name]) for name, tensor in weights(model).items())
    layer = model.encoder.blocks[0].projection
    moved(model, "bert")
    kernel, a, b = (numpy.asarray(part) for part in (layer._kernel, layer.lora_kernel_a, layer.lora_kernel_b))
    saved = weights(model)["bert.encoder.layer.0.attention.output.dense.weight"].T
    assert abs(b).max() > 0
    numpy.testing.assert_allclose(saved, kernel + a @ b, rtol=1e-6, atol=1e-8)
