"""One run from recipe to run folder: the straight corridor."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError, GlueftError
from glueft.metrics import check_metrics, compute_metrics
from glueft.progress import RunProgress, Silent
from glueft.quiet import captured_stderr, hush_libraries
from glueft.registry import load_registry
from glueft.run_folder import Run, new_run_folder, write_predictions, write_whole
from glueft.run_record import Clock, close_record, open_record

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from glueft import engine
    from glueft.checkpoint import Checkpoint
    from glueft.data.batches import EvaluationBatches, TrainingBatches
    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.encoder.classifier import Classifier
    from glueft.recipe import Recipe


@dataclass(frozen=True)
class Result:
    """What a run returns.

    Attributes:
        record: the content of run.json.
        model: the fine-tuned Keras classifier.
        folder: the run folder.
    """

    record: dict[str, Any]
    model: keras.Model
    folder: Path


@dataclass(frozen=True)
class Prepared:
    """All that the training needs, ready.

    Attributes:
        model: the classifier, compiled.
        tokenizer: the checkpoint's own.
        encoded: the tokens of each split that is read.
        batches: every batch of the training.
        evaluation: the batches of each split that is predicted.
        callbacks: the recipe's.
    """

    model: Classifier
    tokenizer: Any
    encoded: dict[str, Encoded]
    batches: TrainingBatches
    evaluation: dict[str, EvaluationBatches]
    callbacks: list[keras.callbacks.Callback]


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
        KeyboardInterrupt: the run was interrupted; run.json says so.
    """
    progress = Silent() if progress is None else progress
    clock = Clock(time.perf_counter() if begin is None else begin)
    if not verbose:
        hush_libraries()
    check_metrics(recipe.task.name, recipe.task.metrics, labels=len(recipe.task.labels))
    run = Run(recipe, new_run_folder(Path(output_dir), recipe.task.name))
    open_record(run)
    training = False
    try:
        write_whole(run.folder / "recipe.toml", recipe.to_toml())
        run.write_record()
        with clock.phase("setup", clock.begin):
            prepared = prepare(run, progress, quiet=not verbose)
        training = True
        with clock.phase("train"):
            trained = train(run, prepared, progress)
        clock.seconds["first_step"] = trained.first_step_seconds
        with clock.phase("evaluate"):
            conclude(run, prepared, trained, progress)
    except BaseException as error:
        if isinstance(error, GlueftError) and not training:
            shutil.rmtree(run.folder)
        else:
            close_record(run, clock, error)
            progress.say(f"{run.record['status']}; what there is lies in {run.record['run_dir']}")
            call_run_finished(run, progress)
        raise
    close_record(run, clock)
    progress.finished(run.record)
    call_run_finished(run, progress)
    assert run.model is not None
    return Result(run.record, run.model, run.folder)


def prepare(run: Run, progress: RunProgress, *, quiet: bool) -> Prepared:
    """Do all that comes before the first step, and record what the run stands on."""
    from glueft.checkpoint import check_max_length, find_checkpoint, load_tokenizer
    from glueft.data.encoding import encode
    from glueft.data.rows import load_rows
    from glueft.data.sources import make_source

    recipe, data = run.recipe, run.recipe.data
    with progress.phase(f"checkpoint {recipe.model.checkpoint}"):
        checkpoint = find_checkpoint(recipe.model.checkpoint, recipe.model.revision)
        check_max_length(data.max_length, checkpoint)
        tokenizer = load_tokenizer(checkpoint)
    with progress.phase(f"rows of {run.task.name} ({data.source})"):
        source = make_source(data)
        splits = load_rows(run.task, source, limit_train=data.limit_train, limit_validation=data.limit_validation)
        check_predicted_splits(data.predict, splits)
    progress.say(", ".join(f"{len(rows):,} {name} rows" for name, rows in splits.items()))
    with progress.phase("tokens"):
        read = dict.fromkeys(["train", "validation", *data.predict])
        encoded = {name: encode(splits[name], tokenizer, data.max_length) for name in read}
    run.record["data"] = source.provenance | {
        "max_length": data.max_length,
        "splits": {name: describe_split(rows, encoded.get(name)) for name, rows in splits.items()},
    }
    run.record["majority_accuracy"] = majority_accuracy(run, encoded["validation"])
    with progress.phase("model"), captured_stderr() if quiet else nullcontext():
        model, batches, evaluation = prepare_model(run, checkpoint, encoded)
        callbacks = [callback.build(run) for callback in recipe.callbacks]
    run.write_record()
    return Prepared(model, tokenizer, encoded, batches, evaluation, callbacks)


