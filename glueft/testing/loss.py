"""The checks of a loss: a number for each row, lower for what is right, whose gradient trains a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.plugin.suits import kinds_of
from glueft.plugin.task import Task
from glueft.testing.built import require_built
from glueft.testing.check import Check, ContractBrokenError, NotCheckedError, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS = 12
STEPS = 30
_METRICS = {"labels": ("accuracy",), "multi_label": ("micro_f1",), "scores": ("pearson",)}


def checks(subject: Subject) -> list[Check]:
    return [
        Check("builds", subject, builds, ("keras",)),
        Check("label weights", subject, label_weights),
        Check("row by row", subject, row_by_row, ("keras",)),
        Check("validation", subject, validation, ("keras",)),
        Check("lowers itself", subject, lowers_itself, ("keras",)),
    ]


def builds(subject: Subject) -> str:
    """`build` returns a Keras loss."""
    return " and ".join(sorted({type(_built(subject, task)).__name__ for task in _tasks(subject)}))


def label_weights(subject: Subject) -> str:
    """Where rows are weighed by their label, each label has a weight above 0."""
    found = "none"
    for task in _tasks(subject):
        weights = subject.plugin.label_weights(task)
        if weights is None:
            continue
        if task.predicts != "labels":
            of = "scores have none" if not task.labels else "the rows of a multi-label task have any number of them"
            raise ContractBrokenError(f"it weighs rows by their label, and {of}: `label_weights` must return None")
        if len(weights) != len(task.labels) or not all(math.isfinite(weight) and weight > 0 for weight in weights):
            raise ContractBrokenError(
                f"`label_weights` must return a number above 0 for each of {len(task.labels)} labels, and returned "
                f"{list(weights)!r}"
            )
        found = ", ".join(f"{weight:.3g}" for weight in weights)
    return found


def row_by_row(subject: Subject) -> str:
    """`call` returns a finite number for each row, that of the row alone; a right prediction has less than a wrong."""
    import numpy as np

    for task in _tasks(subject):
        logits, labels = _predictions(task)
        values = _values(subject, task, logits, labels)
        if not np.isfinite(values).all():
            raise ContractBrokenError(f"the loss of a row is no finite number: {values.tolist()}")
        alone = [_values(subject, task, logits[[row]], labels[[row]])[0] for row in range(len(labels))]
        if not np.allclose(values, alone, rtol=1e-4, atol=1e-6):
            raise ContractBrokenError(
                "the loss of a row changes with the other rows of its batch. Labels are (rows,) and predictions "
                "(rows, labels), in regression (rows, 1): a difference of the two has a number for each pair of rows. "
                "In multi-label tasks both are (rows, labels)"
            )
        right, wrong = (_values(subject, task, good, labels) for good in _right_and_wrong(task, labels))
        if not right.mean() < wrong.mean():
            raise ContractBrokenError(
                f"right predictions have a loss of {right.mean():.3g}, and wrong ones of {wrong.mean():.3g}"
            )
    return f"right {right.mean():.3g}, wrong {wrong.mean():.3g}"


def validation(subject: Subject) -> str:
    """`values` gives the numbers of `build`."""
    import numpy as np

    for task in _tasks(subject):
        logits, labels = _predictions(task)
        expected = _values(subject, task, logits, labels)
        values = np.asarray(subject.plugin.values(task, logits, labels))
        if values.shape != expected.shape or not np.allclose(values, expected, rtol=1e-4, atol=1e-5):
            raise ContractBrokenError(
                f"`values` returns {values.tolist()}, and what `build` returns gives {expected.tolist()}: the "
                "validation loss would be another one"
            )
    return f"the same {ROWS} numbers"


def lowers_itself(subject: Subject) -> str:
    """Some steps on a small network lower it."""
    import keras
    import numpy as np

    from glueft.training.loss import TrainingLoss
    from glueft.training.model import compile_model

    for task in _tasks(subject):
        inputs = np.random.default_rng(0).normal(size=(ROWS, 8)).astype(np.float32)
        labels = _predictions(task)[1]
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(len(task.labels) or 1)])
        compile_model(model, keras.optimizers.Adam(0.05), TrainingLoss(subject.plugin, task), jit_compile=False)
        seen = model.fit(inputs, labels, batch_size=ROWS, epochs=STEPS, verbose=0).history["loss"]
        if not seen[-1] < seen[0]:
            raise ContractBrokenError(f"{STEPS} steps do not lower it: {seen[0]:.3g} to {seen[-1]:.3g}")
    return f"{seen[0]:.3g} to {seen[-1]:.3g} in {STEPS} steps"


def _tasks(subject: Subject) -> Iterator[Task]:
    """Tasks that the loss suits, without rows.

    Raises:
        NotCheckedError: the loss, made with options for the labels of another task, refuses them.
    """
    two_and_three = (("no", "yes"), ("low", "middle", "high"))
    tried = [(kind, labels) for kind in kinds_of(subject.plugin.suits) for labels in two_and_three]
    for kind, labels in tried if "scores" not in kinds_of(subject.plugin.suits) else [("scores", ())]:
        task = Task()
        task.name, task.labels, task.inputs = "trial", labels, ("text",)  # type: ignore[misc]
        task.multi_label, task.train_rows = kind == "multi_label", 2 * ROWS
        task.label_counts = tuple(range(ROWS, ROWS - 2 * len(labels), -2))
        task.metrics = _METRICS[kind]
        try:
            subject.plugin.check(task)
        except GlueftError as error:
            raise NotCheckedError(f"it refuses a task with the labels {', '.join(labels)}: {error.message}") from None
        yield task


def _built(subject: Subject, task: Task) -> Any:
    loss = subject.plugin.build(task)
    require_built("loss", loss)
    return loss


def _values(subject: Subject, task: Task, logits: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float32]:
    """The loss of each row.

    Raises:
        ContractBrokenError: it is not one number a row.
    """
    from keras import ops

    tensors = (ops.convert_to_tensor(array, "float32") for array in (labels, logits))
    values: NDArray[np.float32] = ops.convert_to_numpy(_built(subject, task).call(*tensors))
    if values.shape != (len(labels),):
        raise ContractBrokenError(
            f"`call` of the Keras loss must return one number a row, ({len(labels)},), and returned {values.shape}; "
            "glueft takes the mean over rows itself"
        )
    return values


def _predictions(task: Task) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Made-up predictions and labels of some rows."""
    import numpy as np

    draws = np.random.default_rng(1)
    logits = draws.normal(size=(ROWS, len(task.labels) or 1)).astype(np.float32)
    if task.multi_label:
        return logits, (draws.random(logits.shape) < 0.4).astype(np.int32)
    if task.labels:
        return logits, np.arange(ROWS, dtype=np.int32) % len(task.labels)
    return logits, draws.normal(size=ROWS).astype(np.float32)


def _right_and_wrong(task: Task, labels: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predictions that are right, and wrong ones."""
    import numpy as np

    if not task.labels:
        return labels[:, None], labels[:, None] + np.float32(3)
    has = labels == 1 if task.multi_label else np.arange(len(task.labels)) == labels[:, None]
    right = np.where(has, np.float32(4), np.float32(-4))
    return right, -right
