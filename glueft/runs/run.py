"""What a run leaves behind: recipe.toml, run.json, history.jsonl, predictions/ and model/."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from glueft.errors import GlueftError, RunFolderError
from glueft.files import Reserve, add_line, cannot_write, remove_leftovers, write_text, writing
from glueft.metrics import softmax
from glueft.runs import history
from glueft.runs.record import Record
from glueft.text import json_text, number_text, shortest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.rows import Rows
    from glueft.encoder.classifier import Classifier
    from glueft.plugin.task import Task
    from glueft.recipe import Recipe
    from glueft.runs.answers import Answers

_EXPECTED = "a run folder that stays, on a disk with room for what the run leaves behind"
_FIX = "make room, or name another place with --output-dir; what is in the run folder is whole"


class Live(Protocol):
    """The model of a run that goes on, and what belongs to it."""

    @property
    def classifier(self) -> Classifier:
        """The Keras classifier, with the weights of now."""

    @property
    def tokenizer(self) -> Any:
        """A copy of the run's tokenizer."""

    @property
    def num_train_steps(self) -> int:
        """Optimizer steps of the whole run."""

    @property
    def validation_rows(self) -> Rows:
        """The rows of the primary split."""

    def validation_answers(self, logits: NDArray[np.float32]) -> Answers:
        """Return what logits of these rows say."""

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers:
        """Return what the model says of texts."""

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of an optimizer step, from 1."""


class Run:
    """One run and its folder; callbacks and `glueft_run_finished` hooks get it.

    What there is of the model and of the rows is there when a callback's `build` is called.

    Attributes:
        recipe: what was asked for; a checkpoint's name there may be one that glueft alone reads ("package:...").
        folder: where the run leaves its results.
        record: the content of run.json so far.
        validation_logits: what the last validation said, (rows, labels) or in regression (rows, 1), in the order of
            `validation_rows`; None before the first. The validation of an epoch comes before its callbacks.
        reserve: room on the disk for the last run.json, kept while the run goes on.
    """

    def __init__(self, recipe: Recipe, folder: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self.recipe = recipe
        self.folder = folder
        self._say = say
        # Filled in by `open_record`.
        self.record = Record.model_construct(status="not begun")
        self.validation_logits: NDArray[np.float32] | None = None
        self._live: Live | None = None
        self.reserve: Reserve | None = None

    def __repr__(self) -> str:
        return f"Run({self.folder.name})"

    @property
    def task(self) -> Task:
        """The task plugin, with its options."""
        return self.recipe.task

    def attach(self, live: Live) -> None:
        """Give the run its model, once it is loaded and compiled."""
        self._live = live

    @property
    def num_train_steps(self) -> int:
        """Optimizer steps of the whole run; 0 until the model is loaded."""
        return 0 if self._live is None else self._live.num_train_steps

    @property
    def model(self) -> Classifier | None:
        """The Keras classifier, with the weights of now; it takes any token ids. None until it is loaded."""
        return None if self._live is None else self._live.classifier

    @property
    def tokenizer(self) -> Any:
        """A copy of the run's tokenizer, of transformers: what is set on it bears on neither run nor model folder.

        Raises:
            RunFolderError: the run has not come to its model.
        """
        return self._in_training().tokenizer

    @property
    def validation_rows(self) -> Rows:
        """The rows of the split that the run is judged by.

        `texts` has for each of the task's inputs a text a row, `labels` (rows,) the indices of the labels, int32, or
        in regression the scores, float32, and `label_names` the names.

        Raises:
            RunFolderError: the run has not come to its model.
        """
        return self._in_training().validation_rows

    @property
    def validation_answers(self) -> Answers | None:
        """What the last validation said of `validation_rows`, as `predict` puts it; None before the first."""
        if self.validation_logits is None:
            return None
        return self._in_training().validation_answers(self.validation_logits)

    def predict(self, texts: Sequence[str] | Sequence[Sequence[str]]) -> Answers:
        """Return what the model says of new texts, with the weights of now. The training is not touched.

        Args:
            texts: a list of texts, or for a task on pairs a list of pairs, the first text first. They may hold any
                words; what is longer than `data.max_length` is cut.

        Returns:
            Answers with `labels`, the label of each row by name ([] in regression), `probabilities`, float64 (rows,
            labels) in the order of `run.task.labels` (in regression the score of each row, (rows, 1)), and
            `truncated`, how many rows were cut.

        Raises:
            PluginError: the texts are no list of texts, or of pairs where the task needs pairs.
            RunFolderError: the run has not come to its model.
            TrainingError: a logit is not a finite number.
        """
        return self._in_training().predict(texts)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of an optimizer step, counted from 1. The model must be loaded."""
        return self._in_training().learning_rate(step)

    def _in_training(self) -> Live:
        if self._live is None:
            raise RunFolderError(
                f"{self!r} has no model yet",
                expected="a run whose rows are read and whose model is loaded",
                received=f'a run with the status "{self.record.status}" that has not come so far',
                fix="ask for it in a callback's `build` or later",
            )
        return self._live

    def begin(self, recipe: str) -> None:
        """Write recipe.toml and the first run.json, and keep room for the last."""
        with self.writing("recipe.toml"):
            write_text(self.folder / "recipe.toml", recipe)
        self.write_record()
        self.reserve = Reserve(self.folder)

    def write_record(self) -> None:
        """Write run.json.

        Raises:
            RunFolderError: it cannot be written; the one before stays.
        """
        with self.writing("run.json"):
            write_text(self.folder / "run.json", json_text(self.record.as_dict(), indent=2) + "\n")

    def close(self) -> None:
        """Write the last run.json, in the room that was kept for it."""
        if self.reserve is not None:
            self.reserve.release()
        self.write_record()

    def note_interruption(self) -> None:
        """Write that the run was interrupted, if its process is ended on the spot and the record does not say so."""
        if self.record.status in ("running", "interrupted"):
            self.record.status = "interrupted"
            self.close()

    def log(self, kind: str = "", **values: Any) -> None:
        """Add a line of JSON to history.jsonl, the one file that grows while the run goes on.

        Args:
            kind: what the line is, which readers go by; "step" and "epoch" are glueft's own. It must be given.
            values: texts, numbers, lists and tables; arrays and tensors become lists, and NaN becomes null.

        Raises:
            PluginError: the line has no kind, or a value no form in JSON; nothing is written.
            RunFolderError: it cannot be written; the lines before are whole.
        """
        line = history.line_of(kind, values)
        with self.writing(history.NAME):
            add_line(self.folder / history.NAME, line)

    def say(self, text: object) -> None:
        """Show a text, or anything as `print` shows it, to whoever watches the run; any thread may call it."""
        self._say(str(text))

    def writing(self, name: str, needed: int | None = None) -> AbstractContextManager[None]:
        """Tell in a sentence of a full disk and the like that is met while a file of the run is written."""
        return writing(self.folder / name, RunFolderError, expected=_EXPECTED, fix=_FIX, needed=needed)

    def cannot_write(self, fault: OSError) -> GlueftError:
        """Return the same for a file that glueft does not know: a callback's, for one."""
        path = self.folder if fault.filename is None else Path(os.fsdecode(fault.filename))
        return cannot_write(path, fault, RunFolderError, expected=_EXPECTED, fix=_FIX)


