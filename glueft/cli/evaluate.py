"""`glueft evaluate`: evaluate a saved model again, or a checkpoint from elsewhere."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from glueft.cli.installed import warn_of_failures
from glueft.cli.options import (
    AsJson,
    Backend,
    DataDir,
    Overrides,
    PluginFiles,
    Precision,
    Quiet,
    Trust,
    Verbose,
    print_json,
    with_short,
)

EPILOG = """\b
Examples:
  glueft evaluate runs/mrpc-20260131-120000-a1b2c3
  glueft evaluate runs/mrpc-20260131-120000-a1b2c3 --split train --data-dir glue_data
  glueft evaluate runs/mnli-20260131-120000-a1b2c3 --split validation_mismatched --json > result.json
  glueft evaluate --task mrpc --checkpoint ./some-classifier --data-dir glue_data
  glueft evaluate --task rte --checkpoint ./another --sample --label entailment --label not_entailment
  glueft evaluate runs/table-20260131-120000-a1b2c3 --split test --set task.test=holdout.csv
"""


def evaluate(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="A run folder, or its model/.")] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="validation (the default), test, train, or a single one such as validation_mismatched. Repeatable.",
        ),
    ] = None,
    data_dir: DataDir = None,
    sample: Annotated[bool, typer.Option("--sample", help="Read the small sample that ships with the task.")] = False,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Without a RUN: the task to evaluate a checkpoint on.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Without a RUN: the classifier, a hub name, a folder, package:module/path, or run:FOLDER.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="NAME",
            help="With --checkpoint: the label of its next output, if its config.json has no names or others than "
            "the task. Repeatable.",
        ),
    ] = None,
    overrides: Overrides = None,
    backend: Backend = None,
    precision: Precision = None,
    plugins: PluginFiles = None,
    trust: Trust = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate a saved model again, or any classifier.

    The metrics are compared with what the run measured, and differing rows are pointed out. With --task and
    --checkpoint, evaluate any classification checkpoint whose labels are the task's, by name. Nothing is written.
    """
    _check_usage(run, task, checkpoint, labels)
    from glueft.inference.evaluate import evaluate_checkpoint, evaluate_run
    from glueft.recipe.task_parts import load_task_parts
    from glueft.runs.run import Run
    from glueft.terminal.evaluation_table import evaluation_tables
    from glueft.terminal.progress import make_progress

    warn_of_failures()
    progress = make_progress(sys.stdout, verbose=verbose, quiet=quiet)
    changes = with_short(overrides, {} if backend is None else {"engine.backend": backend})
    changes += [] if precision is None else [f"engine.precision={precision}"]
    if run is not None:
        result = evaluate_run(
            Run.open(run),
            splits or [],
            changes,
            data_dir=data_dir,
            sample=sample,
            plugins=plugins or [],
            trust=trust,
            progress=progress,
            verbose=verbose,
            begin=context.obj,
        )
    else:
        assert task is not None and checkpoint is not None
        parts = load_task_parts(task, checkpoint, changes, data_dir=data_dir, sample=sample, plugins=plugins or [])
        result = evaluate_checkpoint(
            parts, splits or [], labels=labels or [], progress=progress, verbose=verbose, begin=context.obj
        )
    if as_json:
        print_json(result)
    else:
        for number, table in enumerate(evaluation_tables(result, progress.width)):
            if number:
                progress.say("")
            progress.tables(table)


def _check_usage(run: str | None, task: str | None, checkpoint: str | None, labels: list[str] | None) -> None:
    if run is not None and (task is not None or checkpoint is not None or labels):
        raise typer.BadParameter("a RUN has its own task and model: leave out --task, --checkpoint and --label")
    if run is None and (task is None or checkpoint is None):
        raise typer.BadParameter("name a RUN, or give both --task NAME and --checkpoint CHECKPOINT")
