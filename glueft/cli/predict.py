"""`glueft predict`: what a run's model says of new texts."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.recipe_options import AsJson, Verbose

if TYPE_CHECKING:
    from glueft.prediction.chunks import RowSource
    from glueft.prediction.predictor import Predictor
    from glueft.prediction.progress import PredictionProgress
    from glueft.prediction.stream import Summary, Target
    from glueft.prediction.text_columns import TextChoice
    from glueft.saved_model import SavedModel

EPILOG = """\b
Examples:
  glueft predict runs/mrpc-20261122-154647-e0c87d "A first sentence." "A second one."
  glueft predict RUN --input rows.csv --output predictions.csv
  glueft predict RUN --input GLUE/MRPC/test.tsv --output predictions.tsv
  glueft predict RUN --input reviews.jsonl --text body --output labelled.parquet
  glueft predict RUN --input rows.csv --output predictions.csv --skip-bad
  cut -f 4 reviews.tsv | glueft predict RUN --input - > predictions.tsv
  glueft predict RUN --interactive
"""


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, its model/, or a classifier's folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; for a task on pairs the two of one.")
    ] = None,
    input_file: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="CSV, TSV, JSON Lines or Parquet; - for a text a line on standard input."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write CSV, TSV, JSON Lines or Parquet, by the suffix; else standard output."
        ),
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", help="Ask for texts, one answer after the other.")] = (
        False
    ),
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the text.")] = None,
    text_pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the second text.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="MARK", help="What stands between the fields of CSV and TSV.")
    ] = None,
    quotes: Annotated[
        bool | None,
        typer.Option(
            "--quotes/--no-quotes",
            help="Whether fields of CSV and TSV may stand in double quotes; by default yes, but not in GLUE's own TSV.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows without text, and write them to a side file.")
    ] = False,
    skipped: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="That side file, JSON Lines; by default OUTPUT.skipped.jsonl or the like."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace output files that exist.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Predict the label of texts, or their score, with the model of a finished run.

    A table keeps its columns and its order, and gets `label` and a `probability_...` for each label, or `score`. Rows
    without text are errors, all found before the first is predicted. An output file appears when it is whole.
    """
    from glueft.prediction.interruption import ended_by_sigterm
    from glueft.prediction.progress import PredictionProgress
    from glueft.quiet import hush_libraries

    asked = {"TEXT": bool(texts), "--input": input_file is not None, "--interactive": interactive}
    _check_one(asked)
    if interactive:
        _check_talk(output, skipped, as_json=as_json, skip_bad=skip_bad)
    if output is not None and str(output) == "-":
        output = None
    skip_bad = skip_bad or skipped is not None
    read = None if input_file in (None, "-") else Path(str(input_file))
    side = _side_file(output, input_file, skipped) if skip_bad else None
    for path in filter(None, (output, side)):
        _check_file(path, force=force, read=read)
    if not verbose:
        hush_libraries()
    progress = PredictionProgress()
    with ended_by_sigterm():
        opened = _Opened(run, progress, text=text, text_pair=text_pair, delimiter=delimiter, quotes=quotes)
        if interactive:
            _talk(opened)
            return
        choice = opened.choice(texts)
        source = _source(texts, input_file, read, choice)
        from glueft.prediction.stream import Target, check_rows

        count = None
        if source.repeats:
            with progress.counting("checking", None):
                count = check_rows(source, skip_bad=skip_bad, on_rows=progress.rows)
        if texts and output is None:
            _print_texts(opened.predictor(), source, as_json=as_json)
            return
        kind = _kind(input_file)
        target = Target(output, None if output else sys.stdout.buffer, kind, side)
        summary = _predict(opened, source, target, count, as_json=as_json)
        _tell(progress, summary, target, source)


