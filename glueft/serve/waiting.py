"""Rows that wait for the model: requests put them in, and the thread with the model takes batches out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from glueft.inference.text_columns import Texts
from glueft.serve.refusals import RefusedError
from glueft.text import counted


class Question:
    """The rows of a request.

    Args:
        rows: the texts of each, all of one number.
        done: called once, by the thread with the model, when all answers are there or one cannot be given.
    """

    def __init__(self, rows: Sequence[Texts], done: Callable[[], object]) -> None:
        self.rows, self.done = rows, done
        self.answers: list[Any] = [None] * len(rows)
        self.error: Exception | None = None
        self.given_up = False
        self.open = len(rows)
        # Rows of like length together: they may be predicted in several parts.
        self.order = sorted(range(len(rows)), key=lambda row: -sum(map(len, rows[row])))

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be predicted of it."""
        return self.given_up or self.error is not None

    def answer(self, rows: Sequence[int], answers: Sequence[Any]) -> None:
        """Take the answers to some rows."""
        for row, answer in zip(rows, answers, strict=True):
            self.answers[row] = answer
        self.open -= len(rows)
        if not self.open and not self.ended:
            self.done()

    def fail(self, error: Exception) -> None:
        """Take the reason why a row has no answer."""
        if not self.ended:
            self.error = error
            self.done()


@dataclass(frozen=True)
class Part:
    """Some rows of a question, by their places."""

    question: Question
    rows: Sequence[int]


@dataclass
class _Left:
    question: Question
    begin: int = 0  # rows before this one, in its order, are taken
    since: float = field(default_factory=time.monotonic)


class Waiting:
    """Questions in their order. One with many rows is taken in parts, and the others come in between.

    Args:
        most: rows that may wait.
        dropped: called with the number of rows of a question that was given up.
    """

    def __init__(self, most: int, dropped: Callable[[int], None] = lambda rows: None) -> None:
        self.most, self.dropped = most, dropped
        self.rows = 0
        self._questions: deque[_Left] = deque()
        self._changed = threading.Condition()

    def put(self, question: Question) -> None:
        """Let a question wait.

        Raises:
            RefusedError: too many rows do.
        """
        with self._changed:
            if self.rows + len(question.rows) > self.most:
                raise RefusedError(
                    503,
                    "too many rows wait already",
                    expected=f"at most {counted(self.most, 'waiting row')} (--max-queue)",
                    received=f"{counted(len(question.rows), 'row')} more than the {self.rows:,} that wait",
                    fix="send the request again after a second or more, or send fewer rows at once",
                )
            self.rows += len(question.rows)
            self._questions.append(_Left(question))
            self._changed.notify()

    def take(self, rows: int, wait: float, patience: float) -> list[Part]:
        """Return the parts of a batch, all with the same number of texts a row; [] if none has come in `patience`.

        Args:
            rows: the most rows of a batch; it is returned at once when so many wait.
            wait: seconds that the first row waits for others.
            patience: seconds to wait for the first one.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._questions, patience):
                return []
            ready = self._questions[0].since + wait
            self._changed.wait_for(lambda: self.rows >= rows, max(0.0, ready - time.monotonic()))
            return self._taken(rows)

    def _taken(self, rows: int) -> list[Part]:
        parts: list[Part] = []
        others: list[_Left] = []  # of another number of texts: first next time
        begun: list[_Left] = []
        while self._questions and rows:
            left = self._questions.popleft()
            question = left.question
            there = len(question.rows) - left.begin
            if question.ended:
                self.rows -= there
                self.dropped(there)
            elif parts and len(question.rows[0]) != len(parts[0].question.rows[0]):
                others.append(left)
            else:
                count = min(rows, there)
                parts.append(Part(question, question.order[left.begin : left.begin + count]))
                left.begin += count
                rows -= count
                self.rows -= count
                if count < there:
                    begun.append(left)
        self._questions.extendleft(reversed(others))
        self._questions.extend(begun)
        return parts
