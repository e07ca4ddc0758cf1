"""What glueft saves, opened by PyTorch transformers; and what PyTorch transformers saves, opened by glueft.

These need torch next to Keras, in an environment of its own: `pip install -e '.[dev]' torch==2.13.0`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer, save_classifier
from glueft.encoder.classifier import Classifier
from reference_checkpoints import CASES, FAMILIES, REFERENCE, copy_checkpoint, labels_of, reference

torch = pytest.importorskip("torch", reason="torch is not installed")


def load(folder: Path, labels: tuple[str, ...], new_head: bool = False) -> Classifier:
    checkpoint = find_checkpoint(str(folder))
    return load_classifier(checkpoint, labels=labels, regression=not labels, seed=3, new_head=new_head).model


def pytorch_logits(folder: Path, inputs: dict[str, Any]) -> tuple[Any, numpy.ndarray]:
    from transformers import AutoModelForSequenceClassification

    model, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    assert model.dtype == torch.float32
    given = {key: torch.tensor(value).long() for key, value in inputs.items()}
    if model.config.model_type == "distilbert":
        del given["token_type_ids"]
    with torch.no_grad():
        return model, model.eval()(**given).logits.numpy()


@pytest.mark.parametrize("new_head", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_saved_folder_opens_in_pytorch_and_predicts_the_same(case: str, new_head: bool, tmp_path: Path) -> None:
    source = copy_checkpoint(case, tmp_path / "source")
    labels = ("w", "x", "y", "z") if new_head else labels_of(source)[::-1]
    model = load(source, labels, new_head)
    inputs = reference(case)[0]
    # A few steps of training, so that the weights are not those of the source.
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    model.fit(inputs, numpy.ones((4, len(labels) or 1)), epochs=2, verbose=0)
    save_classifier(model, tmp_path / "saved", load_tokenizer(find_checkpoint(str(source))))
    theirs, logits = pytorch_logits(tmp_path / "saved", inputs)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(model(inputs)), logits, atol=1e-5)
    assert theirs.config.id2label == dict(enumerate(labels or ("score",)))
    assert theirs.config.problem_type == ("single_label_classification" if labels else "regression")


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("task", ["", "ForMaskedLM", "ForPreTraining"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_pytorch_saves_opens_here(family: str, task: str, shards: bool, tmp_path: Path) -> None:
    import transformers

    config = transformers.AutoConfig.from_pretrained(REFERENCE / family)
    name = type(config).__name__.removesuffix("Config")
    theirs_class = getattr(transformers, f"{name}{task or 'Model'}", None)
    if theirs_class is None:
        pytest.skip(f"transformers has no {name}{task}")
    theirs = theirs_class(config).eval()
    theirs.save_pretrained(tmp_path / "theirs", **({"max_shard_size": "20KB"} if shards else {}))
    assert (tmp_path / "theirs" / "model.safetensors").is_file() is not shards
    labels = ("a", "b", "c")
    loaded = load_classifier(find_checkpoint(str(tmp_path / "theirs")), labels=labels, seed=0)
    assert loaded.report.head == "new"
    inputs = reference(family)[0]
    given = {key: torch.tensor(value).long() for key, value in inputs.items()}
    if family == "distilbert":
        del given["token_type_ids"]
    with torch.no_grad():
        hidden_states = theirs.base_model(**given)[0].numpy()
    hidden = loaded.model.encoder(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(hidden), hidden_states, atol=1e-5)


def test_minilm_fine_tuned_opens_in_pytorch(minilm: str, tmp_path: Path) -> None:
    checkpoint = find_checkpoint(minilm)
    model = load_classifier(checkpoint, labels=("not_equivalent", "equivalent"), seed=0).model
    tokenizer = load_tokenizer(checkpoint)
    encoded = tokenizer(["The river rose.", "It rained."], ["Water was high.", "Sun."], padding=True)
    inputs = {key: numpy.array(value, "int32") for key, value in encoded.items()}
    save_classifier(model, tmp_path / "saved", tokenizer)
    _, logits = pytorch_logits(tmp_path / "saved", inputs)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(model(inputs)), logits, atol=1e-5)
