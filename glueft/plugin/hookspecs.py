"""The hooks. A plugin package implements any of them in the module that its entry point (group `glueft`) names.

Each example is a whole module. An implementation may leave out arguments that it does not need.
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
    """Brings tasks: what a recipe names in `[task]`.

    Called once a process, when the plugins are looked for; every command does that, so import nothing heavy.

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
    """Brings optimizers: what a recipe names in `[optimizer]`.

    Called as `glueft_tasks` is. Keras is imported in `build`, never at the top of the module.

    Returns:
        A list of optimizer classes.

    Example:
        import glueft


        class Adamax(glueft.Optimizer):
            \"\"\"Adam that divides by the largest gradient of late.\"\"\"

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
    """Brings schedules: what a recipe names in `[schedule]`.

    Called as `glueft_tasks` is.

    Returns:
        A list of schedule classes.

    Example:
        import glueft


        class Halving(glueft.Schedule):
            \"\"\"Halves the learning rate so many times in a run, at equal distances.\"\"\"

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
    """Brings callbacks: what a recipe names in its `[[callbacks]]` tables, any number of them.

    Called as `glueft_tasks` is. A callback's `build(run)` is called once the model is loaded, and returns a Keras
    callback; its `check(task)` and `claims()`, which it may leave out, while the recipe is checked: the first refuses
    what does not fit, the second names the files that it writes, so that no other callback writes them too. What Keras
    hands over, and what `run` offers, stands [above](#a-callback).
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
    """Brings metrics: what a task names in `metrics`, and a recipe in `[task] metrics`.

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
    """Brings families of encoders: what config.json names as its model_type. Provisional: it may still change.

    Called as `glueft_tasks` is. A family's layers import Keras where they are built, never at the top of the module.
    What a family of its own layers says stands [above](#an-encoder-family); this one has BERT's under other names.

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
    """Hears of every run at its end, also of one that failed or was interrupted.

    Called after the last file is written. One that raises is reported, and keeps neither the run nor the hooks of
    other plugins from their end. A run that fails before its training begins leaves no run folder, and is not told of.

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

    Called at the start of every `glueft` command, before its arguments are read: of installed packages alone, as a file
    that `--plugin` names is not known yet. A name that is in use already is refused, and reported.

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
