"""Products in bfloat16: what they change, and what they leave as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.dense import Dense, products_in_bfloat16
from glueft.training.backend import dtype_policy

SHAPES = [(448, 64, 96), (7, 64, 96), (3, 16, 8)]  # 7 and 3 rows: no way by three axes on JAX


def rounded(x: Any) -> Any:
    """To bfloat16, the nearest, and back; in NumPy, which has none."""
    import ml_dtypes

    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


@pytest.mark.parametrize(("rows", "size", "units"), SHAPES)
def test_product_and_gradients_are_those_of_rounded_operands(rows: int, size: int, units: int) -> None:
    random = np.random.default_rng(0)
    shapes = ((rows, size), (size, units), (units,), (rows, units))
    x, kernel, bias, upstream = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    exact = reference(x, kernel, bias, upstream)
    if keras.backend.backend() == "jax":
        computed = jax_dense(x, kernel, bias, upstream)
        tolerance = 1e-5
    else:
        computed = tensorflow_dense(x, kernel, bias, upstream)
        tolerance = 2**-8  # the result is rounded as well
    for ours, theirs in zip(computed, exact, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max() / 4)


def reference(x: Any, kernel: Any, bias: Any, upstream: Any) -> list[Any]:
    """Value, and gradients of inputs, kernel and bias, with products of rounded operands."""
    return [
        rounded(x) @ rounded(kernel) + bias,
        rounded(upstream) @ rounded(kernel).T,
        rounded(x).T @ rounded(upstream),
        upstream.sum(0),
    ]


def tensorflow_dense(x: Any, kernel: Any, bias: Any, upstream: Any) -> list[Any]:
    import tensorflow as tf

    from glueft.encoder.tensorflow_ops import bfloat16_dense

    inputs = [tf.constant(x), tf.constant(kernel), tf.constant(bias)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = bfloat16_dense(*inputs)
    return [each.numpy() for each in (outputs, *tape.gradient(outputs, inputs, tf.constant(upstream)))]


def jax_dense(x: Any, kernel: Any, bias: Any, upstream: Any) -> list[Any]:
    import jax

    from glueft.encoder.jax_ops import bfloat16_dense

    outputs, pull = jax.vjp(bfloat16_dense, x, kernel, bias)
    return [np.asarray(each) for each in (outputs, *pull(jax.numpy.asarray(upstream)))]


def test_jax_computes_the_same_where_tensorflow_is_the_backend() -> None:
    pytest.importorskip("jax")
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape).astype(np.float32) for shape in ((48, 16), (16, 8), (8,), (48, 8))]
    for ours, theirs in zip(jax_dense(*arrays), reference(*arrays), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
def test_rows_of_three_axes_bias_and_activation(use_bias: bool) -> None:
    random = np.random.default_rng(0)
    with products_in_bfloat16():
        layer = Dense(8, activation="relu", use_bias=use_bias)
    plain = Dense(8, activation="relu", use_bias=use_bias)
    x = random.normal(size=(4, 5, 16)).astype(np.float32)
    plain(x), layer(x)
    weights = [random.normal(size=(16, 8)), random.normal(size=(8,))][: 1 + use_bias]
    layer.set_weights(weights), plain.set_weights(weights)
    near = np.asarray(plain(x))
    computed = np.asarray(layer(x))
    assert computed.dtype == np.float32
    assert computed.shape == (4, 5, 8)
    np.testing.assert_allclose(computed, near, atol=0.05)
    assert not np.array_equal(computed, near)


def test_a_classifier_in_bfloat16_keeps_its_weights_and_states_in_float32(tiny_bert: Path) -> None:
    batch = {name: np.ones((2, 3), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids")}
    logits = {}
    for precision in ("float32", "mixed_bfloat16"):
        with dtype_policy(precision):
            model = load_classifier(find_checkpoint(str(tiny_bert)), labels=("no", "yes"), seed=1).model
        assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
        block = model.encoder.blocks[0]
        dense = [block.query_key_value, block.projection, block.intermediate, block.output_dense, model.head.dense]
        assert [layer.in_bfloat16 for layer in dense] == [precision == "mixed_bfloat16"] * 5
        assert not model.head.output_dense.in_bfloat16  # the logits are float32 to the end
        assert model.encoder.compute_dtype == "float32"
        logits[precision] = np.asarray(model(batch))
    assert keras.config.dtype_policy().name == "float32"
    np.testing.assert_allclose(logits["mixed_bfloat16"], logits["float32"], atol=1e-2)
    assert not np.array_equal(logits["mixed_bfloat16"], logits["float32"])
