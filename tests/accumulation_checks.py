"""Trains with batches in one piece and in parts, and compares; a script that does so on another Keras backend."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy

from glueft.data.batches import Filling, TrainingBatches
from glueft.data.encoding import Encoded
from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.weights import export_weights, tensor_table
from glueft.plugin.registry import load_registry
from glueft.recipe.sections import Distill
from glueft.training.backend import decide_jit_compile, seed_backend
from glueft.training.feed import feed
from glueft.training.loss import TrainingLoss, loss_of
from glueft.training.model import compile_model

LABELS = ("no", "yes", "maybe")


def rows(count: int, *, regression: bool = False, several: bool = False) -> Encoded:
    """Random rows of different lengths, with several labels each if asked."""
    random = numpy.random.default_rng(0)
    lengths = random.integers(4, 12, count)
    ids = random.integers(8, 60, lengths.sum()).astype(numpy.uint16)
    labels = random.normal(size=count).astype(numpy.float32) if regression else random.integers(0, 3, count)
    if several:
        labels = random.integers(0, 2, (count, len(LABELS)))
    return Encoded(
        ids,
        numpy.zeros(len(ids), numpy.uint8),
        numpy.concatenate([[0], numpy.cumsum(lengths)]).astype(numpy.int64),
        labels.astype(numpy.float32 if regression else numpy.int32),
        pad_id=0,
        truncated=0,
    )


def weighted_loss() -> TrainingLoss:
    """A loss whose rows weigh by label, and whose labels are smoothed."""
    cls = load_registry().find("loss", "cross_entropy").cls
    plain = loss_of(LABELS)
    options = cls.Options(label_smoothing=0.1, class_weights={"no": 0.2, "maybe": 3.0})  # type: ignore[call-arg]
    return TrainingLoss(cls(options), plain.task)  # type: ignore[arg-type]


def updated(
    folder: Path,
    rows_at_once: int | None,
    *,
    regression: bool = False,
    weighted: bool = False,
    taught: bool = False,
    several: bool = False,
    jit_compile: bool | str = "auto",
) -> tuple[dict[str, Any], list[float]]:
    """Train two epochs of 21 rows, 8 an update; return the weights by name and the loss of each epoch.

    The last update of an epoch, wherever it comes, has 5 rows. The folder's dropout rates must be 0.
    """
    jit = decide_jit_compile(jit_compile).compiled
    seed_backend(0, jit_compile=jit)
    labels = () if regression else LABELS
    checkpoint = find_checkpoint(str(folder))
    kind = {"regression": regression, "multi_label": several}
    model = load_classifier(checkpoint, labels=labels, seed=0, new_head=True, **kind).model
    on_jax = keras.backend.backend() == "jax"
    model.rows_at_once = rows_at_once or (8 if on_jax else None)
    before = export_weights(tensor_table(model))
    loss = weighted_loss() if weighted else loss_of(labels, multi_label=several)
    if taught:
        loss = replace(loss, distill=Distill(teacher="none", weight=0.3))
    data = rows(21, regression=regression, several=several)
    batches = TrainingBatches(data, batch_size=8, epochs=2, seed=1, label_weights=loss.label_weights)
    if taught:
        random = numpy.random.default_rng(2)
        batches.teacher = random.normal(size=(21, len(labels) or 1)).astype(numpy.float32)
    batches.buckets = numpy.array([16])
    if on_jax:
        size = model.rows_at_once
        batches.filling = Filling(-(-8 // size), size, size)
    # The rate falls with every update, and the momentum grows: a step counted wrongly would show.
    # The loss of several labels is their mean, so that its gradient is smaller.
    rate = 1e-1 if several else 3e-2
    schedule = keras.optimizers.schedules.PolynomialDecay(rate, batches.num_train_steps, 0.0)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.5)
    compile_model(model, optimizer, loss, jit_compile=jit)
    assert model.jit_compile == jit
    with feed(batches) as fed:
        fitted = model.fit(fed, epochs=2, steps_per_epoch=batches.steps_per_epoch, shuffle=False, verbose=0)
    assert int(keras.ops.convert_to_numpy(optimizer.iterations)) == batches.num_train_steps == 6
    weights = export_weights(tensor_table(model))
    assert max(float(abs(weights[name] - old).max()) for name, old in before.items()) > 1e-2
    return weights, fitted.history["loss"]


def compare(folder: Path, sizes: tuple[int, ...], **options: Any) -> None:
    """Check that parts of these sizes give the losses and weights of the batch in one piece."""
    whole, losses = updated(folder, None, **options)
    for rows_at_once in sizes:
        parts, part_losses = updated(folder, rows_at_once, **options)
        numpy.testing.assert_allclose(part_losses, losses, rtol=1e-5)
        for name, tensor in whole.items():
            numpy.testing.assert_allclose(parts[name], tensor, atol=2e-6, rtol=0, err_msg=name)


def check_own_batches(folder: Path) -> None:
    """Check that a user's batches have Keras's own step: its loss with sample weights, and its metrics."""
    model = load_classifier(find_checkpoint(str(folder)), labels=LABELS, seed=0, new_head=True).model
    batches = TrainingBatches(rows(8), batch_size=8, epochs=1, seed=1)
    inputs, labels = next(iter(batches))[:2]
    weights = numpy.arange(8.0)
    logits = model.predict(inputs, verbose=0)
    losses = numpy.log(numpy.exp(logits).sum(axis=1)) - logits[numpy.arange(8), labels]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(), loss, weighted_metrics=["accuracy"])
    fitted = model.fit(inputs, labels, sample_weight=weights, batch_size=8, verbose=0).history
    numpy.testing.assert_allclose(fitted["loss"], (weights * losses).mean(), rtol=1e-5)
    right = logits.argmax(axis=1) == labels
    numpy.testing.assert_allclose(fitted["accuracy"], numpy.average(right, weights=weights), rtol=1e-5)


if __name__ == "__main__":
    for weighted, taught in ((False, False), (True, False), (True, True)):
        compare(Path(sys.argv[1]), (3,), weighted=weighted, taught=taught)
    compare(Path(sys.argv[1]), (3,), several=True)
    check_own_batches(Path(sys.argv[1]))
    print(keras.backend.backend())
