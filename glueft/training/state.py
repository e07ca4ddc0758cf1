"""The state of a training: all that its next step depends on. Importing this module imports Keras."""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import global_seed_generator

from glueft.errors import PluginError, RunFolderError
from glueft.plugin.attribution import attributed, named, said, who
from glueft.plugin.callback import keeps_state
from glueft.text import short_repr
from glueft.training.observers import EpochReport, MidEpochReport, Training
from glueft.training.state_files import PackedState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.plugin.callback import Callback

# Where Keras keeps the generator that it uses wherever a layer or an operation is given no seed.
_KERAS_GENERATOR = "global_seed_generator"
_COUNTED = re.compile(r"_\d+(?=[_/]|$)")


@dataclass(frozen=True)
class TrainState:
    """A training at the end of a step or of an epoch, copied out of it.

    The order of the rows is a function of seed and epoch: of the data, the number of the step is the whole state.

    Attributes:
        content: a tree of JSON values and arrays.
    """

    content: dict[str, Any]

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return int(self.content["step"])

    @property
    def stopped(self) -> bool:
        """Whether a callback or an observer has asked for the end of the training."""
        return bool(self.content["stopped"])

    @property
    def epoch_seconds(self) -> float:
        """Seconds since the epoch began."""
        return float(self.content["epoch_seconds"])

    @classmethod
    def of(cls, training: Training) -> TrainState:
        """Copy the state of a training, between two steps or after an epoch.

        Raises:
            PluginError: the `state` of a callback failed.
        """
        model = training.model
        content = model_state(model) | {
            "step": training.step,
            "stopped": bool(model.stop_training),
            "vocabulary": _vocabulary(training),
            "padded_lengths": training.session.batches.buckets,
            "seconds": training.seconds,
            "epoch_seconds": time.perf_counter() - training.epoch_begin,
            "epochs": [asdict(report) for report in training.epochs],
            "mid_epochs": [asdict(report) for report in training.mid_epochs],
            "kept": None if training.kept is None else training.kept.state(),
            "validation_logits": training.validation_logits,
            "callbacks": [_callback_state(callback) for callback in training.callbacks],
        }
        return cls(content)

    def restore(self, training: Training) -> None:
        """Put a training into this state, but for what Keras resets at the beginning of `fit` and of an epoch.

        The arrays of the model and the optimizer, and the best weights, are forgotten here: they are several times the
        model.

        Raises:
            RunFolderError: the model or the batches are not those of the state.
        """
        content = self.content
        _check("the padded lengths of the batches", training.session.batches.buckets, content["padded_lengths"])
        _check("the words that are trained", _vocabulary(training), content["vocabulary"])
        restore_model(training.model, content)
        training.step = self.step
        training.seconds = float(content["seconds"])
        training.epochs = [EpochReport(**report) for report in content["epochs"]]
        training.mid_epochs = [MidEpochReport(**report) for report in content["mid_epochs"]]
        if training.kept is not None:
            training.kept.restore(content.pop("kept"))
        training.validation_logits = content["validation_logits"]

    def restore_in_fit(self, training: Training) -> None:
        """Restore the rest, once Keras has reset its metrics and called the callbacks' `on_train_begin`.

        Raises:
            PluginError: the `restore` of a callback failed.
        """
        for callback, state in zip(training.callbacks, self.content.pop("callbacks"), strict=True):
            if state is not None:
                _restore_callback(callback.plugin, state)
        restore_what_is_reset(training.session.model, self.content)


def model_state(model: keras.Model) -> dict[str, Any]:
    """Copy what a step of a compiled model depends on: all variables, and the global generators of random numbers."""
    return {what: _values(variables) for what, variables in _variables(model).items()} | {"generators": _generators()}


def restore_model(model: keras.Model, content: dict[str, Any]) -> None:
    """Restore the variables of a model and its optimizer from a `model_state`.

    Their arrays are forgotten there: they are several times the model.

    Raises:
        RunFolderError: it is the state of another model, optimizer or metrics.
    """
    variables = _variables(model)
    for what in variables:
        _check_variables(what, variables[what], content[what])
    for what in ("model", "optimizer"):
        _assign(variables[what], content.pop(what))


def restore_what_is_reset(model: keras.Model, content: Mapping[str, Any]) -> None:
    """Restore the rest of a `model_state`: the running means of metrics, which Keras resets, and the generators."""
    _assign(model.metrics_variables, content["metrics"])
    _restore_generators(content["generators"])