def prepare_model(
    run: Run, checkpoint: Checkpoint, encoded: dict[str, Encoded]
) -> tuple[Classifier, TrainingBatches, dict[str, EvaluationBatches]]:
    """Load and compile the classifier, and plan its batches. Imports Keras and its backend."""
    import keras

    from glueft import engine
    from glueft.checkpoint import load_classifier
    from glueft.data.batches import EvaluationBatches, TrainingBatches
    from glueft.encoder.freezing import freeze
    from glueft.encoder.lora import enable_lora

    recipe, training = run.recipe, run.recipe.training
    regression = not run.task.labels
    jit_compile = engine.resolve_jit_compile(recipe.engine.jit_compile)
    engine.prepare_backend(training.seed, jit_compile=jit_compile)
    with engine.dtype_policy(recipe.engine.precision):
        loaded = load_classifier(
            checkpoint,
            labels=run.task.labels,
            regression=regression,
            seed=training.seed,
            new_head=recipe.model.new_head,
        )
    run.model = model = loaded.model
    freeze(model, embeddings=recipe.model.freeze.embeddings, layers=recipe.model.freeze.layers)
    if recipe.model.lora_rank is not None:
        enable_lora(model, recipe.model.lora_rank, seed=training.seed)

    multiple, limit = engine.width_multiple(jit_compile), recipe.data.max_length
    batches = TrainingBatches(
        encoded["train"],
        batch_size=training.batch_size * training.gradient_accumulation_steps,
        epochs=training.epochs,
        seed=training.seed,
        multiple=multiple,
        limit=limit,
    )
    evaluation = {
        name: EvaluationBatches(tokens, batch_size=training.evaluation_batch_size, multiple=multiple, limit=limit)
        for name, tokens in encoded.items()
        if name != "train"
    }
    if training.gradient_accumulation_steps > 1:
        model.rows_at_once = training.batch_size
    run.num_train_steps = batches.num_train_steps
    optimizer = recipe.optimizer.build(recipe.schedule.build(batches.num_train_steps))
    engine.compile_model(model, optimizer, regression=regression, jit_compile=jit_compile)
    run.record |= {
        "checkpoint": {
            "name": checkpoint.name,
            "revision": checkpoint.revision,
            "sha256": checkpoint.fingerprints,
            "head": loaded.report.head,
            "new": list(loaded.report.new),
            "left_over": list(loaded.report.left_over),
        },
        "engine": {
            "backend": keras.backend.backend(),
            "precision": recipe.engine.precision,
            "jit_compile": bool(model.jit_compile),
        },
        "parameters": engine.all_parameters(model),
        "trainable_parameters": engine.trainable_parameters(model),
        "num_train_steps": batches.num_train_steps,
    }
    return model, batches, evaluation


def train(run: Run, prepared: Prepared, progress: RunProgress) -> engine.Trained:
    """Fit, validating after each epoch; record every epoch and the throughput."""
    from glueft import engine

    batches = prepared.batches

    def on_step(report: engine.StepReport) -> None:
        progress.step(report)
        if report.for_history:
            run.log(kind="step", step=report.step, loss=report.loss, learning_rate=report.learning_rate)

    def on_epoch(report: engine.EpochReport) -> None:
        progress.epoch(report)
        entry = {
            "epoch": report.epoch,
            "step": report.step,
            "loss": report.loss,
            "validation_loss": report.validation_loss,
            "metrics": report.metrics,
            "seconds": round(report.seconds, 3),
        }
        run.record["epochs"].append(entry)
        run.log(kind="epoch", **entry)

    with progress.training(len(batches.plans), batches.num_train_steps):
        trained = engine.train(
            prepared.model,
            batches,
            prepared.evaluation["validation"],
            regression=not run.task.labels,
            score=lambda logits: score(run, logits, prepared.encoded["validation"]),
            on_step=on_step,
            on_epoch=on_epoch,
            callbacks=prepared.callbacks,
        )
    steps_done = batches.sizes()[: trained.steps]
    real, padding = batches.tokens(trained.steps)
    run.record |= {
        "examples_per_second": round(int(steps_done.sum()) / trained.step_seconds, 3),
        "tokens_per_second": round(real / trained.step_seconds, 1),
        "padding_waste": round(padding / (real + padding), 5),
    }
    return trained


def conclude(run: Run, prepared: Prepared, trained: engine.Trained, progress: RunProgress) -> None:
    """Predict, score, and leave predictions and model in the run folder."""
    from glueft import engine
    from glueft.checkpoint import save_classifier

    with progress.phase("predictions"):
        logits = {
            name: engine.predict(prepared.model, batches)
            for name, batches in prepared.evaluation.items()
            if name != "validation" or trained.validation_logits is None
        }
        if trained.validation_logits is not None:
            logits["validation"] = trained.validation_logits
        run.record["metrics"] = score(run, logits["validation"], prepared.encoded["validation"])
        for name in run.recipe.data.predict:
            path = run.folder / "predictions" / f"{name}.tsv"
            write_predictions(path, prepared.encoded[name].labels, logits[name], run.task.labels)
    with progress.phase("model folder"):
        save_classifier(prepared.model, run.folder / "model", prepared.tokenizer)


def score(run: Run, logits: NDArray[np.float32], encoded: Encoded) -> dict[str, float]:
    """Return the task's metrics of a labelled split."""
    predictions = logits.argmax(axis=1) if run.task.labels else logits[:, 0]
    return compute_metrics(run.task.metrics, predictions, encoded.labels)


def check_predicted_splits(predict: Sequence[str], splits: dict[str, Rows]) -> None:
    """Raise DataError if the recipe wants predictions of a split that the data does not have."""
    for name in predict:
        if name not in splits:
            raise DataError(
                f"data.predict names the {name} split, and the data has none",
                expected=f"rows for {name}; splits found: {', '.join(splits)}",
                received="no such split",
                mend=f"add the split's file, or take {name!r} out of data.predict",
            )


def describe_split(rows: Rows, encoded: Encoded | None) -> dict[str, Any]:
    """Return what run.json says of a split."""
    split: dict[str, Any] = {"rows": len(rows), "sha256": rows.sha256}
    if encoded is not None:
        split |= {"tokens": len(encoded.ids), "truncated_rows": encoded.truncated}
    return split


def majority_accuracy(run: Run, validation: Encoded) -> float | None:
    """Return the accuracy of always saying the commonest label of the validation rows; None in regression."""
    import numpy as np

    if not run.task.labels:
        return None
    return float(np.bincount(validation.labels).max() / len(validation))


def call_run_finished(run: Run, progress: RunProgress) -> None:
    """Call every `glueft_run_finished` hook; one that fails is reported and stops neither the others nor the run."""
    registry = load_registry()
    for point in registry.implementing("glueft_run_finished"):
        failure = registry.call("glueft_run_finished", point, run=run)
        if failure is not None:
            progress.say(f"warning: {failure}")
