"""One file of a benchmark's upload: its content, and the check of it."""

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
    """A file of the upload, such as MRPC.tsv, with the predictions of a split, as a task's `submission` declares it."""

    name: str
    task: Task | type[Task]
    split: str

    @property
    def submission(self) -> Submission:
        assert self.task.submission is not None
        return self.task.submission

    @property
    def made_task(self) -> Task:
        return self.task() if isinstance(self.task, type) else self.task

    @property
    def rows(self) -> int:
        """The number of rows that the benchmark expects."""
        return self.task.sizes[self.split]

    def written(self, prediction: str) -> str:
        """Return the text of the file for a label, or for the text of a score."""
        if self.task.labels:
            return (self.submission.label_text or {}).get(prediction, prediction)
        score, bounds = float(prediction), self.submission.score_range
        if bounds is not None:
            score = min(max(score, bounds[0]), bounds[1])
        return f"{round(score, SCORE_DIGITS) + 0.0:.{SCORE_DIGITS}f}"  # + 0.0: no "-0.000"

    def beyond_range(self, predictions: Sequence[str]) -> int:
        """Return the number of scores that `written` moves into the range."""
        if self.task.labels or self.submission.score_range is None:
            return 0
        lowest, highest = self.submission.score_range
        return sum(not lowest <= float(score) <= highest for score in predictions)

    def filled(self) -> list[str]:
        """Return the most frequent label for every row."""
        return [str(self.submission.majority)] * self.rows

    def content(self, predictions: Sequence[str]) -> bytes:
        """Return the file: the header, then the index, from 0, and the text of each prediction."""
        from glueft.tables.delimited import raw_tsv

        written = {text: self.written(text) for text in set(predictions)}
        rows = ((str(index), written[text]) for index, text in enumerate(predictions))
        return (HEADER + "\n" + raw_tsv(rows)).encode("utf-8")

    def check(self, content: bytes) -> None:
        """Raise SubmissionError if the header, the number of rows, an index or a prediction is not as expected."""
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
