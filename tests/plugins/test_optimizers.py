"""The optimizers on a real small Keras model: their updates, step by step, against the papers' formulas."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from glueft.registry import load_registry


def optimizer(name: str, learning_rate: Any = 0.1, **options: Any) -> Any:
    cls = load_registry().find("optimizer", name).cls
    return cls(cls.Options(**options)).build(learning_rate)  # type: ignore[attr-defined]


def small_model() -> Any:
    """Kernel, bias, gamma and beta, all of them ones; embeddings too."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            keras.layers.Embedding(4, 2),
            keras.layers.LayerNormalization(),
            keras.layers.Dense(2),
        ]
    )
    for variable in model.variables:
        variable.assign(np.ones(variable.shape))
    return model


def apply(built: Any, model: Any, gradients: list[Any]) -> None:
    import keras

    built.build(model.trainable_variables)
    for gradient in gradients:
        given = [keras.ops.full(variable.shape, gradient, "float32") for variable in model.trainable_variables]
        built.apply(given, model.trainable_variables)


def test_adam_s_update() -> None:
    model = small_model()
    gradients = [0.5, -0.25, 2.0]
    apply(optimizer("adam", 0.01), model, gradients)
    value, mean, square = 1.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        # "epsilon hat" of Kingma and Ba, just before their section 2.1, as Keras has it
        rate = 0.01 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        value -= rate * mean / (np.sqrt(square) + 1e-7)
    for variable in model.trainable_variables:
        assert np.asarray(variable) == pytest.approx(value, rel=1e-5), variable.path


def test_adamw_decays_weights_but_no_biases_and_layer_norms() -> None:
    model = small_model()
    apply(optimizer("adamw", 0.1, weight_decay=0.5), model, [0.0, 0.0])
    after = {variable.path.rsplit("/", 1)[-1]: float(np.asarray(variable).flat[0]) for variable in model.variables}
    decayed = (1 - 0.1 * 0.5) ** 2
    assert after == pytest.approx({"embeddings": decayed, "gamma": 1.0, "beta": 1.0, "kernel": decayed, "bias": 1.0})


def test_adamw_s_exclusion_holds_on_the_jax_backend_too() -> None:
    pytest.importorskip("jax")
    code = (
        "import keras, numpy as np\n"
        "from glueft.registry import load_registry\n"
        "adamw = load_registry().find('optimizer', 'adamw').cls\n"
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, bias_initializer='ones')])\n"
        "before = [np.asarray(v).copy() for v in model.variables]\n"
        "built = adamw(adamw.Options(weight_decay=0.5)).build(0.1)\n"
        "built.build(model.trainable_variables)\n"
        "built.apply([v.value * 0 for v in model.trainable_variables], model.trainable_variables)\n"
        "print(keras.backend.backend())\n"
        "print([round(float(np.max(np.abs(v))/np.max(np.abs(b))), 4) for v, b in zip(model.variables, before)])\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "jax\n[0.95, 1.0]\n"


def test_adamw_is_adam_plus_decoupled_decay() -> None:
    with_decay, without = small_model(), small_model()
    apply(optimizer("adamw", 0.1, weight_decay=0.5), with_decay, [0.5])
    apply(optimizer("adam", 0.1), without, [0.5])
    step = float(np.asarray(without.layers[-1].kernel)[0, 0]) - 1
    assert np.asarray(with_decay.layers[-1].kernel) == pytest.approx(1 - 0.1 * 0.5 + step, rel=1e-5)
    assert np.asarray(with_decay.layers[-1].bias) == pytest.approx(1 + step, rel=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_momentum(nesterov: bool) -> None:
    model = small_model()
    gradients = [0.5, 0.5, -1.0]
    apply(optimizer("sgd", 0.1, momentum=0.9, nesterov=nesterov), model, gradients)
    value, velocity = 1.0, 0.0
    for gradient in gradients:
        velocity = 0.9 * velocity - 0.1 * gradient
        value += 0.9 * velocity - 0.1 * gradient if nesterov else velocity
    for variable in model.trainable_variables:
        assert np.asarray(variable) == pytest.approx(value, rel=1e-5)


def test_plain_sgd() -> None:
    model = small_model()
    apply(optimizer("sgd", 0.1), model, [0.5, 0.5])
    assert np.asarray(model.layers[-1].kernel) == pytest.approx(0.9)


@pytest.mark.parametrize("way", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_clipping(way: str) -> None:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(4, use_bias=False)])
    model.layers[0].kernel.assign(np.ones((1, 4)))
    apply(optimizer("sgd", 1.0, **{way: 0.5}), model, [10.0])
    # Four equal elements of norm 0.5 are 0.25 each.
    assert np.asarray(model.layers[0].kernel) == pytest.approx(1 - (0.5 if way == "clipvalue" else 0.25), rel=1e-5)


@pytest.mark.parametrize(("name", "keras_name"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_options_have_keras_s_own_defaults(name: str, keras_name: str) -> None:
    import keras

    arguments = inspect.signature(getattr(keras.optimizers, keras_name).__init__).parameters
    fields = load_registry().find("optimizer", name).cls.Options.model_fields
    assert fields
    assert {key: field.default for key, field in fields.items()} == {key: arguments[key].default for key in fields}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_schedule_is_followed(name: str) -> None:
    cls = load_registry().find("schedule", "linear").cls
    schedule = cls(cls.Options(initial_learning_rate=1.0)).build(4)  # type: ignore[attr-defined,call-arg]
    built = optimizer(name, schedule)
    model = small_model()
    seen = []
    built.build(model.trainable_variables)
    for _ in range(5):
        seen.append(float(built.learning_rate))
        built.apply([variable.value * 0 for variable in model.trainable_variables], model.trainable_variables)
    assert seen == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("adam", {"clipnorm": 1.0, "clipvalue": 1.0}, "clipnorm and clipvalue cannot be used together"),
        ("sgd", {"nesterov": True}, "nesterov = true needs momentum above 0"),
        ("adam", {"beta_1": 1.0}, "less than 1"),
        ("adamw", {"weight_decay": -0.1}, "greater than or equal to 0"),
        ("adam", {"epsilon": float("inf")}, "finite"),
    ],
)
def test_options_that_keras_could_not_use(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        load_registry().find("optimizer", name).cls.Options(**options)
    assert words in str(caught.value)
