"""The conformance suite on encoder families: BERT and one from outside pass, wrong ones fail with what to fix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from test_conformance import broken, run

import glueft
from glueft_encoders.bert import Bert
from rotary_family import Rotary

OF_ENCODERS = ("config", "tensors", "logits", "trains", "is saved")


# BERT's graphs are traced in many tests: here the family from outside will do, and BERT when slow.
@pytest.mark.parametrize("family", [pytest.param(Bert, marks=pytest.mark.slow), Rotary])
def test_a_good_family_passes(family: type[glueft.Encoder]) -> None:
    for check in ("name", "docstring", "options", "declaration", *OF_ENCODERS):
        run(family, check)


class Forgetful(Bert):
    """Does not save its last norm."""

    name = "forgetful"

    def tensors(self, config: Any, outputs: int) -> Iterator[glueft.CheckpointTensor]:
        yield from (tensor for tensor in super().tensors(config, outputs) if "1.output.LayerNorm" not in tensor.name)


class Deaf(Bert):
    """Reads the padding."""

    name = "deaf"

    def build_encoder(self, config: Any, dropouts: Any) -> Any:
        encoder = super().build_encoder(config, dropouts)
        call = encoder.call
        encoder.call = lambda ids, mask, types, **named: call(ids, mask * 0 + 1, types, **named)
        return encoder


class Impossible(Bert):
    """Its own defaults are none."""

    name = "impossible"
    defaults: ClassVar[dict[str, Any]] = {**Bert.defaults, "num_attention_heads": 7}


@pytest.mark.parametrize(
    ("family", "check", "told"),
    [
        (Forgetful, "tensors", "`tensors` leaves out weights, which would not be saved"),
        (Deaf, "logits", "more padding behind the rows changes the logits; use `attention_mask`"),
        (Impossible, "config", "the hidden size cannot be shared among the attention heads"),
    ],
)
def test_a_wrong_family(family: type[glueft.Encoder], check: str, told: str) -> None:
    assert told in broken(family, check)
