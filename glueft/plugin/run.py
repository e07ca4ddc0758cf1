"""The run as plugins see it: what a callback's `build` and the hook `glueft_run_finished` are given."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glueft.plugin.base import Plugin
from glueft.plugin.task import Task

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


class Run(Protocol):
    """One run and its folder. Model and rows are there from the moment when a callback's `build` is called."""

    @property
    def recipe(self) -> RunRecipe:
        """The recipe. A checkpoint's name in it may be one that only glueft reads ("package:...")."""

    @property
    def task(self) -> Task:
        """The task plugin, with its options."""

    @property
    def folder(self) -> Path:
        """The folder with the run's results."""

    @property
    def record(self) -> MutableMapping[str, Any]:
        """The content of run.json so far, a dict of JSON's values. A plugin may add keys of its own."""

    @property
    def num_train_steps(self) -> int:
        """Optimizer steps of the whole run; 0 until the batches are planned."""

    @property
    def model(self) -> keras.Model | None:
        """The Keras classifier with its current weights; it takes any token ids. None until it is loaded."""

    @property
    def tokenizer(self) -> Any:
        """A copy of the run's transformers tokenizer. Changes to it affect neither the run nor the model folder.

        Raises:
            RunFolderError: the model is not loaded yet.
        """

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> RunAnswers:
        """Predict new texts with the current weights. The training is not affected.

        Args:
            texts: a list of texts, or for a task on pairs a list of pairs, the first text first. Any words may occur;
                a text longer than `data.max_length` is truncated.

        Returns:
            An object with `labels`, the label of each row by name (of a multi-label task a list of names, [] in
            regression), `probabilities`, float64 (rows, labels) in the order of `run.task.labels` (in regression the
            score of each row, (rows, 1)), and `truncated`, the number of truncated rows.

        Raises:
            PluginError: the texts are no list of texts, or of pairs where the task needs pairs.
            RunFolderError: the model is not loaded yet.
            TrainingError: a logit is not a finite number.
        """

    @property
    def validation_rows(self) -> RunRows:
        """The rows of the primary validation split.

        `texts` has for each of the task's inputs one text per row, `labels` (rows,) the label indices, int32, or in
        regression the scores, float32, and `label_names` the names. In a multi-label task `labels` has 0 and 1 for each
        label, int32 (rows, labels).

        Raises:
            RunFolderError: the model is not loaded yet.
        """

    @property
    def validation_logits(self) -> NDArray[np.float32] | None:
        """The logits of the last validation, (rows, labels) or in regression (rows, 1); rows as in `validation_rows`.

        None before the first validation. The validation of an epoch comes before its callbacks; one within an epoch
        (`training.evaluate_every`) comes after those of its step, and no callback is told.
        """

    @property
    def validation_answers(self) -> RunAnswers | None:
        """The last validation in the form that `predict` returns; None before the first."""

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of an optimizer step, counted from 1. The model must be loaded."""

    def log(self, kind: str = "", **values: Any) -> None:
        """Append a line of JSON to history.jsonl.

        Args:
            kind: the type of the line, by which readers select; "step", "epoch" and "mid_epoch" are glueft's own.
                Required.
            values: texts, numbers, lists and tables; arrays and tensors become lists, and NaN becomes null.

        Raises:
            PluginError: `kind` is missing, or a value has no form in JSON; nothing is written.
            RunFolderError: the line cannot be written; the lines before it are complete.
        """

    def say(self, text: object) -> None:
        """Show a text, or any object as `print` shows it, to the user. Any thread may call it."""


class RunRecipe(Protocol):
    """The recipe of a run; `glueft.load_recipe` returns one."""

    @property
    def task(self) -> Task:
        """The task plugin, with its options."""

    @property
    def optimizer(self) -> Plugin:
        """The optimizer plugin."""

    @property
    def schedule(self) -> Plugin:
        """The schedule plugin."""

    @property
    def loss(self) -> Plugin | None:
        """The loss plugin; None where the task decides."""

    @property
    def callbacks(self) -> Sequence[Plugin]:
        """The callback plugins, in the order of the recipe."""

    @property
    def model(self) -> Any:
        """The section [model]; its keys are attributes."""

    @property
    def data(self) -> Any:
        """The section [data]."""

    @property
    def training(self) -> Any:
        """The section [training]: `run.recipe.training.epochs`."""

    @property
    def engine(self) -> Any:
        """The section [engine]."""

    def tables(self) -> dict[str, Any]:
        """Return the complete recipe as plain values."""


class RunRows(Protocol):
    """The rows of a split."""

    @property
    def texts(self) -> Sequence[list[str]]:
        """For each of the task's inputs, one text per row."""

    @property
    def labels(self) -> NDArray[np.int32] | NDArray[np.float32]:
        """The label indices, (rows,), -1 for none; in regression the scores, NaN for none.

        Of a multi-label task 0 and 1, (rows, labels), or -1 for all of a row without a reference.
        """

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels in index order; empty in regression."""

    def __len__(self) -> int: ...


class RunAnswers(Protocol):
    """Predictions."""

    @property
    def labels(self) -> list[str] | list[list[str]]:
        """The label of each row by name, of a multi-label task a list of names; empty in regression."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(rows, labels); in regression the score of each row, (rows, 1)."""

    @property
    def truncated(self) -> int:
        """The number of truncated rows."""
