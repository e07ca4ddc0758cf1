"""Mistakes in the plugin of an encoder family are told as the plugin's, each in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import pytest

import glueft
from glueft.encoder.classifier import Classifier
from glueft.encoder.config import find_family
from glueft.encoder.tensors import output_tensor
from glueft.encoder.weights import check_table, tensor_table
from glueft.errors import PluginError
from glueft.plugin.attribution import said
from glueft.plugin.origin import Failure, Point, remember
from glueft.plugin.registry import Registry, load_registry
from rotary_family import Rotary

CONFIG = {"model_type": "rotary", "vocab_size": 20, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 6}


class NoConfig(Rotary):
    def read_config(self, values: Any) -> Any:
        return dict(values.values)


class UnknownKey(Rotary):
    def read_config(self, values: Any) -> Any:
        return values.whole("hidden_width")


class NoBlocks(Rotary):
    def build_encoder(self, config: Any, dropouts: Any) -> Any:
        encoder = super().build_encoder(config, dropouts)
        del encoder.blocks
        return encoder


class PlainEmbeddings(Rotary):
    def build_encoder(self, config: Any, dropouts: Any) -> Any:
        encoder = super().build_encoder(config, dropouts)
        encoder.embeddings.word_embeddings = keras.layers.Embedding(20, 8)
        return encoder


class OldCall(Rotary):
    def build_head(self, config: Any, outputs: int, dropouts: Any) -> Any:
        head = super().build_head(config, outputs, dropouts)
        head.call = lambda states: states
        return head


class Adapts(Rotary):
    adapted = ("query", "projection")


class Renamed(Rotary):
    def tensors(self, config: Any, outputs: int) -> Iterator[glueft.CheckpointTensor]:
        for tensor in super().tensors(config, outputs):
            yield replace(tensor, variable=tensor.variable.replace("final_norm", "last_norm"))


class Forgets(Rotary):
    def tensors(self, config: Any, outputs: int) -> Iterator[glueft.CheckpointTensor]:
        yield from (tensor for tensor in super().tensors(config, outputs) if "gate" not in tensor.name)


class Turned(Rotary):
    def tensors(self, config: Any, outputs: int) -> Iterator[glueft.CheckpointTensor]:
        for tensor in super().tensors(config, outputs):
            yield replace(tensor, shape=tensor.shape[::-1]) if "mlp_out" in tensor.name else tensor


class Raises(Rotary):
    def tensors(self, config: Any, outputs: int) -> Iterator[glueft.CheckpointTensor]:
        yield config.no_such_size


@pytest.mark.parametrize(
    ("family", "message", "received"),
    [
        (NoConfig, "`read_config` does not return a glueft.EncoderConfig", "{'vocab_size': 20,"),
        (UnknownKey, "failed in its `read_config`: KeyError: 'hidden_width'", "test_broken_family.py, line"),
        (NoBlocks, "its encoder has no `blocks`", "RotaryEncoder"),
        (PlainEmbeddings, "word_embeddings must be a glueft.encoder.word_embeddings.WordEmbeddings", "Embedding"),
        (OldCall, "the `call` of a layer lacks arguments", "too many positional arguments"),
        (Adapts, "`adapted` names layers that its blocks do not have", "query"),
        (
            Renamed,
            "names a variable of model.final_norm.weight that the model does not have",
            "encoder.last_norm.gamma",
        ),
        (Forgets, "`tensors` gives other shapes than the weight classifier/encoder/block_0/gates", "shape [8, 12]"),
        (Turned, "`tensors` gives other shapes than the weight classifier/encoder/block_0/output", "shape [6, 8]"),
        (
            Raises,
            "failed in its `tensors`: AttributeError: 'RotaryConfig' object has no",
            "test_broken_family.py, line",
        ),
    ],
)
def test_a_mistake_is_named(family: type[Rotary], message: str, received: str) -> None:
    remember(family, Point("rot", "glueft-rotary", "1.0", "rot"))
    with pytest.raises(PluginError) as caught:
        model = Classifier(CONFIG, ("no", "yes"), family=family())
        check_table(model, tensor_table(model))
    assert 'the encoder "rotary" (glueft-rotary 1.0)' in caught.value.message and message in caught.value.message
    assert received in caught.value.received and "fix the plugin" in caught.value.fix


def test_a_family_without_an_output_layer() -> None:
    class NoOutput(Rotary):
        def tensors(self, config: Any, outputs: int) -> Iterator[glueft.CheckpointTensor]:
            yield from (replace(tensor, role="head") for tensor in super().tensors(config, outputs))

    with pytest.raises(PluginError, match='`tensors` gives none of the role "output"'):
        output_tensor(NoOutput(), Classifier(CONFIG, ("no", "yes"), family=Rotary()).config)


def test_a_family_that_cannot_be_used_is_not_called_unsupported() -> None:
    reason = Failure("rot", "glueft-rotary", "1.0", "class Rotary needs a `tensors` method", "encoder", "rotary")
    registry = Registry(load_registry().manager, failures=[reason])
    with pytest.raises(glueft.CheckpointError, match="the plugin of the encoder family cannot be used") as caught:
        find_family(CONFIG, registry=registry)
    assert "glueft-rotary 1.0" in caught.value.received and "needs a `tensors` method" in caught.value.received


def test_what_a_layer_raised_is_told_and_not_keras_s_words_around_it() -> None:
    class Broken(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            raise ValueError("the heads do not fit")

    with pytest.raises(ValueError, match="heads") as caught:
        Broken()(keras.ops.zeros((1,)))
    assert said(caught.value) == "ValueError: the heads do not fit"
