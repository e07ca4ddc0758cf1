"""The thread with the model: batches of waiting rows in, answers out."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.inference.printing import answer_object
from glueft.inference.text_columns import Texts
from glueft.serve.metrics import Metrics
from glueft.serve.refusals import RefusedError
from glueft.serve.waiting import Part
from glueft.system.memory_errors import no_memory
from glueft.text import say

if TYPE_CHECKING:
    from glueft.training.text_model import TextModel

# Where a program is compiled for each shape, batches have one of two numbers of rows, and one of these lengths, in
# tokens, or the longest one of the model.
FEW_ROWS = 8
LENGTHS = (16, 32, 64, 128, 256, 512)


class Answering:
    """A model that answers parts of questions."""

    def __init__(self, model: TextModel) -> None:
        self.model, self.metrics = model, Metrics()
        self.compiled = bool(model.classifier.jit_compile)
        if self.compiled and model.widths is None:
            model.widths = tuple(length for length in LENGTHS if length < model.max_length) or (model.max_length,)

    def warm_up(self, texts: int) -> None:
        """Predict rows of each shape, so that no client waits for a program to be compiled.

        Args:
            texts: how many a row has.
        """
        few, full = min(FEW_ROWS, self.model.evaluation_batch_size), self.model.evaluation_batch_size
        lengths = [*(self.model.widths or (16, 64)), self.model.max_length] if self.compiled else [8, 16]
        for length in lengths:
            # A word is a token or more, and what is too long is cut.
            text = "a " * max(1, (length if length == self.model.max_length else length - 4) // texts - 1)
            for rows in dict.fromkeys((few, full) if self.compiled else (1, 2)):
                self._predict([(text,) * texts] * rows)

    def answer(self, parts: Sequence[Part]) -> None:
        """Answer parts of questions, all with the same number of texts a row, in one call of the model.

        Where that fails, each part is tried alone: the rows of one client spoil nothing for the others.
        """
        rows = [part.question.rows[row] for part in parts for row in part.rows]
        begin = time.perf_counter()
        try:
            answers, truncated = self._predict(rows)
        except Exception as error:
            if len(parts) > 1:
                for part in parts:
                    self.answer([part])
                return
            parts[0].question.fail(_told(error))
            return
        self.metrics.observe("glueft_predict_seconds", time.perf_counter() - begin)
        self.metrics.observe("glueft_predict_rows", len(rows))
        self.metrics.add("glueft_rows_total", len(rows))
        self.metrics.add("glueft_truncated_rows_total", truncated)
        first = 0
        for part in parts:
            part.question.answer(part.rows, answers[first : first + len(part.rows)])
            first += len(part.rows)

    def _predict(self, rows: Sequence[Texts]) -> tuple[list[dict[str, Any]], int]:
        """Return the answer to each row, as `glueft predict --json` has it, and how many rows were cut."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        if self.compiled and len(rows) < self.model.evaluation_batch_size:
            # The last row fills the batch up.
            size = FEW_ROWS if len(rows) <= FEW_ROWS else self.model.evaluation_batch_size
            columns = [column + column[-1:] * (size - len(rows)) for column in columns]
        answers = self.model.answer(columns)
        found = [answer_object(answers, self.model.labels, texts, row) for row, texts in enumerate(rows)]
        return found, min(answers.truncated, len(rows))


def _told(error: Exception) -> GlueftError:
    """Return what a client is told of a row that cannot be predicted."""
    if isinstance(error, GlueftError):
        return error
    said = no_memory(error)
    if said is not None:
        return RefusedError(503, said.message, received=said.line, fix="send fewer or shorter texts at once")
    say(*"".join(traceback.format_exception(error)).rstrip("\n").split("\n"), stream=sys.stderr)
    return RefusedError(
        500, "the rows could not be predicted", received=type(error).__name__, fix="see what the service has printed"
    )
