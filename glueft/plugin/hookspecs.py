"""The hooks. A plugin package implements any of them in the module that its entry point (group `glueft`) names.

docs/plugins.md has an example of each. An implementation may leave out arguments that it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import typer

    from glueft.plugin.callback import Callback
    from glueft.plugin.encoder import Encoder
    from glueft.plugin.executor import Executor
    from glueft.plugin.loss import Loss
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
    """


@hookspec
def glueft_optimizers() -> list[type[Optimizer]]:  # type: ignore[empty-body]
    """Optimizers: what a recipe names in `[optimizer]`.

    Called as `glueft_tasks` is. Keras is imported in `build`, never at the top of the module.

    Returns:
        A list of optimizer classes.
    """


@hookspec
def glueft_schedules() -> list[type[Schedule]]:  # type: ignore[empty-body]
    """Learning rate schedules: what a recipe names in `[schedule]`.

    Called as `glueft_tasks` is.

    Returns:
        A list of schedule classes.
    """


@hookspec
def glueft_losses() -> list[type[Loss]]:  # type: ignore[empty-body]
    """Losses: what a recipe names in `[loss]`.

    Called as `glueft_tasks` is. `build(task)` returns a Keras loss whose `call` gives one number a row; glueft takes
    the mean, however the rows of a batch are shared out. The optional `check(task)` refuses a task that does not fit,
    `label_weights(task)` weighs rows by their label, and `values` gives the validation loss another form.

    Returns:
        A list of loss classes.
    """


@hookspec
def glueft_callbacks() -> list[type[Callback]]:  # type: ignore[empty-body]
    """Callbacks: what a recipe names in its `[[callbacks]]` tables, any number of them.

    Called as `glueft_tasks` is. `build(run)` is called once the model is loaded, and returns a Keras callback. The
    optional `check(task)` and `claims()` are called while the recipe is checked: the first refuses a task that does not
    fit, the second names the files that the callback writes, so that no other callback writes them too. A class that
    sets `only_watches = True` changes nothing of the training: `glueft reproduce` goes without it. What Keras passes,
    and what `run` offers, is [above](#a-callback).
    Keras is imported without scikit-learn and matplotlib: `keras.wrappers` and `keras.visualization` say that they are
    not installed, while your own `import matplotlib` works.

    Returns:
        A list of callback classes.
    """


@hookspec
def glueft_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Metrics: what a task names in `metrics`, and a recipe in `[task] metrics`.

    Called as `glueft_tasks` is.

    Returns:
        A list of metric classes.
    """


@hookspec
def glueft_encoders() -> list[type[Encoder]]:  # type: ignore[empty-body]
    """Encoder families: what config.json names as its model_type. Provisional: this kind may still change.

    Called as `glueft_tasks` is. Keras is imported in the methods that build layers, never at the top of the module.
    A family with layers of its own is described [above](#an-encoder-family); this one has BERT's under other names.

    Returns:
        A list of encoder classes.
    """


@hookspec
def glueft_executors() -> list[type[Executor]]:  # type: ignore[empty-body]
    """Executors: where the runs of a study are run, what it names in `[study.executor]`.

    Called as `glueft_tasks` is. What a pool of jobs must do is [above](#an-executor).

    Returns:
        A list of executor classes.
    """


@hookspec
def glueft_run_finished(run: Run) -> None:
    """Called at the end of every run, also of one that failed or was interrupted.

    All files of the run are written by then. An implementation that raises is reported; the run and the hooks of other
    plugins go on. Not called for a run that fails before its training begins: it leaves no run folder.

    Args:
        run: the run: `run.folder`, and what run.json says in `run.record` ("status" is "done", "failed" or
            "interrupted").
    """


@hookspec
def glueft_commands(app: typer.Typer) -> None:
    """Adds commands to the command line.

    Called at the start of every `glueft` command, before its arguments are read; so only for installed packages, not
    for a file that `--plugin` names. A name that is in use already is refused and reported.

    Args:
        app: the typer application with glueft's own commands.
    """
