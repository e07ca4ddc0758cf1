"""Keras's own format: a .keras file that `keras.saving.load_model` opens in safe mode, on any backend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.export.format import Format, Package, Snippet
from glueft.plugin.origin import in_words, origin_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.export.format import Inputs, Reader, Readers


class KerasFile(Format):
    """model.keras, whose class is glueft's; config.json and the tokenizer's files beside it."""

    name = "keras"
    read_by = ".keras"
    holds = "A Keras model, model.keras, and the tokenizer's files. Its class comes from glueft"
    model_file = "model.keras"
    called_with = "glueft"
    needs_family = True

    def write(self, model: Classifier, tokenizer: Any, folder: Path) -> None:
        from glueft.encoder.checkpoint import save_config_and_tokenizer

        origin = origin_of(model.family)
        if "file" in origin:
            raise ExportError(
                f"the encoder's family {model.family.name} comes from a plugin file, where Keras would not find it",
                expected="a family from an installed package",
                received=in_words(origin),
                fix="make a package of the file (docs/plugins.md shows how), or export another format, such as onnx",
            )
        model.save(folder / self.model_file)
        save_config_and_tokenizer(model, folder, tokenizer)

    def readers(self) -> Readers:
        return ((Package("keras", "keras"), self.read),)

    def read(self, folder: Path) -> Reader:
        import keras

        model = keras.saving.load_model(folder / self.model_file, safe_mode=True)

        def logits(inputs: Inputs) -> NDArray[np.float32]:
            found: NDArray[np.float32] = keras.ops.convert_to_numpy(model(dict(inputs)))
            return found

        return logits

    def snippet(self) -> Snippet:
        return Snippet(
            imports=(
                "import keras\nfrom transformers import AutoTokenizer\n\n"
                "import glueft.encoder.classifier  # tells Keras of the model's class"
            ),
            load='model = keras.saving.load_model("model.keras")',
            tensors="np",
            call="logits = model.predict(dict(inputs), verbose=0)",
        )
