"""A step of a classifier on JAX: batches that are filled up, in parts, shared out among devices.

Importing this module does not import JAX.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def train_step(model: Any, state: Any, data: Any) -> Any:
    """Make one update of a batch, as Keras's `JAXTrainer.train_step` does; state and result are its own.

    Args:
        model: a compiled classifier, whose `rows_at_once` divides the rows.
        state: of the trainable, the other, the optimizer's and the metrics' variables.
        data: inputs, labels and weights of (rows,): of mean 1, and 0 for a row that fills up the batch. The loss is the
            weighted mean.
    """
    import jax

    trainable, others, optimizer, metrics = state
    inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    rows = ops.sum(weights)
    size = model.rows_at_once
    # Keras divides by the rows that go through the model at once, not by those that count.
    whole = (inputs, labels, weights * (size / rows))
    differentiate = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)

    def part(number: Any) -> Any:
        def rows_of(tensor: Any) -> Any:
            parts = ops.reshape(tensor, (-1, size, *tensor.shape[1:]))
            return shared_out(jax.lax.dynamic_index_in_dim(parts, number, keepdims=False))

        return keras.tree.map_structure(rows_of, whole)

    def loss_and_gradients(others: Any, metrics: Any, rows: Any) -> Any:
        (_, (loss, _, others, metrics)), gradients = differentiate(
            trainable, others, metrics, *rows, training=True, optimizer_variables=optimizer
        )
        return loss, gradients, others, metrics

    def add_part(number: Any, carried: Any) -> Any:
        loss, gradients, others, metrics = carried
        part_loss, more, others, metrics = loss_and_gradients(others, metrics, part(number))
        return loss + part_loss, [a + b for a, b in zip(gradients, more, strict=True)], others, metrics

    if labels.shape[0] == size:
        loss, gradients, others, metrics = loss_and_gradients(others, metrics, whole)
    else:
        start = (jax.numpy.zeros(()), [jax.numpy.zeros_like(variable) for variable in trainable], others, metrics)
        parts = ops.sum(ops.any(ops.reshape(weights, (-1, size)) > 0, axis=1))
        loss, gradients, others, metrics = jax.lax.fori_loop(0, parts, add_part, start)
    trainable, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trainable)
    with keras.StatelessScope(state_mapping=[*zip(model.metrics_variables, metrics, strict=True)]) as scope:
        model._loss_tracker.update_state(loss, sample_weight=rows)
        logs = model.compute_metrics(inputs, labels, None)
    metrics = [scope.get_current_value(variable) for variable in model.metrics_variables]
    return logs, (trainable, others, optimizer, metrics)


def shared_out(tensor: Any) -> Any:
    """Share out the rows of a tensor of the step among the devices, where there are several."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return tensor
    return keras.distribution.distribute_tensor(tensor, distribution.get_data_layout(tensor.shape))


def on_all_devices(tensor: Any) -> Any:
    """Gather a tensor of the step on each device, where there are several: each process can read all of it."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return tensor
    layout = keras.distribution.TensorLayout([None] * len(tensor.shape), distribution.device_mesh)
    return keras.distribution.distribute_tensor(tensor, layout)
