"""The checks of an encoder family."""

from __future__ import annotations

from glueft.testing.check import Check, Subject


def checks(subject: Subject) -> list[Check]:
    """The checks of an encoder family, in order."""
    return []
