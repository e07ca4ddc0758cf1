"""What two finished runs of one recipe differ in, file by file and to the last bit."""

from __future__ import annotations

import json
import struct
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# What run.json, history.jsonl and recipe.toml say of a process, its time, and how often it saves its state. A run that
# begins again without a state has its backend and precision from its record.
NOT_COMPARED = {
    "seconds", "started", "finished", "run_dir", "process", "parts", "examples_per_second", "tokens_per_second",
    "peak_memory_bytes", "peak_device_memory_bytes", "checkpoint_minutes",
    "backend_reason", "precision_reason",
}  # fmt: skip


def run_differences(one: Path, other: Path) -> list[str]:
    """Compare two run folders: which files there are, and what is in them."""
    files = [{str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (one, other)]
    # A run that was resumed has several files of TensorBoard's, with the same points.
    curves = [{name for name in names if "tfevents" in name} for names in files]
    plain = [names - more for names, more in zip(files, curves, strict=True)]
    differences = [f"only in {one}: {name}" for name in sorted(plain[0] - plain[1])]
    differences += [f"only in {other}: {name}" for name in sorted(plain[1] - plain[0])]
    for name in sorted(plain[0] & plain[1]):
        if (one / name).is_file():
            differences += [f"{name}: {what}" for what in _file_differences(one / name, other / name)]
    return differences + _curve_differences(*([one / name for name in curves[0]], [other / name for name in curves[1]]))


def _file_differences(one: Path, other: Path) -> list[str]:
    if one.name not in _READERS:
        return [] if one.read_bytes() == other.read_bytes() else ["other bytes"]
    read = _READERS[one.name]
    return _tree_differences(read(one.read_text(encoding="utf-8")), read(other.read_text(encoding="utf-8")))


_READERS: dict[str, Callable[[str], Any]] = {
    "run.json": json.loads,
    "history.jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
    "recipe.toml": tomllib.loads,
}


def _tree_differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Compare two values of JSON."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in {**one, **other} if key not in NOT_COMPARED]
        pairs = [(key, one.get(key, "absent"), other.get(key, "absent")) for key in keys]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(number), *both) for number, both in enumerate(zip(one, other, strict=True))]
    else:
        same = json.dumps(one) == json.dumps(other)  # NaN is NaN, and 1 is not 1.0
        return [] if same else [f"{place}: {str(one)[:200]}, {str(other)[:200]}"]
    return [what for key, left, right in pairs for what in _tree_differences(left, right, f"{place}/{key}")]


def _curve_differences(one: list[Path], other: list[Path]) -> list[str]:
    counts = [Counter(point for path in paths for point in _points(path)) for paths in (one, other)]
    lost, more = counts[0] - counts[1], counts[1] - counts[0]
    return [f"curves: without {[*lost][:3]}, with {[*more][:3]}"] if lost or more else []


def _points(path: Path) -> Iterator[tuple[str, str, int, bytes]]:
    """The points of a file of TensorBoard's: its folder, the tag, the step, and the value as it is stored."""
    from tensorboard.compat.proto.event_pb2 import Event

    content, place = path.read_bytes(), 0
    while place < len(content):  # A record: its length, a checksum of that, the event, a checksum.
        (length,) = struct.unpack_from("<Q", content, place)
        event = Event.FromString(content[place + 12 : place + 12 + length])
        place += 16 + length
        for value in event.summary.value:
            yield path.parent.name, value.tag, event.step, value.SerializeToString()
