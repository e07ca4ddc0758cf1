"""A classifier in training, whose vocabulary may be narrowed, and that still answers others for any word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from glueft.encoder.word_embeddings import known_words
from glueft.errors import TrainingError


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
