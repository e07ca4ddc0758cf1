"""Rows through a model, chunk by chunk: read, checked, predicted, written, in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.files import writing
from glueft.inference.rows import BadRow, Chunk, RowSource
from glueft.runs.answers import result_names
from glueft.system.interruption import check
from glueft.tables.json_lines import plain_json
from glueft.tables.missing import no_rows
from glueft.tables.output import OutputFile, TableWriter, make_writer, output_format
from glueft.tables.problems import Problems

if TYPE_CHECKING:
    from glueft.inference.explanation import Explainer
    from glueft.inference.progress import PredictionProgress
    from glueft.runs.answers import Answers
    from glueft.training.text_model import TextModel

# The column of explanations, and the rows that are explained before any is written: a token takes half a kilobyte.
EXPLANATION = "explanation"
EXPLAINED_AT_ONCE = 64


@dataclass(frozen=True)
class Target:
    """Where results go."""

    path: Path | None
    stream: IO[bytes] | None = None  # where there is no file
    kind: str = "jsonl"  # the format of the stream
    skipped: Path | None = None  # the side file of bad rows; None where these are errors


@dataclass
class Summary:
    """What became of the rows."""

    names: tuple[str, ...]  # the columns of the results
    rows: int = 0  # that were predicted
    skipped: int = 0
    truncated: int = 0
    seconds: float = 0.0  # of reading, predicting and writing


def check_rows(source: RowSource, *, skip_bad: bool, on_rows: Callable[[int], None] = lambda rows: None) -> int:
    """Read all rows before any is predicted, and return how many good ones there are.

    Raises:
        DataError: there are bad rows and `skip_bad` is not set, or there are no others.
    """
    bad, rows = Problems(), 0
    for chunk in source.chunks():
        for row in chunk.bad:
            bad.add(row.problem)
        rows += len(chunk)
        on_rows(len(chunk) + len(chunk.bad))
    if not rows:
        raise _no_rows(source, bad)
    if bad and not skip_bad:
        raise _bad_rows(source, bad)
    return rows


def _bad_rows(source: RowSource, bad: Problems, *, skippable: bool = True) -> DataError:
    hint = "; or leave such rows out with --skip-bad" if skippable else ""
    return bad.error(source.name, source.unit, what="rows that cannot be predicted", hint=hint)


def _no_rows(source: RowSource, bad: Problems) -> DataError:
    if bad:
        return _bad_rows(source, bad, skippable=False)
    return no_rows(source.name, "a row or more", names=bool(source.names) and source.repeats)


def predict_rows(
    source: RowSource,
    model: TextModel,
    target: Target,
    progress: PredictionProgress,
    *,
    rows_in_all: int | None,
    explainer: Explainer | None = None,
) -> Summary:
    """Predict all rows and write them with their results. Files appear when all is done, or not at all.

    With an explainer, the results have what each word adds in the column `explanation`, as `Explanation.as_record` but
    for the texts: an object in JSON Lines, its JSON elsewhere.

    Args:
        source: the rows; checked by `check_rows` if it can be read twice.
        model: predicts the rows.
        target: where the results go.
        progress: shows the rows.
        rows_in_all: how many there are; None for a stream.
        explainer: of the model.

    Raises:
        DataError: a row is bad and may not be left out, or the file has changed since it was checked.
        OutputError: a file cannot be written.
        TrainingError: a logit is not a finite number.
    """
    begin = time.perf_counter()
    bad = Problems()
    also = () if explainer is None else (EXPLANATION,)
    summary = Summary(result_names(model.labels, {*source.names}, also))
    place = target.path or "standard output"
    with ExitStack() as files:
        main = _open(files, target.path)
        side = _open(files, target.skipped)
        writer: TableWriter | None = None
        for chunk in source.chunks():
            check()
            for row in chunk.bad:
                bad.add(row.problem)
            if bad and side is None:
                raise _bad_rows(source, bad)
            if side is not None:
                with writing(place):
                    for row in chunk.bad:
                        side.content.write(_bad_row(row, source.unit))
            progress.rows(len(chunk.bad))
            if not len(chunk):
                continue
            for part in [chunk] if explainer is None else chunk.parts(EXPLAINED_AT_ONCE):
                explained: list[list[Any]] = []
                if explainer is None:
                    answers = model.answer(part.texts, rows_in_all=rows_in_all)
                else:
                    as_text = _kind(target) != "jsonl"
                    answers, explained = _explained(explainer, part, rows_in_all, progress, as_text=as_text)
                with writing(place):
                    if writer is None:  # Only now: the first chunk may be an error, which leaves no header line behind.
                        label_sets = model.rule.multi_label
                        texts = summary.names[len(summary.names) - len(also) :]
                        writer = _writer(source, target, main, summary.names, label_sets=label_sets, texts=texts)
                    writer.write(part.rows, [*answers.columns(), *explained])
                    if main is None and target.stream is not None:
                        target.stream.flush()
                summary.rows += len(part)
                summary.truncated += answers.truncated
        if rows_in_all is not None and summary.rows != rows_in_all:
            raise DataError(
                f"{source.name} has changed while it was read",
                expected=f"{rows_in_all:,} rows, as at first",
                received=f"{summary.rows:,} rows",
                fix="wait until nothing writes to it any more, or predict a copy",
            )
        if writer is None:
            raise _no_rows(source, bad)
        with writing(place):
            writer.close()
            # The predictions last: where they are, all is there.
            for file in (side if bad else None, main):
                if file is not None:
                    file.finish()
    summary.skipped = bad.count
    summary.seconds = time.perf_counter() - begin
    return summary


def _explained(
    explainer: Explainer, rows: Chunk, rows_in_all: int | None, progress: PredictionProgress, *, as_text: bool
) -> tuple[Answers, list[list[Any]]]:
    """Return the answers to rows, and the cells of the column with the explanations."""
    answers, found = explainer.explain(rows.texts, rows_in_all=rows_in_all)
    cells: list[Any] = []
    for explanation in found:
        check()
        record = explanation.as_record()
        del record["texts"]
        cells.append(plain_json(record) if as_text else record)
        progress.rows(1)
    return answers, [cells]


def _bad_row(row: BadRow, unit: str) -> bytes:
    """Return a line of the side file."""
    problem = row.problem
    reason = {"reason": problem.message, "expected": problem.expected, "received": problem.received}
    return plain_json({unit: problem.line} | reason | {"row": row.content}).encode("utf-8") + b"\n"


def _open(files: ExitStack, path: Path | None) -> OutputFile | None:
    return None if path is None else files.enter_context(OutputFile(path, output_format(path).compression))


def _writer(
    source: RowSource,
    target: Target,
    main: OutputFile | None,
    names: tuple[str, ...],
    *,
    label_sets: bool,
    texts: tuple[str, ...],
) -> TableWriter:
    file = target.stream if main is None else main.content
    assert file is not None
    return make_writer(
        _kind(target), file, source.names, names, source.schema, raw=source.raw, label_sets=label_sets, texts=texts
    )


def _kind(target: Target) -> str:
    return target.kind if target.path is None else output_format(target.path).kind
