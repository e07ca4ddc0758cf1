"""What a callback may use of a live run: predictions of texts, the tokenizer, the validation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.errors import PluginError
from glueft.plugin.attribution import who
from glueft.runs.answers import Answers
from glueft.text import short_repr
from glueft.training.model import learning_rate, synced
from glueft.training.text_model import TextModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.rows import Rows
    from glueft.encoder.classifier import Classifier
    from glueft.training.session import Session


class ModelInTraining:
    """The model of a session and what belongs to it; `Run` passes it on to callbacks.

    Args:
        session: its model is loaded.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    @cached_property
    def tokenizer(self) -> Any:
        """A copy, since calls change the settings of a tokenizer."""
        return copy.deepcopy(self.session.tokenizer)

    @property
    def classifier(self) -> Classifier:
        """The Keras model with its current weights."""
        return synced(self.session.model)

    @property
    def num_train_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.session.batches.num_train_steps

    @property
    def validation_rows(self) -> Rows:
        """The rows of the primary split."""
        return self.session.rows[self.session.primary_split]

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of an optimizer step, from 1."""
        return learning_rate(self.session.model, step)

    def validation_answers(self, logits: NDArray[np.float32]) -> Answers:
        """Return the predictions for logits of the primary split."""
        session = self.session
        truncated = session.encoded[session.primary_split].truncated
        return Answers.of(logits, session.labels, truncated, session.rule)

    @cached_property
    def _text_model(self) -> TextModel:
        """One for all calls, so that its compiled programs are reused."""
        session = self.session
        buckets = session.evaluation[session.primary_split].buckets
        return TextModel(
            session.model,
            session.tokenizer,
            session.labels,
            session.recipe.data.max_length,
            session.recipe.training.evaluation_batch_size,
            None if buckets is None else tuple(buckets),
            session.recipe.data.windowing,
        )

    def text_model(self) -> TextModel:
        """Return what predicts texts with the weights as they are now."""
        synced(self.session.model)
        self._text_model.rule = self.session.rule
        return self._text_model

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers:
        """Predict texts, or pairs of texts; see `Run.predict`."""
        columns, labels = columns_of(texts, self.session.task.inputs), self.session.labels
        if not columns[0]:
            return Answers.of(np.empty((0, len(labels) or 1), np.float32), labels, 0, self.session.rule)
        return self.text_model().answer(columns)


class ModelOfEnded(ModelInTraining):
    """The model once the other processes of its run have ended: it computes with them, or not at all."""

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers:
        raise PluginError(
            f"{who()}run.predict: the other processes of this run have ended, and its model computes with them alone",
            expected="to be asked while the run trains, as by a callback",
            received="a run in several processes that has ended",
            fix="predict in a callback, or with the model folder of the run",
        )


def columns_of(texts: Any, inputs: Sequence[str]) -> list[list[str]]:
    """Return for each input of a task one text per row.

    Raises:
        PluginError: the texts are no list of texts, or of pairs where the task needs pairs.
    """
    wanted = 'a list of texts: run.predict(["A text.", "Another."])'
    if len(inputs) == 2:
        wanted = f'a list of pairs of {" and ".join(inputs)}: run.predict([("A text.", "Its other.")])'
    rows = None if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__") else list(texts)
    if rows is None:
        raise _refused(wanted, f"{short_repr(texts)}, which is no list")
    if len(inputs) == 1:
        rows = [(row,) for row in rows]
    for number, row in enumerate(rows):
        whole = isinstance(row, (list, tuple)) and len(row) == len(inputs)
        if not whole or not all(isinstance(text, str) for text in row):
            raise _refused(wanted, f"{short_repr(row[0] if len(inputs) == 1 else row)} in place {number}")
    # NumPy's texts are Python's too, but the tokenizer wants them plain.
    return [[str(row[place]) for row in rows] for place in range(len(inputs))]


def _refused(expected: str, received: str) -> PluginError:
    return PluginError(
        f"{who()}run.predict cannot read these texts",
        expected=expected,
        received=received,
        fix="fix the plugin, or tell its authors",
    )
