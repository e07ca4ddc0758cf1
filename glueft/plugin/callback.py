"""The base class of callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from glueft.errors import PluginError
from glueft.plugin.base import Plugin

if TYPE_CHECKING:
    import keras

    from glueft.plugin.run import Run
    from glueft.plugin.task import Task


class Callback(Plugin):
    """Observes or controls the training; a recipe names any number of them in `[[callbacks]]`.

    Attributes:
        only_watches: whether it changes nothing of the training, as one that writes or sends what it sees: a training
            that is repeated to compare its numbers (`glueft reproduce`) goes without it, and so do all but the first
            of several processes that train together.
    """

    kind = "callback"
    only_watches: ClassVar[bool] = False

    def check(self, task: Task) -> None:
        """Refuse a task that does not fit the options, or a machine that lacks a package.

        Called while the recipe is checked, before any data is read.

        Raises:
            GlueftError: the callback cannot be used with this task, or on this machine.
        """

    def claims(self) -> Sequence[str]:
        """Return what only one callback may use, such as the files and folders that it writes; nothing by default.

        A recipe is refused if two callbacks claim the same, or one claims a file that glueft writes. A run that begins
        again in its folder, as it was killed before it was saved, removes what is claimed there.

        Returns:
            Paths, absolute or relative to the run folder; other resources by any text that names them.
        """
        return ()

    def build(self, run: Run) -> keras.callbacks.Callback:
        """Return the Keras callback for this run."""
        raise NotImplementedError

    def state(self) -> Mapping[str, Any]:
        """Return all that the callback must know to go on after the last call that it got, in another process.

        Called whenever the state of the run is saved: after the callbacks of a step or epoch, in the thread that
        trains, which waits for it. A callback without anything to keep returns {}; with that, the run can be resumed
        exactly. One that writes a file returns its length, once the file is flushed and synced to the disk.

        Returns:
            A tree of dicts with texts as keys, lists, JSON's values and NumPy arrays. It is written as it was at this
            call: arrays may be changed afterwards. Infinity and NaN are not JSON's, except in an array.
        """
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state` has returned.

        Called when a run is resumed: after `build(run)` and Keras's `on_train_begin`, within an epoch also after its
        `on_epoch_begin`, and before the first step. The steps, epochs and batches that Keras passes go on where they
        were. What the callback has written since that state it takes back here, as those steps come again. Not called
        where a run begins anew.

        Args:
            state: a tree with the same values; tuples have become lists.

        Raises:
            GlueftError: the callback cannot go on, as when a file that it has written is gone.
        """
        if state:
            raise PluginError(
                f'the callback "{self.name}" cannot be resumed',
                expected="a `restore` that takes what its `state` has returned",
                received=f"the keys {', '.join(state)}, and no `restore`",
                fix="define `restore` in the plugin, or tell its authors",
            )


def keeps_state(callback: Callback) -> bool:
    """Whether a callback says what it keeps; where one does not, a resumed run may differ from a whole one."""
    state = type(callback).state
    return state is not Callback.state and callable(state)  # an attribute of that name may be something else
