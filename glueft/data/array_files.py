"""Arrays in the files of a cache, so that a later run need not make them again.

Several processes may use it at once: a file appears whole, and those of one name are equal. What cannot be read is made
anew; what cannot be written is left out, and that is said.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.files import WholeFile
from glueft.system.plain_file import why_irregular

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The disk must have room for so many files of the size: the run needs the rest.
_ROOM = 10


def key_of(parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that arrays depend on, plain JSON: the name of their file."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def arrays_sha256(*arrays: NDArray[Any]) -> str:
    """Return the SHA-256 of arrays: of type, shape and bytes of each."""
    import numpy as np

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], what: str, say: Callable[[str], None]) -> None:
    """Keep arrays in a file, whose folder is made; `what` they are is said where they cannot be kept."""
    import numpy as np

    size = sum(array.nbytes for array in arrays.values())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < _ROOM * size:
            say(f"{what} are not kept in {path.parent}: there is little room on the disk")
            return
        with WholeFile(path) as whole:
            np.savez(whole.file, **arrays, key=np.array(path.stem))  # type: ignore[arg-type]
            whole.finish()
    except OSError as error:
        say(f"{what} are not kept in {path.parent}: {error.strerror or error}")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file; none where there is no file, or one that is damaged or another's."""
    import numpy as np

    try:
        if why_irregular(path):
            return {}
        with np.load(path, allow_pickle=False) as stored:  # checks each array's CRC
            arrays = dict(stored)
        return arrays if str(arrays.pop("key")) == path.stem else {}
    except Exception:  # whatever NumPy and zipfile make of a damaged file
        return {}
