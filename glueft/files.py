"""Writes files and folders so that they appear whole or not at all.

They are written beside their place under a hidden name, `.<name>.glueft-...`, and then renamed. The hidden name holds
the process that wrote it, so that the next process that writes there can remove what a killed one has left.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from glueft.errors import GlueftError, OutputError
from glueft.system.interruption import at_the_end, held
from glueft.system.plain_file import why_irregular
from glueft.system.process_identity import process_mark, process_mark_is_alive

# A hidden name: the start of the file's name (all of it may be too long), "new" or "earlier" (what stood in the place),
# the process, a hash of the whole name, and random digits.
_BEGINNING = 40
_HIDDEN = re.compile(
    r"\..{1,40}\.glueft-(?P<kind>new|earlier)-(?P<process>\d+-\d+-[0-9a-f]{8})-(?P<name>[0-9a-f]{8})-[0-9a-f]{6}",
    re.DOTALL,
)
# Where it is unknown whether a process lives (another machine's), what has not changed for a day is left over: no file
# takes that long to write.
_FORGOTTEN_SECONDS = 86_400.0

# Enough for a long run.json.
_RESERVE_BYTES = 2**18

# System errors that concern the disk and not one file: no room, no quota, too large, read-only, broken.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

# Begun by this process and not yet in place; an interruption removes what is still here.
_unfinished: set[Path] = set()
_swept: set[Path] = set()


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with the home folder in the place of `~`. `~nobody`, where there is no such user, is a plain name."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # `Path.expanduser` raises there


class WholeFile:
    """A file that is being written. Use as a context manager; nothing is left of it unless `finish` was called.

    Args:
        path: where it will stand; a file that is there is replaced.

    Attributes:
        beside: where it is written.
        file: what to write to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.beside = hidden_name(path)

    def __enter__(self) -> WholeFile:
        remove_leftovers(self.path.parent)
        _unfinished.add(self.beside)
        try:
            self.file: IO[bytes] = self.beside.open("xb")
        except BaseException:
            _discard(self.beside)
            raise
        return self

    def finish(self) -> None:
        """Rename the file to its place."""
        self.close()
        self.beside.replace(self.path)
        _unfinished.discard(self.beside)

    def close(self) -> None:
        """Write all of it to the disk; it may then be read at `beside`."""
        if not self.file.closed:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.beside in _unfinished:
            with suppress(OSError):  # A full disk says so again.
                self.file.close()
            _discard(self.beside)


class Reserve:
    """Room on the disk of a folder, held by a file without a name, of which nothing is left however the process ends.

    Where there is no room, none is held.
    """

    def __init__(self, folder: Path) -> None:
        self.file: IO[bytes] | None = None
        with suppress(OSError):
            self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # held beyond this block
            # Random bytes: some disks take no room for zeros.
            self.file.write(os.urandom(_RESERVE_BYTES))
            self.file.flush()

    def release(self) -> None:
        """Free the room."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it cannot be written; `cannot_write` makes a sentence of it.
    """
    with WholeFile(path) as whole:
        whole.file.write(content)
        whole.finish()


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, whole or not at all.

    Bytes of a path that are not UTF-8 become `\\udc80` to `\\udcff`; JSON gives the path back.

    Raises:
        OSError: it cannot be written; `cannot_write` makes a sentence of it.
    """
    write_bytes(path, _encoded(text))


def add_line(path: Path, line: str) -> None:
    """Append a line to a file, all of it or nothing; a missing file is created.

    Raises:
        OSError: it cannot be written; `cannot_write` makes a sentence of it.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        before, rest = os.fstat(file).st_size, _encoded(line + "\n")
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except BaseException:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


