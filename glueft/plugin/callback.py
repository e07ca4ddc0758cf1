"""The base class of callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glueft.plugin.base import Plugin

if TYPE_CHECKING:
    import keras

    from glueft.plugin.run import Run
    from glueft.plugin.task import Task


class Callback(Plugin):
    """Something that watches or steers the training; a recipe names any number of them in `[[callbacks]]`."""

    kind = "callback"

    def check(self, task: Task) -> None:
        """Refuse what the options alone cannot tell: a metric that this task does not have, a package that is missing.

        Called while the recipe is checked, before anything is read.

        Raises:
            GlueftError: the callback cannot be used with this task, or on this machine.
        """

    def claims(self) -> Sequence[str]:
        """Return what this callback must have for itself alone, the files and folders that it writes above all.

        A recipe of which two callbacks claim the same, or one what glueft writes itself, is refused before anything is
        read. Nothing if not overridden.

        Returns:
            Paths, absolute or relative to the run folder; other things by any text that names them.
        """
        return ()

    def build(self, run: Run) -> keras.callbacks.Callback:
        """Return the Keras callback for this run."""
        raise NotImplementedError
