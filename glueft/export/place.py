"""The place of an export: what may be replaced, and how a folder appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glueft import files
from glueft.errors import ExportError
from glueft.system.plain_file import refuse_irregular

# A folder with this file is an export: `--force` replaces nothing else.
DESCRIPTION = "export.json"


def refuse_taken(folder: Path, *, force: bool, source: Path) -> None:
    """Raise ExportError unless an export may be put here.

    Args:
        folder: where it would go, absolute.
        force: whether an earlier export may be replaced.
        source: the run or checkpoint that is exported; it must not be inside.
    """
    if not files.is_utf8(folder):
        raise ExportError(
            f"{folder}: the path of an export must be UTF-8, or other programs cannot open it",
            expected="a folder whose path is UTF-8",
            received="a path with bytes that are not",
            fix="name another folder, and move the export afterwards",
        )
    message = f"{folder}: there is something in the place of the export"
    expected, fix = "a folder that does not exist yet", "name another folder"
    if folder.exists() and not folder.is_dir():
        raise ExportError(message, expected=expected, received="a file", fix=fix)
    if not folder.exists() or not any(folder.iterdir()):
        return
    earlier, inside = is_export(folder), source.resolve().is_relative_to(folder)
    if force and earlier and not inside:
        return
    if force and inside:
        message = f"{folder}: it holds what is to be exported, and is not replaced"
        expected = "a folder outside of it"
    elif force:
        expected = "an export of glueft, which --force replaces"
    if earlier and not inside:
        fix = "add --force to replace it, or name another folder"
    elif not (force and inside):
        fix = "name another folder, or move that one away; --force replaces nothing but exports"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    received = "a folder with " + ", ".join(names[:6]) + ", ..." * (len(names) > 6)
    raise ExportError(message, expected=expected, received=received, fix=fix)


def is_export(folder: Path) -> bool:
    """Whether `glueft export` wrote a folder."""
    try:
        refuse_irregular(folder / DESCRIPTION)
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(described, dict) and "glueft" in described and "format" in described


@contextmanager
def export_folder(folder: Path) -> Iterator[Path]:
    """Give a new, empty folder; put it in its place if the block succeeds, and leave nothing of it if not.

    Args:
        folder: the place, absolute; what is there is replaced.

    Raises:
        ExportError: nothing can be written there.
    """
    expected = "a place that can be written to, with room for the model"
    fix = "name another folder, or make room; nothing was left there"
    with (
        files.writing(folder, ExportError, expected=expected, fix=fix),
        files.whole_folder(folder, replace=True) as beside,
    ):
        yield beside
