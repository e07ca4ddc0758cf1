"""The Keras side of the optimizers. It imports Keras, so only their `build` imports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class DenseGradients:
    """Sums an embedding's gradient over the places where a token stands, before anything is made of it.

    TensorFlow hands over a slice for every place, and Keras squares and clips slice by slice: a token that stands
    twice in a batch would enter Adam's second moment as `a^2 + b^2` where Adam's is `(a + b)^2`, and take a longer step
    than on JAX or PyTorch.
    """

    def apply(self: Any, grads: Sequence[Any], trainable_variables: Any = None) -> Any:
        """Update the variables; arguments as Keras gives them."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            grads = [grad if grad is None else tf.convert_to_tensor(grad) for grad in grads]
        return super().apply(grads, trainable_variables)  # type: ignore[misc]


class OneKernelUpdate:
    """Adam's update in TensorFlow's own kernel: one pass over a variable where separate operations make nine.

    The kernel (`ResourceApplyAdam`) computes what `keras.optimizers.Adam.update_step` does, in the same order. Other
    backends compile the step, which comes to the same; `amsgrad` has no such kernel.
    """

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; arguments as Keras gives them."""
        # Keras hands over its own variable, or on TensorFlow the one inside.
        target = variable.value if isinstance(variable, keras.Variable) else variable
        if keras.backend.backend() != "tensorflow" or self.amsgrad or not hasattr(target, "handle"):
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1 = tf.cast(self.beta_1, variable.dtype)
        beta_2 = tf.cast(self.beta_2, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=target.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


class Adam(DenseGradients, OneKernelUpdate, keras.optimizers.Adam):  # type: ignore[misc]
    """`keras.optimizers.Adam`, faster on TensorFlow."""


class AdamW(DenseGradients, OneKernelUpdate, keras.optimizers.AdamW):  # type: ignore[misc]
    """`keras.optimizers.AdamW`, faster on TensorFlow."""


class SGD(DenseGradients, keras.optimizers.SGD):  # type: ignore[misc]
    """`keras.optimizers.SGD`, with gradients clipped whole."""
