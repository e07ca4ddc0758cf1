"""A classifier or regressor: the encoder with the head of the checkpoint's transformers class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from glueft.encoder.accumulation import GradientAccumulation
from glueft.encoder.activations import ACTIVATIONS
from glueft.encoder.any_words import AnyWords
from glueft.encoder.config import EncoderConfig, read_config
from glueft.encoder.encoder import Dropouts, Encoder, dense_layer
from glueft.encoder.fused_ops import tracing


class Head(keras.layers.Layer):  # type: ignore[misc]
    """First token, dropout where the family has it, dense, activation, dropout, one float32 logit a label."""

    def __init__(self, config: EncoderConfig, num_outputs: int, dropouts: Dropouts, **options: Any) -> None:
        super().__init__(**options)
        shape = config.family.head
        self.hidden_size = config.hidden_size
        self.dropout_before_dense = dropouts(config.head_dropout) if shape.dropout_before_dense else None
        self.dense = dense_layer(config.hidden_size, "dense", activation=ACTIVATIONS[shape.activation])
        self.dropout = dropouts(config.head_dropout)
        self.output_dense = dense_layer(num_outputs, "output", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        """Create every variable; the shapes are known from the config."""
        self.dense.build((None, self.hidden_size))
        self.output_dense.build((None, self.hidden_size))

    def call(self, states: Any, training: bool = False) -> Any:
        """Map hidden states (batch, length, hidden) to logits (batch, outputs)."""
        state = states[:, 0, :]
        if self.dropout_before_dense is not None:
            state = self.dropout_before_dense(state, training=training)
        state = self.dense(state)
        if self.dropout is not None:
            state = self.dropout(state, training=training)
        return self.output_dense(state)


@keras.saving.register_keras_serializable(package="glueft")
class Classifier(AnyWords, GradientAccumulation, keras.Model):  # type: ignore[misc]
    """An encoder and its head. Its weights are zeros until a checkpoint is loaded: see `glueft.encoder.checkpoint`.

    Once this module is imported, `keras.saving.load_model` opens what `model.save` has written, in safe mode.

    Args:
        config: the checkpoint's config.json, parsed.
        labels: the label names, in the order of the logits; empty for regression, which has one output.
        seed: of the dropout masks.

    Attributes:
        max_positions: the longest row it can read, in tokens.
        encoder: the encoder alone; `encoder(input_ids, attention_mask, token_type_ids)` gives hidden states.

    Raises:
        CheckpointError: the config asks for something unsupported.
    """

    def __init__(self, config: Mapping[str, Any], labels: tuple[str, ...], *, seed: int = 0) -> None:
        super().__init__(name="classifier")
        self.checkpoint_config = dict(config)
        self.config = read_config(config)
        self.labels = tuple(labels)
        self.seed = seed
        self.max_positions = self.config.max_positions
        dropouts = Dropouts(seed)
        self.encoder = Encoder(self.config, dropouts, name="encoder")
        self.head = Head(self.config, len(labels) or 1, dropouts, name="head")
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Create every variable; the shapes are known from the config."""
        if not getattr(self, "built", False):
            self.encoder.build()
            self.head.build()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, for a .keras file."""
        return {"config": self.checkpoint_config, "labels": list(self.labels), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Classifier:
        """Build the classifier that `get_config` describes; its weights are zeros."""
        return cls(config["config"], tuple(config["labels"]), seed=config["seed"])

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """Map a batch to logits.

        Args:
            inputs: `input_ids`, `attention_mask` and `token_type_ids`, each (batch, length); the last is ignored where
                the family has no token types.
            training: whether dropout is applied.

        Returns:
            float32 logits (batch, number of labels), or (batch, 1) in regression.
        """
        with tracing(compiled=bool(self.jit_compile), training=bool(training)):
            states = self.encoder(
                inputs["input_ids"],
                inputs["attention_mask"],
                inputs["token_type_ids"],
                training=training,
                first_token=True,
            )
            return self.head(states, training=training)
