"""The format of a table, told by the suffix of its file. Imports nothing heavy: recipes are checked by it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated

from pydantic import AfterValidator

from glueft.errors import GlueftError
from glueft.plugin.options import LocalPath
from glueft.suggest import nearest

KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
SUFFIXES = ".csv, .tsv, .jsonl, .ndjson (each also with .gz, .bz2 or .xz behind it) or .parquet"
DELIMITERS = {"csv": ",", "tsv": "\t"}

# What people have instead, and how they get from there.
OTHERS = {
    ".json": "write JSON Lines, one object a line: jq -c '.[]' rows.json > rows.jsonl",
    ".txt": "rename it to .csv or .tsv, by what stands between its columns",
    ".tab": "rename it to .tsv",
    ".xls": "save the sheet as CSV UTF-8",
    ".xlsx": "save the sheet as CSV UTF-8",
    ".ods": "save the sheet as CSV, in UTF-8",
    ".arrow": "write Parquet: datasets.Dataset.from_file(path).to_parquet(...)",
    ".feather": "write Parquet: pandas.read_feather(path).to_parquet(...)",
    ".zip": "unpack it, or compress the file itself with gzip",
}


@dataclass(frozen=True)
class TableFormat:
    """The format of a file."""

    kind: str  # "csv", "tsv", "jsonl" or "parquet"
    compression: str | None = None  # the module that opens it: "gzip", "bz2" or "lzma"


def table_format(path: str | PurePath) -> TableFormat:
    """Return the format of a file; the case of its suffix does not matter.

    Raises:
        ValueError: no such suffix is known; it says which are, and what to do.
    """
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if len(suffixes) > 1 else None
    suffix = suffixes[-2] if compression else suffixes[-1] if suffixes else ""
    kind = KINDS.get(suffix)
    if kind is None or (kind == "parquet" and compression):
        raise ValueError(f"must end in {SUFFIXES}; {_fix(suffix, kind)}")
    return TableFormat(kind, compression)


def format_of(path: Path, error: type[GlueftError], use: str, fix: str) -> TableFormat:
    """Return the format of a file to "read" or "write", or raise an error of a class if its suffix is unknown."""
    try:
        return table_format(path)
    except ValueError as unknown:
        raise error(
            f"{path}: its name does not say how to {use} it",
            expected=f"a name that ends in {SUFFIXES}",
            received=f"{path.name}: {unknown}".replace(f"must end in {SUFFIXES}; ", ""),
            fix=fix,
        ) from None


def _fix(suffix: str, kind: str | None) -> str:
    if kind:
        return "Parquet compresses by itself: give the file as it was before"
    if suffix in OTHERS:
        return f"this is {suffix}: {OTHERS[suffix]}"
    meant = nearest(suffix, KINDS) if re.fullmatch(r"\.\w+", suffix) else None
    if meant or suffix:
        return f'did you mean "{meant}"?' if meant else f"this ends in {suffix}"
    return "this has no suffix; of a folder that `save_to_disk` wrote: datasets.load_from_disk(path).to_parquet(...)"


def _known(path: str) -> str:
    table_format(path)
    return path


TablePath = Annotated[LocalPath, AfterValidator(_known)]
"""A `LocalPath` to a CSV, TSV, JSON Lines or Parquet file, as its suffix says."""
