"""Word embeddings of which a run trains only the rows that its texts use."""

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

    The gradient of a word that no text uses is zero, and an optimizer such as Adam leaves it as it is. Left out of the
    variable, it costs no time either: half of MiniLM's weights are word embeddings, two thirds of XLM-RoBERTa's.

    Other words, in a callback's own sentence for example, still have their unchanged embeddings. Only under
    `known_words`, as in the run's own steps, is the lookup that of the variable alone.

    Attributes:
        whole: all rows, (vocabulary, size); those in the variable may be out of date. None while it is wide.
        rows: the ids in the variable, in rising order.
        places: the row of each id in the variable, (vocabulary,); the number of rows for an id that was left out.
        only_known: whether all ids are in the variable.
        given: embeddings (batch, length, size) that are handed on in place of those of the ids; see `embedded`.
    """

    whole: NDArray[np.float32] | None = None
    only_known = False
    given: Any = None
    _embeddings: keras.Variable
    _unchanged: Any = None

    def narrow(self, rows: NDArray[np.int64]) -> None:
        """Keep only these ids, in rising order, in the variable; before the model is compiled."""
        # A copy: JAX's arrays are read-only.
        self.whole = np.asarray(self._embeddings, np.float32).copy()
        self.rows = rows
        places = np.full(len(self.whole), len(rows), np.int32)
        places[rows] = np.arange(len(rows))
        self.places = places
        self._replace(self.whole[rows])

    def widen(self) -> None:
        """Make the variable whole again. Steps traced before are of no more use."""
        if self.whole is not None:
            table = self.table()
            self.whole = self._unchanged = None
            self._replace(table)

    def table(self) -> NDArray[np.float32]:
        """Return all rows, (vocabulary, size), as trained so far; the next call may change them."""
        values = np.asarray(self._embeddings, np.float32)
        if self.whole is None:
            return values
        # No copy: a second table would be the peak of a run's memory.
        self.whole[self.rows] = values
        return self.whole

    def save_own_variables(self, store: Any) -> None:
        """Save all rows, for a model that is not narrowed."""
        if self.whole is None:
            super().save_own_variables(store)
        else:
            store["0"] = self.table()

    def load_own_variables(self, store: Any) -> None:
        if self.whole is None:
            super().load_own_variables(store)
        else:
            self.whole[:] = store["0"]
            self._unchanged = None
            self._embeddings.assign(self.whole[self.rows])

    def call(self, inputs: Any) -> Any:
        """Map ids (batch, length) to embeddings (batch, length, size)."""
        if self.given is not None:
            return self.given
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
        """`whole` as a tensor, made when it is first needed: in most runs never."""
        if self._unchanged is None:
            with _outside_of_traces():
                self._unchanged = ops.convert_to_tensor(self.whole)
        return self._unchanged

    def _replace(self, values: NDArray[np.float32]) -> None:
        """Replace the variable by one of these values, with the same name."""
        trainable = self._embeddings.trainable
        self._untrack_variable(self._embeddings)
        self._tracker.unlock()

        def initial(shape: tuple[int, ...], dtype: Any) -> Any:
            return ops.convert_to_tensor(values, dtype)

        # Zeros first, then assigned, would be one more table in memory.
        self._embeddings = self.add_weight(
            shape=values.shape, initializer=initial, name="embeddings", trainable=trainable
        )
        self._tracker.lock()


@contextmanager
def _outside_of_traces() -> Iterator[None]:
    """Make constant tensors that outlive the trace in which they may be made."""
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
    """Trace or run a model on ids that `narrow_vocabulary` got, and no others.

    Another id would be past the end of the variable: an error, NaN, or another word's embedding, by backend.
    """
    layer = model.encoder.embeddings.word_embeddings
    before, layer.only_known = layer.only_known, True
    try:
        yield
    finally:
        layer.only_known = before


@contextmanager
def embedded(model: keras.Model, words: Any) -> Iterator[None]:
    """Run a model on these word embeddings, (batch, length, size), whatever its ids are."""
    layer = model.encoder.embeddings.word_embeddings
    layer.given = words
    try:
        yield
    finally:
        layer.given = None


def narrow_vocabulary(model: keras.Model, *token_ids: Iterable[NDArray[Any] | int]) -> int:
    """Train only the word embeddings of tokens that occur; call it before the model is compiled.

    Args:
        model: a classifier. Frozen word embeddings are left as they are.
        token_ids: every id that is used under `known_words` until `widen_vocabulary`, padding included: arrays or ids.

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
    """Make the vocabulary whole again. The model must be compiled again before it is trained further."""
    layer = model.encoder.embeddings.word_embeddings
    if layer.whole is not None:
        layer.widen()
        model.forget_programs()  # traced on the narrow variable


def weights_left_out(model: keras.Model) -> int:
    """How many weights of the vocabulary are not trained."""
    layer = model.encoder.embeddings.word_embeddings
    return 0 if layer.whole is None else int(layer.whole.size) - math.prod(layer.embeddings.shape)


class AnyWords:
    """The first base class of a model: its train steps see the run's own words, all other calls any words.

    Predictions of the run, under `known_words`, have their own compiled program, even where the vocabulary is whole:
    TensorFlow's program for the first shape that it meets differs from that for later shapes in the last digits. So a
    callback's predictions do not change the run's numbers.
    """

    _others_function: Any = None

    def train_step(self: Any, *arguments: Any) -> Any:
        with known_words(self):
            return super().train_step(*arguments)  # type: ignore[misc]

    def predict(self: Any, *arguments: Any, **named: Any) -> Any:
        """As `keras.Model.predict`; a callback may call it at any time, with any words."""
        with self._program_of_caller():
            return super().predict(*arguments, **named)  # type: ignore[misc]

    def predict_on_batch(self: Any, *arguments: Any, **named: Any) -> Any:
        """As `keras.Model.predict_on_batch`; likewise."""
        with self._program_of_caller():
            return super().predict_on_batch(*arguments, **named)  # type: ignore[misc]

    def train_on_batch(self: Any, *arguments: Any, **named: Any) -> Any:
        """As `keras.Model.train_on_batch`.

        Raises:
            TrainingError: the vocabulary is narrowed, so that other words could not be trained.
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
        self._others_function = None
        super().compile(*arguments, **named)  # type: ignore[misc]

    def forget_programs(self: Any) -> None:
        """Trace every step again."""
        self.train_function = self.test_function = self.predict_function = self._others_function = None

    def exchange_program(self: Any, program: Any = None) -> Any:
        """Predict with this compiled program from now on, or with a new one; return the one before.

        So two callers that predict rows of other shapes each get the numbers of a model that they alone use.
        """
        before, self._others_function = self._others_function, program
        return before

    @contextmanager
    def _program_of_caller(self: Any) -> Iterator[None]:
        """Let Keras find, or make, the program of the run or that of all others."""
        if hasattr(self, "jax_state_sync"):
            # Between two steps of `fit` on JAX, the values are not in the variables.
            self.jax_state_sync()
        if self.encoder.embeddings.word_embeddings.only_known:
            yield
            return
        of_run, self.predict_function = self.predict_function, self._others_function
        try:
            yield
        finally:
            self._others_function, self.predict_function = self.predict_function, of_run
