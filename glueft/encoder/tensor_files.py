"""Reads and writes the tensors of a checkpoint folder: safetensors, whole or sharded, as float32 arrays.

Pickles (`pytorch_model.bin`) are never opened: unpickling can run any code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import CheckpointError
from glueft.hub.checkpoint_files import INDEX, WEIGHTS
from glueft.system.plain_file import UnreadableError, read_json

if TYPE_CHECKING:
    import numpy

    FloatArray = numpy.ndarray[Any, numpy.dtype[numpy.float32]]

# The names under which PyTorch's wrappers hold the model.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

# Far above any encoder's: a hundred bytes a tensor, and some fifteen tensors a layer.
MOST_HEADER = 4 << 20
# So many missing files or tensors are named.
MOST_NAMED = 20

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a safetensors file, not yet read.

    Attributes:
        dtype: as the format names it: "F32", "F16", "BF16", "I64", ...
        offset: its first byte, from the start of the file.
    """

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> FloatArray:
        """The values as float32; float16 and bfloat16 are converted exactly.

        Raises:
            CheckpointError: it has another type than float32, float16, bfloat16 or float64, or holds NaN or infinity.
        """
        import numpy

        stored = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8"}.get(self.dtype)
        if stored is None:
            raise CheckpointError(
                f"{self.path}: the tensor {self.name} has a type that is not supported",
                expected="float32, float16 or bfloat16 (F32, F16, BF16)",
                received=self.dtype,
                fix="use a checkpoint that is not quantised",
            )
        count = math.prod(self.shape)
        values = numpy.fromfile(self.path, dtype=stored, count=count, offset=self.offset).reshape(self.shape)
        with numpy.errstate(over="ignore", invalid="ignore"):
            if self.dtype == "BF16":
                # bfloat16 is the upper half of a float32.
                values = (values.astype(numpy.uint32) << 16).view(numpy.float32)
            values = values.astype(numpy.float32, copy=False)
            # A sum takes a tenth of the reading's time; a test of each value takes as long as the reading.
            if not numpy.isfinite(values.sum()):
                self._refuse_unless_finite(values)
        return values

    def _refuse_unless_finite(self, values: FloatArray) -> None:
        import numpy

        wrong = values.size - int(numpy.isfinite(values).sum())
        if wrong:
            raise CheckpointError(
                f"{self.path}: the weights hold numbers that are not finite",
                expected="finite float32 numbers in every tensor",
                received=f"{wrong} of {values.size} in {self.name} are NaN or infinite",
                fix="a training that went wrong has left them, or the file is damaged: choose another checkpoint, or "
                "an earlier one of that training",
            )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in order.

    Raises:
        CheckpointError: there are none, or only a pickle, or a shard of the index is missing.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        paths = [folder / name for name in sorted(set(_read_index(folder / INDEX).values()))]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise CheckpointError(
                f"{folder}: a part of the weights is missing",
                expected=f"every file that {INDEX} names",
                received=_none_of(missing),
                fix="download or copy the checkpoint again, all of its files",
            )
        return paths
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise CheckpointError(
            f"{folder}: the weights are there only in a form that glueft never loads",
            expected=f"{WEIGHTS}, or shards with {INDEX}",
            received=", ".join(pickles),
            fix="opening a pickle can run any code: choose a checkpoint or revision with safetensors (on the hub, one "
            "may be a pull request's, such as refs/pr/2), or convert this one where you trust it (transformers: "
            "from_pretrained, then save_pretrained)",
        )
    raise CheckpointError(
        f"{folder}: there are no weights",
        expected=f"{WEIGHTS}, or shards with {INDEX}",
        received=", ".join(sorted(path.name for path in folder.iterdir())) or "an empty folder",
        fix="choose a checkpoint whose weights are in safetensors files (pickles are never loaded)",
    )


