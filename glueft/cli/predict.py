"""`glueft predict`: predictions for new texts."""

from __future__ import annotations

import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glueft.cli.explain import given_rows, show_explanations
from glueft.cli.options import AsJson, PluginFiles, Precision, Quiet, Trust, Verbose

if TYPE_CHECKING:
    from glueft.inference.opening import OpenedModel
    from glueft.inference.rows import RowSource
    from glueft.inference.stream import Target

EPILOG = """\b
Examples:
  glueft predict runs/mrpc-20261122-154647-e0c87d "A first sentence." "A second one."
  glueft predict RUN --input rows.csv --output predictions.csv
  glueft predict RUN --input GLUE/MRPC/test.tsv --output predictions.tsv
  glueft predict RUN --input reviews.jsonl --text body --output labelled.parquet
  glueft predict RUN --input rows.csv --output predictions.csv --skip-bad
  cut -f 4 reviews.tsv | glueft predict RUN --input - > predictions.tsv
  glueft predict RUN --interactive
  glueft predict RUN "A text." --explain
  glueft predict RUN --input rows.csv --output explained.jsonl --explain
"""


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, its model/, or a classifier's folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; for a task on pairs, the two of one pair.")
    ] = None,
    input_file: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="CSV, TSV, JSON Lines or Parquet; - for standard input, one text a line."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write CSV, TSV, JSON Lines or Parquet, by the suffix; by default, standard output."
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Also show, or write, how much each word adds; see `glueft explain`. In float32, and slower.",
        ),
    ] = False,
    interactive: Annotated[bool, typer.Option("--interactive", help="Ask for texts on the terminal.")] = (False),
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the text.")] = None,
    text_pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column with the second text.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="MARK", help="The character between the fields of CSV and TSV.")
    ] = None,
    quotes: Annotated[
        bool | None,
        typer.Option(
            "--quotes/--no-quotes",
            help="Whether fields of CSV and TSV may stand in double quotes; by default yes, but not in GLUE's own TSV. "
            "By default, a quoted field that seems to hold the rows after it is an error.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows without text; write them to a side file.")
    ] = False,
    skipped: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The side file, JSON Lines; by default OUTPUT.skipped.jsonl or the like."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace output files that exist.")] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="ROWS", help="Rows at once; by default as in the run's own evaluation, or 64."),
    ] = None,
    precision: Precision = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Predict the labels or scores of texts with a run's model.

    A table keeps its columns and its order, and gets `label` and a `probability_...` for each label, or `score`. Rows
    without text are errors, found before anything is predicted. An output file appears only when it is complete.
    """
    from glueft.inference.interactive import HELP, converse
    from glueft.inference.opening import OpenedModel, rows_asked_for
    from glueft.inference.printing import print_texts
    from glueft.inference.progress import PredictionProgress
    from glueft.inference.stream import Target, check_rows
    from glueft.system.quiet import hush_libraries

    _check_usage(
        {"TEXT": bool(texts), "--input": input_file is not None, "--interactive": interactive},
        {"--output": output is not None, "--skipped": skipped is not None, "--json": as_json, "--skip-bad": skip_bad},
    )
    if explain:
        _check_explain(interactive=interactive, precision=precision)
        precision = "float32"
    if str(output) == "-":
        output = None
    read = None if input_file in (None, "-") else Path(str(input_file))
    side = _side_file(output, read, skipped) if skip_bad or skipped is not None else None
    _check_files(output, side, force=force, read=read)
    if not verbose:
        hush_libraries()
    progress = PredictionProgress(quiet=quiet)
    opened = OpenedModel(
        run,
        progress,
        plugins=plugins or [],
        trust=trust,
        batch_size=batch_size,
        precision=precision,
        text=text,
        text_pair=text_pair,
        delimiter=delimiter,
        quotes=quotes,
    )
    if interactive:
        choice, model = opened.choice(None), opened.model()
        progress.say(HELP)
        converse(model, choice)
        return
    if explain and texts and output is None:
        show_explanations(opened, given_rows(opened, texts), as_json=as_json, key="predictions")
        return
    source = rows_asked_for(texts, read, opened.choice(texts))
    count = None
    if source.repeats:
        with progress.counting("checking", None):
            count = check_rows(source, skip_bad=side is not None, on_rows=progress.rows)
        for warning in source.warnings:
            progress.say(f"warning: {warning}")
    if texts and output is None:
        print_texts(opened.model(), source, as_json=as_json)
        return
    target = Target(output, None if output else sys.stdout.buffer, _kind(read), side)
    _predict(opened, source, target, count, as_json=as_json, explain=explain)


def _predict(
    opened: OpenedModel, source: RowSource, target: Target, count: int | None, *, as_json: bool, explain: bool
) -> None:
    """Predict all rows; with --json, print the object at the end, with the rows in it if they go to no file."""
    from glueft.inference.printing import print_object, summary_record, tell
    from glueft.inference.stream import predict_rows

    model = opened.model()
    explainer = None
    if explain:
        from glueft.inference.explanation import Explainer

        explainer = Explainer(model)
    model.on_rows = None if explain else opened.progress.rows
    with tempfile.TemporaryFile() if as_json and target.path is None else nullcontext() as held:
        if held is not None:
            target = replace(target, stream=held, kind="jsonl")
        with opened.progress.counting("explaining" if explain else "predicting", count):
            summary = predict_rows(source, model, target, opened.progress, rows_in_all=count, explainer=explainer)
        if as_json:
            print_object(summary_record(summary, target, source, model.precision), held)
    tell(opened.progress, summary, target, model.precision)


def _kind(read: Path | None) -> str:
    """The format for standard output: that of the input, but JSON Lines for Parquet, and TSV for lines of text."""
    from glueft.tables.suffixes import table_format

    kind = "tsv" if read is None else table_format(read).kind
    return "jsonl" if kind == "parquet" else kind


def _side_file(output: Path | None, read: Path | None, skipped: Path | None) -> Path:
    """The file for bad rows: beside the output, or in the working folder."""
    if skipped is not None:
        return skipped
    if output is not None:
        return output.with_name(f"{output.name}.skipped.jsonl")
    return Path(f"{read.name if read else 'input'}.skipped.jsonl")


def _check_files(output: Path | None, side: Path | None, *, force: bool, read: Path | None) -> None:
    """Refuse files that cannot be written, before anything is read."""
    from glueft.errors import OutputError
    from glueft.files import check_place
    from glueft.tables.output import output_format

    for path, option, example in ((output, "--output", "predictions.csv"), (side, "--skipped", "skipped.jsonl")):
        if path is None:
            continue
        if read is not None and read.exists() and path.exists() and path.samefile(read):
            raise OutputError(
                f"{path} is the file that is read",
                expected="another file for the output",
                received="the same file twice",
                fix=f"name another file with {option}",
            )
        check_place(path, force=force, example=example, option=option)
        kind = output_format(path).kind
    if side is not None and (kind != "jsonl" or side == output):
        raise OutputError(
            f"{side} cannot take the rows that are left out",
            expected="a file of its own, JSON Lines, with a name that ends in .jsonl",
            received=f"--skipped {side}",
            fix="name another file, or leave --skipped out",
        )


def _check_explain(*, interactive: bool, precision: str | None) -> None:
    """Refuse what does not go with --explain."""
    from glueft.errors import DataError

    wrong = ["--interactive"] if interactive else []
    wrong += ["--precision"] if precision not in (None, "float32") else []
    if wrong:
        raise DataError(
            "--explain is for texts and files, and computes in float32",
            expected='TEXT or --input FILE with --explain: glueft predict RUN "A text." --explain',
            received=f"--explain with {' and '.join(wrong)}",
            fix=f"leave out {' and '.join(wrong)}",
        )


def _check_usage(asked: dict[str, bool], beside: dict[str, bool]) -> None:
    """Refuse options that do not go together.

    Args:
        asked: what says where the texts come from; exactly one is given.
        beside: what does not go with --interactive.
    """
    from glueft.errors import DataError

    given = [name for name, there in asked.items() if there]
    if len(given) != 1:
        raise DataError(
            f"{' and '.join(given)} contradict each other" if given else "there is nothing to predict",
            expected="a text, or --input FILE, or --interactive",
            received=" and ".join(given) or "none of them",
            fix="leave out all but one" if given else 'for example: glueft predict RUN "A text."',
        )
    wrong = [name for name, there in beside.items() if there]
    if given == ["--interactive"] and wrong:
        raise DataError(
            f"--interactive and {wrong[0]} contradict each other",
            expected="a conversation on the terminal, with no file and no JSON",
            received=" and ".join([*given, *wrong]),
            fix="for a file, give the texts as lines: --input - --output FILE",
        )
