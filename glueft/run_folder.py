"""What a run leaves behind: recipe.toml, run.json, history.jsonl, predictions/ and model/."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.digits import number_text, shortest
from glueft.errors import RunFolderError
from glueft.files import write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.plugin import Task
    from glueft.recipe import Recipe


class Run:
    """One run and its folder; callbacks and `glueft_run_finished` hooks get it.

    Attributes:
        recipe: what was asked for.
        folder: where the run leaves its results.
        record: the content of run.json so far.
        num_train_steps: optimizer steps of the whole run; 0 until the batches are planned.
        model: the Keras classifier; None until it is loaded.
        say: shows a line to whoever watches the run; any thread may call it.
    """

    def __init__(self, recipe: Recipe, folder: Path, say: Callable[[str], None] = lambda line: None) -> None:
        self.recipe = recipe
        self.folder = folder
        self.say = say
        self.record: dict[str, Any] = {}
        self.num_train_steps = 0
        self.model: Classifier | None = None

    def __repr__(self) -> str:
        return f"Run({self.folder.name})"

    @property
    def task(self) -> Task:
        """The task plugin, with its options."""
        return self.recipe.task

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of an optimizer step, counted from 1. The model must be loaded."""
        from glueft import engine

        return engine.learning_rate(self.model, step)

    def write_record(self) -> None:
        """Write run.json."""
        write_text(self.folder / "run.json", json.dumps(self.record, indent=2, ensure_ascii=False) + "\n")

    def log(self, **entry: Any) -> None:
        """Add a line to history.jsonl, the one file that grows while the run goes on."""
        with (self.folder / "history.jsonl").open("a", encoding="utf-8") as history:
            history.write(json.dumps(entry, ensure_ascii=False) + "\n")


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
            mend="name another place with --output-dir",
        ) from error
    return folder


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
    path.parent.mkdir(exist_ok=True)
    write_text(path, "\n".join(lines) + "\n")


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability of each label, (rows, labels); the largest is that of the largest logit."""
    import numpy as np

    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    predicted = logits.argmax(axis=1)
    # Logits that are closer than float64 can tell apart after the exponential have the same share.
    tied = np.flatnonzero(shares.argmax(axis=1) != predicted)
    shares[tied, predicted[tied]] = np.nextafter(shares[tied].max(axis=1), 2)
    return shares
