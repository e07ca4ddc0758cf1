"""`glueft explain`: how much each word of a row adds to its prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glueft.cli.options import AsJson, PluginFiles, Quiet, Trust, Verbose, print_json
from glueft.errors import DataError, RunFolderError
from glueft.suggest import did_you_mean
from glueft.text import quoted, say

if TYPE_CHECKING:
    from glueft.inference.opening import OpenedModel

EPILOG = """\b
Examples:
  glueft explain runs/mrpc-20261122-154647-e0c87d --row 12
  glueft explain RUN --row 12 --row 40 --split validation_mismatched
  glueft explain RUN "A first sentence." "A second one."
  glueft explain RUN "A text." --label negative --json > explanation.json
"""


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, its model/, or a classifier's folder.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; for a task on pairs, the two of one pair.")
    ] = None,
    rows: Annotated[
        list[int] | None,
        typer.Option(
            "--row",
            metavar="N",
            min=0,
            help="A row of the run, by the number in its report and predictions. Repeatable.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="SPLIT", help="The split of the rows; by default the primary one.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The label whose logit is explained; by default the predicted one."),
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Read the rows from this folder, if the run's own source is gone."),
    ] = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Show how much each word adds to a prediction, by integrated gradients.

    The words of the row are compared with blanks: the scores of all words sum up to the difference of the logits. A
    word with a positive score speaks for the label. The model computes in float32.
    """
    from glueft.inference.opening import OpenedModel
    from glueft.inference.progress import PredictionProgress
    from glueft.system.quiet import hush_libraries

    _check_usage(texts, rows, split, data_dir)
    if not verbose:
        hush_libraries()
    opened = OpenedModel(run, PredictionProgress(quiet=quiet), plugins=plugins or [], trust=trust, precision="float32")
    asked = rows_of_run(opened, rows, split, data_dir) if rows else given_rows(opened, texts or [])
    show_explanations(opened, asked, label, as_json=as_json, key="explanations")


@dataclass(frozen=True)
class Asked:
    """A row to explain; `told` is what is known of a run's row: its number, split, reference and prediction."""

    texts: Sequence[str]
    told: dict[str, Any] = field(default_factory=dict)


def given_rows(opened: OpenedModel, texts: Sequence[str]) -> list[Asked]:
    """Return rows of texts of the command line; see `rows_asked_for`."""
    from glueft.inference.opening import rows_asked_for
    from glueft.inference.stream import check_rows

    source = rows_asked_for(texts, None, opened.choice(texts))
    check_rows(source, skip_bad=False)
    return [Asked(row) for chunk in source.chunks() for row in zip(*chunk.texts, strict=True)]


def rows_of_run(opened: OpenedModel, numbers: Sequence[int], split: str | None, data_dir: str | None) -> list[Asked]:
    """Return rows of a split that a run has predicted, read again from where they came from.

    Raises:
        RunFolderError: it is no run, it has not predicted the split, or its rows are not to be had.
        DataError: the split has no such row.
    """
    from glueft.inference.explanation import told_of_row
    from glueft.page.texts import read_texts

    run = opened.run
    if run is None:
        raise RunFolderError(
            f"{opened.path} is no run, and has no rows",
            expected="with --row a run folder",
            received="the folder of a classifier",
            fix='give the texts: glueft explain FOLDER "A text."',
        )
    splits = run.splits()
    split = split or next(iter(splits), "")
    if split not in splits:
        raise RunFolderError(
            f"{run.folder} has no predictions of the split {quoted(split)}",
            expected=f"one of {', '.join(splits)}" if splits else "a run that is done",
            received=quoted(split),
            fix=did_you_mean(split, splits).strip() or "name one of them with --split",
        )
    written = run.predictions(split)
    wrong = [number for number in numbers if number >= len(written.ids)]
    if wrong:
        raise DataError(
            f"{split} has no row {' and no row '.join(f'{number:,}' for number in wrong)}",
            expected=f"a number from 0 to {len(written.ids) - 1:,}, as in the report and in predictions/{split}.tsv",
            received=" ".join(f"--row {number}" for number in wrong),
            fix="correct the number" if len(wrong) == 1 else "correct the numbers",
        )
    found = read_texts(run, split, data_dir)
    if found.missing:
        raise RunFolderError(
            f"the texts of {split} are not to be had",
            expected="the rows that the run has predicted",
            received=found.missing,
            fix="name the folder that has them with --data-dir, or give the texts themselves",
        )
    return [
        Asked(
            [column[number] for column in found.texts],
            told_of_row(run, written, split, number),
        )
        for number in numbers
    ]


def show_explanations(
    opened: OpenedModel, asked: Sequence[Asked], label: str | None = None, *, as_json: bool, key: str
) -> None:
    """Explain rows and print them; with `as_json` one object, in which they are the list `key`."""
    from glueft.inference.explanation import Explainer, row_heading
    from glueft.inference.printing import answer_lines, answer_object
    from glueft.terminal.explanation import print_explanation

    model, inputs = opened.model(), opened.choice(asked[0].texts).inputs
    objects = []
    texts = [*map(list, zip(*(row.texts for row in asked), strict=True))]
    answers, explanations = Explainer(model).explain(texts, label)
    for number, (row, found) in enumerate(zip(asked, explanations, strict=True)):
        if as_json:
            answer = answer_object(answers, model.labels, tuple(row.texts), number)
            objects.append(row.told | answer | {"explanation": found.as_record()})
            continue
        if number:
            say("")
        if row.told:
            say(row_heading(row.told))
        say(*answer_lines(answers, model.labels, number))
        print_explanation(found, inputs)
    if as_json:
        print_json({"precision": model.precision, key: objects})


def _check_usage(texts: list[str] | None, rows: list[int] | None, split: str | None, data_dir: str | None) -> None:
    if bool(texts) == bool(rows):
        raise DataError(
            "texts and --row contradict each other" if texts else "there is nothing to explain",
            expected="texts, or --row with the number of one of the run's rows",
            received="both" if texts else "neither",
            fix="leave one out"
            if texts
            else 'for example: glueft explain RUN --row 0, or glueft explain RUN "A text."',
        )
    beside = [name for name, value in (("--split", split), ("--data-dir", data_dir)) if value is not None]
    if texts and beside:
        raise DataError(
            f"{beside[0]} says where the rows of a run are, and the texts are given",
            expected=f"{beside[0]} with --row",
            received=f"{beside[0]} with {len(texts)} texts" if len(texts) > 1 else f"{beside[0]} with a text",
            fix="leave it out",
        )
