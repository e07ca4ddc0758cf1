"""A run in MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glueft
from glueft_callbacks.extras import require
from glueft_callbacks.flat import flatten
from glueft_callbacks.watch import Watch

if TYPE_CHECKING:
    import keras

    from glueft_callbacks.mlflow_run import TrackedRun


class MLflow(glueft.Callback):
    """Records the run in MLflow: the recipe as parameters, the metrics by step and epoch, files on request.

    Parameters are the completed recipe, flattened: `training.batch_size`, `callbacks.0.plugin`. Metrics stand at their
    optimizer step: `loss` (the mean of the epoch's steps so far) and `learning_rate`; after each epoch
    `validation_loss` and the task's metrics. The run's own metrics come once more at the end, so that MLflow's table
    shows them also where early stopping has gone back to an earlier epoch. The MLflow run bears the name of the run
    folder, and ends as FINISHED, FAILED or KILLED. A run that is resumed goes on with the same MLflow run, and sends no
    point twice; if the store has lost it, another one begins.

    All of it is sent by a thread of its own: a tracking server that is slow or away costs the training nothing, and
    never stops it. What could not be sent is told in one line, and lies in the run folder anyway; the end of the run
    waits `wait_seconds` for a server that does not answer.

    Needs the package mlflow-skinny or mlflow (`pip install 'glueft[mlflow]'` brings the first). MLflow's usage
    telemetry stays off unless MLFLOW_DISABLE_TELEMETRY=false is set.
    """

    name = "mlflow"
    only_watches = True

    class Options(glueft.Options):
        """Where to, and how much."""

        tracking_uri: str | None = glueft.Field(
            None,
            min_length=1,
            description="The tracking server (http://...), or a folder (file:mlruns). By default MLflow's own setting "
            "(MLFLOW_TRACKING_URI); without one, MLflow's default, which is a database, or the folder mlruns where "
            "there is only mlflow-skinny, which has no databases.",
        )
        experiment: str = glueft.Field(
            "glueft", min_length=1, description="The experiment that the run belongs to; it is made if there is none."
        )
        every_steps: int = glueft.Field(10, ge=1, description="Send the numbers of the first step and every so many.")
        artifacts: tuple[str, ...] = glueft.Field(
            (),
            description="Files and folders of the run folder to upload at its end.",
            examples=[["run.json", "recipe.toml", "predictions", "model"]],
        )
        log_model: bool = glueft.Field(
            False,
            description="Upload the model of the finished run for MLflow's own tools, as `mlflow_model`: "
            "`mlflow.pyfunc.load_model`, `mlflow models serve`. glueft must be installed there.",
        )
        wait_seconds: float = glueft.Field(
            30.0, ge=0, le=86_400, description="Longest wait at the end for a server that does not answer."
        )

    tracked: TrackedRun | None = None
    watch: Watch

    def check(self, task: glueft.Task) -> None:
        """Refuse to start without the package."""
        require("mlflow", callback=self.name)

    def claims(self) -> tuple[str, ...]:
        """The run of that experiment: a second one there would bear the same name."""
        where = self.options.tracking_uri or "MLflow's own place"
        return (f"the run of the experiment {self.options.experiment} at {where}",)

    def build(self, run: glueft.Run) -> keras.callbacks.Callback:
        """Return the callback that begins an MLflow run with the training, and feeds it.

        Raises:
            PluginError: the tracking store is a database, and what MLflow needs for one is not installed.
        """
        from glueft_callbacks.mlflow_run import TrackedRun, tracking_uri

        self.tracked = tracked = TrackedRun(
            tracking_uri(self.options.tracking_uri),
            experiment=self.options.experiment,
            name=run.folder.name,
            params=flatten(run.recipe.tables()),
            tags={"glueft.version": glueft.__version__, "glueft.run_dir": str(run.folder.resolve())},
            say=run.say,
        )
        self.watch = Watch.of_sender(run, tracked, self.options.every_steps)
        return self.watch.build()

    def state(self) -> dict[str, Any]:
        """The MLflow run, and what it has."""
        return {"watch": self.watch.state(), "tracked": self.tracked.state() if self.tracked else None}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with the same MLflow run, which gets no point twice."""
        self.watch.restore(state["watch"])
        if self.tracked:
            self.tracked.restore(state["tracked"])

    def close(self, run: glueft.Run) -> None:
        """Send the run's own metrics and its files, and end the MLflow run as the run has ended."""
        tracked, self.tracked = self.tracked, None
        if tracked is None:
            return
        if run.record["metrics"]:
            tracked.log(tracked.last_step, run.record["metrics"])
        status = {"done": "FINISHED", "interrupted": "KILLED"}.get(run.record["status"], "FAILED")
        paths = [run.folder / name for name in self.options.artifacts]
        with tempfile.TemporaryDirectory(prefix="glueft-mlflow-") as place:
            if self.options.log_model and status == "FINISHED":
                from glueft_callbacks.mlflow_model import write_model

                paths.append(Path(place) / "mlflow_model")
                write_model(run, paths[-1])
            tracked.close(status, paths, wait_seconds=self.options.wait_seconds)
