"""The optimizers move every variable as Keras's own do with whole gradients."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from glueft_optimizers import keras_optimizers


def network() -> keras.Model:
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.layers.Embedding(50, 8),
            keras.layers.LayerNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    model.build((None, 4))
    return model


def trained(optimizer: keras.optimizers.Optimizer, **options: Any) -> list[Any]:
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **{"jit_compile": False} | options)
    random = np.random.default_rng(0)
    for _ in range(12):
        # Few of the embedding's rows at a time: the others must go on by their momentum.
        model.train_on_batch(random.integers(0, 50, (2, 4)), random.integers(0, 3, 2))
    return [np.asarray(variable) for variable in model.trainable_variables]


def schedule() -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.PolynomialDecay(1e-2, 12, 0.0)


def slow(*arguments: Any) -> Any:
    return pytest.param(*arguments, marks=pytest.mark.slow)


def whole(optimizer: type[keras.optimizers.Optimizer]) -> Any:
    """Keras's optimizer, with an embedding's gradient summed, and neither biases nor layer norms decayed."""

    class Whole(optimizer):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

        def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
            if keras.backend.backend() == "tensorflow":
                import tensorflow as tf

                grads = [tf.convert_to_tensor(grad) for grad in grads]
            return super().apply(grads, trainable_variables)

    return Whole


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5}),
        slow("Adam", {"clipnorm": 0.1}),
        slow("Adam", {"amsgrad": True}),
        ("AdamW", {"weight_decay": 0.1}),
        ("SGD", {"momentum": 0.9, "clipnorm": 0.1}),
    ],
)
def test_the_updates_are_those_of_keras(name: str, options: dict[str, Any]) -> None:
    ours = trained(getattr(keras_optimizers, name)(schedule(), **options))
    stock = trained(whole(getattr(keras.optimizers, name))(schedule(), **options))
    for mine, theirs in zip(ours, stock, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert (
        max(np.abs(mine - np.asarray(before)).max() for mine, before in zip(ours, network().weights, strict=True))
        > 1e-3
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Lion", {"weight_decay": 0.1}),
        slow("RMSprop", {"momentum": 0.5, "centered": True, "weight_decay": 0.1}),
        slow("Nadam", {"global_clipnorm": 0.1}),
        slow("Adafactor", {"weight_decay": 0.1}),
        slow("Lamb", {"weight_decay": 0.1, "clipvalue": 0.01}),
    ],
)
def test_those_of_the_others_too(name: str, options: dict[str, Any]) -> None:
    """They have no code of their own here, so that it need not be traced: operation by operation is quicker."""
    before = network().trainable_variables
    ours = trained(getattr(keras_optimizers, name)(schedule(), **options), run_eagerly=True)
    stock = trained(whole(getattr(keras.optimizers, name))(schedule(), **options), run_eagerly=True)
    for mine, theirs in zip(ours, stock, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert max(np.abs(mine - np.asarray(start)).max() for mine, start in zip(ours, before, strict=True)) > 1e-3


@pytest.mark.slow
def test_the_updates_are_those_of_keras_under_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    # Keras refuses XLA where TensorFlow's ops were asked to be deterministic, as other tests of this process do.
    monkeypatch.setattr("keras.src.trainers.trainer.model_supports_jit", lambda model: True)
    ours = trained(keras_optimizers.Adam(schedule()), jit_compile=True)
    for mine, theirs in zip(ours, trained(whole(keras.optimizers.Adam)(schedule()), jit_compile=True), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_a_token_that_stands_twice_is_one_gradient(name: str) -> None:
    """Adam's first step is the learning rate in size, however often the token stands in the batch."""
    optimizer = getattr(keras_optimizers, name)(0.1, weight_decay=0.0)
    table = keras.layers.Embedding(4, 2, embeddings_initializer="ones")
    model = keras.Sequential([table, keras.layers.GlobalAveragePooling1D()])
    model.compile(optimizer, "mse")
    model.train_on_batch(np.array([[1, 1, 2]]), np.zeros((1, 2)))
    np.testing.assert_allclose(np.asarray(table.embeddings)[:, 0], [1, 0.9, 0.9, 1], atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's")
def test_the_kernel_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    calls: list[Any] = []
    kernel = tf.raw_ops.ResourceApplyAdam
    monkeypatch.setattr(tf.raw_ops, "ResourceApplyAdam", lambda **given: calls.append(given) or kernel(**given))
    trained(keras_optimizers.Adam(1e-3))
    assert len(calls) >= len(network().trainable_variables)
