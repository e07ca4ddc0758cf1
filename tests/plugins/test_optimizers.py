"""The optimizers on a real small Keras model: their updates, step by step, against the papers' formulas."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from glueft.plugin.registry import load_registry
from optimizer_checks import built as optimizer
from optimizer_checks import small_model

# What Keras calls them; together they are all the optimizers of the package.
KERAS_NAMES = {
    "adafactor": "Adafactor",
    "adam": "Adam",
    "adamw": "AdamW",
    "lamb": "Lamb",
    "lion": "Lion",
    "muon": "Muon",
    "nadam": "Nadam",
    "rmsprop": "RMSprop",
    "sgd": "SGD",
}


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


@pytest.mark.parametrize("name", sorted(KERAS_NAMES.keys() - {"adafactor", "lamb", "muon"}))
def test_weights_decay_and_biases_and_layer_norms_do_not(name: str) -> None:
    model = small_model()
    apply(optimizer(name, 0.1, weight_decay=0.5), model, [0.0, 0.0])
    after = {variable.path.rsplit("/", 1)[-1]: float(np.asarray(variable).flat[0]) for variable in model.variables}
    decayed = (1 - 0.1 * 0.5) ** 2
    assert after == pytest.approx({"embeddings": decayed, "gamma": 1.0, "beta": 1.0, "kernel": decayed, "bias": 1.0})


@pytest.mark.parametrize("name", ["adafactor", "lamb", "muon"])
def test_so_it_is_where_a_gradient_of_0_is_no_step_of_0(name: str) -> None:
    """Their steps depend on the variable, which decay shortens; before the first step it alone does so."""
    options = {"adam_weight_decay": 0.5} if name == "muon" else {}
    with_decay, without, shorter = small_model(), small_model(), small_model()
    for variable in shorter.variables:
        if variable.name in ("embeddings", "kernel"):
            variable.assign(variable * (1 - 0.1 * 0.5))
    apply(optimizer(name, 0.1, weight_decay=0.5, **options), with_decay, [0.25])
    none = {"weight_decay": 0.0, "adam_weight_decay": 0.0} if name == "muon" else {}
    apply(optimizer(name, 0.1, **none), without, [0.25])
    apply(optimizer(name, 0.1, **none), shorter, [0.25])
    for mine, wanted, plain in zip(with_decay.variables, shorter.variables, without.variables, strict=True):
        assert np.asarray(mine) == pytest.approx(np.asarray(wanted), rel=1e-5), mine.path
        changed = bool(np.abs(np.asarray(mine) - np.asarray(plain)).max() > 1e-3)
        assert changed == (mine.name in ("embeddings", "kernel")), mine.path


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


def test_every_optimizer_of_the_package_is_here() -> None:
    assert load_registry().names("optimizer") == sorted(KERAS_NAMES)


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_options_have_keras_s_own_defaults(name: str) -> None:
    import keras

    arguments = inspect.signature(getattr(keras.optimizers, KERAS_NAMES[name]).__init__).parameters
    fields = {
        key: field.default
        for key, field in load_registry().find("optimizer", name).cls.Options.model_fields.items()
        if key != "layerwise_decay"
    }
    assert fields == {key: arguments[key].default for key in fields}
    # Keras's other arguments belong to the framework, or do nothing beside a schedule.
    ours = {"self", "learning_rate", "name", "kwargs", "loss_scale_factor", "gradient_accumulation_steps"}
    averages = {"use_ema", "ema_momentum", "ema_overwrite_frequency"}
    idle = {"relative_step"} if name == "adafactor" else set()
    places = {"exclude_layers", "exclude_embeddings"} if name == "muon" else set()
    assert arguments.keys() - fields == ours | averages | idle | places


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_every_option_reaches_keras(name: str) -> None:
    import keras

    fields = load_registry().find("optimizer", name).cls.Options.model_fields
    ways = ("clipnorm", "clipvalue", "global_clipnorm")
    given: dict[str, Any] = {}
    for key, field in fields.items():
        if key in ways:
            continue
        if isinstance(field.default, bool):
            given[key] = not field.default
        elif isinstance(field.default, int):
            given[key] = field.default + 1
        else:
            given[key] = field.default * 0.75 if field.default else 0.5
    for way in ways:
        config = optimizer(name, 0.1, **given, **{way: 0.25}).get_config()
        assert {key: config[key] for key in (*given, way)} == given | {way: 0.25}
        assert all(config[other] is None for other in ways if other != way)
    built = optimizer(name, 0.1, **given)
    assert isinstance(built, getattr(keras.optimizers, KERAS_NAMES[name]))
    again = type(built).from_config(built.get_config())
    assert again.get_config() == built.get_config()


@pytest.mark.parametrize("name", KERAS_NAMES)
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
        ("sgd", {"momentum": 1.0}, "less than 1"),
        ("rmsprop", {"momentum": -0.1}, "greater than or equal to 0"),
        ("rmsprop", {"rho": 1.0}, "less than 1"),
        ("nadam", {"beta_2": 1.0}, "less than 1"),
        ("lion", {"beta_1": 0.0}, "greater than 0"),
        ("adafactor", {"beta_2_decay": 0.0}, "less than 0"),
        ("adafactor", {"relative_step": True}, "Extra inputs are not permitted"),
        ("lamb", {"layerwise_decay": 0.0}, "greater than 0"),
        ("muon", {"layerwise_decay": 1.5}, "less than or equal to 1"),
        ("muon", {"ns_steps": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_keras_could_not_use(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        load_registry().find("optimizer", name).cls.Options(**options)
    assert words in str(caught.value)
