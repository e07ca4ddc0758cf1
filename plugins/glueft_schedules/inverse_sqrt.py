"""The schedule of the first transformers: the rate falls with the square root of the steps, wherever the end is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glueft
from glueft_schedules.warmup import WarmupOptions, WarmupSchedule

if TYPE_CHECKING:
    import keras

# transformers' own default where there is no warm-up to take the timescale from.
TIMESCALE_WITHOUT_WARMUP = 10_000


class InverseSqrt(WarmupSchedule):
    """Falls with the inverse square root of the step; the length of the run does not matter.

    At step s with w warm-up steps and timescale t: `initial * s / w` while s < w, then
    `initial * sqrt(t / (t + s - w))`. With t = w, the default, that is `initial * sqrt(w / s)`.

    Source: Vaswani et al., 2017, arXiv:1706.03762, section 5.3; the timescale is that of Zhai et al., 2021,
    arXiv:2106.04560, as in transformers' `get_inverse_sqrt_schedule`.
    """

    name = "inverse_sqrt"

    class Options(WarmupOptions):
        """The highest rate, how long it warms up, and how fast it falls."""

        timescale: int | None = glueft.Field(
            None,
            gt=0,
            description="The rate is at half its height three times as many steps after the warm-up; "
            f"if not set, the warm-up's own steps, or {TIMESCALE_WITHOUT_WARMUP} without one.",
        )

    def after_warmup(self, steps: int, warmup_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the falling part."""
        from glueft_schedules.keras_schedules import InverseSquareRoot

        timescale = self.options.timescale or warmup_steps or TIMESCALE_WITHOUT_WARMUP
        return InverseSquareRoot(self.options.initial_learning_rate, timescale)
