"""What was written for speed computes what the stock parts compute."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from glueft.encoder.dropout import ByteDropout
from glueft.encoder.layers import LayerNorm

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="these operations are TensorFlow's"
)


def value_and_gradients(function: Callable[..., Any], inputs: list[Any], weights: Any) -> list[Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
        total = tf.reduce_sum(value * weights)
    return [value.numpy(), *(gradient.numpy() for gradient in tape.gradient(total, inputs))]


def normal(seed: int, *shape: int, scale: float = 1.0) -> Any:
    import tensorflow as tf

    return tf.constant(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


@tensorflow_only
def test_gelu_and_its_gradient_are_those_of_keras() -> None:
    from glueft.encoder.tensorflow_ops import gelu

    inputs, weights = normal(0, 7, 5, 64, scale=3), normal(1, 7, 5, 64)
    stock = value_and_gradients(lambda x: keras.ops.gelu(x, approximate=False), [inputs], weights)
    for ours, theirs in zip(value_and_gradients(gelu, [inputs], weights), stock, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_gelu_of_jax_and_its_gradient_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    from glueft.encoder.jax_ops import gelu

    inputs = np.random.default_rng(0).normal(0, 3, 500).astype(np.float32)
    for function, stock in (
        (gelu, lambda x: jax.nn.gelu(x, approximate=False)),
        (jax.grad(lambda x: gelu(x).sum()), jax.grad(lambda x: jax.nn.gelu(x, approximate=False).sum())),
    ):
        exact = np.asarray(stock(inputs))
        np.testing.assert_allclose(np.asarray(function(inputs)), exact, atol=2e-6)
        half = function(jax.numpy.asarray(inputs, "bfloat16"))
        assert half.dtype == "bfloat16"
        near = np.asarray(stock(np.asarray(jax.numpy.asarray(inputs, "bfloat16"), np.float32)))
        np.testing.assert_allclose(np.asarray(half, np.float32), near, rtol=2**-8, atol=2e-6)


@tensorflow_only
@pytest.mark.parametrize("epsilon", [1e-12, 1e-5])
def test_layer_norm_and_its_gradients_are_those_of_keras(epsilon: float) -> None:
    from glueft.encoder.tensorflow_ops import layer_norm

    def stock(x: Any, gamma: Any, beta: Any) -> Any:
        return keras.ops.layer_normalization(x, gamma, beta, epsilon=epsilon)

    inputs = [normal(0, 6, 9, 48, scale=2), normal(1, 48), normal(2, 48)]
    weights = normal(3, 6, 9, 48)
    ours = value_and_gradients(lambda *arguments: layer_norm(*arguments, epsilon), inputs, weights)
    for mine, theirs in zip(ours, value_and_gradients(stock, inputs, weights), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=2e-5)


def test_the_layer_norm_layer_is_the_stock_one_in_all_but_speed() -> None:
    ours, stock = LayerNorm(epsilon=1e-6), keras.layers.LayerNormalization(epsilon=1e-6)
    inputs = np.random.default_rng(0).normal(1, 2, (3, 4, 16)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(ours(inputs)), np.asarray(stock(inputs)), atol=1e-6)
    assert [variable.path.split("/")[-1] for variable in ours.weights] == ["gamma", "beta"]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.25])
def test_dropout_keeps_mean_and_has_the_variance_of_dropout(rate: float) -> None:
    elements = 1_000_003  # no multiple of four: bytes come in fours
    dropped = np.asarray(ByteDropout(rate, seed=3)(np.ones(elements, np.float32), training=True))
    kept = dropped > 0
    in_use = round(rate * 256) / 256
    # Five standard errors of a share.
    assert 1 - kept.mean() == pytest.approx(in_use, abs=5 * np.sqrt(in_use * (1 - in_use) / elements))
    assert in_use == pytest.approx(rate, abs=1 / 512)
    assert np.unique(dropped[kept]) == pytest.approx([1 / (1 - in_use)])
    assert dropped.mean() == pytest.approx(1, abs=5 * np.sqrt(in_use / (1 - in_use) / elements))
    assert dropped.var() == pytest.approx(in_use / (1 - in_use), rel=0.01)
    # Neighbours have nothing to do with each other, also not those that came out of one number.
    for step in (1, 2, 3, 4):
        assert abs(np.corrcoef(kept[:-step], kept[step:])[0, 1]) < 5 / np.sqrt(elements)


def test_dropout_changes_from_call_to_call_and_repeats_by_seed() -> None:
    inputs = np.ones((64, 64), np.float32)
    first, second = (ByteDropout(0.1, seed=3) for _ in range(2))
    masks = [np.asarray(first(inputs, training=True)) for _ in range(2)]
    assert not np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], np.asarray(second(inputs, training=True)))
    assert not np.array_equal(masks[0], np.asarray(ByteDropout(0.1, seed=4)(inputs, training=True)))
    assert np.array_equal(np.asarray(first(inputs, training=False)), inputs)


def test_hashed_bytes_are_even_and_independent() -> None:
    """The numbers that a compiled step draws: the same promises as those of the generators."""
    from glueft.encoder.dropout import hashed_bytes

    draws = 1_000_000
    streams = []
    for seed in ([7, 0], [7, 1], [8, 0], [0, 0], [0, 1]):
        like = keras.ops.zeros((1000, 1000))
        drawn = keras.ops.convert_to_numpy(hashed_bytes(like, keras.ops.convert_to_tensor(seed, "uint32")))
        assert drawn.shape == (1000, 1000)
        counts = np.bincount(drawn.ravel().astype(int), minlength=256)
        assert len(counts) == 256
        # Chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6; six of them are next to impossible.
        assert abs(((counts - draws / 256) ** 2 / (draws / 256)).sum() - 255) < 6 * 22.6
        streams.append(drawn.ravel().astype(float))
    for index, stream in enumerate(streams):
        for step in (1, 2, 3, 4, 1000):
            assert abs(np.corrcoef(stream[:-step], stream[step:])[0, 1]) < 5 / np.sqrt(draws)
        for other in streams[index + 1 :]:
            assert abs(np.corrcoef(stream, other)[0, 1]) < 5 / np.sqrt(draws)
            for step in (1, 2):  # no stream is another one moved along
                assert abs(np.corrcoef(stream[:-step], other[step:])[0, 1]) < 5 / np.sqrt(draws)


@tensorflow_only
def test_a_compiled_step_has_plain_operations() -> None:
    from glueft.encoder.fused_ops import step_is_compiled, tracing, use_fused_ops

    inputs = normal(0, 2, 3)
    assert use_fused_ops(inputs)
    assert not use_fused_ops(keras.ops.cast(inputs, "bfloat16"))
    with tracing(compiled=True, training=True):
        assert step_is_compiled()
        assert not use_fused_ops(inputs)
    assert not step_is_compiled()


@tensorflow_only
def test_gelu_is_left_to_tensorflow_where_no_gradient_follows(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glueft.encoder import tensorflow_ops
    from glueft.encoder.checkpoint import find_checkpoint, load_classifier

    model = load_classifier(find_checkpoint(str(tiny_bert)), labels=("no", "yes"), seed=1).model
    batch = {name: np.ones((2, 3), np.int32) for name in ("input_ids", "attention_mask", "token_type_ids")}
    calls, own = [], tensorflow_ops.gelu
    monkeypatch.setattr(tensorflow_ops, "gelu", lambda x: calls.append(x) or own(x))
    model(batch, training=False)
    assert not calls
    model(batch, training=True)
    assert len(calls) == model.config.num_layers


@tensorflow_only
def test_a_traced_model_that_nobody_needs_any_more_is_let_go() -> None:
    import tensorflow as tf

    from glueft.encoder.tensorflow_ops import gelu, graph_keeps_gradients

    class Model:
        def __init__(self) -> None:
            self.weight = tf.Variable(2.0)
            self.predict = tf.function(self.step)

        def step(self, x: Any) -> Any:
            with graph_keeps_gradients():
                return gelu(x * self.weight)

    gc.freeze()  # What was there before is not searched: it holds no part of a cycle that is made below.
    model, inputs = Model(), tf.constant([1.0])
    with tf.GradientTape() as tape:  # outside the function: the gradient is asked for when all is traced
        outputs = model.predict(inputs)
    slope = tape.gradient(outputs, model.weight)
    assert float(slope) == pytest.approx(0.5 * (1 + math.erf(2**0.5)) + 2 * math.exp(-2) / math.sqrt(2 * math.pi))
    graph = weakref.ref(model.predict.get_concrete_function(inputs).graph)
    del model, outputs, tape
    gc.collect()
    gc.unfreeze()
    assert graph() is None


@tensorflow_only
@pytest.mark.parametrize("table", [True, False], ids=["its table", "another version's table"])
def test_a_trace_that_fails_leaves_no_gradient_and_two_traces_do_not_mix(
    table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from glueft.encoder import tensorflow_ops

    entries = tensorflow_ops._registered_gradients() if table else {}
    monkeypatch.setattr(tensorflow_ops, "_registered_gradients", lambda: entries)
    before, free = set(entries), []

    def fail(x: Any) -> Any:
        with tensorflow_ops.graph_keeps_gradients():
            tensorflow_ops.gelu(x)
            other = threading.Thread(target=lambda: free.append(tensorflow_ops._TRACING.acquire(blocking=False)))
            other.start()
            other.join()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tf.function(fail, autograph=False)(tf.constant([1.0]))
    gc.collect()
    assert set(entries) <= before and free == [False]
