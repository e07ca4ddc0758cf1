"""Word embeddings of which a run trains only the rows that its texts use; the classifier still reads any words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from glueft.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WordEmbeddings(keras.layers.Embedding):  # type: ignore[misc]
    """`keras.layers.Embedding`, whose variable can be narrowed to some of its rows.

    A word that no text of a run uses has a gradient of zero at every step, and an optimizer such as Adam leaves it
    where it is. Left out of the variable, it costs no step anything either: half of MiniLM's weights are word
    embeddings, two thirds of XLM-RoBERTa's, and a GLUE task uses a part of the vocabulary.

    Whoever asks the model for other words, such as a callback with a sentence of its own, gets their embeddings as
    they were when the variable was narrowed, which is what they still are. Only where `known_words` says that there
    are none to come, as in the run's own steps, is the lookup that of the variable alone.

    Attributes:
        whole: all rows, (vocabulary, size), those in the variable as they were at some time; None while it is wide.
        rows: the ids that the variable has, in rising order.
        places: where in the variable each id is, (vocabulary,); its number of rows for one that was left out.
        only_known: whether every id to come is in the variable.
    """

    whole: NDArray[np.float32] | None = None
    only_known = False
    _embeddings: keras.Variable
    _unchanged: Any = None

    def narrow(self, rows: NDArray[np.int64]) -> None:
        """Keep only these rows in the variable, before the model is compiled.

        Args:
            rows: the ids to keep, in rising order.
        """
        # A copy: JAX lends its arrays for reading alone.
        self.whole = np.asarray(self._embeddings, np.float32).copy()
        self.rows = rows
        places = np.full(len(self.whole), len(rows), np.int32)
        places[rows] = np.arange(len(rows))
        self.places = places
        self._replace(self.whole[rows])

    def widen(self) -> None:
        """Put the rows back among the others. A step that was traced before is of no more use."""
        if self.whole is not None:
            table = self.table()
            self.whole = self._unchanged = None
            self._replace(table)

    def table(self) -> NDArray[np.float32]:
        """Return all rows, (vocabulary, size), with what has been learnt so far; the next call may change them."""
        values = np.asarray(self._embeddings, np.float32)
        if self.whole is None:
            return values
        # No copy: a second table would be the peak of a run's memory.
        self.whole[self.rows] = values
        return self.whole

    def save_own_variables(self, store: Any) -> None:
        """Save all rows into a .keras or weights file, for a model that knows nothing of the narrowing."""
        if self.whole is None:
            super().save_own_variables(store)
        else:
            store["0"] = self.table()

    def load_own_variables(self, store: Any) -> None:
        """Load all rows from a .keras or weights file, as `save_own_variables` has written them."""
        if self.whole is None:
            super().load_own_variables(store)
        else:
            self.whole[:] = store["0"]
            self._unchanged = None
            self._embeddings.assign(self.whole[self.rows])

    def call(self, inputs: Any) -> Any:
        """Map ids (batch, length) to embeddings (batch, length, size)."""
        if self.whole is None:
            return super().call(inputs)
        places = ops.take(ops.convert_to_tensor(self.places), inputs, axis=0)
        if self.only_known:
            return super().call(places)
        known = places < len(self.rows)
        learnt = super().call(ops.minimum(places, len(self.rows) - 1))
        unchanged = ops.cast(ops.take(self._unchanged_rows(), inputs, axis=0), learnt.dtype)
        return ops.where(known[..., None], learnt, unchanged)

    def _unchanged_rows(self) -> Any:
        """Return `whole` as a tensor of the backend, made at the first need: few runs have one."""
        if self._unchanged is None:
            with _outside_of_traces():
                self._unchanged = ops.convert_to_tensor(self.whole)
        return self._unchanged

    def _replace(self, values: NDArray[np.float32]) -> None:
        """Hold these values in a new variable of their shape, under the old one's name."""
        trainable = self._embeddings.trainable
        self._untrack_variable(self._embeddings)
        self._tracker.unlock()

        def initial(shape: tuple[int, ...], dtype: Any) -> Any:
            return ops.convert_to_tensor(values, dtype)

        # Not zeros to begin with and the values assigned: that is a table more in memory.
        self._embeddings = self.add_weight(
            shape=values.shape, initializer=initial, name="embeddings", trainable=trainable
        )
        self._tracker.lock()


