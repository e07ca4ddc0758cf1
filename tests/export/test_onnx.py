"""The ONNX graph beyond the families: every activation, large weights in a file of their own, the slow reader."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
reference_implementation = pytest.importorskip("onnx.reference", reason="onnx is not installed")

from glueft.encoder.activations import ACTIVATIONS  # noqa: E402
from glueft.encoder.checkpoint import find_checkpoint, load_classifier, load_tokenizer  # noqa: E402
from glueft.export import onnx_file  # noqa: E402
from glueft.export.formats import FORMATS  # noqa: E402
from glueft.export.onnx_graph import ACTIVATIONS as ONNX_ACTIVATIONS  # noqa: E402
from glueft.export.onnx_graph import Graph  # noqa: E402
from glueft.export.plain_model import plain_copy  # noqa: E402
from reference_checkpoints import copy_checkpoint, labels_of, reference  # noqa: E402


def test_every_activation_is_there() -> None:
    assert ONNX_ACTIVATIONS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_the_same(name: str) -> None:
    graph = Graph()
    graph("Identity", ONNX_ACTIVATIONS[name](graph, graph("Cast", "x", to=onnx.TensorProto.FLOAT)), output="y")
    model = graph.model("activation", ["x"], "y", 41, producer=("test", "1"))
    onnx.checker.check_model(model, full_check=True)
    x = numpy.arange(-20, 21)[None]
    (y,) = reference_implementation.ReferenceEvaluator(model).run(["y"], {"x": x})
    expected = keras.ops.convert_to_numpy(ACTIVATIONS[name](keras.ops.convert_to_tensor(x.astype("float32"))))
    numpy.testing.assert_allclose(y, expected, atol=1e-5)


def test_large_weights_lie_in_a_file_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    monkeypatch.setattr(onnx_file, "LARGEST_FILE", 1000)
    source = copy_checkpoint("bert", tmp_path / "source")
    checkpoint = find_checkpoint(str(source))
    model = load_classifier(checkpoint, labels=labels_of(source), seed=0).model
    folder = tmp_path / "export"
    folder.mkdir()
    FORMATS["onnx"].write(plain_copy(model), load_tokenizer(checkpoint), folder)
    assert (folder / "model.onnx_data").stat().st_size > (folder / "model.onnx").stat().st_size
    moved = folder.rename(tmp_path / "elsewhere")
    inputs, _, logits = reference("bert")
    for _, read in FORMATS["onnx"].readers():
        numpy.testing.assert_allclose(read(moved)(inputs), logits, atol=1e-5)
