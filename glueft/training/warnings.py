"""Warnings about a training: truncated rows, batches, learning rates of 0, constant predictions, resuming."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.metrics import is_correlation
from glueft.plugin.callback import keeps_state
from glueft.text import counted, quoted
from glueft.training.backend import keras_backend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded
    from glueft.recipe import Recipe

# The learning rate is looked up at so many steps, evenly spaced: a call takes a millisecond.
LOOKED_UP = 20
EXACT_BACKENDS = ("tensorflow", "jax")
MORE_STEPS = "train for more steps: training.epochs, or a smaller training.batch_size"


def cut_warnings(encoded: Mapping[str, Encoded], max_length: int) -> Iterator[str]:
    """Warn of each split of which most rows are truncated to `data.max_length`."""
    for name, tokens in encoded.items():
        rows = len(tokens.lengths)
        if tokens.truncated > rows / 2:
            yield (
                f"{tokens.truncated:,} of the {counted(rows, f'{name} row')} are cut to {max_length} tokens: the model "
                "does not see the rest; data.max_length sets it"
            )


def step_warnings(recipe: Recipe, steps: int, rows: int) -> Iterator[str]:
    """Warn of a batch or a warm-up that is longer than the training; `rows` are those of the train split."""
    training = recipe.training
    batch = training.batch_size * training.gradient_accumulation_steps
    if batch > rows:
        yield f"the batch of {batch:,} rows is larger than the {counted(rows, 'train row')}: an epoch is a single step"
    warmup = recipe.schedule.warmup_steps(steps)
    if warmup >= steps > 0:
        what = (
            "the only step of the run is the first of the warm-up, where the learning rate begins at 0: nothing is "
            "trained"
            if steps == 1
            else f"the warm-up takes all {steps:,} steps of the run: the learning rate never reaches its peak"
        )
        yield f"{what}; leave out the warm-up (schedule.warmup_ratio, schedule.warmup_steps), or {MORE_STEPS}"


def rate_warnings(rate: Callable[[int], float], recipe: Recipe, steps: int) -> Iterator[str]:
    """Warn of learning rates that are invalid, or 0 in most steps for another reason than those of `step_warnings`.

    Args:
        rate: the learning rate of a step, counted from 1.
        recipe: its schedule.
        steps: of the whole run.
    """
    import numpy as np

    if recipe.schedule.warmup_steps(steps) >= steps == 1:
        return
    looked_up = np.linspace(1, steps, min(LOOKED_UP, steps)).astype(int).tolist()
    rates = np.array([rate(step) for step in looked_up])
    wrong = int((~np.isfinite(rates) | (rates < 0)).sum())
    if wrong:
        yield (
            f"the learning rate is less than 0 or no finite number in {wrong} of the {len(looked_up)} steps that were "
            f"looked up, of {steps:,}: correct the schedule {recipe.schedule.name!r} or its options"
        )
    zeros = np.flatnonzero(rates == 0)
    if len(zeros) == len(looked_up):
        yield (
            f"the learning rate is 0 in every step that was looked up ({len(looked_up)} of {steps:,}): nothing is "
            f"trained; correct the options of the schedule {recipe.schedule.name!r}, or {MORE_STEPS}"
        )
    elif len(zeros) > len(looked_up) / 2:
        yield (
            f"the learning rate is 0 in {len(zeros)} of the {len(looked_up)} steps that were looked up, of "
            f"{steps:,}: most of the run trains nothing; correct the options of the schedule {recipe.schedule.name!r}"
        )


def answer_warnings(
    name: str, predictions: NDArray[Any], given: NDArray[Any], labels: Sequence[str], metrics: Iterable[str]
) -> Iterator[str]:
    """Yield a sentence if a model gives the same answer to all rows of a split, which have not all the same label.

    Args:
        name: the split's.
        predictions: label indices, or scores in regression, (rows,).
        given: likewise, as the data set has them.
        labels: the label names in index order; empty in regression.
        metrics: the names of those that are shown.
    """
    if (predictions != predictions[0]).any() or (given == given[0]).all():
        return
    answer = quoted(labels[int(predictions[0])]) if labels else f"the score {predictions[0]:g}"
    correlation = any(map(is_correlation, metrics))
    undefined = "; a correlation with one answer is not defined, and counts as 0" if correlation else ""
    yield f"all {len(given):,} {name} rows got the same answer, {answer}: the model tells nothing apart{undefined}"


def inexact_reasons(recipe: Recipe) -> list[str]:
    """Return why a run of a recipe may end with other bits once it was resumed; none if it is exact."""
    backend = keras_backend()
    untested = f"exactness is tested with {' and '.join(EXACT_BACKENDS)}, not with {backend}"
    return [*_silent_callbacks(recipe), *([] if backend in EXACT_BACKENDS else [untested])]


def resume_notes(recipe: Recipe) -> list[str]:
    """Return a line if a run of a recipe saves its state, and its callbacks keep it from being resumed exactly."""
    reasons = _silent_callbacks(recipe) if recipe.training.checkpoint_minutes else []
    return [f"this run can be resumed, but not exactly: {'; '.join(reasons)}"] if reasons else []


def _silent_callbacks(recipe: Recipe) -> list[str]:
    return [
        f'the callback "{callback.name}" does not say what it keeps (state, restore)'
        for callback in recipe.callbacks
        if not keeps_state(callback)
    ]
