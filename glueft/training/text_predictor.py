"""Texts in, answers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.runs.answers import Answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.batches import EvaluationBatches
    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.encoder.classifier import Classifier


@dataclass(frozen=True)
class TextModel:
    """A compiled classifier with what it needs to predict texts.

    Attributes:
        classifier: the Keras model.
        tokenizer: its own.
        labels: the label names in the order of the logits; () in regression.
        max_length: tokens of the longest row; longer ones are truncated.
        evaluation_batch_size: rows a step.
        widths: the padded lengths of the run's batches, in rising order; None for each batch's own.
    """

    classifier: Classifier
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int
    evaluation_batch_size: int
    widths: tuple[int, ...] | None = None

    def encode(self, rows: Rows) -> Encoded:
        """Return the tokens of rows.

        Raises:
            DataError: `max_length` leaves no room for text.
        """
        from glueft.data.encoding import encode

        return encode(rows, self.tokenizer, self.max_length)


class Predictor:
    """Predicts texts again and again with few compiled programs.

    Args:
        saved: the model.
        on_rows: called after each batch with the number of its rows.
    """

    def __init__(self, saved: TextModel, on_rows: Callable[[int], None] | None = None) -> None:
        self.saved = saved
        self.on_rows = on_rows
        self.widths: NDArray[np.int64] | None = None

    def answer(self, texts: Sequence[list[str]], *, rows_in_all: int | None = None) -> Answers:
        """Predict rows, in their order.

        Args:
            texts: for each of the model's inputs, one text per row; at least one row.
            rows_in_all: the number of rows of all calls, if known.

        Raises:
            CheckpointError: they are pairs, and the tokenizer puts nothing between the two texts.
            TrainingError: a logit is not a finite number.
        """
        import numpy as np

        from glueft.data.batches import EvaluationBatches
        from glueft.data.rows import Rows
        from glueft.training import engine

        saved, count = self.saved, len(texts[0])
        rows = Rows("input", tuple(texts), np.full(count, -1, np.int32), saved.labels)
        encoded = saved.encode(rows)
        batches = EvaluationBatches(encoded, batch_size=saved.evaluation_batch_size)
        if saved.classifier.jit_compile:
            self._pad(batches, rows_in_all or count)
        logits = engine.predict(saved.classifier, batches, on_rows=self.on_rows)
        return Answers.of(logits, saved.labels, encoded.truncated)

    def _pad(self, batches: EvaluationBatches, rows_in_all: int) -> None:
        """Pad to the lengths of the run, else to some that suit the first rows; longer rows to `max_length`.

        A program is compiled for each length.
        """
        import numpy as np

        if self.widths is None:
            from glueft.data.bucketing import choose_buckets

            measures = batches.measures()
            chosen = self.saved.widths or choose_buckets(
                measures[:, 1], measures[:, 0] * (rows_in_all / measures[:, 0].sum())
            )
            self.widths = np.unique([*chosen, self.saved.max_length]).astype(np.int64)
        batches.buckets = self.widths
