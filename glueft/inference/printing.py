"""What a prediction prints: answers to texts, one JSON object, and a few lines at the end."""

from __future__ import annotations

import json
import sys
from typing import IO, TYPE_CHECKING, Any

from rich.cells import cell_len

from glueft.files import writing
from glueft.system.standard_output import for_the_result
from glueft.tables.problems import shown
from glueft.text import counted, json_printable, json_text, number_text, say

if TYPE_CHECKING:
    from glueft.inference.predictor import SavedModel
    from glueft.inference.progress import PredictionProgress
    from glueft.inference.rows import RowSource
    from glueft.inference.stream import Summary, Target
    from glueft.runs.answers import Answers

LABELS_SHOWN = 10


def answer_lines(answers: Answers, labels: tuple[str, ...], row: int = 0) -> list[str]:
    """Return the labels of a row with their probabilities: its own first, then by probability; in regression its score.

    A threshold may give a label that is not the most probable one, and then a word says so. In a multi-label task the
    first line names the labels of the row, or "none", and a mark stands beside them below.
    """
    numbers = answers.probabilities[row].tolist()
    if not labels:
        return [f"score {number_text(numbers[0])}"]
    # A label with control characters could move a terminal's cursor.
    names = [label if label.isprintable() else shown(label)[1:-1] for label in labels]
    own_labels = answers.labels[row]
    if isinstance(own_labels, list):
        there = [label in own_labels for label in labels]
        given = [name for name, of_row in zip(names, there, strict=True) if of_row]
        return [", ".join(given) or "none", *_ranked_lines(numbers, names, there)]
    ranked = sorted(zip(numbers, names, strict=True), key=lambda pair: -pair[0])
    place = labels.index(own_labels)
    own = numbers[place], names[place]
    by_threshold = own[0] < ranked[0][0]
    if by_threshold:
        ranked.remove(own)
        ranked.insert(0, own)
    width = max(cell_len(name) for _, name in ranked[:LABELS_SHOWN])
    lines = [f"{_padded(name, width)}  {number:.4f}" for number, name in ranked[:LABELS_SHOWN]]
    lines[0] += "  (given by the threshold)" if by_threshold else ""
    return lines + ([f"... and {len(ranked) - LABELS_SHOWN} more"] if len(ranked) > LABELS_SHOWN else [])


def _ranked_lines(numbers: list[float], names: list[str], there: list[bool]) -> list[str]:
    """The labels of a multi-label task, the row's own first and then by probability."""
    ranked = sorted(zip(there, numbers, names, strict=True), key=lambda one: (not one[0], -one[1]))
    shown_ones = ranked[: max(LABELS_SHOWN, sum(there))]
    width = max(cell_len(name) for _, _, name in shown_ones)
    lines = [f"{'+' if of_row else ' '} {_padded(name, width)}  {number:.4f}" for of_row, number, name in shown_ones]
    more = len(ranked) - len(shown_ones)
    return lines + ([f"  ... and {more} more"] if more else [])


def _padded(name: str, width: int) -> str:
    """A name with spaces up to a width in columns of a terminal, of which a Chinese letter takes two."""
    return name + " " * (width - cell_len(name))


def answer_object(answers: Answers, labels: tuple[str, ...], texts: tuple[str, ...], row: int) -> dict[str, Any]:
    """Return the answer to a row as JSON has it, here and in `glueft serve`."""
    numbers = answers.probabilities[row].tolist()
    if not labels:
        return {"texts": list(texts), "score": numbers[0]}
    probabilities = dict(zip(labels, numbers, strict=True))
    return {"texts": list(texts), "label": answers.labels[row], "probabilities": probabilities}


def print_object(record: dict[str, Any], held: IO[bytes] | None) -> None:
    """Print one object, with the lines of a held file as its `predictions`: they may be more than fit in memory."""
    text = json_text(record)
    with for_the_result():
        if held is None:
            say(text)
            return
        sys.stdout.flush()
        held.seek(0)
        out = sys.stdout.buffer
        with writing("standard output"):
            out.write(text[:-1].encode("utf-8") + b', "predictions": [')
            for number, line in enumerate(held):
                row = json_printable(line.decode("utf-8").rstrip("\n")).encode("utf-8")
                out.write((b", " if number else b"") + row)
            out.write(b"]}\n")
            out.flush()


def summary_record(summary: Summary, target: Target, source: RowSource, precision: str) -> dict[str, Any]:
    """Return what `--json` says of a file or stream."""
    return {
        "input": source.name,
        "output": None if target.path is None else str(target.path),
        "columns": list(summary.names),
        "rows": summary.rows,
        "skipped": summary.skipped,
        "skipped_file": str(target.skipped) if summary.skipped else None,
        "truncated": summary.truncated,
        "precision": precision,
        "warnings": list(source.warnings),
        "seconds": round(summary.seconds, 3),
        "rows_per_second": round(summary.rows / max(summary.seconds, 1e-9), 3),
    }


def print_texts(model: SavedModel, source: RowSource, *, as_json: bool) -> None:
    """Print the answer to each text."""
    found: list[dict[str, Any]] = []
    labels = model.labels
    for chunk in source.chunks():
        answers = model.answer(chunk.texts)
        rows = list(zip(*chunk.texts, strict=True))
        if as_json:
            found += [answer_object(answers, labels, texts, row) for row, texts in enumerate(rows)]
            continue
        for row, texts in enumerate(rows):
            if len(rows) > 1:
                say(*[""][: row > 0], shown(texts[0]))
            say(*answer_lines(answers, labels, row))
        if answers.truncated:
            say(
                f"note: {answers.truncated} of {len(rows)} cut to the first {model.max_length} tokens, "
                "all that this model reads",
                stream=sys.stderr,
            )
    if as_json:
        with for_the_result():
            # As they were given, an address with a password included: the texts are the user's own.
            record = {"precision": model.precision, "predictions": found}
            sys.stdout.write(json_printable(json.dumps(record, ensure_ascii=False)) + "\n")


def tell(progress: PredictionProgress, summary: Summary, target: Target, precision: str) -> None:
    """Say in the end what was done, and what may surprise."""
    rate = summary.rows / max(summary.seconds, 1e-9)
    where = "" if target.path is None else f" to {target.path}"
    progress.inform(
        f"{counted(summary.rows, 'row')}{where} in {summary.seconds:.1f} s ({rate:,.0f} rows/s), {precision}"
    )
    if not {"label", "score"} & set(summary.names):
        progress.say(f"the input has columns of the same names: the prediction is in {', '.join(summary.names)}")
    if summary.skipped:
        progress.say(f"{counted(summary.skipped, 'row')} that cannot be predicted: see {target.skipped}")
    if summary.truncated:
        progress.say(f"{counted(summary.truncated, 'row')} longer than the model reads, and cut")
