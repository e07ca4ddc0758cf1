"""First-party losses, a file a family."""

from __future__ import annotations

import glueft
from glueft_losses.binary_cross_entropy import BinaryCrossEntropy
from glueft_losses.cross_entropy import CrossEntropy, Focal
from glueft_losses.errors import Huber, MeanAbsoluteError, MeanSquaredError


@glueft.hookimpl
def glueft_losses() -> list[type[glueft.Loss]]:
    """The losses of this package."""
    return [CrossEntropy, Focal, BinaryCrossEntropy, MeanSquaredError, MeanAbsoluteError, Huber]
