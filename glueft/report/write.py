"""A run folder -> report.html."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glueft.errors import RunFolderError
from glueft.files import check_place, write_text, writing
from glueft.page.html import FILE_NAME, render_page
from glueft.runs.run import Run


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes:
        path: where it is, absolute.
        run: the run folder.
        status: the run's.
        texts: for each split whose rows are listed, whether with their texts.
        notes: what could not be shown, and why.
    """

    path: Path
    run: Path
    status: str
    texts: dict[str, bool]
    notes: list[str]


def write_report(
    run: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    force: bool = False,
    plugins: Sequence[str] = (),
    trust: bool = False,
) -> Written:
    """Write the report of a run: one HTML file that needs no other and no network.

    Args:
        run: the run folder, or its `model/`. The run need not be done.
        output: the file to write; `report.html` in the run folder if None.
        data_dir: where the rows are, in the benchmark's own layout, if not where the run had them.
        force: overwrite the file if it exists.
        plugins, trust: of `Run.open`; to read the texts of the mistakes, which takes the run's task.

    Raises:
        RunFolderError: this is no run folder, or one with broken files; or the file exists already, or cannot be
            written.
    """
    opened = Run.open(run, finished=False, plugins=plugins, trust=trust)
    path = (opened.folder / FILE_NAME) if output is None else Path(output).absolute()
    check_place(path, RunFolderError, force=force, example=FILE_NAME)
    from glueft.report.content import collect
    from glueft.training.collapse import ADVICE

    content = collect(opened, None if data_dir is None else Path(data_dir))
    fix = "make room, or name another file with --output; nothing was left behind"
    page = render_page(
        "glueft.report", {"content": content, "record": opened.record, "advice": ADVICE}, lists_rows=True
    )
    with writing(path, RunFolderError, fix=fix):
        write_text(path, page)
    listed = {split.name: split.rows for split in content.splits if split.rows is not None and split.rows.rows}
    notes = list(content.notes)
    reasons = dict.fromkeys(rows.missing for rows in listed.values() if rows.missing)
    notes += [f"the rows are shown without their texts: {reason}" for reason in reasons]
    texts = {split: not rows.missing for split, rows in listed.items()}
    return Written(path, opened.folder, opened.record.status, texts, notes)
