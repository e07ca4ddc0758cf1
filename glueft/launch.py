"""One run from recipe to run folder: the straight corridor."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.splits import is_labelled
from glueft.errors import GlueftError, RunFolderError
from glueft.files import disk_fault
from glueft.metrics import compute_metrics, metric_labels, other_metrics, predictions_of, titled
from glueft.plugin.attribution import attributed_built
from glueft.plugin.build import build
from glueft.plugin.file import remember_trusted
from glueft.plugin.task_description import describe_task
from glueft.runs.record import Epoch, Record
from glueft.runs.run import Run, new_run_folder, write_predictions
from glueft.runs.run_record import Clock, close_record, open_record
from glueft.system.gc_pause import collector_off
from glueft.system.interruption import at_the_end, forget, held, listening, meant, take
from glueft.system.quiet import captured_stderr, hush_libraries
from glueft.training.baseline import baseline, majority_accuracy
from glueft.training.disk_space import refuse_full_disk
from glueft.training.observers import RunProgress, Silent
from glueft.training.session import Batches, Tokens, load_model, read_tokens, say_warnings
from glueft.training.warnings import answer_warnings

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded
    from glueft.encoder.classifier import Classifier
    from glueft.push.background import BackgroundPush
    from glueft.recipe import Recipe
    from glueft.training import engine
    from glueft.training.step_times import StepTimes


@dataclass(frozen=True)
class Result:
    """What a run returns.

    Attributes:
        record: run.json.
        model: the fine-tuned Keras classifier.
        folder: the run folder.
    """

    record: Record
    model: keras.Model
    folder: Path


@dataclass(frozen=True)
class Prepared:
    """All that the training needs, ready.

    Attributes:
        tokens: of each split that is read.
        model: the classifier, compiled.
        batches: of the training, and of each split that is predicted.
        callbacks: the recipe's.
        times: of the steps to come.
    """

    tokens: Tokens
    model: Classifier
    batches: Batches
    callbacks: list[keras.callbacks.Callback]
    times: StepTimes


def run_recipe(
    recipe: Recipe,
    *,
    output_dir: str | Path = "runs",
    progress: RunProgress | None = None,
    verbose: bool = False,
    begin: float | None = None,
) -> Result:
    """Train and evaluate as a recipe says, and leave a run folder.

    Args:
        recipe: from `load_recipe`.
        output_dir: where the run folder is made.
        progress: who watches; nobody if None.
        verbose: let the libraries' own log lines through.
        begin: `time.perf_counter()` at which the clock of the run starts; now if None.

    Raises:
        GlueftError: the data, the checkpoint or the training cannot go on. An error in the set-up leaves no run
            folder behind; once the training has begun, run.json says what went wrong.
        KeyboardInterrupt: the run was interrupted, by Ctrl-C or in a main thread by SIGTERM or SIGHUP (a
            `TerminatedError`; the signal is handed on afterwards); run.json says so.
    """
    progress = Silent() if progress is None else progress
    clock = Clock(time.perf_counter() if begin is None else begin)
    if not verbose:
        hush_libraries()
    with listening():
        return walk(recipe, Path(output_dir), progress, clock, verbose=verbose)


def walk(recipe: Recipe, output_dir: Path, progress: RunProgress, clock: Clock, *, verbose: bool) -> Result:
    """Make the run folder, fill it, and leave it with a record that says how the run ended."""
    run: Run | None = None
    pushes: BackgroundPush | None = None
    prepared: Prepared | None = None
    done = False
    try:
        with held():
            run = Run(recipe, new_run_folder(output_dir, recipe.task.name), progress.say)
            open_record(run)
            at_the_end(run.note_interruption)
            run.begin(recipe.to_toml())
        remember_trusted(recipe.plugin_files)
        with clock.phase("setup", clock.begin), collector_off():
            prepared = prepare(run, progress, quiet=not verbose)
        pushes = begin_pushes(run, prepared)
        with clock.phase("train"), attributed_built(recipe.optimizer, recipe.schedule):
            trained = train(run, prepared, progress, pushes)
        clock.seconds["first_step"] = trained.first_step_end - clock.begin
        with clock.phase("evaluate"):
            conclude(run, prepared, trained, progress)
        clock.seconds["compile"] = prepared.times.compile_seconds()
        with held():
            close_record(run, clock)
            done = True
    except BaseException as raised:
        take()
        error = meant(raised)
        if run is not None and not done:
            error = failed_write(run, error)
            if prepared is None and isinstance(error, GlueftError):
                shutil.rmtree(run.folder, ignore_errors=True)
            else:
                end_early(run, clock, error, progress, pushes)
        if error is raised:
            raise
        raise error from raised
    finally:
        if run is not None and run.record["status"] != "running":
            forget(run.note_interruption)
    if pushes:
        pushes.finish(progress)
    progress.finished(run.record)
    call_run_finished(run, progress)
    assert run.model is not None
    return Result(run.record, run.model, run.folder)


def failed_write(run: Run, error: BaseException) -> BaseException:
    """Return an error as it is, or in a sentence if a library or plugin could not write for want of room."""
    fault = disk_fault(error) if isinstance(error, Exception) and not isinstance(error, GlueftError) else None
    return error if fault is None else run.cannot_write(fault)


def end_early(
    run: Run, clock: Clock, error: BaseException, progress: RunProgress, pushes: BackgroundPush | None
) -> None:
    """Leave a record of how the run ended, where it can still be written, and tell all that wait for the end."""
    try:
        close_record(run, clock, error)
        if pushes:
            pushes.stop()
        told = f"{run.record['status']}; what there is lies in {run.record['run_dir']}"
    except RunFolderError as fault:
        told = f"{run.record['status']}, but {fault.message} to say so: {fault.received}"
    progress.say(told)
    call_run_finished(run, progress)


def prepare(run: Run, progress: RunProgress, *, quiet: bool) -> Prepared:
    """Do all that comes before the first step, and record what the run stands on."""
    recipe = run.recipe
    tokens = read_tokens(recipe, progress)
    refuse_full_disk(recipe, tokens, run.folder)
    run.record["data"] = tokens.describe(run.task, recipe.data.max_length)
    run.record["warnings"] = list(tokens.warnings)
    run.record["metric_labels"] = metric_labels(run.task.metrics, run.task.labels, run.task.positive_index)
    run.record["task_description"] = describe_task(run.task).as_record()  # Now it knows its labels.
    labels = tokens.encoded[judged_by(run)].labels
    run.record["majority_accuracy"] = majority_accuracy(run.task, labels)
    run.record["published"] = [asdict(score) for score in run.task.published]
    with progress.phase("model"), captured_stderr() if quiet else nullcontext():
        ready = load_model(recipe, tokens)  # Keras: its time is this phase's, and its backend's greeting is held back

        from glueft.training import engine
        from glueft.training.attributed_callback import BlamedCallback
        from glueft.training.model_in_training import ModelInTraining

        run.model, run.num_train_steps = ready.model, ready.batches.training.num_train_steps
        widths = ready.batches.training.buckets
        run.in_training = ModelInTraining(recipe, tokens, ready.model, None if widths is None else tuple(widths))
        run.record.update(ready.describe(recipe, tokens.checkpoint))
        callbacks = [BlamedCallback(callback, build(callback, run)) for callback in recipe.callbacks]

        times = engine.step_times(ready.model)
    run.record["warnings"] += ready.warnings
    say_warnings(progress, ready.warnings)
    run.write_record()
    return Prepared(tokens, ready.model, ready.batches, callbacks, times)


def begin_pushes(run: Run, prepared: Prepared) -> BackgroundPush | None:
    """Return what pushes to the hub while the run goes on, if the recipe says so."""
    if run.recipe.hub.push is None:
        return None
    from glueft.push.background import BackgroundPush

    return BackgroundPush(run, prepared.tokens.tokenizer)


def train(run: Run, prepared: Prepared, progress: RunProgress, pushes: BackgroundPush | None = None) -> engine.Trained:
    """Fit, validating after each epoch; record every epoch and the throughput."""
    from glueft.training import engine

    batches = prepared.batches.training
    validation = prepared.tokens.encoded[judged_by(run)]

    def on_step(report: engine.StepReport) -> None:
        progress.step(report)
        if report.for_history:
            run.log(kind="step", step=report.step, loss=report.loss, learning_rate=report.learning_rate)

    def on_validation(logits: NDArray[np.float32]) -> dict[str, float]:
        run.validation_logits = logits
        return score(run, logits, validation)

    def on_epoch(report: engine.EpochReport) -> None:
        if not run.record["epochs"]:
            # Not sooner: the metrics' libraries take seconds to import, and the first step need not wait for them.
            run.record["baseline"] = baseline(run.task, prepared.tokens.encoded["train"].labels, validation.labels)
        progress.epoch(replace(report, metrics=titled(report.metrics, run.record["metric_labels"])))
        entry = {
            "epoch": report.epoch,
            "step": report.step,
            "loss": report.loss,
            "validation_loss": report.validation_loss,
            "metrics": report.metrics,
            "seconds": round(report.seconds, 3),
        }
        run.record.epochs.append(Epoch.model_validate(entry))
        run.log(kind="epoch", **entry)
        if pushes:
            pushes.after_epoch(report.epoch, len(batches.plans), report.metrics)

    with progress.training(len(batches.plans), batches.num_train_steps):
        trained = engine.train(
            prepared.model,
            batches,
            prepared.batches.evaluation[judged_by(run)],
            regression=not run.task.labels,
            score=on_validation,
            on_step=on_step,
            on_epoch=on_epoch,
            times=prepared.times,
            callbacks=prepared.callbacks,
        )
    steps_done = batches.sizes()[: trained.steps]
    real, padding = batches.tokens(trained.steps)
    run.record.examples_per_second = round(int(steps_done.sum()) / trained.step_seconds, 3)
    run.record.tokens_per_second = round(real / trained.step_seconds, 1)
    run.record.padding_waste = round(padding / (real + padding), 5)
    return trained


def conclude(run: Run, prepared: Prepared, trained: engine.Trained, progress: RunProgress) -> None:
    """Predict, score, and leave predictions and model in the run folder."""
    from glueft.encoder.checkpoint import save_classifier
    from glueft.encoder.checkpoint_finder import fingerprints
    from glueft.encoder.lora import merge_lora
    from glueft.encoder.word_embeddings import widen_vocabulary
    from glueft.training import engine

    judged, encoded = judged_by(run), prepared.tokens.encoded
    with progress.phase("predictions"):
        # Merged before anything is predicted: the numbers of the record are those of the model that is saved.
        known = None if merge_lora(prepared.model) else trained.validation_logits
        logits = {
            name: engine.predict(prepared.model, batches, prepared.times, of_run=True)
            for name, batches in prepared.batches.evaluation.items()
            if name != judged or known is None
        }
        if known is not None:
            logits[judged] = known
        labelled = [name for name in prepared.batches.evaluation if is_labelled(encoded[name].labels)]
        by_split = {name: score(run, logits[name], encoded[name]) for name in labelled}
        run.record["metrics"] = by_split[judged]
        others = {name: score(run, logits[name], encoded[name], other_metrics_of(run)) for name in labelled}
        run.record["other_metrics"] = others[judged]
        if len(by_split) > 1:
            run.record["metrics_by_split"] = by_split
            run.record["other_metrics_by_split"] = others
        answers, given = predictions(run, logits[judged]), encoded[judged].labels
        for text in answer_warnings(judged, answers, given, run.task.labels, run.task.metrics):
            run.record["warnings"].append(text)
            say_warnings(progress, [text])
        for name in prepared.tokens.predicted:
            path = run.folder / "predictions" / f"{name}.tsv"
            write_predictions(path, encoded[name].labels, logits[name], run.task.labels)
    with progress.phase("model folder"):
        save_classifier(prepared.model, run.folder / "model", prepared.tokens.tokenizer)
        run.record["model"] = {"sha256": fingerprints(run.folder / "model")}
    widen_vocabulary(prepared.model)


def score(
    run: Run, logits: NDArray[np.float32], encoded: Encoded, names: Sequence[str] | None = None
) -> dict[str, float]:
    """Return metrics of a labelled split: the task's, unless others are named."""
    names = run.task.metrics if names is None else names
    task = run.task
    predicted = predictions_of(logits, task.labels)
    return compute_metrics(names, predicted, encoded.labels, labels=task.labels, positive_label=task.positive_index)


def predictions(run: Run, logits: NDArray[np.float32]) -> NDArray[Any]:
    """Return the label indices that logits say, or in regression the scores, (rows,)."""
    return logits.argmax(axis=1) if run.task.labels else logits[:, 0]


def other_metrics_of(run: Run) -> tuple[str, ...]:
    """Return what is shown beside the metrics that the run is judged by."""
    return other_metrics(run.task.metrics, len(run.task.labels))


def judged_by(run: Run) -> str:
    """Return the split that the run is judged by."""
    return run.task.validation_splits[0]


def call_run_finished(run: Run, progress: RunProgress) -> None:
    """Call every `glueft_run_finished` hook; one that fails is reported and stops neither the others nor the run."""
    registry = run.recipe.registry
    for point in registry.implementing("glueft_run_finished"):
        failure = registry.call("glueft_run_finished", point, run=run)
        if failure is not None:
            progress.say(f"warning: {failure}")