@contextmanager
def whole_folder(folder: Path, *, replace: bool = False, durable: bool = False) -> Iterator[Path]:
    """Give a new, empty folder; rename it to its place if the block succeeds, and remove it if not.

    Args:
        folder: its place: a path where nothing is, or an empty folder.
        replace: replace a folder that is there, without a moment in which its place is empty.
        durable: have it whole or absent after a power cut, too. That waits for the disk.

    Raises:
        OSError: nothing can be written there; `cannot_write` makes a sentence of it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    restore(folder)
    remove_leftovers(folder.parent)
    beside = hidden_name(folder)
    _unfinished.add(beside)
    try:
        beside.mkdir()
        yield beside
        if durable:
            sync(beside)
        if replace and folder.exists():
            _exchange(beside, folder)
        else:
            beside.replace(folder)
            _unfinished.discard(beside)
        if durable:
            _sync_one(folder.parent)
    finally:
        _discard(beside)


def sync(path: Path) -> None:
    """Wait until a file, or a folder and all that is in it, is on the disk and outlives a power cut.

    Raises:
        OSError: it cannot be written after all; network disks say only now that there is no room.
    """
    if path.is_dir():
        for folder, _, names in os.walk(path, topdown=False):
            for name in names:
                _sync_one(Path(folder, name))
            _sync_one(Path(folder))
    else:
        _sync_one(path)


def remove_folder(folder: Path) -> None:
    """Remove a folder, which is whole until it is gone; nothing happens if that cannot be done."""
    beside = hidden_name(folder)
    _unfinished.add(beside)
    with suppress(OSError):
        folder.replace(beside)
    _discard(beside)


def restore(folder: Path) -> None:
    """Put back a folder that a process was about to replace when it was killed."""
    if folder.exists():
        return
    named = _hash(folder)
    for path, found in _hidden_in(folder.parent):
        if found["kind"] == "earlier" and found["name"] == named and _is_left_over(path, found["process"]):
            path.replace(folder)
            return


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes of this user left unfinished in a folder; once for each process and folder."""
    place = folder.absolute()
    if place in _swept:
        return
    _swept.add(place)
    hidden = list(_hidden_in(folder))
    if not hidden:
        return
    try:
        visible = {_hash(path) for path in folder.iterdir()}
    except OSError:
        return
    for path, found in hidden:
        # Where the place is empty now, this is the only copy: `restore` puts it back.
        needed = found["kind"] == "earlier" and found["name"] not in visible
        if not needed and _is_left_over(path, found["process"]):
            _discard(path)


def remove_unfinished() -> None:
    """Remove all that this process has begun and not finished; called last before it ends."""
    for path in tuple(_unfinished):
        # Another thread, which goes on, may be about to give it its place: it must not get one that is half removed.
        gone = hidden_name(path)
        with suppress(OSError):
            path.rename(gone)
        _discard(path)
        _discard(gone)


at_the_end(remove_unfinished)


def hidden_name(path: Path, kind: str = "new") -> Path:
    """Return the hidden name under which this process writes the file or folder of a path."""
    return path.with_name(
        f".{path.name[:_BEGINNING]}.glueft-{kind}-{process_mark()}-{_hash(path)}-{secrets.token_hex(3)}"
    )


def os_error(error: BaseException) -> OSError | None:
    """Return the system's error behind a failed write; None if an error is of another kind.

    Libraries in other languages give its text or number alone, as the tokenizer's "No space left on device (os error
    28)".
    """
    if isinstance(error, OSError) and error.errno:
        return error
    text = str(error)
    number = re.search(r"\bos error (\d+)\b", text) or re.search(r"\berrno ?=? ?(\d+)\b", text, re.IGNORECASE)
    if number:
        return OSError(int(number[1]), os.strerror(int(number[1])))
    for fault in DISK_FAULTS:
        if os.strerror(fault) in text:
            return OSError(fault, os.strerror(fault))
    return error if isinstance(error, OSError) else None


def disk_fault(error: BaseException) -> OSError | None:
    """Return the system's error if it is one of `DISK_FAULTS`; else None."""
    fault = os_error(error)
    return fault if fault is not None and fault.errno in DISK_FAULTS else None


def to_write_again(fault: OSError) -> str:
    """Return what a user has to do after an error of the system, so that the same write succeeds."""
    if fault.errno in NO_ROOM:
        return "make room"
    return "raise the limit (ulimit -f unlimited)" if fault.errno == errno.EFBIG else "have the disk take files again"


def check_place(
    path: Path, kind: type[GlueftError] = OutputError, *, force: bool, example: str, option: str = "--output"
) -> None:
    """Check, before any work is done, that a file can be written; with `force` it may exist.

    Args:
        path: its place.
        kind: of the error.
        example: a name for it.
        option: of the command line, which names it.

    Raises:
        GlueftError: it cannot; of class `kind`.
    """
    if path.is_dir():
        raise kind(
            f"{path} is a folder",
            expected="the name of a file",
            received="a folder",
            fix=f"name a file in it: {option} {path / example}",
        )
    if not path.parent.is_dir():
        raise kind(
            f"{path} cannot be written: there is no folder {path.parent}",
            expected="a folder that exists",
            received="a file" if path.parent.exists() else "nothing of that name",
            fix=f"make it (mkdir -p {path.parent}), or name another place with {option}",
        )
    irregular = why_irregular(path) if path.exists() else None
    if irregular:
        raise kind(
            f"{path} is no file that can be replaced",
            expected="the name of a file",
            received=irregular,
            fix=f"name another place with {option}",
        )
    if path.exists() and not force:
        raise kind(
            f"{path} exists already",
            expected="the name of a new file",
            received=f"a file of {path.stat().st_size:,} bytes",
            fix=f"name another file with {option}, move that one away, or replace it with --force",
        )
    if not os.access(path.parent, os.W_OK):
        raise kind(
            f"{path} cannot be written",
            expected="a folder that can be written to",
            received=f"no permission to write in {path.parent}",
            fix=f"name another place with {option}",
        )


