"""The hooks. A plugin package implements any of them in the module that its entry point (group `glueft`) names.

Each example is a complete module. An implementation may leave out arguments that it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from glueft.plugin.callback import Callback
    from glueft.plugin.encoder import Encoder
    from glueft.plugin.metric import Metric
    from glueft.plugin.optimizer import Optimizer
    from glueft.plugin.run import Run
    from glueft.plugin.schedule import Schedule
    from glueft.plugin.task import Task

hookspec = pluggy.HookspecMarker("glueft")
hookimpl = pluggy.HookimplMarker("glueft")


@hookspec
def glueft_tasks() -> list[type[Task]]:  # type: ignore[empty-body]
    """Tasks: what a recipe names in `[task]`.

    Called once per process, when plugins are loaded. Every command loads them, so import nothing heavy.

    Returns:
        A list of task classes.

    Example:
        import glueft


        class Weather(glueft.Task):
            \"\"\"Is a forecast good news for a picnic?\"\"\"

            name = "weather"
            inputs = ("forecast",)
            labels = ("stay_in", "go_out")
            tsv = glueft.TSVLayout("weather", columns={"forecast": "forecast", "label": "label"})


        @glueft.hookimpl
        def glueft_tasks():
            return [Weather]
    """


@hookspec
def glueft_optimizers() -> list[type[Optimizer]]:  # type: ignore[empty-body]
    """Optimizers: what a recipe names in `[optimizer]`.

    Called as `glueft_tasks` is. Keras is imported in `build`, never at the top of the module.

    Returns:
        A list of optimizer classes.

    Example:
        import glueft


        class Adamax(glueft.Optimizer):
            \"\"\"Adam with the infinity norm of the gradients.\"\"\"

            name = "adamax"

            class Options(glueft.Options):
                beta_1: float = glueft.Field(0.9, ge=0, lt=1, description="How slowly the mean gradient forgets.")

            def build(self, learning_rate):
                import keras

                return keras.optimizers.Adamax(learning_rate, beta_1=self.options.beta_1)


        @glueft.hookimpl
        def glueft_optimizers():
            return [Adamax]
    """


@hookspec
def glueft_schedules() -> list[type[Schedule]]:  # type: ignore[empty-body]
    """Learning rate schedules: what a recipe names in `[schedule]`.

    Called as `glueft_tasks` is.

    Returns:
        A list of schedule classes.

    Example:
        import glueft


        class Halving(glueft.Schedule):
            \"\"\"Halves the learning rate at equal distances.\"\"\"

            name = "halving"

            class Options(glueft.Options):
                initial_learning_rate: float = glueft.Field(gt=0, description="The rate of the first step.")
                parts: int = glueft.Field(4, ge=1, description="Parts of the run, each with half the rate of the last.")

            def build(self, total_steps):
                import keras

                return keras.optimizers.schedules.ExponentialDecay(
                    self.options.initial_learning_rate, total_steps / self.options.parts, 0.5, staircase=True
                )


        @glueft.hookimpl
        def glueft_schedules():
            return [Halving]
    """


@hookspec
def glueft_callbacks() -> list[type[Callback]]:  # type: ignore[empty-body]
    """Callbacks: what a recipe names in its `[[callbacks]]` tables, any number of them.

    Called as `glueft_tasks` is. `build(run)` is called once the model is loaded, and returns a Keras callback. The
    optional `check(task)` and `claims()` are called while the recipe is checked: the first refuses a task that does not
    fit, the second names the files that the callback writes, so that no other callback writes them too. What Keras
    passes, and what `run` offers, is [above](#a-callback).
    Keras is imported without scikit-learn and matplotlib: `keras.wrappers` and `keras.visualization` say that they are
    not installed, while your own `import matplotlib` works.

    Returns:
        A list of callback classes.

    Example:
        import glueft


        class Target(glueft.Callback):
            \"\"\"Ends the training once the accuracy is good enough.\"\"\"

            name = "target"

            class Options(glueft.Options):
                accuracy: float = glueft.Field(gt=0, le=1, description="The validation accuracy to reach.")

            def build(self, run):
                import keras

                def look(epoch, logs):
                    if logs["val_accuracy"] >= self.options.accuracy:
                        run.say(f"target: reached in epoch {epoch + 1}")
                        run.model.stop_training = True

                return keras.callbacks.LambdaCallback(on_epoch_end=look)


        @glueft.hookimpl
        def glueft_callbacks():
            return [Target]
    """


@hookspec
def glueft_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Metrics: what a task names in `metrics`, and a recipe in `[task] metrics`.

    Called as `glueft_tasks` is.

    Returns:
        A list of metric classes.

    Example:
        import glueft


        class Specificity(glueft.Metric):
            \"\"\"Share of the rows without the positive label that are not predicted as it, in a two-label task.\"\"\"

            name = "specificity"
            of_positive_label = True

            def value(self, predictions, references):
                negative = references != self.positive_label
                return (predictions[negative] != self.positive_label).mean()


        @glueft.hookimpl
        def glueft_metrics():
            return [Specificity]
    """


@hookspec
def glueft_encoders() -> list[type[Encoder]]:  # type: ignore[empty-body]
    """Encoder families: what config.json names as its model_type. Provisional: this kind may still change.

    Called as `glueft_tasks` is. Keras is imported in the methods that build layers, never at the top of the module.
    A family with layers of its own is described [above](#an-encoder-family); this one has BERT's under other names.

    Returns:
        A list of encoder classes.

    Example:
        import glueft
        from glueft_encoders.bert import Bert


        class HarbourBert(Bert):
            \"\"\"BERT with a model_type of its own.\"\"\"

            name = "harbour-bert"
            architecture = "HarbourBertForSequenceClassification"
            prefix = "harbour."
            head_dense = "harbour.pooler.dense"


        @glueft.hookimpl
        def glueft_encoders():
            return [HarbourBert]
    """


@hookspec
def glueft_run_finished(run: Run) -> None:
    """Called at the end of every run, also of one that failed or was interrupted.

    All files of the run are written by then. An implementation that raises is reported; the run and the hooks of other
    plugins go on. Not called for a run that fails before its training begins: it leaves no run folder.

    Args:
        run: the run: `run.folder`, and what run.json says in `run.record` ("status" is "done", "failed" or
            "interrupted").

    Example:
        import json

        import glueft


        @glueft.hookimpl
        def glueft_run_finished(run):
            line = {"run": run.folder.name, "status": run.record["status"], **run.record["metrics"]}
            with (run.folder.parent / "all-runs.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\\n")
    """


@hookspec
def glueft_commands(app: typer.Typer) -> None:
    """Adds commands to the command line.

    Called at the start of every `glueft` command, before its arguments are read; so only for installed packages, not
    for a file that `--plugin` names. A name that is in use already is refused and reported.

    Args:
        app: the typer application with glueft's own commands.

    Example:
        import json
        from pathlib import Path

        import glueft


        @glueft.hookimpl
        def glueft_commands(app):
            @app.command("results")
            def results(folder: Path = Path("runs")):
                \"\"\"Show the metrics of every run in a folder.\"\"\"
                for file in sorted(folder.glob("*/run.json")):
                    record = json.loads(file.read_text())
                    print(file.parent.name, record["status"], record["metrics"])
    """
