"""A run in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import glueft
from glueft_callbacks.extras import require
from glueft_callbacks.watch import Watch

if TYPE_CHECKING:
    import keras

    from glueft_callbacks.wandb_run import SentRun


class Wandb(glueft.Callback):
    """Records the run in Weights & Biases: the recipe as its config, the metrics by step and epoch, files on request.

    Numbers stand at their optimizer step: `loss` (the mean of the epoch's steps so far) and `learning_rate`; after each
    epoch `validation_loss` and the task's metrics. The summary has the run's own metrics, also where early stopping has
    gone back to an earlier epoch. The run bears the name of the run folder, and ends as finished or failed. A run that
    is resumed goes on with the same one.

    Its files are in the folder `wandb` of the run folder. With `mode = "offline"` nothing is sent: `wandb sync
    RUN/wandb/offline-run-...` sends it later. A run that was resumed offline has such a folder for each of its parts.

    All of it is sent by a thread of its own: a server that is slow or away costs the training nothing, and never stops
    it; the end of the run waits `wait_seconds` for it. The error reports that the package sends to its makers stay off
    unless WANDB_ERROR_REPORTING=true is set, and neither code nor what stands on the terminal is uploaded.

    Needs the package wandb (`pip install 'glueft[wandb]'`) and, to send, an API key (`wandb login`).
    """

    name = "wandb"
    only_watches = True

    class Options(glueft.Options):
        """Where to, and how much."""

        project: str = glueft.Field("glueft", min_length=1, description="The project that the run belongs to.")
        entity: str | None = glueft.Field(
            None, min_length=1, description="The user or team of the project; by default that of the API key."
        )
        group: str | None = glueft.Field(
            None, min_length=1, description="A name that runs share, to be shown together, such as that of a study."
        )
        tags: tuple[str, ...] = glueft.Field((), description="Words by which runs are found.")
        mode: Literal["online", "offline"] | None = glueft.Field(
            None, description="Whether anything is sent; by default as WANDB_MODE says, else online."
        )
        every_steps: int = glueft.Field(10, ge=1, description="Send the numbers of the first step and every so many.")
        artifacts: tuple[str, ...] = glueft.Field(
            (),
            description="Files and folders of the run folder to upload at its end, as one artifact.",
            examples=[["run.json", "recipe.toml", "predictions", "model"]],
        )
        wait_seconds: float = glueft.Field(
            60.0, gt=0, le=86_400, description="Longest wait at the end for a server that does not answer."
        )

    sent: SentRun | None = None
    watch: Watch

    def check(self, task: glueft.Task) -> None:
        """Refuse to start without the package."""
        require("wandb", callback=self.name)

    def claims(self) -> tuple[str, ...]:
        """The folder of its files."""
        return ("wandb",)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return the callback that begins a run with the training, and feeds it.

        Raises:
            PluginError: there is no API key, and something is to be sent.
        """
        from glueft_callbacks.wandb_run import SentRun, mode_of, refuse_without_key

        mode = mode_of(self.options.mode)
        refuse_without_key(mode)
        self.sent = sent = SentRun(
            {
                "project": self.options.project,
                "entity": self.options.entity,
                "group": self.options.group,
                "tags": list(self.options.tags),
                "mode": mode,
                "dir": str(run.folder),
                "name": run.folder.name,
                "config": run.recipe.tables() | {"glueft": glueft.__version__},
            },
            wait_seconds=self.options.wait_seconds,
            say=run.say,
        )
        self.watch = Watch.of_sender(run, sent, self.options.every_steps)
        return self.watch.build()

    def state(self) -> dict[str, Any]:
        """Which run it is."""
        return {"watch": self.watch.state(), "sent": self.sent.state() if self.sent else None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with the same run."""
        self.watch.restore(state["watch"])
        if self.sent and state["sent"]:
            self.sent.restore(state["sent"])

    def close(self, run: glueft.Run) -> None:
        """Send the run's own metrics and its files, and end the run as this one has ended."""
        sent, self.sent = self.sent, None
        if sent is not None:
            paths = [run.folder / name for name in self.options.artifacts]
            sent.close(run.record["metrics"], paths, failed=run.record["status"] != "done")
