"""TensorFlow's SavedModel: what `tf.saved_model.load` and TensorFlow Serving open, without Keras and without glueft."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.export.format import INPUT_NAMES, Format, Package, Snippet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.export.format import Inputs, Reader, Readers


class TensorFlowFolder(Format):
    """A SavedModel whose signature `serving_default` takes int32 (batch, length) and gives `logits`."""

    name = "saved_model"
    read_by = "TensorFlow"
    holds = "A TensorFlow SavedModel, and the tokenizer's files beside it"
    model_file = "saved_model.pb"
    writer = Package("tensorflow", "tensorflow")
    backend = "tensorflow"
    called_with = "tensorflow transformers"

    def refuse_if_unwritable(self) -> None:
        """Raise ExportError without TensorFlow, and where Keras is imported on another backend."""
        from glueft.training.backend import keras_backend

        super().refuse_if_unwritable()
        if "keras" in sys.modules and keras_backend() != self.backend:
            raise ExportError(
                "the format saved_model is written with Keras on TensorFlow",
                expected="the TensorFlow backend",
                received=keras_backend(),
                fix="set KERAS_BACKEND=tensorflow for this process; the model is the same on every backend",
            )

    def write(self, model: Classifier, tokenizer: Any, folder: Path) -> None:
        """Trace the model with free batch and length, and write it."""
        import keras
        import tensorflow as tf

        from glueft.encoder.checkpoint import save_config_and_tokenizer
        from glueft.export.plain_model import plain_logits

        def serve(input_ids: Any, attention_mask: Any, token_type_ids: Any) -> dict[str, Any]:
            return {"logits": plain_logits(model, input_ids, attention_mask, token_type_ids)}

        # It finds the variables by itself; tracking the model too would write each of them twice.
        archive = keras.export.ExportArchive()
        signature = [tf.TensorSpec((None, None), tf.int32, name=name) for name in INPUT_NAMES]
        archive.add_endpoint("serve", serve, input_signature=signature)
        archive.write_out(str(folder), verbose=False)
        save_config_and_tokenizer(model, folder, tokenizer)

    def readers(self) -> Readers:
        return ((Package("tensorflow", "tensorflow"), self.read),)

    def read(self, folder: Path) -> Reader:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]

        def logits(inputs: Inputs, loaded: Any = loaded) -> NDArray[np.float32]:  # the signature holds no reference
            given = {name: tf.constant(ids, tf.int32) for name, ids in inputs.items()}
            found: NDArray[np.float32] = serve(**given)["logits"].numpy()
            return found

        return logits

    def snippet(self) -> Snippet:
        return Snippet(
            imports="import tensorflow as tf\nfrom transformers import AutoTokenizer",
            load='model = tf.saved_model.load(".")',
            tensors="np",
            call='logits = model.signatures["serving_default"](**inputs)["logits"].numpy()',
        )
