"""The steps of a classifier, with gradient accumulation: one update from several passes, each over a part of the batch.

A step gets the whole batch and splits it. So every step is one update, for the schedule and Adam's bias correction
too, and a smaller last batch is weighted right. The optimizers' own `gradient_accumulation_steps` (Keras 3.15) does
neither: schedules advance with every part, and every part counts alike whatever its size.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
from keras import ops

from glueft.encoder import jax_steps


def _traced() -> AbstractContextManager[None]:
    """Trace a step; on TensorFlow nothing outlives its graph."""
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    from glueft.encoder.tensorflow_ops import graph_keeps_gradients

    return graph_keeps_gradients()


class Steps:
    """A base class before `keras.Model`: its steps on every backend, a train step in parts where it is told so.

    The gradient of a batch is the sum of the parts' gradients, where each row weighs one over the batch's rows, times
    the weight that came with it. Only rounding and the dropout masks differ from a batch in one piece.

    Attributes:
        rows_at_once: the rows of a part, which on JAX divide those of a filled batch. Set it before the first step.
            None for Keras's own step, which knows sample weights and metrics.
        distribution: what shares out the batches among devices; None for one device.
    """

    rows_at_once: int | None = None
    distribution: keras.distribution.Distribution | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        # Keras's `fit` puts the arrays of all variables here at each step on JAX, and looks for layers in them: 1 ms.
        if name == "_jax_state":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def train_step(self: Any, *arguments: Any) -> Any:
        backend = keras.backend.backend()
        with _traced():
            if self.rows_at_once is None:
                return super().train_step(*arguments)  # type: ignore[misc]
            if backend == "jax":
                return jax_steps.train_step(self, *arguments)
            return self._torch_step(*arguments) if backend == "torch" else self._tensorflow_step(*arguments)

    def predict_step(self: Any, *arguments: Any) -> Any:
        with _traced():
            result = super().predict_step(*arguments)  # type: ignore[misc]
        if keras.backend.backend() != "jax":
            return result
        logits, others = result
        return jax_steps.on_all_devices(logits), others

    def _part(self: Any, number: Any, inputs: Any, labels: Any, row_weights: Any, rows: Any) -> tuple[Any, Any, Any]:
        """Return the inputs, labels and weights of a part; `row_weights` are None, or of mean 1 in the whole batch.

        The last part is filled up to `rows_at_once` with the last row at weight 0: all parts share a compiled program.
        """
        indices = number * self.rows_at_once + ops.arange(self.rows_at_once, dtype="int32")
        within = ops.minimum(indices, rows - 1)
        inputs, labels = keras.tree.map_structure(lambda tensor: ops.take(tensor, within, axis=0), (inputs, labels))
        # Keras divides by the part's number of rows, not the batch's.
        weight = self.rows_at_once / ops.cast(rows, "float32")
        if row_weights is not None:
            weight = weight * ops.take(row_weights, within)
        return inputs, labels, ops.where(indices < rows, weight, 0.0)

    def _tensorflow_step(self: Any, data: Any) -> Any:
        import tensorflow as tf

        inputs, labels, row_weights = keras.utils.unpack_x_y_sample_weight(data)
        rows = tf.shape(labels)[0]
        parts = (rows + self.rows_at_once - 1) // self.rows_at_once
        variables = self.trainable_weights

        def add_part(number: Any, loss: Any, gradients: Any) -> Any:
            part, part_labels, weights = self._part(number, inputs, labels, row_weights, rows)
            with tf.GradientTape() as tape:
                logits = self(part, training=True)
                part_loss = self._compute_loss(part, part_labels, logits, weights, training=True)
                scaled = self.optimizer.scale_loss(part_loss)
            more = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            # The gradient of an embedding is sparse, which a loop cannot carry.
            gradients = [a + tf.convert_to_tensor(b) for a, b in zip(gradients, more, strict=True)]
            return number + 1, loss + part_loss, gradients

        start = (tf.constant(0), tf.constant(0.0), [tf.zeros(variable.shape, variable.dtype) for variable in variables])
        # One part at a time, to save memory.
        loop = tf.while_loop(lambda number, *_: number < parts, add_part, start, parallel_iterations=1)
        _, loss, gradients = loop
        self._loss_tracker.update_state(loss, sample_weight=rows)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self.compute_metrics(inputs, labels, None)

    def _torch_step(self: Any, data: Any) -> Any:
        import torch

        inputs, labels, row_weights = keras.utils.unpack_x_y_sample_weight(data)
        rows = labels.shape[0]
        self.zero_grad()
        loss = 0.0
        for number in range(-(-rows // self.rows_at_once)):
            part, part_labels, weights = self._part(number, inputs, labels, row_weights, rows)
            logits = self(part, training=True)
            part_loss = self._compute_loss(part, part_labels, logits, weights, training=True)
            # PyTorch adds to the gradients that are there.
            self.optimizer.scale_loss(part_loss).backward()
            loss = loss + part_loss.detach()
        self._loss_tracker.update_state(loss, sample_weight=rows)
        variables = self.trainable_weights[:]
        with torch.no_grad():
            self.optimizer.apply([variable.value.grad for variable in variables], variables)
        return self.compute_metrics(inputs, labels, None)
