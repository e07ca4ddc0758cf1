"""Families with rotary positions beyond what all are tested for: config.json, old and new, and rows that are long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import glueft_encoders.long_rows as long_rows
from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.config import read_config
from glueft.encoder.fused_ops import tracing
from glueft.errors import CheckpointError
from glueft_encoders.rotary import Sight
from reference_checkpoints import REFERENCE, copy_checkpoint, reference
from reference_checkpoints import read_config as read_json

TINY = read_json(REFERENCE / "modernbert")
ALL = ("modernbert", "eurobert", "nomic_bert")
FULL, SLIDING = "full_attention", "sliding_attention"
HEADS, SIZE, LENGTH = 3, 8, 300


def test_files_of_before_transformers_5_say_the_same() -> None:
    old = {key: value for key, value in TINY.items() if key not in ("layer_types", "rope_parameters")}
    assert read_config(old) == read_config(TINY)
    old |= {"global_attn_every_n_layers": 2, "global_rope_theta": 5e3, "local_rope_theta": 70, "local_attention": 9}
    assert read_config(old).sights == (Sight(5e3), Sight(70, 4), Sight(5e3), Sight(70, 4))
    assert read_config({**old, "local_attention": 10**30}).sights[1].window == old["max_position_embeddings"]
    assert read_config({**old, "rope_parameters": {FULL: {"rope_theta": 9.0}}}).sights[:2] == (Sight(9), Sight(70, 4))


@pytest.mark.parametrize(
    ("changes", "message", "received"),
    [
        ({"layer_types": ["full_attention"]}, "does not have a kind for each layer", "1"),
        ({"layer_types": [FULL] * 3 + ["chunked_attention"]}, "layer_types asks for an architecture", "chunked"),
        ({"layer_types": "full"}, "layer_types asks for an architecture", "'full'"),
        ({"rope_parameters": {FULL: {"rope_type": "yarn"}}}, "rope_parameters.full_attention: rope_type", "yarn"),
        ({"rope_parameters": {FULL: {"type": "linear"}}}, "rope_parameters.full_attention: rope_type", "linear"),
        ({"rope_parameters": {SLIDING: {"rope_theta": 0}}}, "sliding_attention: rope_theta has a value", "rope_theta"),
        ({"rope_parameters": {SLIDING: 1e4}}, "rope_parameters: sliding_attention has a value", "10000.0"),
        ({"rope_parameters": [1]}, "rope_parameters has a value", "[1]"),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, "rope_scaling asks for an architecture", "yarn"),
        ({"norm_bias": "no"}, "norm_bias has a value that cannot be used", "'no'"),
        ({"classifier_pooling": "max"}, "pooling of the head is not supported", "'max'"),
        ({"hidden_activation": "geglu"}, "activation is not supported", "'geglu'"),
        ({"num_attention_heads": 8}, "cannot be shared among the attention heads", "hidden size 24, 8 heads"),
        ({"initializer_cutoff_factor": 0.01}, "initializer_cutoff_factor leaves out most numbers", "0.01"),
        ({"local_attention": 0}, "local_attention has a value", "local_attention = 0"),
    ],
)
def test_what_is_not_computed_is_refused(changes: dict[str, Any], message: str, received: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        read_config({**TINY, **changes})
    assert received in caught.value.received and caught.value.fix


@pytest.mark.parametrize(
    ("family", "changes", "message", "received"),
    [
        ("eurobert", {"num_key_value_heads": 2}, "share their keys and values", "3 heads, 2 for keys and values"),
        ("eurobert", {"head_dim": 7}, "cannot be shared among", "hidden size 24, 3 heads of size 7"),
        ("eurobert", {"classifier_pooling": "max"}, "pooling of the head is not supported", "'max'"),
        ("eurobert", {"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters: rope_type asks", "yarn"),
        ("eurobert", {"rope_scaling": {"type": "linear", "factor": 2}}, "rope_parameters: rope_type asks", "linear"),
        ("nomic_bert", {"rope_parameters": {"rope_type": "dynamic"}}, "rope_parameters: rope_type asks", "dynamic"),
        ("nomic_bert", {"type_vocab_size": 0}, "type_vocab_size has a value", "0"),
        ("nomic_bert", {"num_attention_heads": 8, "head_dim": None}, "cannot be shared among", "24, 8 heads"),
        *(
            (family, {"num_hidden_layers": 10**12}, "num_hidden_layers is larger", "1,000,000,000,000")
            for family in ALL
        ),
        ("nomic_bert", {"n_head": 4}, "transformers reads num_attention_heads in its place", "n_head = 4"),
        ("nomic_bert", {"rotary_emb_base": 10_000}, "transformers reads rope_theta in its place", "= 10000"),
        ("nomic_bert", {"num_experts": 8, "n_head": 4}, "num_experts asks for an architecture", "num_experts = 8"),
        ("nomic_bert", {"activation_function": "geglu"}, "activation_function asks for an arch", "geglu"),
        ("nomic_bert", {"rotary_emb_interleaved": True}, "rotary_emb_interleaved asks for an arch", "True"),
        ("nomic_bert", {"rotary_emb_fraction": 0.5}, "rotary_emb_fraction asks for an arch", "0.5"),
    ],
)
def test_what_the_others_do_not_compute(family: str, changes: dict[str, Any], message: str, received: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        read_config({**read_json(REFERENCE / family), **changes})
    assert received in caught.value.received and caught.value.fix


def test_files_of_eurobert_of_before_transformers_5() -> None:
    old = {**read_json(REFERENCE / "eurobert"), "rope_theta": 250_000, "rope_scaling": None}
    del old["rope_parameters"]
    assert set(read_config(old).sights) == {Sight(250_000.0)}


# As nomic's own code writes them: no key is transformers' own.
NOMIC_2048 = {
    "model_type": "nomic_bert",
    "architectures": ["NomicBertForPreTraining"],
    "auto_map": {"AutoModelForMaskedLM": "modeling_hf_nomic_bert.NomicBertForPreTraining"},
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_inner": 3072,
    "n_positions": 2048,
    "layer_norm_epsilon": 1e-12,
    "activation_function": "swiglu",
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    **dict.fromkeys(("qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias", "prenorm", "parallel_block", "causal"), False),
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "use_rms_norm": False,
    "vocab_size": 30528,
}


def test_files_of_nomics_own_code_are_read_where_they_say_what_transformers_computes() -> None:
    assert read_config(NOMIC_2048) == read_config({"model_type": "nomic_bert"})
    wider = {**NOMIC_2048, "n_embd": 1024, "n_head": 16}
    with pytest.raises(CheckpointError, match="n_embd is a key of nomic's own code") as caught:
        read_config(wider)
    assert caught.value.expected == "one value for both: n_embd = 768" and "hidden_size" in caught.value.fix
    assert read_config({**wider, "hidden_size": 1024, "num_attention_heads": 16}).hidden_size == 1024


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_nomics_own_files_have_other_names(prefix: str, tmp_path: Path) -> None:
    def rename(file: Any) -> dict[str, Any]:
        return {name.replace("nomic_bert.", prefix): file[name] for name in file}

    folder = copy_checkpoint("nomic_bert", tmp_path / "nomic", rename)
    loaded = load_classifier(find_checkpoint(str(folder)), labels=("no", "yes"), seed=0)
    inputs, _, logits = reference("nomic_bert")
    assert not loaded.report.new and not loaded.report.left_over
    np.testing.assert_allclose(ops.convert_to_numpy(loaded.model(inputs)), logits, atol=1e-5)


def attend(inputs: dict[str, Any], window: int | None) -> Any:
    query, key, value, mask = inputs.values()
    options = {"dropout": None, "training": True}
    if window is None:
        return long_rows.full_attention(query, key, value, long_rows.hidden_padding(mask, "float32"), **options)
    hidden = long_rows.hidden_far_tokens(mask, window, "float32")
    return long_rows.local_attention(query, key, value, mask, hidden, window=window, **options)


def attended_and_gradients(inputs: dict[str, Any], weights: Any, window: int | None) -> list[Any]:
    """What `attend` gives, and the gradients of queries, keys and values, by the backend's own means."""
    *states, mask = inputs.values()
    names = [*inputs]
    if keras.backend.backend() == "jax":
        import jax

        def loss(*states: Any) -> Any:
            found = attend(dict(zip(names, (*states, mask), strict=True)), window)
            return (found * weights).sum(), found

        gradients, found = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))(*states)
        return [np.asarray(each) for each in (found, *gradients)]
    if keras.backend.backend() == "torch":
        tensors = [ops.convert_to_tensor(each).requires_grad_() for each in states]
        found = attend(dict(zip(names, (*tensors, ops.convert_to_tensor(mask)), strict=True)), window)
        (found * ops.convert_to_tensor(weights)).sum().backward()
        return [ops.convert_to_numpy(each.detach()) for each in (found, *(tensor.grad for tensor in tensors))]
    import tensorflow as tf

    of_states = tf.TensorSpec((None, HEADS, None, SIZE), tf.float32)

    # One graph for rows of every length, as in a training.
    @tf.function(input_signature=[of_states, of_states, of_states, tf.TensorSpec((None, None), tf.int32)])
    def step(query: Any, key: Any, value: Any, mask: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            found = attend(dict(zip(names, (query, key, value, mask), strict=True)), window)
            loss = tf.reduce_sum(found * weights)
        return [found, *tape.gradient(loss, [query, key, value])]

    with tracing(compiled=False, training=False):
        predict = tf.function(lambda *given: attend(dict(zip(names, given, strict=True)), window))
        predicted = predict.get_concrete_function(*step.input_signature)(*map(tf.constant, inputs.values()))
    found = [each.numpy() for each in step(*inputs.values())]
    np.testing.assert_allclose(predicted.numpy(), found[0], atol=1e-5)
    return found


@pytest.mark.parametrize("window", [None, 40, pytest.param(5, marks=pytest.mark.slow)])
def test_long_rows_have_the_attention_and_gradients_of_short_ones(
    window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    names = ("query", "key", "value")
    inputs = {name: random.normal(size=(2, HEADS, LENGTH, SIZE)).astype("float32") for name in names}
    mask = np.ones((2, LENGTH), "int32")
    mask[1, 250:] = mask[0, :3] = 0
    inputs["attention_mask"] = mask
    # What a padding token attends to has no meaning.
    weights = random.normal(size=(2, HEADS, LENGTH, SIZE)).astype("float32") * mask[:, None, :, None]
    monkeypatch.setattr(long_rows, "PART", 64)
    limits = ("LONG", "LONG_FOR_LOCAL", "LONG_FOR_LOCAL_COMPILED")
    for limit in limits:
        monkeypatch.setattr(long_rows, limit, LENGTH)
    expected = attended_and_gradients(inputs, weights, window)
    for limit in limits:
        monkeypatch.setattr(long_rows, limit, LENGTH - 1)
    found = attended_and_gradients(inputs, weights, window)
    tokens = np.broadcast_to(mask[:, None, :, None] > 0, found[0].shape)
    np.testing.assert_allclose(found[0][tokens], expected[0][tokens], atol=1e-5)
    for ours, theirs in zip(found[1:], expected[1:], strict=True):
        assert np.abs(theirs).max() > 0.5
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
