"""What a callback may ask of a run that is going on: predictions of texts, its tokenizer, its validation."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from glueft.errors import PluginError
from glueft.plugin.attribution import at_work, named
from glueft.runs.answers import Answers
from glueft.training.text_predictor import Predictor

if TYPE_CHECKING:
    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.encoder.classifier import Classifier
    from glueft.recipe import Recipe
    from glueft.training.session import Tokens


@dataclass(frozen=True)
class ModelInTraining:
    """The model of a run with what belongs to it.

    Attributes:
        recipe: the run's.
        tokens: the run's.
        classifier: the Keras model, with the weights of now.
        widths: those that the run pads its batches to, in rising order; None for each batch's own.
    """

    recipe: Recipe
    tokens: Tokens
    classifier: Classifier
    widths: tuple[int, ...] | None = None

    @cached_property
    def tokenizer_copy(self) -> Any:
        """Another one like it: calls change a tokenizer's settings, and the run saves its own."""
        return copy.deepcopy(self.tokens.tokenizer)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names in the order of the logits; () in regression."""
        return tuple(self.recipe.task.labels)

    @property
    def max_length(self) -> int:
        """The longest row in tokens; what is longer is cut."""
        return self.recipe.data.max_length

    def encode(self, rows: Rows) -> Encoded:
        """Tokenize rows as the run's own."""
        from glueft.data.encoding import encode

        return encode(rows, self.tokens.tokenizer, self.max_length)

    @property
    def evaluation_batch_size(self) -> int:
        """Rows a step."""
        return self.recipe.training.evaluation_batch_size

    @property
    def validation_rows(self) -> Rows:
        """The rows of the split that the run is judged by."""
        return self.tokens.splits[self.recipe.task.validation_splits[0]]

    @property
    def validation_truncated(self) -> int:
        """How many of these rows lost tokens to `max_length`."""
        return self.tokens.encoded[self.recipe.task.validation_splits[0]].truncated

    @cached_property
    def predictor(self) -> Predictor:
        """What predicts; one for all calls, so that each finds the programs of those before."""
        return Predictor(self)

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers:
        """Predict texts, or pairs of texts; see `Run.predict`."""
        columns = self._columns(texts)
        if not columns[0]:
            return Answers.of(np.empty((0, len(self.labels) or 1), np.float32), self.labels, 0)
        return self.predictor.answer(columns)

    def _columns(self, texts: Any) -> list[list[str]]:
        """Return for each of the model's inputs a text a row."""
        inputs = self.recipe.task.inputs
        wanted = 'a list of texts: run.predict(["A text.", "Another."])'
        if len(inputs) == 2:
            wanted = f'a list of pairs of {" and ".join(inputs)}: run.predict([("A text.", "Its other.")])'
        rows = None if isinstance(texts, (str, bytes)) or not hasattr(texts, "__iter__") else list(texts)
        if rows is None:
            raise _refused(wanted, f"{_short(texts)}, which is no list")
        if len(inputs) == 1:
            rows = [(row,) for row in rows]
        for number, row in enumerate(rows):
            whole = isinstance(row, (list, tuple)) and len(row) == len(inputs)
            if not whole or not all(isinstance(text, str) for text in row):
                raise _refused(wanted, f"{_short(row[0] if len(inputs) == 1 else row)} in place {number}")
        # NumPy's texts are Python's too, but the tokenizer wants them plain.
        return [[str(row[place]) for row in rows] for place in range(len(inputs))]


def _refused(expected: str, received: str) -> PluginError:
    plugin = at_work()
    return PluginError(
        f"{f'{named(plugin)}: ' if plugin is not None else ''}run.predict cannot read these texts",
        expected=expected,
        received=received,
        fix="fix the plugin, or tell its authors",
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
