"""Half a cosine from the highest rate to the lowest, once or several times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

import glueft
from glueft_schedules.warmup import DecayOptions, WarmupSchedule

if TYPE_CHECKING:
    import keras


class Cosine(WarmupSchedule):
    """Falls along half a cosine; with restarts it starts again from the top, several times in the run.

    At step s of n with w warm-up steps: `initial * s / w` while s < w, then
    `end + (initial - end) * (1 + cos(pi * (s - w) / (n - w))) / 2`. With `restarts` r, the n - w steps are r + 1 cycles
    of such a cosine; cycle i (from 0) is `t_mul ** i` times as long as the first and starts at `m_mul ** i` of the
    height: `end + (initial - end) * m_mul ** i * (1 + cos(pi * part)) / 2`, where `part` of the cycle is done.

    Source: Loshchilov and Hutter, 2016, arXiv:1608.03983. With equal cycles (t_mul = 1, where Keras's default is 2)
    and `end` 0 these are the values of transformers' `get_cosine_with_hard_restarts_schedule_with_warmup`.
    """

    name = "cosine"

    class Options(DecayOptions):
        """Where the rate starts, where it ends, how often it starts again, and how long it warms up."""

        restarts: int = glueft.Field(0, ge=0, le=100, description="How often the rate jumps back up and falls again.")
        t_mul: float = glueft.Field(
            1.0, ge=1, le=10, description="Length of each cycle over that of the one before; needs restarts."
        )
        m_mul: float = glueft.Field(
            1.0, gt=0, le=1, description="Height of each cycle over that of the one before; needs restarts."
        )

        @model_validator(mode="after")
        def cycles_need_restarts(self) -> Cosine.Options:
            """With one cycle there is no other to be longer or lower."""
            for name in ("t_mul", "m_mul"):
                if getattr(self, name) != 1 and not self.restarts:
                    raise ValueError(f"{name} shapes the cycles after a restart; it needs restarts above 0")
            return self

    def after_warmup(self, steps: int, warmup_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return `keras.optimizers.schedules.CosineDecay`, or `CosineDecayRestarts` whose cycles fill the steps.

        Raises:
            TrainingError: the cycles are shorter than a step.
        """
        from keras.optimizers import schedules

        options = self.options
        lowest = options.end_learning_rate / options.initial_learning_rate
        if not options.restarts:
            return schedules.CosineDecay(options.initial_learning_rate, steps, alpha=lowest)
        first_cycle = steps / sum(options.t_mul**cycle for cycle in range(options.restarts + 1))
        if first_cycle < 1:
            raise glueft.TrainingError(
                "the cycles of the cosine schedule are shorter than a step",
                expected=f"a first cycle of at least one of the {steps} steps that the warm-up leaves",
                received=f"restarts = {options.restarts} and t_mul = {options.t_mul}: {first_cycle:.2g} steps",
                fix="lower schedule.restarts or schedule.t_mul, or train more epochs",
            )
        return schedules.CosineDecayRestarts(
            options.initial_learning_rate, first_cycle, t_mul=options.t_mul, m_mul=options.m_mul, alpha=lowest
        )