def read_headers(folder: Path) -> dict[str, StoredTensor]:
    """Every tensor of a checkpoint folder by name, not yet read.

    Raises:
        CheckpointError: there are no safetensors files, one is corrupt, or a tensor of the index is missing.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in weight_files(folder):
        tensors |= _read_header(path)
    if not (folder / WEIGHTS).is_file():
        missing = [name for name in _read_index(folder / INDEX) if name not in tensors]
        if missing:
            raise CheckpointError(
                f"{folder / INDEX}: tensors are missing from the files",
                expected="every tensor that the index names",
                received=_none_of(missing),
                fix="download or copy the checkpoint again, all of its files",
            )
    return tensors


def without_wrappers(names: Iterable[str]) -> dict[str, str]:
    """Map the name that each tensor has in the model to its name in the file.

    A file may have the names of wrappers in those of its tensors: PyTorch's DataParallel (`module`), torch.compile
    (`_orig_mod`), FSDP, activation checkpointing, or a Lightning module (`model`). A name without a wrapper wins over
    the same name with one.

    Raises:
        CheckpointError: two wrappers have a tensor of one name.
    """
    found: dict[str, str] = {}
    for name in names:
        parts = [part for part in name.split(".") if part not in _WRAPPERS]
        plain = ".".join(parts[1:] if parts[0] == "model" else parts)
        if found.get(plain) == plain:
            continue
        if plain in found and plain != name:
            raise CheckpointError(
                "two tensors of the weights are the same one of the model",
                expected="each tensor once, whatever wrapper's name it has, such as module. or _orig_mod.",
                received=f"{found[plain]} and {name}",
                fix="save the weights again from the model alone, without its wrapper",
            )
        found[plain] = name
    return found


def write_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]], tensors: Iterable[tuple[str, FloatArray]]) -> None:
    """Write a safetensors file of float32 tensors, one at a time; the library's own writer takes all at once.

    The layout: the header's length in 8 bytes; the header in JSON, padded with spaces to a multiple of 8 bytes; and the
    tensors' bytes without gaps.

    Args:
        path: the file.
        shapes: of each tensor by name, in the order of the file.
        tensors: each of them once with its name, in any order.

    Raises:
        ValueError: a tensor is missing or has another shape.
    """
    # transformers refuses a file without this format.
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    missing = dict(shapes)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, tensor in tensors:
            if tensor.shape != missing.pop(name, None):
                raise ValueError(f"{name} {tensor.shape} came, where {shapes.get(name)} belongs")
            file.seek(8 + len(text) + header[name]["data_offsets"][0])
            file.write(tensor.astype("<f4", order="C", copy=False).data)
    if missing:
        raise ValueError(f"no {', '.join(missing)} came")


def _read_index(path: Path) -> dict[str, str]:
    try:
        index = read_json(path)
        files = index["weight_map"]
        # A name with a path could point out of the folder.
        if not files or not all(isinstance(name, str) and _is_file_name(name) for name in files.values()):
            raise ValueError("weight_map does not name the files of this folder")
    except (OSError, UnreadableError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: the index of the weights cannot be read",
            expected='JSON with a "weight_map" from tensor names to files of the same folder',
            received=str(error) if isinstance(error, OSError | ValueError | UnreadableError) else "no such map",
            fix="download or copy the checkpoint again",
        ) from None
    return dict(files)


def _is_file_name(name: str) -> bool:
    return Path(name).name == name and len(name) <= 200 and name.isprintable()


def _none_of(missing: Sequence[str]) -> str:
    more = len(missing) - MOST_NAMED
    return f"no {', '.join(missing[:MOST_NAMED])}" + (f" and {more:,} more" if more > 0 else "")


def _read_header(path: Path) -> dict[str, StoredTensor]:
    import safetensors

    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if MOST_HEADER < size < path.stat().st_size:  # else the library says what is wrong
                raise ValueError(f"a header of {size:,} bytes, and no encoder's has more than {MOST_HEADER:,}")
            # The library checks the whole layout: header size, shapes against bytes, no gaps, no overlaps, file length.
            with safetensors.safe_open(path, framework="numpy"):
                pass
            header = json.loads(file.read(size))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        with path.open("rb") as file:
            pointer = file.read(32).startswith(b"version https://git-lfs")
        raise CheckpointError(
            f"{path}: the weights cannot be read",
            expected="a whole safetensors file",
            received="a git-lfs pointer instead of the file" if pointer else f"{path.stat().st_size} bytes: {error}",
            fix="fetch the file itself with `git lfs pull`" if pointer else "download or copy the checkpoint again",
        ) from None
    return {
        name: StoredTensor(path, name, entry["dtype"], tuple(entry["shape"]), 8 + size + entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }
