"""Refused requests: each with a status of HTTP, and what was expected, received and to fix."""

from __future__ import annotations

from glueft.errors import GlueftError


class RefusedError(GlueftError):
    """A request that gets no answer; `status` is that of HTTP."""

    def __init__(self, status: int, message: str, *, expected: str = "", received: str = "", fix: str = "") -> None:
        super().__init__(message, expected=expected, received=received, fix=fix)
        self.status = status


def as_object(error: GlueftError) -> dict[str, dict[str, str]]:
    """Return the body of the response."""
    parts = {
        "message": error.message,
        "expected": error.expected,
        "received": error.received,
        "fix": error.fix,
    }
    return {"error": {name: text for name, text in parts.items() if text}}
