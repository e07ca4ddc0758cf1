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
    """Observes or controls the training; a recipe names any number of them in `[[callbacks]]`."""

    kind = "callback"

    def check(self, task: Task) -> None:
        """Refuse a task that does not fit the options, or a machine that lacks a package.

        Called while the recipe is checked, before any data is read.

        Raises:
            GlueftError: the callback cannot be used with this task, or on this machine.
        """

    def claims(self) -> Sequence[str]:
        """Return what only one callback may use, such as the files and folders that it writes; nothing by default.

        A recipe is refused if two callbacks claim the same, or one claims a file that glueft writes.

        Returns:
            Paths, absolute or relative to the run folder; other resources by any text that names them.
        """
        return ()

    def build(self, run: Run) -> keras.callbacks.Callback:
        """Return the Keras callback for this run."""
        raise NotImplementedError
