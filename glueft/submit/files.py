"""One file of a benchmark's upload: what is written for each prediction, and the check of what was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from glueft.errors import SubmissionError
from glueft.plugin.task import Submission, Task

HEADER = "index\tprediction"

# As many as GLUE's own baselines write (nyu-mll/GLUE-baselines, src/main.py).
SCORE_DIGITS = 3
SCORE = re.compile(rf"-?[0-9]+\.[0-9]{{{SCORE_DIGITS}}}")


@dataclass(frozen=True)
class UploadFile:
    """A file of the upload, as a task's `submission` declares it.

    Attributes:
        name: "MRPC.tsv".
        task: the task, or its class.
        split: whose predictions it holds.
    """

    name: str
    task: Task | type[Task]
    split: str

    @property
    def submission(self) -> Submission:
        """The task's, which has this file."""
        assert self.task.submission is not None
        return self.task.submission

    @property
    def made_task(self) -> Task:
        """The task, made where only its class is known."""
        return self.task() if isinstance(self.task, type) else self.task

    @property
    def rows(self) -> int:
        """How many rows the benchmark expects."""
        return self.task.sizes[self.split]

    def written(self, prediction: str) -> str:
        """Return what is written for a label's name, or for a score's text."""
        if self.task.labels:
            return (self.submission.label_text or {}).get(prediction, prediction)
        score, bounds = float(prediction), self.submission.score_range
        if bounds is not None:
            score = min(max(score, bounds[0]), bounds[1])
        return f"{round(score, SCORE_DIGITS) + 0.0:.{SCORE_DIGITS}f}"  # + 0.0: no "-0.000"

    def beyond_range(self, predictions: Sequence[str]) -> int:
        """Count the scores that `written` moves into the range."""
        if self.task.labels or self.submission.score_range is None:
            return 0
        lowest, highest = self.submission.score_range
        return sum(not lowest <= float(score) <= highest for score in predictions)

    def filled(self) -> list[str]:
        """Return the predictions of a file that no run gives: the majority, in every row."""
        return [str(self.submission.majority)] * self.rows

    def content(self, predictions: Sequence[str]) -> bytes:
        """Return the file: the header, then a line a prediction with its index from 0.

        Args:
            predictions: label names or scores' texts, in the order of the split.
        """
        written = {text: self.written(text) for text in set(predictions)}
        lines = [HEADER, *(f"{index}\t{written[text]}" for index, text in enumerate(predictions))]
        return ("\n".join(lines) + "\n").encode("utf-8")

    def check(self, content: bytes) -> None:
        """Read a file as the benchmark would.

        Raises:
            SubmissionError: another header, number of rows or index than the benchmark expects, or a prediction that it
                does not know.
        """
        lines = content.decode("utf-8").split("\n")
        if lines[0] != HEADER or lines.pop():
            self._refuse("its lines are not those of an upload", f"{HEADER!r} first, a line feed last", repr(lines[0]))
        if len(lines) - 1 != self.rows:
            self._refuse("the number of rows is wrong", f"{self.rows:,} rows", f"{len(lines) - 1:,}")
        known = {self.written(label) for label in self.task.labels}
        lowest, highest = self.submission.score_range or (float("-inf"), float("inf"))
        for index, line in enumerate(lines[1:]):
            number, _, text = line.partition("\t")
            if number != str(index):
                self._refuse("an index is wrong", f"{index} in line {index + 2}", repr(number))
            good = text in known if known else SCORE.fullmatch(text) and lowest <= float(text) <= highest
            if not good:
                wanted = " or ".join(sorted(known)) or f"a score from {lowest:g} to {highest:g}"
                self._refuse("a prediction is wrong", f"{wanted} in line {index + 2}", repr(text))

    def _refuse(self, message: str, expected: str, received: str) -> NoReturn:
        raise SubmissionError(
            f"{self.name}: {message}",
            expected=expected,
            received=received,
            fix="write the upload again; if that does not help, report it as a bug",
        )
