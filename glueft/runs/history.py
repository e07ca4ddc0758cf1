"""history.jsonl: a line of JSON for each logged step, each evaluation and whatever plugins log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from glueft.errors import PluginError, RunFolderError
from glueft.plugin.attribution import at_work, who
from glueft.plugin.json_values import json_values
from glueft.runs.record import REPEAT, Epoch, MidEpoch, Part, Step, read_file, wrong_values
from glueft.system.plain_file import refuse_irregular
from glueft.text import short_repr

NAME = "history.jsonl"
# The end of the file in which there is a step or an epoch, unless plugins write very long lines.
_END_BYTES = 2**18
# The kinds of lines that glueft writes itself.
OWN_KINDS: dict[str, type[Part]] = {"step": Step, "epoch": Epoch, "mid_epoch": MidEpoch}


def line_of(kind: Any, values: Mapping[str, Any]) -> str:
    """Return one line of JSON, without the line feed: `kind` first, then the values.

    Raises:
        PluginError: the kind is missing, or glueft's own and a plugin asks for it; or a value has no form in JSON: see
            `json_values`. The message names the plugin at work.
    """
    if not isinstance(kind, str) or not kind.strip():
        received = "no kind" if kind == "" else f"the kind {short_repr(kind)}"
        names = ", ".join(f"{name}=..." for name in values) or "name=value"
        raise _refused(
            "a line for history.jsonl has no kind",
            expected='a text that says what the line is: run.log("samples", answers=[...])',
            received=received,
            fix=f'give the kind first: run.log("KIND", {names})',
        )
    if kind in OWN_KINDS and at_work() is not None:
        raise _refused(
            f'a line for history.jsonl has the kind "{kind}", which is glueft\'s own',
            expected=f"another kind than {', '.join(OWN_KINDS)}, whose lines the report draws",
            received=f'run.log("{kind}", ...)',
            fix="give the line a kind of the plugin's own",
        )
    entry = {"kind": kind} | json_values(values, "a line for history.jsonl")
    line = json.dumps(entry, ensure_ascii=False, allow_nan=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:  # Half of a surrogate pair has no form in UTF-8; as an escape it has one.
        return json.dumps(entry)
    return line


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the lines of history.jsonl that have a `kind`. In folders of older versions, other lines have none.

    Raises:
        RunFolderError: the file cannot be read, or a line is no JSON object, or a step or an epoch lacks its values.
    """
    entries = []
    first: MidEpoch | None = None  # of the evaluations
    # Not `splitlines`: a text in a line may hold other marks that it takes for a line's end, such as U+2028.
    for number, line in enumerate(read_file(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise RunFolderError(
                f"{path}: line {number} cannot be read",
                expected="a JSON object in every line",
                received=repr(line[:80]),
                fix=REPEAT,
            )
        kind = entry.get("kind")
        if not isinstance(kind, str):
            continue
        entries.append(entry)
        if kind in ("epoch", "mid_epoch") and isinstance(entry.get("metrics"), dict):
            # JSON has no NaN, which the correlation of equal scores is: it was written as null.
            entry["metrics"] = {key: nan if value is None else value for key, value in entry["metrics"].items()}
        wrong = {}
        try:
            if kind in OWN_KINDS:
                checked = OWN_KINDS[kind].model_validate(entry)
                if isinstance(checked, MidEpoch):
                    first = checked if first is None else first
                    if checked.metrics.keys() != first.metrics.keys():
                        wrong = {"metrics": f"the metrics {', '.join(first.metrics)}"}
        except ValidationError as error:
            wrong = wrong_values(error)
        if wrong:
            raise RunFolderError(
                f"{path}: an entry is not one of a run",
                expected="; ".join(f"{key}: {wanted}" for key, wanted in wrong.items()),
                received=f'nothing of use at {", ".join(wrong)} of entry {len(entries)}, of the kind "{kind}"',
                fix=REPEAT,
            )
    return entries


def last_step(path: Path) -> int:
    """Return the last step that history.jsonl tells of, 0 if of none. Only its end is read, and nothing is raised."""
    try:
        refuse_irregular(path)
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _END_BYTES))
            lines = file.read(_END_BYTES).split(b"\n")
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # cut off
            continue
        # As text: a broken entry may hold what is in no set.
        own = isinstance(entry, dict) and str(entry.get("kind")) in OWN_KINDS
        step = entry.get("step") if own else None
        if isinstance(step, int):
            return step
    return 0


def _refused(message: str, *, expected: str, received: str, fix: str) -> PluginError:
    return PluginError(who("run.log: ") + message, expected=expected, received=received, fix=fix)