def cannot_write(
    path: Path | str,
    error: OSError,
    kind: type[GlueftError] = OutputError,
    *,
    expected: str = "a place with room where files can be made",
    fix: str = "make room, or name another place; nothing was left behind",
    needed: int | None = None,
) -> GlueftError:
    """Return the error, of class `kind`, for a file or folder that cannot be written.

    Args:
        path: the file, or the name of another thing that was written to.
        error: the system's.
        kind, expected, fix: of the error.
        needed: the bytes of the whole file, if known.
    """
    received = error.strerror or str(error)
    if error.errno == errno.ENOENT and isinstance(path, Path) and not path.parent.exists():
        received = f"the folder {path.parent} is gone"
    if error.errno in NO_ROOM and isinstance(path, Path):
        room = free_bytes(path)
        sizes = [f"{size(needed)} needed"] if needed else []
        sizes += [f"{size(room)} free"] if room is not None else []
        sizes += ["no more files (inodes)"] if files_left(path) == 0 else []
        received += f" ({', '.join(sizes)})" * bool(sizes)
    return kind(f"{path} cannot be written", expected=expected, received=received, fix=fix)


@contextmanager
def writing(
    path: Path | str,
    kind: type[GlueftError] = OutputError,
    *,
    expected: str = "a place with room where files can be made",
    fix: str = "make room, or name another place; nothing was left behind",
    needed: int | None = None,
) -> Iterator[None]:
    """Turn a failed write in the block, such as one to a full disk, into the error of `cannot_write`."""
    try:
        yield
    except (GlueftError, BrokenPipeError):
        raise
    except Exception as error:
        fault = os_error(error)
        if fault is None:
            raise
        raise cannot_write(path, fault, kind, expected=expected, fix=fix, needed=needed) from error


def is_utf8(path: Path) -> bool:
    """Whether libraries that take paths in UTF-8 alone can be given a path."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def free_bytes(path: Path) -> int | None:
    """Return the free bytes on the disk of a path, which need not exist yet; None if unknown."""
    for place in (path.absolute(), *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def files_left(path: Path) -> int | None:
    """Return how many more files the disk of a path takes; None if it has no such limit or it is unknown."""
    for place in (path.absolute(), *path.absolute().parents):
        try:
            disk = os.statvfs(place)
        except FileNotFoundError:
            continue
        except (OSError, AttributeError):  # no statvfs on Windows
            return None
        return disk.f_favail if disk.f_files else None
    return None


def size(count: float) -> str:
    """Write a number of bytes in binary units: `812 bytes`, `3 KiB`, `850 MiB`, `1.8 GiB`."""
    if count < 1024:
        return f"{count:.0f} bytes"
    if count < 2**20:
        return f"{count / 1024:.0f} KiB"
    mebibytes = count / 2**20
    return f"{mebibytes:.0f} MiB" if mebibytes < 1000 else f"{mebibytes / 1024:.1f} GiB"


def _sync_one(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot do it for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _exchange(beside: Path, folder: Path) -> None:
    """Replace a folder by a finished one, and remove the replaced one."""
    if not _swap(beside, folder):
        # Between these two renames the place is empty; `restore` repairs it if the process is killed there.
        earlier = hidden_name(folder, "earlier")
        with held():
            folder.rename(earlier)
            try:
                beside.rename(folder)
            except OSError:
                earlier.rename(folder)
                raise
        _discard(earlier)


def _swap(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux: renameat2(2)); return False where the system or the disk cannot."""
    import ctypes  # not at the top: no light command needs it

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def _hidden_in(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if ".glueft-" in entry.name]
    except OSError:
        return
    for name in names:
        found = _HIDDEN.fullmatch(name)
        if found:
            yield folder / name, found


def _is_left_over(path: Path, mark: str) -> bool:
    """Whether a process of this user that is gone wrote something."""
    try:
        status = path.lstat()
    except OSError:
        return False
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return False
    alive = process_mark_is_alive(mark)
    return alive is False or (alive is None and time.time() - status.st_mtime > _FORGOTTEN_SECONDS)


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    _unfinished.discard(path)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]


def from_here(path: Path) -> str:
    """Return a path as it is written from the working folder, if it lies there; else whole."""
    whole, here = path.absolute(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
