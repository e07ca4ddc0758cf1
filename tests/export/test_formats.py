"""What each format's own consumer makes of an export: glueft's logits, whatever the family, length and padding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer
from glueft.encoder.classifier import Classifier
from glueft.export.format import INPUT_NAMES, Format
from glueft.export.formats import FORMATS
from glueft.export.plain_model import plain_copy
from reference_checkpoints import CASES, OWN_LAYERS, REFERENCE, copy_checkpoint, labels_of, read_config, reference

# A graph of each family's own layers, and of a head with one output: what else a configuration changes is
# in the numbers that test_exactness.py and onnxruntime compare. Tracing takes some three seconds: the default run has
# two that differ in positions and token types.
TRACED = [
    case if case in ("roberta", "distilbert") else pytest.param(case, marks=pytest.mark.slow)
    for case in (*OWN_LAYERS, "bert-regression")
]


def load(case: str, folder: Path) -> tuple[Classifier, Any]:
    copy_checkpoint(case, folder)
    labels = labels_of(folder)
    checkpoint = find_checkpoint(str(folder))
    return load_classifier(checkpoint, labels=labels, regression=not labels, seed=0).model, load_tokenizer(checkpoint)


def written(form: Format, case: str, tmp_path: Path) -> tuple[Classifier, Path]:
    model, tokenizer = load(case, tmp_path / "checkpoint")
    (tmp_path / "export").mkdir()
    form.write(plain_copy(model), tokenizer, tmp_path / "export")
    return model, tmp_path / "export"


def assert_same_logits(read: Any, case: str) -> None:
    inputs, _, logits = reference(case)
    numpy.testing.assert_allclose(read(inputs), logits, atol=1e-5)
    # The last row has no padding; the first two have none in these columns.
    numpy.testing.assert_allclose(read({key: value[3:] for key, value in inputs.items()}), logits[3:], atol=1e-5)
    wider = {key: numpy.pad(value, ((0, 0), (0, 6))) for key, value in inputs.items()}
    wider["input_ids"][:, -6:] = read_config(REFERENCE / case)["pad_token_id"]
    # The head of a row that is padded on its left reads padding, which in some families sees all padding.
    whole = inputs["attention_mask"][:, 0] == 1
    numpy.testing.assert_allclose(read(wider)[whole], logits[whole], atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_onnxruntime(case: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    _, folder = written(FORMATS["onnx"], case, tmp_path)
    assert_same_logits(FORMATS["onnx"].readers()[0][1](folder), case)
    assert {path.name for path in folder.iterdir()} >= {"model.onnx", "config.json", "tokenizer.json"}
    file = onnx.load(folder / "model.onnx")
    shapes = {value.name: [axis.dim_param for axis in value.type.tensor_type.shape.dim] for value in file.graph.input}
    assert shapes == {name: ["batch", "length"] for name in INPUT_NAMES}
    assert [(given.domain, given.version) for given in file.opset_import] == [("", 17)]
    assert file.ir_version == 8


@pytest.mark.parametrize("case", TRACED)
def test_keras_in_safe_mode(case: str, tmp_path: Path) -> None:
    model, folder = written(FORMATS["keras"], case, tmp_path)
    assert_same_logits(FORMATS["keras"].readers()[0][1](folder), case)
    again = keras.saving.load_model(folder / "model.keras")
    assert again.labels == model.labels
    assert again.get_config() == {"config": again.checkpoint_config, "labels": [*model.labels], "seed": 0}


@pytest.mark.parametrize("case", TRACED)
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_tensorflow(case: str, tmp_path: Path) -> None:
    import tensorflow as tf

    model, folder = written(FORMATS["saved_model"], case, tmp_path)
    assert_same_logits(FORMATS["saved_model"].readers()[0][1](folder), case)
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    given = serve.structured_input_signature[1]
    assert {name: (spec.shape.as_list(), spec.dtype) for name, spec in given.items()} == {
        name: ([None, None], tf.int32) for name in INPUT_NAMES
    }
    assert serve.structured_outputs["logits"].shape.as_list() == [None, len(model.labels) or 1]
    # Each number is written once.
    sizes = [numpy.prod(shape) for _, shape in tf.train.list_variables(str(folder / "variables/variables")) if shape]
    assert sum(sizes) <= model.count_params() < 1.01 * sum(sizes)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_a_graph_has_no_kernel_of_glueft(tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    def operations(folder: Path) -> set[str]:
        held = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        library = held.meta_graphs[0].graph_def.library
        assert not library.gradient
        return {node.op for function in library.function for node in function.node_def}

    # An operation with a gradient of its own leaves an IdentityN behind.
    model, folder = written(FORMATS["saved_model"], "bert", tmp_path)
    assert "IdentityN" not in operations(folder) and "MatMul" in operations(folder)

    archive = keras.export.ExportArchive()
    spec = {name: keras.InputSpec(shape=(None, None), dtype="int32") for name in reference("bert")[0]}
    archive.add_endpoint("serve", lambda inputs: model(inputs), input_signature=[spec])
    archive.write_out(str(tmp_path / "own"), verbose=False)
    assert "IdentityN" in operations(tmp_path / "own")


@pytest.mark.parametrize("case", ("bert-regression", "xlm-roberta"))
def test_transformers_read_by_glueft(case: str, tmp_path: Path) -> None:
    _, folder = written(FORMATS["transformers"], case, tmp_path)
    assert_same_logits(FORMATS["transformers"].readers()[1][1](folder), case)


@pytest.mark.parametrize("case", CASES)
def test_transformers_read_by_pytorch(case: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    _, folder = written(FORMATS["transformers"], case, tmp_path)
    assert_same_logits(FORMATS["transformers"].readers()[0][1](folder), case)
