"""`glueft compare`: runs side by side, and which differences are significant."""

from __future__ import annotations

from typing import Annotated

import typer

from glueft.cli.options import AsJsonAlone, print_json

EPILOG = """\b
Examples:
  glueft compare runs/mrpc-20260131-120000-a1b2c3 runs/mrpc-20260131-130000-d4e5f6
  glueft compare runs/mrpc-*                              all against the first
  glueft compare runs/mnli-* --split validation_mismatched
  glueft compare runs/mrpc-* --json > comparison.json
"""


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN", help="Two or more finished run folders; all are compared with the first."),
    ],
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare on this split; by default on the primary split."),
    ] = None,
    as_json: AsJsonAlone = False,
) -> None:
    """Compare finished runs of a task on the same rows.

    It shows what differs in recipe, versions, checkpoint and data; the metrics and their differences to the first run,
    with 95 % intervals by paired bootstrap over the stored predictions; McNemar's exact test; mean and standard error
    over seeds; and in sentences which differences are significant.
    """
    import sys

    from glueft.comparison.compare import compare_runs
    from glueft.errors import ComparisonError
    from glueft.studies.result_file import is_study_folder

    studies = [run for run in runs if is_study_folder(run)]
    if studies:
        raise ComparisonError(
            f"{studies[0]} is the folder of a study",
            expected="run folders",
            received=f"{len(studies)} of {len(runs)} are studies",
            fix="compare two studies with `glueft study compare A B`, or name runs in their folders runs/",
        )
    compared = compare_runs(runs, split=split)
    if as_json:
        print_json(compared)
        return
    from glueft.terminal.comparison_tables import tables
    from glueft.terminal.progress import make_progress

    progress = make_progress(sys.stdout)
    for table in tables(compared):
        progress.tables(table)
        progress.say("")
    for sentence in compared["sentences"]:
        progress.say(sentence)
    progress.say("")
    for note in compared["notes"]:
        progress.say(f"- {note}")
