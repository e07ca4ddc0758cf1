"""What comes before the first step: rows, tokens, batches, and the compiled classifier. Runs and plans share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from glueft.data.splits import describe_split, predicted_splits, size_notes
from glueft.metrics import check_metrics
from glueft.plugin.attribution import attributed, attributed_built
from glueft.plugin.build import build
from glueft.system.interruption import check
from glueft.training.backend_import import import_backend
from glueft.training.jit_compile import JitDecision, decide_jit_compile, keras_backend
from glueft.training.tensorflow_settings import onednn_setting

if TYPE_CHECKING:
    from glueft.data.batches import EvaluationBatches, TrainingBatches
    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.encoder.checkpoint import Checkpoint, LoadReport
    from glueft.encoder.classifier import Classifier
    from glueft.plugin.task import Task
    from glueft.recipe import Recipe
    from glueft.training.observers import RunProgress


@dataclass(frozen=True)
class Tokens:
    """The rows of a recipe as tokens of its checkpoint.

    Attributes:
        checkpoint: found and checked; its weights are not loaded.
        tokenizer: the checkpoint's own.
        provenance: where the rows came from.
        splits: the rows of every split.
        encoded: the tokens of each split that is trained on, validated on or predicted.
        predicted: the splits whose predictions are written.
        notes: a line for each split whose rows are not all that it officially has.
        warnings: what to know of the rows before training on them; see `Source.warn`.
    """

    checkpoint: Checkpoint
    tokenizer: Any
    provenance: dict[str, Any]
    splits: dict[str, Rows]
    encoded: dict[str, Encoded]
    predicted: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def describe(self, task: Task, max_length: int) -> dict[str, Any]:
        """Return what run.json says of the data."""
        splits = {name: describe_split(task, rows, self.encoded.get(name)) for name, rows in self.splits.items()}
        judged = {"validation_split": task.validation_splits[0]}
        return self.provenance | judged | {"max_length": max_length, "splits": splits, "notes": list(self.notes)}


@dataclass(frozen=True)
class Batches:
    """Every batch of the training, and those of each split that is predicted.

    Attributes:
        training: of all epochs.
        evaluation: of each split that is not trained on.
        warnings: what to know of the steps before the first of them.
    """

    training: TrainingBatches
    evaluation: dict[str, EvaluationBatches]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ready:
    """A classifier on the point of its first step.

    Attributes:
        model: compiled.
        report: what became of the checkpoint's tensors.
        batches: planned for the way in which the model is compiled.
        jit_compile: that way, and why.
        warnings: what to know of the steps before the first of them.
    """

    model: Classifier
    report: LoadReport
    batches: Batches
    jit_compile: JitDecision
    warnings: tuple[str, ...] = ()

    def describe(self, recipe: Recipe, checkpoint: Checkpoint) -> dict[str, Any]:
        """Return what run.json says of the checkpoint, the model and its steps."""
        from glueft.training import engine

        return {
            "checkpoint": {
                "name": checkpoint.name,
                "revision": checkpoint.revision,
                "sha256": checkpoint.fingerprints,
                "head": self.report.head,
                "new": list(self.report.new),
                "left_over": list(self.report.left_over),
            },
            "engine": describe_engine(recipe, self.jit_compile, self.batches),
            "parameters": engine.all_parameters(self.model),
            "trainable_parameters": engine.trainable_parameters(self.model),
            "num_train_steps": self.batches.training.num_train_steps,
        }


def read_tokens(recipe: Recipe, progress: RunProgress) -> Tokens:
    """Find the checkpoint, read the rows and tokenize them; neither Keras nor its backend is imported."""
    from glueft.data.encoding import encode
    from glueft.data.row_warnings import row_warnings
    from glueft.data.rows import load_rows
    from glueft.data.sources import make_source
    from glueft.encoder.checkpoint import check_max_length, find_checkpoint, has_head, load_tokenizer
    from glueft.tables.problems import listed
    from glueft.training.warnings import cut_warnings

    data, task = recipe.data, recipe.task
    if not task.reads_own_files:
        check_metrics(task.name, task.metrics, labels=len(task.labels))
    with progress.phase(f"checkpoint {recipe.model.checkpoint}"):
        checkpoint = find_checkpoint(recipe.model.checkpoint, recipe.model.revision)
        check_max_length(data.max_length, checkpoint)
        tokenizer = load_tokenizer(checkpoint, pair=len(task.inputs) == 2)
    check()
    source = make_source(data, task)
    with progress.phase(f"rows of {task.name} ({source.kind})"):
        limits = {"limit_train": data.limit_train, "limit_validation": data.limit_validation}
        splits = load_rows(task, source, **limits, draw_seed=data.draw_seed)
        # A task may learn its labels from its rows.
        check_metrics(task.name, task.metrics, labels=len(task.labels))
        predicted = predicted_splits(task, data.predict, splits)
        new_head = recipe.model.new_head or not has_head(checkpoint)
        for text in row_warnings(task, splits, new_head=new_head):
            source.warn(text)
    notes = size_notes(task, splits, source.provenance.get("left_out", {}))
    for line in (", ".join(f"{len(rows):,} {name} rows" for name, rows in splits.items()), *notes):
        progress.say(line)
    if task.reads_own_files and task.labels:  # Which they are, and their order, nobody may have said so far.
        progress.say(f"labels: {listed(task.labels)}")
    with progress.phase("tokens"):
        read = dict.fromkeys(["train", *task.validation_splits, *predicted])
        encoded = {name: encode(splits[name], tokenizer, data.max_length) for name in read}
    for text in cut_warnings(encoded, data.max_length):
        source.warn(text)
    say_warnings(progress, source.warnings)
    return Tokens(
        checkpoint, tokenizer, source.provenance, splits, encoded, predicted, tuple(notes), tuple(source.warnings)
    )


def say_warnings(progress: RunProgress, warnings: Sequence[str]) -> None:
    """Show warnings."""
    for text in warnings:
        progress.say(f"warning: {text}")


def plan_batches(recipe: Recipe, encoded: dict[str, Encoded], decision: JitDecision) -> Batches:
    """Return the batches of the training and of every other split, with few widths where each is compiled apart."""
    from glueft.data.batches import EvaluationBatches, TrainingBatches, share_buckets
    from glueft.training.warnings import step_warnings

    training = recipe.training
    steps = TrainingBatches(
        encoded["train"],
        batch_size=training.batch_size * training.gradient_accumulation_steps,
        epochs=training.epochs,
        seed=training.seed,
    )
    evaluation = {
        name: EvaluationBatches(tokens, batch_size=training.evaluation_batch_size)
        for name, tokens in encoded.items()
        if name != "train"
    }
    warnings = step_warnings(recipe, steps.num_train_steps, len(encoded["train"].lengths))
    batches = Batches(steps, evaluation, tuple(warnings))
    if decision.compiled:
        share_buckets(batches.training, list(batches.evaluation.values()))
    return batches


def load_model(recipe: Recipe, tokens: Tokens) -> Ready:
    """Load and compile the classifier, and plan its batches. Imports Keras and its backend."""
    import_backend()
    check()
    from glueft.encoder.checkpoint import load_classifier
    from glueft.encoder.freezing import freeze
    from glueft.encoder.lora import enable_lora
    from glueft.encoder.word_embeddings import narrow_vocabulary
    from glueft.training import engine
    from glueft.training.warnings import rate_warnings

    training = recipe.training
    regression = not recipe.task.labels
    decision = decide_jit_compile(recipe.engine.jit_compile)
    engine.prepare_backend(training.seed, jit_compile=decision.compiled)
    with engine.dtype_policy(recipe.engine.precision):
        loaded = load_classifier(
            tokens.checkpoint,
            labels=recipe.task.labels,
            regression=regression,
            seed=training.seed,
            new_head=recipe.model.new_head,
        )
    check()
    model = loaded.model
    freeze(model, embeddings=recipe.model.freeze.embeddings, layers=recipe.model.freeze.layers)
    if recipe.model.lora_rank is not None:
        enable_lora(model, recipe.model.lora_rank, seed=training.seed)
    batches = plan_batches(recipe, tokens.encoded, decision)
    if training.gradient_accumulation_steps > 1:
        model.rows_at_once = training.batch_size
    optimizer = build(recipe.optimizer, build(recipe.schedule, batches.training.num_train_steps))
    if recipe.optimizer.leaves_unused_weights:
        splits = tokens.encoded.values()
        narrow_vocabulary(model, [split.ids for split in splits], [split.pad_id for split in splits])
    with attributed_built(recipe.optimizer):
        engine.compile_model(model, optimizer, regression=regression, jit_compile=decision.compiled)
    check()
    if decision.compiled and not model.jit_compile:
        decision = JitDecision(False, "this process has trained without XLA before, and TensorFlow cannot undo that")
    with attributed(recipe.schedule, "__call__"):
        rates = list(rate_warnings(partial(engine.learning_rate, model), recipe, batches.training.num_train_steps))
    return Ready(model, loaded.report, batches, decision, (*batches.warnings, *rates))


def describe_engine(recipe: Recipe, decision: JitDecision, batches: Batches) -> dict[str, Any]:
    """Return what run.json says of how the numbers are computed."""
    widths = batches.training.buckets
    return {
        "backend": keras_backend(),
        "onednn": onednn_setting(),
        "precision": recipe.engine.precision,
        "jit_compile": decision.compiled,
        "jit_compile_reason": decision.reason,
        "widths": None if widths is None else widths.tolist(),
    }
