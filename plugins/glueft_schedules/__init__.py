"""First-party learning rate schedules, one file each."""

from __future__ import annotations

import glueft
from glueft_schedules.constant import Constant
from glueft_schedules.cosine import Cosine
from glueft_schedules.inverse_sqrt import InverseSqrt
from glueft_schedules.linear import Linear
from glueft_schedules.polynomial_decay import PolynomialDecay


@glueft.hookimpl
def glueft_schedules() -> list[type[glueft.Schedule]]:
    """The schedules of this package."""
    return [Constant, Cosine, InverseSqrt, Linear, PolynomialDecay]
