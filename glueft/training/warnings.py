"""Warnings about a training: truncated rows, batches, evaluations, learning rates of 0, resuming."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from glueft.metrics import known_metrics
from glueft.plugin.callback import keeps_state
from glueft.text import counted

if TYPE_CHECKING:
    import numpy as np
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
            cut = f"{tokens.truncated:,} of the {rows:,} {name} rows are" if rows > 1 else f"the only {name} row is"
            yield f"{cut} cut to {max_length} tokens: the model does not see the rest; data.max_length sets it"


def balance_warnings(recipe: Recipe, *, weighted: bool) -> Iterator[str]:
    """Warn of rare labels that count twice; `weighted` is whether the loss weighs rows by label."""
    if weighted and recipe.training.sampler == "balanced":
        yield (
            "rare labels count twice: training.sampler makes the labels equally frequent, and the loss weighs rows by "
            "label on top; leave out one of the two"
        )


def kept_warnings(recipe: Recipe) -> Iterator[str]:
    """Warn of a best evaluation that is looked for by labels of which the threshold is tuned afterwards."""
    if recipe.training.keep != "best" or recipe.decision.threshold != "tuned":
        return
    name = recipe.task.metrics[0]
    better = "macro_average_precision" if recipe.task.multi_label else "average_precision"
    if not known_metrics()[name].takes_probabilities:
        yield (
            f'training.keep = "best" compares evaluations by {name} at the plain decision, for the threshold is tuned '
            "after the training: another one may be better at the tuned threshold; a metric of the probabilities as "
            f"the first of task.metrics, such as {better}, compares them at all thresholds"
        )


def step_warnings(recipe: Recipe, steps: int, rows: int) -> Iterator[str]:
    """Warn of a batch or a warm-up that is longer than the training; `rows` are those of "train", or its windows."""
    training = recipe.training
    batch = training.batch_size * training.gradient_accumulation_steps
    if batch > rows:
        what = "row" if recipe.data.windows is None else "window"
        whole = counted(rows, f"train {what}")
        yield f"the batch of {batch:,} {what}s is larger than the {whole}: an epoch is a single step"
    warmup = recipe.schedule.warmup_steps(steps)
    if warmup >= steps > 0:
        what = (
            "the only step of the run is the first of the warm-up, where the learning rate begins at 0: nothing is "
            "trained"
            if steps == 1
            else f"the warm-up takes all {steps:,} steps of the run: the learning rate never reaches its peak"
        )
        yield f"{what}; leave out the warm-up (schedule.warmup_ratio, schedule.warmup_steps), or {MORE_STEPS}"


def evaluation_warnings(recipe: Recipe, evaluated: NDArray[np.bool_], rows: int, validation_rows: int) -> Iterator[str]:
    """Warn of evaluations that would take more time than the training, and of those within epochs that never come.

    Args:
        recipe: its `training.evaluate_every`.
        evaluated: whether an evaluation follows each step, (steps,).
        rows: those of the train split, or its windows.
        validation_rows: likewise of the primary split.
    """
    every, epochs, count = recipe.training.evaluate_every, recipe.training.epochs, int(evaluated.sum())
    if isinstance(every, int) and every > len(evaluated):
        yield (
            f"training.evaluate_every = {every:,} never comes: the run has {counted(len(evaluated), 'step')}, and only "
            "the ends of epochs are evaluated; a part of an epoch is written with a point, such as 0.5"
        )
    # A row that is evaluated costs a third of one that is trained on: it has a forward pass only.
    trained, read = rows * epochs, count * validation_rows
    what = "rows" if recipe.data.windows is None else "windows"
    if every is not None and count > epochs and read / 3 > trained:
        yield (
            f"evaluating takes more time than training: {count:,} evaluations read {read:,} {what}, while the training "
            f"reads {trained:,}; evaluate less often (training.evaluate_every), or fewer rows (data.limit_validation)"
        )


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


def inexact_reasons(recipe: Recipe) -> list[str]:
    """Return why a run of a recipe may end with other bits once it was resumed; none if it is exact."""
    from glueft.training.backend import keras_backend  # `validate` does not need it

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
