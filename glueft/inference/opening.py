"""The model and the rows that a prediction was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.inference.line_rows import GivenTexts, TextStream
from glueft.inference.predictor import load_run_model, load_saved_model
from glueft.inference.rows import RowSource
from glueft.inference.table_rows import open_table
from glueft.inference.text_columns import USUAL_NAMES, TextChoice
from glueft.plugin.task import TableLayout
from glueft.runs.folder import find_run_folder
from glueft.runs.run import Run

if TYPE_CHECKING:
    from glueft.inference.predictor import SavedModel
    from glueft.inference.progress import PredictionProgress


# Of tables for a bare classifier.
USUAL_LAYOUT = TableLayout({"text": USUAL_NAMES, "text_pair": ("text_pair",)})


class OpenedModel:
    """A run, or a bare classifier; `model` loads its model.

    Args:
        run: the folder; plugins, trust: of `Run.open`.
        batch_size: rows a step; None for as many as in the run's own evaluation.
        precision: of `load_saved_model`.
        text, text_pair, delimiter, quotes: of `TextChoice`, for tables.

    Raises:
        RunFolderError: the folder is neither.
        DataError: the delimiter is no single character.
    """

    def __init__(
        self,
        run: Path,
        progress: PredictionProgress,
        *,
        plugins: Sequence[str] = (),
        trust: bool = False,
        batch_size: int | None = None,
        precision: str | None = None,
        text: str | None = None,
        text_pair: str | None = None,
        delimiter: str | None = None,
        quotes: bool | None = None,
    ) -> None:
        self.path, self.progress = run, progress
        self.columns: dict[str, Any] = {
            "text": text,
            "text_pair": text_pair,
            "delimiter": _delimiter(delimiter),
            "quotes": quotes,
        }
        self.plugins, self.batch_size, self.precision, self.run = plugins, batch_size, precision, None
        if find_run_folder(run) is not None or not (run / "config.json").is_file():
            self.run = Run.open(run, plugins=plugins, trust=trust)

    def choice(self, texts: Sequence[str] | None) -> TextChoice:
        """Return how many texts a row has, and their names.

        Args:
            texts: those of the command line. A bare classifier does not tell whether it reads pairs: two texts are one.

        Raises:
            DataError: a second column is named and there is no second text.
        """
        if self.run is not None:
            task = self.run.task_description
            choice = TextChoice(task.inputs, task.table_layout, task, **self.columns)
        else:
            pair = self.columns["text_pair"] is not None or len(texts or ()) == 2
            inputs = ("text", "text_pair") if pair else ("text",)
            choice = TextChoice(inputs, USUAL_LAYOUT, **self.columns)
        if len(choice.inputs) == 1 and self.columns["text_pair"] is not None:
            raise DataError(
                "--text-pair names the second text of a row, and this model reads one",
                expected="--text alone",
                received=f"--text-pair {self.columns['text_pair']}",
                fix="leave --text-pair out",
            )
        return choice

    def any_choice(self) -> TextChoice:
        """Return the same where each row says by itself how many texts it has: of a bare classifier the most, two."""
        if self.run is not None:
            return self.choice(None)
        return TextChoice(("text", "text_pair"), USUAL_LAYOUT, **self.columns)

    def model(self) -> SavedModel:
        with self.progress.phase("model"):
            if self.run is None:
                saved = load_saved_model(self.path, plugins=self.plugins, precision=self.precision)
            else:
                saved = load_run_model(self.run, precision=self.precision)
        saved.evaluation_batch_size = self.batch_size or saved.evaluation_batch_size
        return saved


def rows_asked_for(texts: Sequence[str] | None, read: Path | None, choice: TextChoice) -> RowSource:
    """Open what was asked for: a file, texts, or with neither standard input.

    Raises:
        DataError: it cannot be read, or the texts are not as many as the model reads.
    """
    if read is not None:
        return open_table(read, choice)
    if not texts:
        return TextStream(sys.stdin.buffer, choice)
    if len(choice.inputs) == 2:
        if len(texts) != 2:
            raise DataError(
                "this model reads two texts at once",
                expected=f"two texts: {' and '.join(choice.inputs)}",
                received="one text" if len(texts) == 1 else f"{len(texts)} texts",
                fix='give both, each in quotes: glueft predict RUN "..." "..."; for many pairs, --input FILE',
            )
        return GivenTexts([texts], choice)
    return GivenTexts([[text] for text in texts], choice)


def _delimiter(given: str | None) -> str | None:
    mark = {"\\t": "\t", "tab": "\t"}.get(given or "", given)
    if mark is not None and (len(mark) != 1 or mark in '"\r\n'):
        raise DataError(
            "--delimiter is not one character",
            expected='one character that stands between fields, such as ";", or "\\t" for a tab',
            received=repr(given),
            fix="correct it, or leave it out for a comma in CSV and a tab in TSV",
        )
    return mark
