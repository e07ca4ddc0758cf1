"""The format of Hugging Face transformers: what `AutoModelForSequenceClassification` opens with PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.export.format import Format, Package, Snippet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.export.format import Inputs, Reader, Readers


class TransformersFolder(Format):
    """config.json, model.safetensors and the tokenizer's files."""

    name = "transformers"
    read_by = "PyTorch"
    holds = "A checkpoint in Hugging Face layout: config.json, model.safetensors and the tokenizer's files"
    model_file = "model.safetensors"
    called_with = "torch transformers"
    takes_all_inputs = False

    def write(self, model: Classifier, tokenizer: Any, folder: Path) -> None:
        from glueft.encoder.checkpoint import save_classifier
        from glueft.encoder.config import in_transformers

        family = model.family.name
        if not in_transformers(family):
            raise ExportError(
                f"transformers has no encoder of the family {family}",
                expected="a family that transformers can open",
                received=f"model_type {family}, which a plugin brings",
                fix="export another format, such as onnx; glueft itself opens the model/ folder of the run",
            )
        save_classifier(model, folder, tokenizer)

    def readers(self) -> Readers:
        return (Package("torch", "torch"), self.read_with_torch), (Package("glueft", "glueft"), self.read_with_glueft)

    def read_with_torch(self, folder: Path) -> Reader:
        import torch
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).eval()
        left_out = () if hasattr(model.config, "type_vocab_size") else ("token_type_ids",)

        def logits(inputs: Inputs) -> NDArray[np.float32]:
            given = {name: torch.tensor(ids).long() for name, ids in inputs.items() if name not in left_out}
            with torch.no_grad():
                found: NDArray[np.float32] = model(**given).logits.numpy()
            return found

        return logits

    def read_with_glueft(self, folder: Path) -> Reader:
        import keras
        import numpy as np

        from glueft.encoder.checkpoint import find_checkpoint, load_classifier
        from glueft.inference.predictor import head_labels

        checkpoint = find_checkpoint(str(folder))
        labels = head_labels(checkpoint)
        model = load_classifier(checkpoint, labels=labels, regression=not labels, seed=0).model

        def logits(inputs: Inputs) -> NDArray[np.float32]:
            zeros = {"token_type_ids": np.zeros_like(inputs["input_ids"])}
            found: NDArray[np.float32] = keras.ops.convert_to_numpy(model(zeros | dict(inputs)))
            return found

        return logits

    def snippet(self) -> Snippet:
        return Snippet(
            imports="import torch\nfrom transformers import AutoModelForSequenceClassification, AutoTokenizer",
            load='model = AutoModelForSequenceClassification.from_pretrained(".")',
            tensors="pt",
            call="with torch.no_grad():\n    logits = model(**inputs).logits.numpy()",
        )
