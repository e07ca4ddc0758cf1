"""A classifier or regressor: the encoder and the head of the checkpoint's family."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from glueft.encoder.config import broken_family, find_family, read_config
from glueft.encoder.fused_ops import tracing
from glueft.encoder.layers import Dropouts
from glueft.encoder.steps import Steps
from glueft.encoder.word_embeddings import AnyWords, WordEmbeddings
from glueft.plugin.attribution import attributed
from glueft.plugin.encoder import Encoder


@keras.saving.register_keras_serializable(package="glueft")
class Classifier(AnyWords, Steps, keras.Model):  # type: ignore[misc]
    """An encoder and its head. Its weights are zeros until a checkpoint is loaded: see `glueft.encoder.checkpoint`.

    Once this module is imported, `keras.saving.load_model` opens what `model.save` has written, in safe mode.

    Args:
        config: the checkpoint's config.json, parsed.
        labels: the label names, in the order of the logits; empty for regression, which has one output.
        multi_label: whether a row has any number of the labels.
        seed: of the dropout masks.
        family: the family of config.json's model_type; by default that of an installed package.

    Attributes:
        config: what config.json says, of the family's own class.
        max_positions: the longest row it can read, in tokens.
        encoder: the encoder alone; `encoder(input_ids, attention_mask, token_type_ids)` gives hidden states.

    Raises:
        CheckpointError: the config asks for something unsupported.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        labels: tuple[str, ...],
        *,
        multi_label: bool = False,
        seed: int = 0,
        family: Encoder | None = None,
    ) -> None:
        super().__init__(name="classifier")
        self.checkpoint_config = dict(config)
        self.family = family or find_family(config)
        self.config: Any = read_config(config, family=self.family)
        self.labels = tuple(labels)
        self.multi_label = multi_label
        self.seed = seed
        self.max_positions = self.config.max_positions
        dropouts = Dropouts(seed)
        with attributed(self.family, "build_encoder"):
            self.encoder = self.family.build_encoder(self.config, dropouts)
        with attributed(self.family, "build_head"):
            self.head = self.family.build_head(self.config, len(labels) or 1, dropouts)
        self._check_parts()
        self.build()

    def _check_parts(self) -> None:
        """Raise PluginError if the family's layers lack what `Encoder.build_encoder` and `build_head` ask for."""
        words = getattr(getattr(self.encoder, "embeddings", None), "word_embeddings", None)
        if not isinstance(words, WordEmbeddings):
            message = "encoder.embeddings.word_embeddings must be a glueft.encoder.word_embeddings.WordEmbeddings"
            raise broken_family(self.family, message, type(words).__name__)
        for layer, attribute in ((self.encoder, "blocks"), (self.head, "first_token")):
            if not hasattr(layer, attribute):
                raise broken_family(self.family, f"its {layer.name} has no `{attribute}`", type(layer).__name__)
        blocks = self.encoder.blocks
        lacking = [name for name in self.family.adapted if any(not hasattr(block, name) for block in blocks)]
        if lacking:
            raise broken_family(self.family, "`adapted` names layers that its blocks do not have", ", ".join(lacking))
        try:
            inspect.signature(self.encoder.call).bind(None, None, None, training=False, first_token=False)
            inspect.signature(self.head.call).bind(None, None, training=False)
        except TypeError as error:
            raise broken_family(self.family, "the `call` of a layer lacks arguments", str(error)) from None

    def build(self, input_shape: Any = None) -> None:
        """Create every variable; the shapes are known from the config."""
        if not getattr(self, "built", False):
            with attributed(self.family, "build_encoder"):
                self.encoder.build()
            with attributed(self.family, "build_head"):
                self.head.build()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, for a .keras file."""
        arguments = {"config": self.checkpoint_config, "labels": list(self.labels), "seed": self.seed}
        return arguments | ({"multi_label": True} if self.multi_label else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Classifier:
        """Build the classifier that `get_config` describes; its weights are zeros."""
        return cls(
            config["config"],
            tuple(config["labels"]),
            multi_label=config.get("multi_label", False),
            seed=config["seed"],
        )

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
            return self.logits(inputs, training=training)

    def logits(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """As `call`, with the operations that `fused_ops.tracing` around it chooses."""
        attention_mask = inputs["attention_mask"]
        states = self.encoder(
            inputs["input_ids"],
            attention_mask,
            inputs["token_type_ids"],
            training=training,
            first_token=self.head.first_token,
        )
        return self.head(states, attention_mask, training=training)
