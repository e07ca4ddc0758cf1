"""The options of the command line that are short for one `--set`."""

from __future__ import annotations

# By key of the recipe.
SHORT_OPTIONS = {
    "training.epochs": "--epochs",
    "training.batch_size": "--batch-size",
    "schedule.initial_learning_rate": "--learning-rate",
    "training.seed": "--seed",
    "engine.backend": "--backend",
}


class ShortForm(str):
    """An argument of `--set`, `training.epochs=3`, that was given as an option of its own, `--epochs 3`.

    Attributes:
        option: as it was given.
        value: as it was given.
    """

    option: str
    value: str

    def __new__(cls, key: str, value: str) -> ShortForm:
        made = super().__new__(cls, f"{key}={value}")
        made.option, made.value = SHORT_OPTIONS[key], value
        return made
