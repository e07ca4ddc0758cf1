"""A family of encoders that another package brings: glueft loads, trains, saves, reads and exports it like its own."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import glueft
from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer, save_classifier
from glueft.encoder.classifier import Classifier
from glueft.encoder.config import find_family, read_config
from glueft.encoder.freezing import freeze
from glueft.encoder.lora import enable_lora
from glueft.encoder.weights import export_weights, tensor_table
from glueft.encoder.word_embeddings import known_words, narrow_vocabulary, widen_vocabulary
from glueft.errors import CheckpointError, ExportError
from glueft.export.exporter import describe, export
from glueft.export.formats import FORMATS
from glueft.export.onnx_file import onnx_model
from glueft.inference.predictor import SavedModel, load_run_model, load_saved_model
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import load_registry
from glueft.push.content import content_of, source_of
from glueft.recipe import load_recipe
from glueft.runs.run import Run
from plugin_packages import install
from tiny_checkpoint import make_tiny_bert

SOURCE = Path(__file__).parents[1] / "rotary_family.py"
LABELS = ("no", "yes")


@contextmanager
def without_the_package() -> Iterator[None]:
    path = [*sys.path]
    sys.path[:] = [entry for entry in path if not (Path(entry) / "glueft_rotary.py").is_file()]
    load_registry.cache_clear()
    try:
        yield
    finally:
        sys.path[:] = path
        load_registry.cache_clear()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("packages")
    install(folder, "glueft-rotary", SOURCE.read_text(encoding="utf-8"))
    sys.path.insert(0, str(folder))
    load_registry.cache_clear()
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("glueft_rotary", None)
    load_registry.cache_clear()


@pytest.fixture(scope="module")
def folder(package: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the family, without a head, and without its prefix in the names."""
    folder = make_tiny_bert(tmp_path_factory.mktemp("checkpoint") / "rotary", positions=40)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 40}
    vocab_size = json.loads((folder / "config.json").read_text())["vocab_size"]
    config = {"model_type": "rotary", "vocab_size": vocab_size, "local_attention": 4, "initializer_range": 0.2, **sizes}
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(0)
    tensors = {
        tensor.name.removeprefix("model."): random.normal(tensor.initial == "ones", 0.3, tensor.shape)
        for tensor in find_family(config).tensors(read_config(config), 2)
        if tensor.role == "encoder"
    }
    save_file({name: values.astype(np.float32) for name, values in tensors.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    sets = ["training.epochs=1", "data.limit_train=16", "data.limit_validation=8", "data.max_length=32"]
    recipe = load_recipe("mrpc", sets, sample=True, checkpoint=str(folder))
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("runs")).folder


def load(folder: Path) -> Classifier:
    return load_classifier(find_checkpoint(str(folder)), labels=LABELS, seed=1).model


def batch(vocab_size: int = 60) -> dict[str, Any]:
    random = np.random.default_rng(1)
    ids = random.integers(5, vocab_size, (4, 11)).astype(np.int32)
    mask = np.ones((4, 11), np.int32)
    mask[1, 6:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def logits(model: Classifier) -> Any:
    return keras.ops.convert_to_numpy(model(batch()))


def test_it_loads_and_its_head_is_new(folder: Path) -> None:
    loaded = load_classifier(find_checkpoint(str(folder)), labels=LABELS, seed=1)
    assert loaded.report.head == "new" and loaded.report.left_over == ()
    assert set(loaded.report.new) == {
        f"{name}.{of}" for name in ("head.dense", "classifier") for of in ("weight", "bias")
    }
    stored = load_file(folder / "model.safetensors")
    written = export_weights(tensor_table(loaded.model))
    assert all((written[f"model.{name}"] == values).all() for name, values in stored.items())
    padded = {name: np.pad(values, ((0, 0), (0, 3))) for name, values in batch().items()}
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loaded.model(padded)), logits(loaded.model), atol=1e-5)


