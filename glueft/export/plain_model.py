"""A classifier as an export needs it: in float32, without LoRA, frozen weights and the like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.encoder.tensor_files import FloatArray


@dataclass(frozen=True)
class _Held:
    """A tensor in memory, with the interface of one in a file."""

    values: FloatArray

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def read(self) -> FloatArray:
        return self.values


def plain_copy(model: Classifier) -> Classifier:
    """Return a classifier that computes the same in float32, whatever the precision policy of `model`.

    LoRA's matrices are added to the kernels, embeddings of words that the training left out are restored, nothing is
    frozen, and it is not compiled.
    """
    from glueft.encoder.checkpoint import saved_config
    from glueft.encoder.classifier import Classifier
    from glueft.encoder.weights import export_weights, read_weights, tensor_table
    from glueft.training.backend import dtype_policy

    with dtype_policy("float32"):
        copy = Classifier(saved_config(model), model.labels, family=model.family)
    table = tensor_table(copy)
    tensors: dict[str, Any] = {name: _Held(values) for name, values in export_weights(tensor_table(model)).items()}
    read_weights(table, tensors, {name: name for name in table}, order=None, seed=0, initializer_range=0.0)
    return copy


def plain_logits(model: Classifier, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
    """Compute logits by the backend's own operations, for a graph that is read without glueft.

    Args:
        model: from `plain_copy`.
        input_ids, attention_mask, token_type_ids: int32 (batch, length).

    Returns:
        (batch, outputs), float32.
    """
    from glueft.encoder.fused_ops import tracing

    # As for a compiler: without glueft's fused ops, whose custom gradients would end up in the graph.
    with tracing(compiled=True, training=False):
        return model.logits(
            {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        )
