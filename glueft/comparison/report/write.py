"""Runs -> a page that compares them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.errors import ComparisonError
from glueft.files import check_place, write_text, writing

if TYPE_CHECKING:
    from glueft.comparison.compare import Comparison

EXAMPLE = "comparison.html"


def page_place(output: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Return where a page is written.

    Raises:
        ComparisonError: it exists already and `force` is not given, or it cannot be written.
    """
    path = Path(output).absolute()
    check_place(path, ComparisonError, force=force, example=EXAMPLE, option="--html")
    return path


def write_page(comparison: Comparison, place: Path, data_dir: str | os.PathLike[str] | None = None) -> list[str]:
    """Write the page of a comparison: one HTML file that needs no other and no network. It links to the runs.

    Args:
        comparison: of runs.
        place: of the file, which is replaced if it exists.
        data_dir: where the rows are, in the benchmark's own layout, if not where the runs had them.

    Returns:
        What could not be shown, and why.

    Raises:
        ComparisonError: it cannot be written.
    """
    from glueft.comparison.report.content import collect
    from glueft.page.html import render_page

    content = collect(comparison, place, None if data_dir is None else Path(data_dir))
    page = render_page("glueft.comparison.report", {"content": content}, lists_rows=True)
    with writing(place, ComparisonError, fix="make room, or name another file with --html; nothing was left behind"):
        write_text(place, page)
    untold = [f"the rows are shown without their texts: {content.rows.missing}"] if content.rows.missing else []
    return [*content.missing, *untold]
