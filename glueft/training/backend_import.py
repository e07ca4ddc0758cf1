"""Keras and its backend, imported first of all here, and without the packages that they import on the side."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from glueft.training.jit_compile import keras_backend
from glueft.training.tensorflow_settings import prepare_tensorflow

# What Keras and TensorFlow import wherever it is installed, for parts that glueft does not use: estimators for
# scikit-learn, galleries of images, TensorFlow Lite's conversion from JAX. Together they are seconds and 200 MiB.
SIDE_PACKAGES = ("sklearn", "matplotlib", "jax")


def import_backend() -> None:
    """Import Keras with its backend, unless that has been done.

    `keras.wrappers` and `keras.visualization` find their packages missing in this process, unless those were imported
    before; the packages themselves can be imported as ever.
    """
    prepare_tensorflow()
    backend = keras_backend()
    with missing(*(name for name in SIDE_PACKAGES if name != backend)):
        import keras  # noqa: F401


@contextmanager
def missing(*names: str) -> Iterator[None]:
    """Have packages look as if they were not installed, for as long as it lasts; those imported before stay."""
    held = [name for name in names if name not in sys.modules]
    # None in a module's place makes its import an ImportError (the language reference, section 5.3.1).
    sys.modules.update(dict.fromkeys(held))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in held:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
