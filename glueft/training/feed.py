"""Brings batches to the device. Importing this module imports Keras."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import keras

from glueft.data.batches import EvaluationBatches, TrainingBatches

T = TypeVar("T")

# Batches that are ready before the step that needs them.
AHEAD = 2


@contextmanager
def feed(batches: TrainingBatches | EvaluationBatches) -> Iterator[Any]:
    """Give the block its batches in the form that the backend's `fit` and `predict` take: a dataset, or a generator."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        yield _dataset(batches)
        return
    each = _each(batches)
    if backend != "jax":
        yield each
        return
    # Asked here: in another thread Keras knows of no distribution.
    ready = ahead(_own_rows(each, distributed=keras.distribution.distribution() is not None))
    with closing(ready):  # An error's traceback, for one, would keep it and its thread.
        yield ready


def _each(batches: TrainingBatches | EvaluationBatches) -> Iterator[Any]:
    """Yield batches as tuples; inputs alone in one, as `predict_on_batch` gives them: another form is traced again."""
    return iter(batches) if isinstance(batches, TrainingBatches) else ((inputs,) for inputs in batches)


def _own_rows(batches: Iterator[Any], *, distributed: bool) -> Iterator[Any]:
    """Of each batch the rows of this process, on its device where there is one alone.

    Keras puts together a batch of several devices or processes itself, of what each process has.
    """
    import jax

    process, processes = jax.process_index(), jax.process_count()
    for batch in batches:
        if not distributed:
            yield jax.device_put(batch)
        elif processes == 1:
            yield batch
        else:
            yield keras.tree.map_structure(lambda array: _share(array, process, processes), batch)


def _share(array: Any, process: int, processes: int) -> Any:
    """Return the rows of a process: of equal parts, in the order of the processes."""
    rows = len(array) // processes
    return array[process * rows : (process + 1) * rows]


def ahead(items: Iterator[T], count: int = AHEAD) -> Generator[T, None, None]:
    """Yield what an iterator yields, which a thread takes from it up to `count` items before they are needed."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(count)
    ended = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not ended.is_set():
            try:
                ready.put((kind, value), timeout=0.1)
            except queue.Full:
                continue
            return

    def take() -> None:
        try:
            for item in items:
                put("item", item)
                if ended.is_set():
                    return
        except BaseException as error:
            put("error", error)
        else:
            put("end", None)

    thread = threading.Thread(target=take, name="glueft-feed", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        ended.set()
        thread.join()


def _dataset(batches: TrainingBatches | EvaluationBatches) -> Any:
    import tensorflow as tf

    # The signature spells out that the length varies. Left alone, Keras reads the shapes off the first batches and
    # fails at a later, longer one.
    matrix = tf.TensorSpec((None, None), tf.int32)
    inputs: Any = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), matrix)
    if isinstance(batches, TrainingBatches):
        own = batches.encoded.labels
        labels = tf.TensorSpec((None, *own.shape[1:]), tf.as_dtype(own.dtype))
        if batches.teacher is not None:
            beside = 1 + batches.teacher.shape[1]
            labels = tf.TensorSpec((None, own[:1].size + beside), tf.float32)
        signature = (inputs, labels, *([tf.TensorSpec((None,), tf.float32)] if batches.weighted else []))
    else:
        signature = (inputs,)
    dataset = tf.data.Dataset.from_generator(lambda: _each(batches), output_signature=signature)
    # There is nothing to tune, and the tuner's thread often holds up the end of `fit` and `predict` until it wakes:
    # 5, 10, 20 and 41 seconds after the start, and every 60 after that.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(2).with_options(options)
