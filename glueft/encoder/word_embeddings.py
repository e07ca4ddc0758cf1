"""Word embeddings of which a run trains only the rows that its texts use."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier


class WordEmbeddings(keras.layers.Embedding):  # type: ignore[misc]
    """`keras.layers.Embedding`, whose variable can be narrowed to some of its rows.

    A word that no text of a run uses has a gradient of zero at every step, and an optimizer such as Adam leaves it
    where it is. Left out of the variable, it costs no step anything either: half of MiniLM's weights are word
    embeddings, two thirds of XLM-RoBERTa's, and a GLUE task uses a part of the vocabulary.
    """

    whole: NDArray[np.float32] | None = None
    _embeddings: keras.Variable

    def narrow(self, rows: NDArray[np.int64]) -> None:
        """Keep only these rows in the variable, before the model is compiled.

        Args:
            rows: the ids to keep, in rising order.
        """
        # A copy: JAX lends its arrays for reading alone.
        self.whole = np.asarray(self._embeddings, np.float32).copy()
        self.rows = rows
        # Looking up an id that was left out goes past the end: an error on TensorFlow and PyTorch, NaN on JAX.
        places = np.full(len(self.whole), len(rows), np.int32)
        places[rows] = np.arange(len(rows))
        self.places = places
        self._replace(self.whole[rows])

    def widen(self) -> None:
        """Put the rows back among the others. A step that was traced before is of no more use."""
        if self.whole is not None:
            table = self.table()
            self.whole = None
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

    def call(self, inputs: Any) -> Any:
        """Map ids (batch, length) to embeddings (batch, length, size)."""
        if self.whole is not None:
            inputs = ops.take(ops.convert_to_tensor(self.places), inputs, axis=0)
        return super().call(inputs)

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


def narrow_vocabulary(model: Classifier, *token_ids: Iterable[NDArray[Any] | int]) -> int:
    """Train only the word embeddings of tokens that occur; call it before the model is compiled.

    Args:
        model: with word embeddings that are trained; frozen ones are left as they are.
        token_ids: every id that the model will see until `widen_vocabulary`, padding included: arrays or single ids.

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


def widen_vocabulary(model: Classifier) -> None:
    """Give the model its whole vocabulary back. It must be compiled again before it is trained further."""
    layer = model.encoder.embeddings.word_embeddings
    if layer.whole is not None:
        layer.widen()
        # Traced on the narrow variable.
        model.train_function = model.test_function = model.predict_function = None


def weights_left_out(model: keras.Model) -> int:
    """Return how many numbers of a classifier's vocabulary are kept out of the training."""
    layer = model.encoder.embeddings.word_embeddings
    return 0 if layer.whole is None else int(layer.whole.size) - math.prod(layer.embeddings.shape)
