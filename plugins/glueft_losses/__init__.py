"""First-party losses, a file a family."""

from __future__ import annotations

import glueft
from glueft_losses.cross_entropy import CrossEntropy
from glueft_losses.errors import MeanSquaredError


@glueft.hookimpl
def glueft_losses() -> list[type[glueft.Loss]]:
    """The losses of this package."""
    return [CrossEntropy, MeanSquaredError]
