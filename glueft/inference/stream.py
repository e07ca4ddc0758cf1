"""Rows through a model, chunk by chunk: read, checked, predicted, written, in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from glueft.errors import DataError
from glueft.files import writing
from glueft.inference.bad_rows import BadRows, write_bad_row
from glueft.inference.chunks import RowSource
from glueft.inference.output_file import OutputFile, output_format
from glueft.inference.writers import TableWriter, make_writer
from glueft.runs.answers import result_names
from glueft.system.interruption import check

if TYPE_CHECKING:
    from glueft.inference.progress import PredictionProgress
    from glueft.training.text_predictor import Predictor


@dataclass(frozen=True)
class Target:
    """Where results go.

    Attributes:
        path: the file; None for a stream.
        stream: what to write to where there is no file.
        kind: how, where there is no file: "csv", "tsv" or "jsonl".
        skipped: the side file of the bad rows; None where a bad row is an error.
    """

    path: Path | None
    stream: IO[bytes] | None = None
    kind: str = "jsonl"
    skipped: Path | None = None


@dataclass
class Summary:
    """What became of the rows.

    Attributes:
        rows: predicted.
        skipped: set aside as bad.
        truncated: rows that lost tokens to the longest length.
        seconds: of reading, predicting and writing.
        names: the columns of the results, in their order.
    """

    rows: int = 0
    skipped: int = 0
    truncated: int = 0
    seconds: float = 0.0
    names: tuple[str, ...] = ()


def check_rows(source: RowSource, *, skip_bad: bool, on_rows: Callable[[int], None] = lambda rows: None) -> int:
    """Read all rows once before any is predicted, and return how many there are, bad ones left out.

    Args:
        source: read to its end.
        skip_bad: whether bad rows may be left out.
        on_rows: called now and then with the number of rows read since.

    Raises:
        DataError: there are bad rows and they may not be left out, or there is no other.
    """
    bad, rows = BadRows(), 0
    for chunk in source.chunks():
        bad.add(chunk.bad)
        rows += len(chunk)
        on_rows(len(chunk) + len(chunk.bad))
    if bad.count and (not skip_bad or not rows):
        raise bad.error(source.name, source.unit, skippable=rows > 0)
    if not rows:
        raise no_rows(source)
    return rows


def no_rows(source: RowSource) -> DataError:
    """The error for a source without rows."""
    return DataError(
        f"{source.name} has no rows",
        expected="a row or more",
        received="the names of its columns alone" if source.names and source.repeats else "nothing",
        fix="give it its rows, or name another file",
    )


def predict_rows(
    source: RowSource, predictor: Predictor, target: Target, progress: PredictionProgress, *, rows_in_all: int | None
) -> Summary:
    """Predict all rows and write them with their results.

    Args:
        source: the rows; checked by `check_rows` if it can be read twice.
        predictor: the model.
        target: where the results go. Files appear when all is done, or not at all.
        progress: is told of every row.
        rows_in_all: how many there are; None for a stream.

    Raises:
        DataError: a row is bad and may not be left out, or the file has changed since it was checked.
        OutputError: a file cannot be written.
        TrainingError: a logit is not a finite number.
    """
    begin = time.perf_counter()
    bad = BadRows()
    summary = Summary(names=result_names(predictor.saved.labels, set(source.names)))
    with ExitStack() as files:
        main = _open(files, target.path)
        side = _open(files, target.skipped) if target.skipped is not None else None
        writer: TableWriter | None = None
        for chunk in source.chunks():
            check()
            bad.add(chunk.bad)
            if bad.count and side is None:
                raise bad.error(source.name, source.unit)
            if side is not None:
                with _writing(target):
                    for row in chunk.bad:
                        write_bad_row(side.content, row, source.unit)
            progress.rows(len(chunk.bad))
            if not len(chunk):
                continue
            answers = predictor.answer(chunk.texts, rows_in_all=rows_in_all)
            with _writing(target):
                if writer is None:  # Only now, as the first chunk may be an error, which leaves no header line behind.
                    writer = _writer(source, target, main, summary.names)
                writer.write(chunk, answers.columns())
                if main is None and target.stream is not None:
                    target.stream.flush()
            summary.rows += len(chunk)
            summary.truncated += answers.truncated
        _check_end(source, summary, bad, rows_in_all)
        assert writer is not None
        with _writing(target):
            writer.close()
            # The predictions last: where they are, all is there.
            for file in (side if bad.count else None, main):
                if file is not None:
                    file.finish()
    summary.skipped = bad.count
    summary.seconds = time.perf_counter() - begin
    return summary


def _check_end(source: RowSource, summary: Summary, bad: BadRows, rows_in_all: int | None) -> None:
    if rows_in_all is not None and summary.rows != rows_in_all:
        raise DataError(
            f"{source.name} has changed while it was read",
            expected=f"{rows_in_all:,} rows, as at first",
            received=f"{summary.rows:,} rows",
            fix="wait until nothing writes to it any more, or predict a copy",
        )
    if not summary.rows:
        raise bad.error(source.name, source.unit, skippable=False) if bad.count else no_rows(source)


def _open(files: ExitStack, path: Path | None) -> OutputFile | None:
    if path is None:
        return None
    return files.enter_context(OutputFile(path, output_format(path).compression))


def _writer(source: RowSource, target: Target, main: OutputFile | None, names: tuple[str, ...]) -> TableWriter:
    kind = target.kind if target.path is None else output_format(target.path).kind
    file = target.stream if main is None else main.content
    assert file is not None
    return make_writer(kind, file, source.names, names, source.schema, raw=source.raw)


def _writing(target: Target) -> AbstractContextManager[None]:
    """Tell of a full disk and the like in a sentence; a reader that went away is no error of ours."""
    return writing(target.path or "standard output")
