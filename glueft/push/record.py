"""The pushes in run.json: `hub`, with one entry a push."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError, RunFolderError
from glueft.runs.record import Hub, Push

if TYPE_CHECKING:
    from glueft.push.push import Pushed, Target
    from glueft.runs.run import Run


def hub_record(target: Target, when: str) -> Hub:
    """Return `hub` before the first push.

    Args:
        target: where to.
        when: "end" or "epoch", as the recipe says; "command" for `glueft push`.
    """
    return Hub(repository=target.repository, revision=target.branch, private=target.private, when=when, pushes=[])


def failed(error: GlueftError | str, status: str = "failed") -> dict[str, Any]:
    """Return the entry of a push that did not work: "failed", "skipped", "unfinished" or "interrupted"."""
    if isinstance(error, str):
        return {"status": status, "reason": error}
    return {"status": status, "reason": error.message, "received": error.received, "mend": error.fix}


def note_push(run: Run, pushed: Pushed, say: Callable[[str], None]) -> None:
    """Add a push to the run.json of a finished run; say so if it cannot be written."""
    if run.record.hub is None:
        run.record.hub = hub_record(pushed.target, "command")
    run.record.hub.pushes.append(Push.model_validate(pushed.as_record()))
    try:
        run.write_record()
    except RunFolderError as error:
        say(f"warning: {error.message} ({error.received}); it does not name this push")