@contextmanager
def _outside_of_traces() -> Iterator[None]:
    """Make tensors of numbers that outlive the trace in which they may be made."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            yield
    elif keras.backend.backend() == "jax":
        import jax

        with jax.ensure_compile_time_eval():
            yield
    else:
        yield


@contextmanager
def known_words(model: keras.Model) -> Iterator[None]:
    """While a model is traced or run: every id is one that `narrow_vocabulary` was told of, and need not be looked at.

    An id of another word goes past the end of the variable: an error, NaN, or another word's embedding, by backend.
    """
    layer = model.encoder.embeddings.word_embeddings
    before, layer.only_known = layer.only_known, True
    try:
        yield
    finally:
        layer.only_known = before


def narrow_vocabulary(model: keras.Model, *token_ids: Iterable[NDArray[Any] | int]) -> int:
    """Train only the word embeddings of tokens that occur; call it before the model is compiled.

    Args:
        model: with word embeddings that are trained; frozen ones are left as they are.
        token_ids: every id that will be trained on or, under `known_words`, predicted until `widen_vocabulary`,
            padding included: arrays or single ids.

    Returns:
        How many words are trained.
    """
    layer = model.encoder.embeddings.word_embeddings
    if not layer.embeddings.trainable:
        return 0
    used = np.zeros(layer.input_dim, bool)
    for ids in itertools.chain(*token_ids):
        used[ids] = True
    layer.narrow(np.flatnonzero(used))
    return int(used.sum())


def widen_vocabulary(model: keras.Model) -> None:
    """Give the model its whole vocabulary back. It must be compiled again before it is trained further."""
    layer = model.encoder.embeddings.word_embeddings
    if layer.whole is not None:
        layer.widen()
        model.forget_programs()  # traced on the narrow variable


def weights_left_out(model: keras.Model) -> int:
    """Return how many numbers of a classifier's vocabulary are kept out of the training."""
    layer = model.encoder.embeddings.word_embeddings
    return 0 if layer.whole is None else int(layer.whole.size) - math.prod(layer.embeddings.shape)


class AnyWords:
    """Comes first among a model's bases: its train steps see the run's own words, everybody else any words.

    Predictions under `known_words`, those of the run, have a program of their own beside that of all others, also
    where the vocabulary is whole: TensorFlow makes a program for the first shape that it meets and another for all
    later ones, whose last digits differ. So whatever a callback asks, the run's numbers stay what they are.
    """

    _others_function: Any = None

    def train_step(self: Any, *arguments: Any) -> Any:
        """Make one update; arguments and results are the backend's own."""
        with known_words(self):
            return super().train_step(*arguments)  # type: ignore[misc]

    def predict(self: Any, *arguments: Any, **named: Any) -> Any:
        """Predict as `keras.Model.predict` does; a callback may call it at any time, with any words."""
        with self._program_of_whoever_asks():
            return super().predict(*arguments, **named)  # type: ignore[misc]

    def predict_on_batch(self: Any, *arguments: Any, **named: Any) -> Any:
        """Predict as `keras.Model.predict_on_batch` does; likewise."""
        with self._program_of_whoever_asks():
            return super().predict_on_batch(*arguments, **named)  # type: ignore[misc]

    def train_on_batch(self: Any, *arguments: Any, **named: Any) -> Any:
        """Train as `keras.Model.train_on_batch` does.

        Raises:
            TrainingError: the vocabulary is narrowed: words beyond the run's could not be learnt.
        """
        if self.encoder.embeddings.word_embeddings.whole is not None:
            raise TrainingError(
                "a batch of its own cannot be trained on while the run trains the words of its texts alone",
                expected="training on the batches of the run",
                received="train_on_batch in a callback",
                fix="set optimizer.weight_decay to a little more than 0, which trains all words",
            )
        return super().train_on_batch(*arguments, **named)  # type: ignore[misc]

    def compile(self: Any, *arguments: Any, **named: Any) -> None:
        """Compile as `keras.Model.compile` does."""
        self._others_function = None
        super().compile(*arguments, **named)  # type: ignore[misc]

    def forget_programs(self: Any) -> None:
        """Have every step traced again."""
        self.train_function = self.test_function = self.predict_function = self._others_function = None

    @contextmanager
    def _program_of_whoever_asks(self: Any) -> Iterator[None]:
        """Let Keras find the program of the run or that of all others, or make it."""
        if hasattr(self, "jax_state_sync"):
            # Between two steps of `fit` on JAX the variables are empty: Keras keeps their values elsewhere.
            self.jax_state_sync()
        if self.encoder.embeddings.word_embeddings.only_known:
            yield
            return
        of_run, self.predict_function = self.predict_function, self._others_function
        try:
            yield
        finally:
            self._others_function, self.predict_function = self.predict_function, of_run
