"""The files that a run was made from: recorded when they are read, and later looked at for changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.files import expanded
from glueft.runs.record import InputFile, Record

if TYPE_CHECKING:
    from glueft.encoder.checkpoint_finder import Checkpoint

# By path, size and time of the last change: runs of a study have most of their files in common.
_known: dict[tuple[str, int, int], str] = {}


def describe_inputs(
    data_files: Iterable[Path], checkpoint: Checkpoint, teacher: Checkpoint | None = None
) -> list[InputFile]:
    """Return `inputs` of run.json. The files of a checkpoint on the hub are left out: its commit says all of them."""
    described = [_described("data", path) for path in data_files if path.is_file()]
    described += _files_of("checkpoint", checkpoint)
    return described if teacher is None else [*described, *_files_of("teacher", teacher)]


def _files_of(kind: str, checkpoint: Checkpoint) -> Iterator[InputFile]:
    if checkpoint.revision is None:
        # By the name that the recipe has: a link may lead elsewhere tomorrow.
        named = expanded(checkpoint.name)
        folder = named.absolute() if named.is_dir() else checkpoint.folder
        for name, sha256 in checkpoint.fingerprints.items():
            yield _described(kind, folder / name, sha256)


def option_files(options: Any) -> Iterator[Path]:
    """Yield the files that the checked options of a task name, wherever they stand in them."""
    if isinstance(options, Mapping):
        options = [*options.values()]
    if isinstance(options, (list, tuple)):
        for value in options:
            yield from option_files(value)
    elif isinstance(options, str) and "\0" not in options and Path(options).is_absolute():
        with suppress(OSError):  # too long for a path
            if Path(options).is_file():
                yield Path(options)


def changed_inputs(record: Record) -> list[str]:
    """Return a sentence for each local file of a run that has another content now: data, checkpoint, plugin files.

    A file that is gone has not changed: what was made from it stays what it was. Files of the same size and time of
    the last change are not read, others once. Earlier runs have recorded no data files.
    """
    known = [*record.inputs, *([] if record.inputs else _checkpoint_of_earlier(record))]
    known += [InputFile(kind="plugin", path=file.path, sha256=file.sha256) for file in record.plugins.files]
    return [f"the {file.kind} file {file.path} has changed since the run" for file in known if _has_changed(file)]


def _has_changed(file: InputFile) -> bool:
    try:
        now = Path(file.path).stat()
    except OSError:
        return False
    if file.size is not None and file.size != now.st_size:
        return True
    if file.size is not None and file.modified_ns == now.st_mtime_ns:
        return False
    try:
        return _sha256(Path(file.path), now.st_size, now.st_mtime_ns) != file.sha256
    except OSError:
        return False


def _described(kind: str, path: Path, sha256: str | None = None) -> InputFile:
    now = path.stat()
    return InputFile(
        kind=kind,
        path=str(path),
        size=now.st_size,
        modified_ns=now.st_mtime_ns,
        sha256=sha256 or _sha256(path, now.st_size, now.st_mtime_ns),
    )


def _checkpoint_of_earlier(record: Record) -> Iterator[InputFile]:
    """The files of a local checkpoint, of a run that has not recorded its inputs."""
    folder = Path(record.checkpoint.name or "")
    if record.checkpoint.revision is None and folder.is_absolute():
        for name, sha256 in record.checkpoint.sha256.items():
            yield InputFile(kind="checkpoint", path=str(folder / name), sha256=sha256)


def _sha256(path: Path, size: int, modified_ns: int) -> str:
    key = (str(path), size, modified_ns)
    if key not in _known:
        with path.open("rb") as file:
            _known[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _known[key]
