"""Files and folders that appear under their name when they are whole, and not before.

They are made beside their place under a hidden name, `.<name>.glueft-...`, and then renamed. The hidden name says which
process made it: what a killed process has left there is known for it, and removed by the next one that writes there.
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
from glueft.system.process_identity import process_mark, process_mark_is_alive

# A hidden name: how that of its place begins (the whole of it may be too long), what it is ("new", or "earlier": what
# stood in the place), the process, a hash of the whole name, and digits by chance.
_BEGINNING = 40
_HIDDEN = re.compile(
    r"\..{1,40}\.glueft-(?P<kind>new|earlier)-(?P<process>\d+-\d+-[0-9a-f]{8})-(?P<name>[0-9a-f]{8})-[0-9a-f]{6}",
    re.DOTALL,
)
# Where it cannot be known whether a process lives (it was another machine's), what nobody has touched for so long is
# left over: no file takes a day to write.
_FORGOTTEN_SECONDS = 86_400.0

# Enough for a long run.json.
_RESERVE_BYTES = 2**18

# What a system says when nothing can be written, whatever the file: no room, no quota, too large, read-only, broken.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

# Made by this process and not yet in their place. After an interruption, what is still here is removed.
_unfinished: set[Path] = set()
_swept: set[Path] = set()


class WholeFile:
    """A file in the making. Use as a context manager; nothing is left of it unless `finish` was called.

    Args:
        path: its place. A file that is there is replaced.

    Attributes:
        beside: where it is made.
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
        """Put the file in its place."""
        self.close()
        self.beside.replace(self.path)
        _unfinished.discard(self.beside)

    def close(self) -> None:
        """Have all of it on the disk; it may be read at `beside` then."""
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
    """Room on the disk of a folder, held by a file without a name: nothing is left of it, however the process ends.

    Where there is no such room, none is held.

    Args:
        folder: where.
    """

    def __init__(self, folder: Path) -> None:
        self.file: IO[bytes] | None = None
        with suppress(OSError):
            self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # held beyond this block
            # Bytes by chance, for some disks take no room for zeros.
            self.file.write(os.urandom(_RESERVE_BYTES))
            self.file.flush()

    def release(self) -> None:
        """Give the room back."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises:
        OSError: it cannot be written; `cannot_write` tells it in a sentence.
    """
    with WholeFile(path) as whole:
        whole.file.write(content)
        whole.finish()


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 so that it appears whole or not at all.

    The bytes of a path that are not UTF-8 become `\\udc80` to `\\udcff`, from which JSON gives the path back.

    Raises:
        OSError: it cannot be written; `cannot_write` tells it in a sentence.
    """
    write_bytes(path, _encoded(text))


def add_line(path: Path, line: str) -> None:
    """Add a line to a file that grows, all of it or nothing; the file is made if need be.

    Raises:
        OSError: it cannot be written; `cannot_write` tells it in a sentence.
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
def whole_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a new, empty folder; put it in its place if the block succeeds, and leave nothing of it if not.

    Args:
        folder: the place, where nothing is yet, or an empty folder.
        replace: a folder that is there goes; its place is never empty for it.

    Raises:
        OSError: nothing can be written there; `cannot_write` tells it in a sentence.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    restore(folder)
    remove_leftovers(folder.parent)
    beside = hidden_name(folder)
    _unfinished.add(beside)
    try:
        beside.mkdir()
        yield beside
        if replace and folder.exists():
            _exchange(beside, folder)
        else:
            beside.replace(folder)
            _unfinished.discard(beside)
    finally:
        _discard(beside)


def restore(folder: Path) -> None:
    """Put back what stood in a place, where a process was killed on the point of replacing it."""
    if folder.exists():
        return
    named = _hash(folder)
    for path, found in _hidden_in(folder.parent):
        if found["kind"] == "earlier" and found["name"] == named and _is_left_over(path, found["process"]):
            path.replace(folder)
            return


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes of this user have left unfinished in a folder; done once a process and folder."""
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
        # What stood in a place that is empty now is the only copy: `restore` puts it back.
        needed = found["kind"] == "earlier" and found["name"] not in visible
        if not needed and _is_left_over(path, found["process"]):
            _discard(path)


def remove_unfinished() -> None:
    """Remove all that this process has begun and not finished: the last thing before it ends."""
    for path in tuple(_unfinished):
        _discard(path)


at_the_end(remove_unfinished)


def hidden_name(path: Path, kind: str = "new") -> Path:
    """Return the hidden name under which this process makes what is to stand at a path."""
    return path.with_name(
        f".{path.name[:_BEGINNING]}.glueft-{kind}-{process_mark()}-{_hash(path)}-{secrets.token_hex(3)}"
    )


def os_error(error: BaseException) -> OSError | None:
    """Return the system's own word on a failed write; None if an error is of another kind.

    Libraries that write files in other languages hand on its text or its number alone: "No space left on device (os
    error 28)" is the tokenizer's, for one.
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
    """Return what `os_error` does if it says that the disk takes nothing more, whatever the file; else None."""
    fault = os_error(error)
    return fault if fault is not None and fault.errno in DISK_FAULTS else None


def cannot_write(
    path: Path | str,
    error: OSError,
    kind: type[GlueftError] = OutputError,
    *,
    expected: str = "a place with room where files can be made",
    fix: str = "make room, or name another place; nothing was left behind",
    needed: int | None = None,
) -> GlueftError:
    """Return the error for a file or folder that cannot be made or written.

    Args:
        path: the file, or what else was written to.
        error: the system's.
        kind: the class of the error.
        expected: what would have been right.
        fix: what to do.
        needed: how many bytes all of it takes, where that is known.
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
    """Tell of a full disk and the like, met in the block, as `cannot_write` does."""
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
    """Whether a path can be handed to libraries that take none but those in UTF-8."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def free_bytes(path: Path) -> int | None:
    """Return the room on the disk of a path, which need not exist yet; None where the system does not say."""
    for place in (path.absolute(), *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def files_left(path: Path) -> int | None:
    """Return how many files the disk of a path still takes; None where it has no such limit or does not say."""
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


def _exchange(beside: Path, folder: Path) -> None:
    """Put a finished folder in the place of one that is there, and remove that one."""
    if not _swap(beside, folder):
        # Between these two names nothing is in the place; whoever is killed there leaves it to `restore`.
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
    """Exchange two names in one step; return False where the system or the disk cannot (Linux: renameat2(2))."""
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
    """Whether something was made by a process of this user that is gone."""
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