class _Opened:
    """The run, and what it takes to predict with it. The model is loaded when it is asked for."""

    def __init__(self, run: Path, progress: PredictionProgress, **columns: Any) -> None:
        from glueft.saved_run import find_run_folder, open_run

        self.path, self.progress, self.columns = run, progress, columns
        self.saved: SavedModel | None = None
        self.run = None
        if find_run_folder(run) is not None or not (run / "config.json").is_file():
            self.run = open_run(run)

    def choice(self, texts: list[str] | None) -> TextChoice:
        """What a row's texts are called, and how many there are."""
        from glueft.errors import DataError
        from glueft.plugin import TableLayout
        from glueft.prediction.text_columns import USUAL_NAMES, TextChoice

        if self.run is not None:
            task = self.run.task
            choice = TextChoice(tuple(task.inputs), task.table_layout(), task, **self.columns)
        else:
            pair = self.columns["text_pair"] is not None or len(texts or ()) == 2
            inputs = ("text", "text_pair") if pair else ("text",)
            choice = TextChoice(inputs, TableLayout({"text": USUAL_NAMES, "text_pair": ("text_pair",)}), **self.columns)
        if len(choice.inputs) == 1 and self.columns["text_pair"] is not None:
            raise DataError(
                "--text-pair names the second text of a row, and this model reads one",
                expected="--text alone",
                received=f"--text-pair {self.columns['text_pair']}",
                mend="leave --text-pair out",
            )
        return choice

    def predictor(self) -> Predictor:
        """Load the model."""
        from glueft.prediction.predictor import Predictor
        from glueft.saved_model import load_saved_model

        with self.progress.phase("model"):
            self.saved = load_saved_model(self.path)
        return Predictor(self.saved)


def _predict(opened: _Opened, source: RowSource, target: Target, count: int | None, *, as_json: bool) -> Summary:
    """Predict all rows; with --json, print the one object at the end, the rows in it if there is no file for them."""
    from dataclasses import replace

    from glueft.prediction.stream import predict_rows

    predictor = opened.predictor()
    predictor.on_rows = opened.progress.rows
    with ExitStack() as stack:
        held = stack.enter_context(tempfile.TemporaryFile()) if as_json and target.path is None else None
        if held is not None:
            target = replace(target, stream=held, kind="jsonl")
        stack.enter_context(opened.progress.counting("predicting", count))
        summary = predict_rows(source, predictor, target, opened.progress, rows_in_all=count)
        if as_json:
            record = {
                "input": source.name,
                "output": None if target.path is None else str(target.path),
                "columns": list(summary.names),
                "rows": summary.rows,
                "skipped": summary.skipped,
                "skipped_file": str(target.skipped) if summary.skipped else None,
                "truncated": summary.truncated,
                "seconds": round(summary.seconds, 3),
                "rows_per_second": round(summary.rows / summary.seconds, 3),
            }
            _print_object(record, held)
    return summary


def _print_object(record: dict[str, Any], held: Any) -> None:
    """Print one object, with the lines of a held file as its `predictions`: they may be more than fit in memory."""
    text = json.dumps(record, ensure_ascii=False)
    if held is None:
        print(text)
        return
    sys.stdout.flush()
    held.seek(0)
    out = sys.stdout.buffer
    out.write(text[:-1].encode("utf-8") + b', "predictions": [')
    for number, line in enumerate(held):
        out.write((b", " if number else b"") + line.rstrip(b"\n"))
    out.write(b"]}\n")
    out.flush()


def _print_texts(predictor: Predictor, source: RowSource, *, as_json: bool) -> None:
    from glueft.prediction.answer_text import answer_lines, answer_object

    found: list[dict[str, Any]] = []
    labels = predictor.saved.labels
    for chunk in source.chunks():
        answers = predictor.answer(chunk.texts)
        rows = list(zip(*chunk.texts, strict=True))
        if as_json:
            found += [answer_object(answers, labels, texts, row) for row, texts in enumerate(rows)]
            continue
        for row, texts in enumerate(rows):
            if len(rows) > 1:
                from glueft.data.lines import shown

                print(("" if row == 0 else "\n") + shown(texts[0]))
            print("\n".join(answer_lines(answers, labels, row)))
        if answers.truncated:
            print(
                f"note: {answers.truncated} of {len(rows)} cut to the first {predictor.saved.max_length} tokens, "
                "all that this model reads",
                file=sys.stderr,
            )
    if as_json:
        print(json.dumps({"predictions": found}, ensure_ascii=False))


