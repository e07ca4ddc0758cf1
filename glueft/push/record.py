"""What run.json says of pushes: `hub`, with one entry a push."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.files import write_text
from glueft.text import json_text

if TYPE_CHECKING:
    from glueft.push.push import Pushed, Target
    from glueft.runs.saved_run import SavedRun


def hub_record(target: Target, when: str) -> dict[str, Any]:
    """Return `hub` before the first push.

    Args:
        target: where to.
        when: "end", "epoch", or "command" where the recipe did not ask for it.
    """
    return {
        "repository": target.repository,
        "revision": target.branch,
        "private": target.private,
        "when": when,
        "pushes": [],
    }


def push_options(hub: Mapping[str, Any]) -> str:
    """Return the options with which `glueft push` does what `hub` of run.json says: " --private", or none."""
    revision = hub.get("revision", "main")
    return (" --private" if hub.get("private") else "") + (f" --revision {revision}" if revision != "main" else "")


def failed(error: GlueftError | str, status: str = "failed") -> dict[str, Any]:
    """Return the entry of a push that did not work: "failed", "skipped", "unfinished" or "interrupted"."""
    if isinstance(error, str):
        return {"status": status, "reason": error}
    return {"status": status, "reason": error.message, "received": error.received, "mend": error.fix}


def note_push(run: SavedRun, pushed: Pushed, say: Callable[[str], None]) -> None:
    """Add a push to the run.json of a finished run. Where that cannot be written, say so: the push stands anyway."""
    hub = run.record.setdefault("hub", hub_record(pushed.target, "command"))
    hub["pushes"].append(pushed.as_record())
    try:
        write_text(run.folder / "run.json", json_text(run.record, indent=2) + "\n")
    except OSError as error:
        say(f"warning: {run.folder / 'run.json'} cannot be written to ({error.strerror}); it does not name this push")