def new_run_folder(output_dir: Path, task_name: str) -> Path:
    """Make and return `<output_dir>/<task>-<time>-<id>`.

    Raises:
        RunFolderError: the folder cannot be made.
    """
    folder = output_dir / f"{task_name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunFolderError(
            f"the run folder {folder} cannot be made",
            expected="a folder that can be written to, or a path where one can be made",
            received=error.strerror or str(error),
            fix="name another place with --output-dir",
        ) from error
    _remove_what_killed_runs_left(output_dir)
    return folder


def _remove_what_killed_runs_left(output_dir: Path) -> None:
    """Whatever else lies there, a mount that hangs for one, or may not be looked into: that keeps no run from going."""
    with suppress(OSError), os.scandir(output_dir) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_leftovers_of_run(Path(entry.path))


def remove_leftovers_of_run(folder: Path) -> None:
    """Remove what a killed process has left unfinished in a run folder."""
    for place in (folder, folder / "predictions"):
        remove_leftovers(place)


def write_predictions(
    path: Path, labels: NDArray[Any], logits: NDArray[np.float32], label_names: Sequence[str]
) -> None:
    """Write one split's predictions as TSV: id, label, prediction, and a `probability_<label>` column a label.

    Numbers have all their digits: scores read back to the same float32, probabilities to the same float64, so that the
    metrics of the file are those of the run, and the largest probability of a row is that of its prediction.

    Args:
        path: the file; its folder is made if need be.
        labels: (rows,), label indices with -1 for an unlabelled row, or scores with NaN for one.
        logits: (rows, labels), or (rows, 1) in regression.
        label_names: the labels in index order; empty in regression.
    """
    if label_names:
        header = ["id", "label", "prediction", *(f"probability_{name}" for name in label_names)]
        given = [label_names[label] if label >= 0 else "" for label in labels]
        predicted = [label_names[label] for label in logits.argmax(axis=1)]
        probabilities = [[number_text(value) for value in row] for row in softmax(logits).tolist()]
    else:
        header = ["id", "label", "prediction"]
        given = ["" if label != label else number_text(label) for label in shortest(labels)]
        predicted = [number_text(score) for score in shortest(logits[:, 0])]
        probabilities = [[] for _ in labels]
    rows = zip(map(str, range(len(labels))), given, predicted, probabilities, strict=True)
    lines = ["\t".join(header), *("\t".join([row, label, guess, *shares]) for row, label, guess, shares in rows)]
    text = "\n".join(lines) + "\n"
    with writing(path, RunFolderError, expected=_EXPECTED, fix=_FIX, needed=len(text)):
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
