"""Where JAX keeps the programs that XLA compiles, so that the next process that needs them compiles nothing.

XLA's programs for TensorFlow cannot be kept. Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glueft.system.processor import cpu_facts
from glueft.training.backend import keras_backend
from glueft.training.machine import threads

# JAX's own variables. Whoever sets one of them has chosen for themselves.
FOLDER, ENABLED = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
# By default JAX leaves out programs that took less than a second. There are dozens in the start of a run.
OPTIONS = {"jax_persistent_cache_min_compile_time_secs": 0.0, "jax_persistent_cache_min_entry_size_bytes": -1}

# Of all folders together. A run of MiniLM on a CPU leaves less than 1 MB, one on a GPU some MB for each padded length.
# JAX's own limit needs a lock for every read, and writes no more once a process has died at the wrong moment.
MOST_BYTES = 1 << 30
# An empty file: entries that are newer have not been looked at.
MARK = ".looked-through"
# The first bytes of what zstandard compresses.
ZSTANDARD = b"\x28\xb5\x2f\xfd"
BY_DEFAULT = "by default"


@dataclass(frozen=True)
class ProgramCache:
    """Where compiled programs are kept.

    Attributes:
        folder: None where none are kept.
        reason: who chose it, or why there is none.
    """

    folder: Path | None
    reason: str


def program_cache() -> ProgramCache:
    """Return where compiled programs are kept on this backend. Nothing is made or changed."""
    if keras_backend() != "jax":
        return ProgramCache(None, "only JAX's programs can be kept")
    if os.environ.get(ENABLED, "").lower() in ("0", "f", "false", "n", "no", "off"):
        return ProgramCache(None, f"{ENABLED} says so")
    if FOLDER in os.environ:
        named = os.environ[FOLDER]
        return ProgramCache(Path(named) if named else None, f"{FOLDER} says so")
    try:
        folder = caches() / key()
        above = next(path for path in (folder, *folder.parents) if path.exists())
        writable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
        # JAX would run what somebody else has put there.
        foreign = above == folder and hasattr(os, "geteuid") and folder.stat().st_uid != os.geteuid()
    except importlib.metadata.PackageNotFoundError:
        return ProgramCache(None, "JAX is not installed")
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
        return ProgramCache(None, str(error))
    chosen = getattr(getattr(sys.modules.get("jax"), "config", None), "jax_compilation_cache_dir", None)
    if chosen not in (None, str(folder)):
        return ProgramCache(Path(chosen), "this process has chosen it")
    if foreign:
        return ProgramCache(None, f"{folder} belongs to another user")
    return ProgramCache(folder, BY_DEFAULT) if writable else ProgramCache(None, f"{above} cannot be written")


def caches() -> Path:
    """Return the folder of all folders with programs, below XDG_CACHE_HOME.

    See the XDG Base Directory Specification, https://specifications.freedesktop.org/basedir-spec/.

    Raises:
        RuntimeError: the user has no home folder.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "glueft" / "xla"
    if sys.platform == "win32" and Path(os.environ.get("LOCALAPPDATA", "")).is_absolute():
        return Path(os.environ["LOCALAPPDATA"]) / "glueft" / "xla"
    return Path("~/.cache/glueft/xla").expanduser()


def key() -> str:
    """Return the name of the folder for programs of these versions on this processor.

    JAX's own key, in the names of the entries, has the program, its options, versions and the GPU, but neither the
    processor nor its threads: a program for AVX-512 would end a process elsewhere. Home folders are shared by machines.

    Raises:
        importlib.metadata.PackageNotFoundError: JAX is not installed.
    """
    versions = "-".join(importlib.metadata.version(package) for package in ("jax", "jaxlib"))
    facts = [platform.machine(), platform.processor(), *sorted(cpu_facts().items()), threads("jax")]
    return f"jax-{versions}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"


def keep_programs() -> None:
    """Have JAX read and keep its programs in `program_cache`; one of glueft's is tidied up first.

    Keras is imported. JAX warns of an entry that it cannot read or write, and compiles.
    """
    cache = program_cache()
    if cache.folder is None:
        return
    import jax

    if cache.reason == BY_DEFAULT:
        with suppress(OSError):  # another process tidies up, or the disk is full
            cache.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_broken(cache.folder)
            remove_oldest(cache.folder.parent, MOST_BYTES)
        jax.config.update("jax_compilation_cache_dir", str(cache.folder))
    for name, value in OPTIONS.items():
        if name.upper() not in os.environ:
            jax.config.update(name, value)


def remove_broken(folder: Path) -> None:
    """Remove the entries that were cut short since the last call, by a full disk or the end of their process.

    JAX would compile these in every process: it never replaces an entry.
    """
    mark, now = folder / MARK, time.time()
    seen = mark.stat().st_mtime if mark.exists() else 0.0
    for path in folder.glob("*-cache"):
        if path.stat().st_mtime >= seen and not _is_whole(path.read_bytes()):
            path.unlink()
    mark.touch()
    os.utime(mark, (now, now))


def _is_whole(entry: bytes) -> bool:
    """Whether an entry can be decompressed. Where the package zstandard is installed, JAX takes that."""
    if entry.startswith(ZSTANDARD):
        return True
    try:
        zlib.decompress(entry)
    except zlib.error:
        return False
    return True


def remove_oldest(folder: Path, most_bytes: int) -> None:
    """Remove the files that have not been used for longest, until those that are left have so many bytes."""
    found = [(path, path.stat()) for path in folder.rglob("*") if path.is_file() and path.name != MARK]
    # Most file systems note when a file was read, to within a day.
    found.sort(key=lambda file: max(file[1].st_atime, file[1].st_mtime))
    left = sum(facts.st_size for _, facts in found)
    for path, facts in found:
        if left <= most_bytes:
            break
        path.unlink(missing_ok=True)
        left -= facts.st_size
