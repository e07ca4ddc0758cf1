"""The Keras side of the optimizers. It imports Keras, so only their `build` imports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from glueft_optimizers.keras_layerwise import LayerwiseRates


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

    def apply(self: Any, grads: Sequence[Any], trainable_variables: Any = None) -> Any:
        """Update the variables; arguments as Keras gives them."""
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Once a step rather than once a variable: a thousand operations less to trace.
            step = tf.cast(self.iterations + 1, tf.float32)
            betas = {"beta1": tf.constant(self.beta_1), "beta2": tf.constant(self.beta_2)}
            powers = {f"{name}_power": tf.pow(beta, step) for name, beta in betas.items()}
            self._step_constants = betas | powers | {"epsilon": tf.constant(self.epsilon)}
        return super().apply(grads, trainable_variables)  # type: ignore[misc]

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; arguments as Keras gives them."""
        # Keras hands over its own variable, or on TensorFlow the one inside.
        target = variable.value if isinstance(variable, keras.Variable) else variable
        kernel = keras.backend.backend() == "tensorflow" and not self.amsgrad and hasattr(target, "handle")
        if not kernel or variable.dtype != "float32":
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=target.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            lr=tf.cast(learning_rate, tf.float32),
            grad=tf.cast(gradient, tf.float32),
            **self._step_constants,
        )


class Adam(DenseGradients, LayerwiseRates, OneKernelUpdate, keras.optimizers.Adam):  # type: ignore[misc]
    """`keras.optimizers.Adam`, faster on TensorFlow."""


class AdamW(DenseGradients, LayerwiseRates, OneKernelUpdate, keras.optimizers.AdamW):  # type: ignore[misc]
    """`keras.optimizers.AdamW`, faster on TensorFlow."""


class SGD(DenseGradients, LayerwiseRates, keras.optimizers.SGD):  # type: ignore[misc]
    """`keras.optimizers.SGD`."""


class RMSprop(DenseGradients, LayerwiseRates, keras.optimizers.RMSprop):  # type: ignore[misc]
    """`keras.optimizers.RMSprop`."""


class Nadam(DenseGradients, LayerwiseRates, keras.optimizers.Nadam):  # type: ignore[misc]
    """`keras.optimizers.Nadam`."""


class Adafactor(DenseGradients, LayerwiseRates, keras.optimizers.Adafactor):  # type: ignore[misc]
    """`keras.optimizers.Adafactor`."""


class Lion(DenseGradients, LayerwiseRates, keras.optimizers.Lion):  # type: ignore[misc]
    """`keras.optimizers.Lion`."""


class Lamb(DenseGradients, LayerwiseRates, keras.optimizers.Lamb):  # type: ignore[misc]
    """`keras.optimizers.Lamb`."""
