"""The zip file of an upload: written as a whole or not at all, with the same bytes for the same files."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from glueft.errors import SubmissionError
from glueft.files import WholeFile, check_place, writing

# The earliest time that a zip file can hold: its bytes do not depend on when it was written.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
UNIX = 3
PLAIN_FILE = 0o100644 << 16


def write_zip(path: Path, files: Mapping[str, bytes], check: Callable[[dict[str, bytes]], None], *, force: bool) -> str:
    """Write a zip file, read it back and check it, then put it in its place.

    Args:
        path: its place.
        files: the content of each file by name.
        check: raises SubmissionError if the content read back is wrong.
        force: replace a file that is there.

    Returns:
        The SHA-256 of the zip file.

    Raises:
        SubmissionError: it cannot be written, or does not hold what was written.
    """
    expected, fix = "a folder that can be written to, with room for the file", "name another file with --output"
    with writing(path, SubmissionError, expected=expected, fix=fix), WholeFile(path) as whole:
        with zipfile.ZipFile(whole.file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, TIMESTAMP)
                entry.create_system, entry.external_attr = UNIX, PLAIN_FILE
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, files[name])
        whole.close()
        try:
            read_back = read_zip(whole.beside)
        except zipfile.BadZipFile as error:
            raise OSError(str(error)) from error
        if read_back != dict(files):
            raise OSError("what was read back is not what was written")
        check(read_back)
        digest = hashlib.sha256(whole.beside.read_bytes()).hexdigest()
        check_place(path, SubmissionError, force=force, example=path.name)
        whole.finish()
    return digest


def read_zip(path: Path) -> dict[str, bytes]:
    """Return the content of each file of a zip file; raise zipfile.BadZipFile if a checksum is wrong."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
