"""First-party optimizers: Keras's own, one file each."""

from __future__ import annotations

import glueft
from glueft_optimizers.adafactor import Adafactor
from glueft_optimizers.adam import Adam
from glueft_optimizers.adamw import AdamW
from glueft_optimizers.lamb import Lamb
from glueft_optimizers.lion import Lion
from glueft_optimizers.muon import Muon
from glueft_optimizers.nadam import Nadam
from glueft_optimizers.rmsprop import RMSprop
from glueft_optimizers.sgd import SGD


@glueft.hookimpl
def glueft_optimizers() -> list[type[glueft.Optimizer]]:
    """The optimizers of this package."""
    return [Adafactor, Adam, AdamW, Lamb, Lion, Muon, Nadam, RMSprop, SGD]
