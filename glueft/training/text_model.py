"""Texts in, answers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glueft.metrics.decision import PLAIN, DecisionRule
from glueft.runs.answers import Answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.batches import EvaluationBatches
    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.data.windows import Windowing
    from glueft.encoder.classifier import Classifier


@dataclass
class TextModel:
    """A compiled classifier with what it needs to predict texts, again and again with few compiled programs.

    Attributes:
        classifier: the Keras model.
        tokenizer: its own.
        labels: the label names in the order of the logits; () in regression.
        max_length: tokens of the longest row; longer ones are truncated, or cut into windows.
        evaluation_batch_size: rows a step.
        widths: the padded lengths of the run's batches, in rising order; None for each batch's own.
        windowing: how long rows are cut into windows; None to truncate them.
        rule: how labels are decided from logits.
        on_rows: called after each step of `answer` with the number of its rows.
    """

    classifier: Classifier
    tokenizer: Any
    labels: tuple[str, ...]
    max_length: int
    evaluation_batch_size: int
    widths: tuple[int, ...] | None = None
    windowing: Windowing | None = None
    rule: DecisionRule = PLAIN
    on_rows: Callable[[int], None] | None = None
    _padded_lengths: NDArray[np.int64] | None = field(default=None, init=False)

    def encode(self, rows: Rows) -> Encoded:
        """Return the tokens of rows.

        Raises:
            DataError: `max_length` leaves no room for text.
        """
        from glueft.data.encoding import encode

        return encode(rows, self.tokenizer, self.max_length, self.windowing)

    def answer(self, texts: Sequence[list[str]], *, rows_in_all: int | None = None) -> Answers:
        """Predict rows, in their order.

        Args:
            texts: for each of the model's inputs, one text per row; at least one row.
            rows_in_all: the number of rows of all calls, if known.

        Raises:
            CheckpointError: they are pairs, and the tokenizer puts nothing between the two texts.
            TrainingError: a logit is not a finite number.
        """
        return self.answer_encoded(self.encode_texts(texts), rows_in_all=rows_in_all)

    def encode_texts(self, texts: Sequence[list[str]]) -> Encoded:
        """Return the tokens of rows without labels; `texts` and what is raised as for `answer`."""
        import numpy as np

        from glueft.data.rows import Rows

        return self.encode(Rows("input", tuple(texts), np.full(len(texts[0]), -1, np.int32), self.labels))

    def answer_encoded(self, encoded: Encoded, *, rows_in_all: int | None = None) -> Answers:
        """Predict rows of which the tokens are known; see `answer`."""
        from glueft.data.batches import EvaluationBatches
        from glueft.training import engine

        batches = EvaluationBatches(encoded, batch_size=self.evaluation_batch_size)
        if self.classifier.jit_compile:
            self._pad(batches, rows_in_all or len(encoded.labels))
        logits = engine.predict(self.classifier, batches, on_rows=self.on_rows)
        return Answers.of(logits, self.labels, encoded.truncated, self.rule)

    def _pad(self, batches: EvaluationBatches, rows_in_all: int) -> None:
        """Pad to the lengths of the run, else to some that suit the first rows; longer rows to `max_length`.

        A program is compiled for each length.
        """
        import numpy as np

        if self._padded_lengths is None:
            from glueft.data.bucketing import choose_buckets

            measures = batches.measures()
            rows = measures[:, 0] * (rows_in_all / measures[:, 0].sum())
            chosen = self.widths or choose_buckets(measures[:, 1], rows)
            self._padded_lengths = np.unique([*chosen, self.max_length]).astype(np.int64)
        batches.buckets = self._padded_lengths
