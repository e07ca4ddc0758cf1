"""ONNX: what onnxruntime and other runtimes open, without Keras and without glueft."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.export.format import INPUT_NAMES, Format, Package, Snippet
from glueft.plugin.attribution import attributed
from glueft.plugin.encoder import Encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.export.format import Inputs, Reader

# A protocol buffer holds 2 GiB at most, the graph beside the weights; larger weights go into a file of their own.
LARGEST_FILE = 2**31 - 2**24


class OnnxFile(Format):
    """model.onnx, which takes int64 (batch, length) and gives `logits`; config.json and the tokenizer's files."""

    name = "onnx"
    holds = "An ONNX model, model.onnx, and the tokenizer's files beside it"
    model_file = "model.onnx"
    writer = Package("onnx", "glueft[onnx]")
    called_with = "onnxruntime transformers"

    def write(self, model: Classifier, tokenizer: Any, folder: Path) -> None:
        """Write the graph and check it by ONNX's own rules."""
        import onnx

        from glueft.encoder.checkpoint import save_config_and_tokenizer

        file = folder / self.model_file
        graph = onnx_model(model)
        if 4 * model.count_params() > LARGEST_FILE:
            onnx.save_model(graph, file, save_as_external_data=True, location=f"{self.model_file}_data")
        else:
            onnx.save_model(graph, file)
        onnx.checker.check_model(str(file), full_check=True)
        save_config_and_tokenizer(model, folder, tokenizer)

    def readers(self) -> tuple[tuple[Package, Callable[[Path], Reader]], ...]:
        """Return onnxruntime's reader, and that of ONNX's own reference implementation."""
        runtime, reference = Package("onnxruntime", "glueft[onnx]"), Package("onnx", "glueft[onnx]")
        return (runtime, self.read_with_onnxruntime), (reference, self.read_with_onnx)

    def read_with_onnxruntime(self, folder: Path) -> Reader:
        """Open it with onnxruntime, on the CPU."""
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / self.model_file, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(["logits"], _whole_numbers(inputs))[0]

    def read_with_onnx(self, folder: Path) -> Reader:
        """Open it with the implementation by which ONNX says what its operations are; it is slow."""
        import onnx.reference

        evaluator = onnx.reference.ReferenceEvaluator(str(folder / self.model_file))
        return lambda inputs: evaluator.run(["logits"], _whole_numbers(inputs))[0]

    def snippet(self) -> Snippet:
        """Return onnxruntime code."""
        return Snippet(
            imports="import onnxruntime\nfrom transformers import AutoTokenizer",
            load='session = onnxruntime.InferenceSession("model.onnx")',
            tensors="np",
            call='logits = session.run(["logits"], dict(inputs))[0]',
        )


def onnx_model(model: Classifier) -> Any:
    """Return the ModelProto of a classifier: `INPUT_NAMES`, int64 (batch, length), -> `logits`, (batch, outputs).

    The family writes it, not `keras.Model.export(format="onnx")`: with tf2onnx 1.17, Keras 3.15.1 and TensorFlow 2.21
    the exact GELU becomes an operation Erfc that ONNX does not have, and the file is written all the same.

    Args:
        model: from `plain_model.plain_copy`.

    Raises:
        ExportError: the family has no ONNX graph.
    """
    import onnx

    from glueft.export.onnx_graph import Graph
    from glueft.version import __version__

    family = model.family
    if type(family).onnx is Encoder.onnx:
        raise ExportError(
            f"an encoder of the family {family.name} cannot be written as ONNX",
            expected="a family whose plugin has the method `onnx`",
            received=f"the plugin {type(family).__module__}.{type(family).__name__}, which has none",
            fix="export another format, such as transformers or keras",
        )
    graph = Graph()
    with attributed(family, "onnx"):
        family.onnx(graph, model)
    outputs = len(model.labels) or 1
    made = graph.model(family.architecture, [*INPUT_NAMES], "logits", outputs, producer=("glueft", __version__))
    if model.labels:
        onnx.helper.set_model_props(made, {"labels": json.dumps(model.labels, ensure_ascii=False)})
    return made


def _whole_numbers(inputs: Inputs) -> dict[str, NDArray[np.int64]]:
    return {name: ids.astype("int64") for name, ids in inputs.items()}