def _talk(opened: _Opened) -> None:
    from glueft.prediction.interactive import HELP, converse

    with suppress(ImportError):
        import readline  # noqa: F401  # gives `input` its line editing and history
    choice = opened.choice(None)
    predictor = opened.predictor()
    opened.progress.say(HELP)
    converse(predictor, choice, input, print)


def _source(texts: list[str] | None, input_file: str | None, read: Path | None, choice: TextChoice) -> RowSource:
    from glueft.errors import DataError
    from glueft.prediction.tables import open_lines, open_table, open_texts

    if read is not None:
        return open_table(read, choice)
    if input_file == "-":
        return open_lines(sys.stdin.buffer, choice)
    assert texts
    if len(choice.inputs) == 2:
        if len(texts) != 2:
            raise DataError(
                "this model reads two texts at once",
                expected=f"two texts: {' and '.join(choice.inputs)}",
                received="one text" if len(texts) == 1 else f"{len(texts)} texts",
                mend='give both, each in quotes: glueft predict RUN "..." "..."; for many pairs, --input FILE',
            )
        return open_texts([texts], choice)
    return open_texts([[text] for text in texts], choice)


def _kind(input_file: str | None) -> str:
    """How results are written to standard output: as the input is, but Parquet as JSON Lines, and lines as TSV."""
    from glueft.data.table_format import table_format

    if input_file in (None, "-"):
        return "tsv"
    kind = table_format(str(input_file)).kind
    return "jsonl" if kind == "parquet" else kind


def _side_file(output: Path | None, input_file: str | None, skipped: Path | None) -> Path:
    """Where bad rows go: beside the output, or into the working folder."""
    if skipped is not None:
        return skipped
    if output is not None:
        return output.with_name(f"{output.name}.skipped.jsonl")
    name = "input" if input_file in (None, "-") else Path(str(input_file)).name
    return Path(f"{name}.skipped.jsonl")


def _check_file(path: Path, *, force: bool, read: Path | None) -> None:
    from glueft.prediction.output_file import check_place, output_format

    output_format(path)
    check_place(path, force=force, read=read if read is not None and read.exists() else None)


def _check_one(asked: dict[str, bool]) -> None:
    from glueft.errors import DataError

    given = [name for name, there in asked.items() if there]
    if len(given) == 1:
        return
    raise DataError(
        f"{' and '.join(given)} contradict each other" if given else "there is nothing to predict",
        expected="a text, or --input FILE, or --interactive",
        received=" and ".join(given) if given else "none of them",
        mend="leave out all but one" if given else 'for example: glueft predict RUN "A text."',
    )


def _check_talk(output: Path | None, skipped: Path | None, *, as_json: bool, skip_bad: bool) -> None:
    from glueft.errors import DataError

    given = {"--output": output is not None, "--skipped": skipped is not None, "--json": as_json}
    wrong = [name for name, there in (given | {"--skip-bad": skip_bad}).items() if there]
    if wrong:
        raise DataError(
            f"--interactive and {wrong[0]} contradict each other",
            expected="a conversation on the terminal, with no file and no JSON",
            received=" and ".join(["--interactive", *wrong]),
            mend="for a file, give the texts as lines: --input - --output FILE",
        )


def _tell(progress: PredictionProgress, summary: Summary, target: Target, source: RowSource) -> None:
    """Say in the end what was done, unless the rows themselves went to the terminal."""
    rate = summary.rows / max(summary.seconds, 1e-9)
    where = "" if target.path is None else f" to {target.path}"
    progress.say(f"{summary.rows:,} rows{where} in {summary.seconds:.1f} s ({rate:,.0f} rows/s)")
    if not {"label", "score"} & set(summary.names):
        progress.say(f"the input has columns of the same names: the prediction is in {', '.join(summary.names)}")
    if summary.skipped:
        progress.say(f"{summary.skipped:,} rows that cannot be predicted are in {target.skipped}")
    if summary.truncated:
        progress.say(f"{summary.truncated:,} rows are longer than the model reads, and were cut")