def _variables(model: keras.Model) -> dict[str, list[Any]]:
    return {"model": model.variables, "optimizer": model.optimizer.variables, "metrics": model.metrics_variables}


def _values(variables: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"path": _path(variable), "value": _copy(variable)} for variable in variables]


def _copy(variable: Any) -> NDArray[Any]:
    """The values of a variable in memory that the next step does not overwrite; copied once, as the steps wait."""
    if keras.backend.backend() == "tensorflow":
        return np.asarray(variable.value.numpy())  # a copy; Keras's `convert_to_numpy` makes two
    values: NDArray[Any] = keras.ops.convert_to_numpy(variable)
    return values if values.flags.owndata else values.copy()


def _path(variable: Any) -> str:
    """The path of a variable without what Keras counts up in a process: `adam_1/dense_2_kernel_momentum`."""
    return _COUNTED.sub("", variable.path)


def _assign(variables: Iterable[Any], values: Iterable[dict[str, Any]]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value["value"])


def _check_variables(what: str, variables: list[Any], values: list[dict[str, Any]]) -> None:
    """Refuse variables that are not those of the state, in number, order, path, shape and type."""
    _check(f"the number of the variables of the {what}", len(variables), len(values))
    for variable, saved in zip(variables, values, strict=True):
        value = saved["value"]
        here = (_path(variable), tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype))
        _check(f"a variable of the {what}", here, (saved["path"], value.shape, str(value.dtype)))


def _check(what: str, here: Any, saved: Any) -> None:
    arrays = isinstance(here, np.ndarray) and isinstance(saved, np.ndarray)
    if type(here) is not type(saved) or not (np.array_equal(here, saved) if arrays else here == saved):
        raise RunFolderError(
            f"the saved state is of another training; what differs: {what}",
            expected=_said(saved),
            received=_said(here),
            fix="resume with the recipe, the data, the checkpoint and the versions that the run began with",
        )


def _said(value: Any) -> str:
    return f"{len(value):,} numbers" if isinstance(value, np.ndarray) and value.size > 20 else str(value)


def _vocabulary(training: Training) -> NDArray[np.int64] | None:
    """The ids of the words that are trained; None for all."""
    layer = training.session.model.encoder.embeddings.word_embeddings
    return None if layer.whole is None else layer.rows


def _callback_state(callback: Any) -> Any:
    """What a callback's plugin keeps; None if it does not say."""
    plugin = getattr(callback, "plugin", None)
    if plugin is None or not keeps_state(plugin):
        return None
    with attributed(plugin, "state"):
        state = plugin.state()
        if not isinstance(state, Mapping):
            raise PluginError(
                f"{who()}the state cannot be saved: `state` has not returned a dict",
                expected="a dict; an empty one if there is nothing to keep",
                received=f"{type(state).__name__}: {short_repr(state)}",
                fix="return one from `state`",
            )
        PackedState.of(state)  # so that the error names the plugin
        return copy.deepcopy(state)


def _restore_callback(plugin: Callback, state: Mapping[str, Any]) -> None:
    try:
        with attributed(plugin, "restore"):
            plugin.restore(state)
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # of glueft's own callbacks; `attributed` has named others
        raise PluginError(
            f"{named(plugin)} cannot go on from what it has saved",
            expected="what this version saves",
            received=said(error),
            fix="resume with the versions that the run began with, or begin it anew: glueft run RECIPE",
        ) from error


def _generators() -> dict[str, Any]:
    """The global generators of random numbers, which plugins may use: Python's, NumPy's and Keras's."""
    version, numbers, gauss = random.getstate()
    return {
        "python": [version, np.array(numbers, np.uint64), gauss],
        "numpy": list(np.random.get_state(legacy=True)),  # the one that others use
        "keras": [_copy(generator.state) for generator in _keras_generator()],
    }


def _restore_generators(saved: dict[str, Any]) -> None:
    if saved["keras"]:
        global_seed_generator()  # made by now if nothing has needed it; that takes a number from Python's
    for generator, state in zip(_keras_generator(), saved["keras"], strict=False):
        generator.state.assign(state)
    version, numbers, gauss = saved["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    np.random.set_state(tuple(saved["numpy"]))


def _keras_generator() -> Iterator[keras.random.SeedGenerator]:
    """Keras's global generator, if it has been used."""
    generator = global_state.get_global_attribute(_KERAS_GENERATOR)
    if generator is not None:
        yield generator
