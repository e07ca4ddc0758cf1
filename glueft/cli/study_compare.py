"""`glueft study compare`: two studies, by task and on average."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.options import AsJsonAlone, print_json

EPILOG = """\b
Examples:
  glueft study compare studies/glue-bert studies/glue-mine
  glueft study compare studies/glue-bert studies/glue-mine --json > comparison.json
"""


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="The folder of the study to compare with.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The folder of the other study.")],
    as_json: AsJsonAlone = False,
) -> None:
    """Compare two studies of the same tasks, such as those of two encoders.

    It shows for each task and on average the difference of the means, its 95 % interval over other seeds and other
    rows, the almost stochastic order of the runs, and in a sentence what these numbers allow to say.
    """
    from glueft.studies.comparison.comparison import compare_studies

    compared = compare_studies(first, other)
    if as_json:
        print_json(compared)
        return
    from glueft.studies.comparison.comparison_table import comparison_table
    from glueft.terminal.progress import make_progress

    progress = make_progress(sys.stdout)
    progress.tables(comparison_table(compared))
    progress.say("")
    for sentence in compared["sentences"]:
        progress.say(sentence)
    progress.say("")
    for note in compared["notes"]:
        progress.say(f"- {note}")
