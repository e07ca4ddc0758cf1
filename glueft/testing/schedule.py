"""The checks of a schedule: its rates from the first step to the last, for runs of several lengths."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from glueft.testing.built import from_config, require_built, saved_config
from glueft.testing.check import Check, ContractBrokenError, Subject

LENGTHS = (1, 2, 7, 100, 5000)
MOST_STEPS = 60


def checks(subject: Subject) -> list[Check]:
    return [
        Check("builds", subject, builds, ("keras",)),
        Check("rates", subject, rates, ("keras",)),
        Check("whole run", subject, whole_run, ("keras",)),
        Check("is saved", subject, is_saved, ("keras",)),
        Check("resume", subject, resume, ("keras",)),
    ]


def builds(subject: Subject) -> str:
    """`build` returns a Keras schedule for runs of every length."""
    names = {type(_built(subject, steps)).__name__ for steps in LENGTHS}
    return " and ".join(sorted(names))


def rates(subject: Subject) -> str:
    """Every rate from step 0 to the end is a finite number of at least 0."""
    for total in LENGTHS:
        for step, rate in _rates(subject, total).items():
            if not math.isfinite(rate) or rate < 0:
                raise ContractBrokenError(
                    f"in a run of {total} steps the learning rate of step {step} is {rate:g}; every one from 0 to "
                    f"{total} must be a finite number of at least 0"
                )
    rates = _rates(subject, 100)
    return f"of 100 steps: {rates[0]:.3g} at first, at most {max(rates.values()):.3g}, {rates[100]:.3g} at the end"


def whole_run(subject: Subject) -> str:
    """The rate is not 0 before the last step: a step at rate 0 changes nothing."""
    for total in LENGTHS[2:]:
        rates = _rates(subject, total)
        trained = [step for step, rate in rates.items() if rate > 0]
        if not trained:
            raise ContractBrokenError(f"in a run of {total} steps every learning rate is 0: nothing would be trained")
        last = max(step for step in rates if step < total)
        if max(trained) < last:
            raise ContractBrokenError(
                f"in a run of {total} steps the learning rate is already 0 after step {max(trained)}: it seems to be "
                "built for another number of steps than `total_steps`"
            )
    return "above 0 up to the last step"


def is_saved(subject: Subject) -> str:
    """The schedule's configuration goes through JSON and back, to the same rates."""
    schedule = _built(subject, 100)
    config = saved_config(schedule)
    again = from_config(schedule, config)
    for step in _steps(100):
        if not math.isclose(_rate(schedule, step), _rate(again, step), rel_tol=1e-6, abs_tol=1e-12):
            raise ContractBrokenError(
                f"after from_config the rate of step {step} is {_rate(again, step):g} and was "
                f"{_rate(schedule, step):g}; get_config must name every argument of the constructor"
            )
    return f"{len(config)} settings through JSON and back"


def resume(subject: Subject) -> str:
    """The rate of a step depends on the step alone: a resumed run asks for those to come, of a schedule built anew."""
    whole = _rates(subject, 100)
    schedule = _built(replace(subject), 100)  # of a new plugin
    for step in sorted(whole, reverse=True):
        rate = _rate(schedule, step)
        if rate != whole[step] and not math.isnan(rate):
            raise ContractBrokenError(
                f"the rate of step {step} is {whole[step]:g} after the steps before it, and {rate:g} without them: "
                "compute it from the step alone, and keep nothing from one call to the next"
            )
    return "the same rates in any order"


def _built(subject: Subject, total_steps: int) -> Any:
    schedule = subject.plugin.build(total_steps)
    require_built("schedule", schedule)
    return schedule


def _rates(subject: Subject, total: int) -> dict[int, float]:
    schedule = _built(subject, total)
    return {step: _rate(schedule, step) for step in _steps(total)}


def _steps(total: int) -> list[int]:
    """About sixty steps from 0 to `total`, with both and the one before the last among them."""
    inner = range(0, total, max(1, total // MOST_STEPS))
    return sorted({*inner, max(0, total - 1), total})


def _rate(schedule: Any, step: int) -> float:
    import keras

    return float(keras.ops.convert_to_numpy(schedule(step)))
