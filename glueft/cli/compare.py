"""`glueft compare`: runs side by side, and which differences are significant."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.options import AsJsonAlone, PluginFiles, Trust, print_json
from glueft.text import say

EPILOG = """\b
Examples:
  glueft compare runs/mrpc-20260131-120000-a1b2c3 runs/mrpc-20260131-130000-d4e5f6
  glueft compare runs/mrpc-*                              all against the first
  glueft compare runs/mnli-* --split validation_mismatched
  glueft compare runs/mrpc-* --json > comparison.json
  glueft compare runs/mrpc-* --html comparison.html       curves, differences and rows as a page
  glueft compare runs/mine-* --plugin my_metric.py        with an interval for a metric of one's own
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
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the comparison as one HTML page, too.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the page if it exists.")] = False,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Read the texts of the page's rows from here, if the runs' source is gone."),
    ] = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJsonAlone = False,
) -> None:
    """Compare finished runs of a task on the same rows.

    It shows what differs in recipe, versions, checkpoint and data; the metrics and their differences to the first run,
    with 95 % intervals by paired bootstrap over the stored predictions; McNemar's exact test; mean and standard error
    over seeds; and in sentences which differences are significant. With --html a page shows the same, learning curves
    over each other, and the rows on which the runs disagree.
    """
    from glueft.comparison import compare as comparisons
    from glueft.comparison.report.write import page_place, write_page
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
    if html is None and (force or data_dir or trust):
        raise ComparisonError(
            "--force, --data-dir and --trust are for the page",
            expected="with them --html FILE",
            received="no --html",
            fix="add --html comparison.html, or leave them out",
        )
    place = None if html is None else page_place(html, force=force)
    comparison = comparisons.compare(runs, split=split, plugins=plugins or (), trust=trust)
    compared = comparison.found
    notes = [] if place is None else write_page(comparison, place, data_dir)
    if as_json:
        print_json(compared if place is None else {**compared, "html": str(place)})
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
    for note in notes:
        say(f"note: {note}", stream=sys.stderr)
    if place is not None:
        say(f"page written: {html} ({place.stat().st_size / 1024:,.0f} KiB)")
