"""First-party optimizers: Keras's own, one file each."""

from __future__ import annotations

import glueft
from glueft_optimizers.adam import Adam
from glueft_optimizers.adamw import AdamW
from glueft_optimizers.sgd import SGD


@glueft.hookimpl
def glueft_optimizers() -> list[type[glueft.Optimizer]]:
    """The optimizers of this package."""
    return [Adam, AdamW, SGD]
