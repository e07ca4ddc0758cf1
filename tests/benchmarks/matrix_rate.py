"""The machine's own rate: a product of two square float32 matrices on the Keras backend."""

from __future__ import annotations

from collections.abc import Callable

from rounds import timed

REPEATS = 4


def matrix_product(size: int) -> Callable[[], float]:
    """Return a function that multiplies two matrices (size, size) a few times and returns the seconds of one."""
    import keras

    left, right = (keras.random.normal((size, size), seed=seed) for seed in (1, 2))

    def products() -> None:
        for _ in range(REPEATS):
            # One number is fetched: the backend may return before the product is there.
            float(keras.ops.matmul(left, right)[0, 0])

    seconds = timed(products)
    return lambda: seconds() / REPEATS


def matrix_flops(size: int) -> int:
    """Return the operations of that product."""
    return 2 * size**3