def test_it_is_trained_saved_and_opened_again(finished: Path, tmp_path: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert (record["status"], record["checkpoint"]["head"]) == ("done", "new")
    checkpoint = find_checkpoint(str(finished / "model"))
    assert checkpoint.config["architectures"] == ["RotaryForSequenceClassification"]
    labels = ("not_equivalent", "equivalent")
    loaded = load_classifier(checkpoint, labels=labels, seed=0)
    assert (loaded.report.head, loaded.report.new, loaded.report.left_over) == ("checkpoint", (), ())
    save_classifier(loaded.model, tmp_path / "again", load_tokenizer(checkpoint))
    weights = [(folder / "model.safetensors").read_bytes() for folder in (finished / "model", tmp_path / "again")]
    assert weights[0] == weights[1]


@pytest.fixture(scope="module")
def saved(finished: Path) -> SavedModel:
    return load_saved_model(finished)


@pytest.mark.parametrize("form", ["keras", "onnx"])
def test_it_is_exported_and_read_back(form: str, saved: SavedModel, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed")
    written = export(saved, tmp_path / "out", FORMATS[form])
    assert written["check"]["rows"] > 0 and written["check"]["largest_difference"] < 1e-4
    text = (tmp_path / "out" / "README.md").read_text()
    assert ("`pip install glueft glueft-rotary`" in text) is (form == "keras")


def test_transformers_has_no_such_family(saved: SavedModel, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="transformers has no encoder of the family rotary"):
        export(saved, tmp_path / "out", FORMATS["transformers"])
    assert not (tmp_path / "out").exists()


def test_without_a_graph_of_its_own_there_is_no_onnx(saved: SavedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(type(saved.classifier.family), "onnx")
    with pytest.raises(ExportError, match="the family rotary cannot be written as ONNX"):
        onnx_model(saved.classifier)


def test_without_layers_to_adapt_there_is_no_lora(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder)
    monkeypatch.setattr(type(model.family), "adapted", ())
    with pytest.raises(CheckpointError, match="LoRA is not there for encoders of the family rotary"):
        enable_lora(model, 2, seed=0)


def test_lora_adapts_the_layers_that_it_names(folder: Path) -> None:
    model = load(folder)
    before = logits(model)
    enable_lora(model, 2, seed=0)
    trained = {variable.path.split("/", 1)[1] for variable in model.trainable_variables}
    adapted = ("query_key_value", "projection", "gates", "output")
    matrices = [f"encoder/block_{n}/{name}/lora_kernel_{ab}" for n in (0, 1) for name in adapted for ab in "ab"]
    assert trained == {*matrices, *(f"head/{name}/{of}" for name in ("dense", "output") for of in ("kernel", "bias"))}
    np.testing.assert_array_equal(logits(model), before)
    with pytest.raises(CheckpointError, match="higher than the rank"):
        enable_lora(load(folder), 17, seed=0)


def test_parts_of_it_are_frozen(folder: Path) -> None:
    model = load(folder)
    freeze(model, embeddings=True, layers=1)
    trained = {variable.path.split("/")[2] for variable in model.trainable_variables if "/encoder/" in variable.path}
    assert trained == {"block_1", "final_norm"}
    with pytest.raises(CheckpointError, match="names more layers than the encoder has"):
        freeze(model, layers=3)


def test_only_the_words_in_use_are_trained(folder: Path) -> None:
    model = load(folder)
    before = export_weights(tensor_table(model))
    assert narrow_vocabulary(model, [batch()["input_ids"]]) < before["model.embeddings.weight"].shape[0]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False, run_eagerly=keras.backend.backend() != "jax")
    with known_words(model):
        model.fit(batch(), np.array([0, 1, 0, 1]), batch_size=4, epochs=1, verbose=0)
    widen_vocabulary(model)
    after = export_weights(tensor_table(model))
    changed = np.flatnonzero((after["model.embeddings.weight"] != before["model.embeddings.weight"]).any(axis=1))
    assert set(changed) == set(np.unique(batch()["input_ids"][batch()["attention_mask"] == 1]))


def test_a_run_says_which_package_it_needs(finished: Path) -> None:
    family = json.loads((finished / "run.json").read_text())["checkpoint"]["family"]
    assert family == {"name": "rotary", "package": "glueft-rotary", "version": "1.0"}
    with without_the_package(), pytest.raises(CheckpointError, match="model_type is not supported") as caught:
        load_saved_model(finished)
    assert "pip install glueft-rotary==1.0" in str(caught.value)


def published(run: Path, folder: Path) -> Path:
    """What `glueft push` publishes of a run, as a folder."""
    folder.mkdir()
    files = content_of(source_of(Run.open(run, plugins=[str(SOURCE)])), "alice/mrpc", None).files
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    assert b"glueft can, with a plugin file" in (folder / "README.md").read_bytes()
    return folder


def test_it_may_come_from_a_plugin_file(folder: Path) -> None:
    with without_the_package():
        with pytest.raises(CheckpointError, match="model_type is not supported"):
            find_checkpoint(str(folder))
        checkpoint = find_checkpoint(str(folder), registry=load_registry(read_plugin_file(str(SOURCE))))
        assert logits(load_classifier(checkpoint, labels=LABELS, seed=1).model).shape == (4, 2)


def test_a_run_with_a_plugin_file_says_which(finished: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished, tmp_path / "run")
    record = json.loads((copy / "run.json").read_text())
    record["checkpoint"]["family"] = {"name": "rotary", "file": "mine.py", "sha256": "0" * 64}
    (copy / "run.json").write_text(json.dumps(record))
    with without_the_package():
        with pytest.raises(CheckpointError, match="model_type is not supported") as caught:
            load_run_model(Run.open(copy))
        assert "plugin file mine.py" in caught.value.fix and "--plugin FILE.py" in caught.value.fix
        saved = load_run_model(Run.open(copy, plugins=[str(SOURCE)]))
        with pytest.raises(ExportError, match="comes from a plugin file, where Keras would not find it"):
            export(saved, tmp_path / "out", FORMATS["keras"])
        assert not (tmp_path / "out").exists()
        assert describe(saved, FORMATS["onnx"])["family"] == {"name": "rotary"}
        with pytest.raises(CheckpointError, match="model_type is not supported"):
            load_saved_model(copy / "model")
        for path in (copy, published(copy, tmp_path / "mrpc")):
            opened = load_saved_model(path, plugins=[str(SOURCE)])
            assert logits(opened.classifier).shape == (4, 2) and opened.max_length == 32


def test_a_model_type_that_is_nearly_its_own(package: None) -> None:
    with pytest.raises(CheckpointError, match="model_type is not supported") as caught:
        read_config({"model_type": "rotery"})
    assert "roberta, rotary, xlm-roberta" in caught.value.expected
    assert caught.value.fix.startswith('did you mean "rotary"? ')


def test_what_its_layers_do_not_compute_is_refused(package: None) -> None:
    with pytest.raises(CheckpointError, match="no even size"):
        read_config({"model_type": "rotary", "hidden_size": 15, "num_attention_heads": 5})
    with pytest.raises(CheckpointError, match="local_attention has a value") as caught:
        read_config({"model_type": "rotary", "local_attention": 0})
    assert caught.value.received == "local_attention = 0"
