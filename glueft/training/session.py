"""What a recipe trains: task, tokens, batches, model, optimizer and loss. A session knows no run folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.array_files import arrays_sha256
from glueft.data.batches import EvaluationBatches, Filling, TrainingBatches, share_buckets
from glueft.data.bucketing import SHAPE_TOKENS, SHAPE_TOKENS_ON_GPU, SHAPE_TOKENS_UNCOMPILED, choose_buckets
from glueft.data.held_out import HELD_OUT
from glueft.data.splits import (
    describe_leaks,
    describe_split,
    evaluated_splits,
    predicted_splits,
    rows_text,
    size_notes,
)
from glueft.errors import TrainingError
from glueft.files import from_here
from glueft.metrics import metric_facts, metric_labels, other_metrics
from glueft.metrics.decision import DecisionRule
from glueft.plugin.attribution import attributed, attributed_built
from glueft.plugin.build import build
from glueft.plugin.origin import origin_of
from glueft.plugin.registry import use_registry
from glueft.plugin.task_description import describe_task
from glueft.recipe.sections import short_checkpoint
from glueft.runs.environment import installed_versions
from glueft.runs.inputs import option_files
from glueft.runs.parent import Parent, find_start
from glueft.runs.record import LossFunction
from glueft.system.interruption import check
from glueft.text import counted, parameters_text
from glueft.training.backend import (
    JitDecision,
    decide_jit_compile,
    describe_backend,
    device_warnings,
    import_backend,
    keras_backend,
    use_backend,
    use_precision,
    uses_gpu,
)
from glueft.training.decisions import chosen_rule, refuse_decision
from glueft.training.devices import Devices, choose_devices, distributed, make_distribution, refuse_devices
from glueft.training.engine_choice import Choice, RunEngine
from glueft.training.evaluation_steps import evaluated_steps
from glueft.training.installed_backends import TITLES
from glueft.training.loss import TrainingLoss, choose_loss, try_foreign_loss
from glueft.training.machine import threads
from glueft.training.model import (
    all_parameters,
    compile_model,
    learning_rate,
    load_model,
    refuse_precision,
    trainable_parameters,
)
from glueft.training.progress import Progress
from glueft.training.scores import (
    baseline,
    majority_accuracy,
    metrics_beside,
    task_metrics,
    try_foreign_metrics,
)
from glueft.training.teacher import find_teacher, refuse_same
from glueft.training.warnings import (
    balance_warnings,
    cut_warnings,
    evaluation_warnings,
    kept_warnings,
    rate_warnings,
    step_warnings,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.encoder.checkpoint import Checkpoint, LoadReport
    from glueft.encoder.classifier import Classifier
    from glueft.metrics.decision import Decided
    from glueft.plugin.base import Plugin
    from glueft.plugin.task import Task
    from glueft.recipe import Recipe
    from glueft.training.teacher import Teacher


@dataclass
class Session:
    """The data of a recipe, ready to train on; after `load` also its model, compiled with loss and optimizer.

    Attributes:
        recipe: checked.
        checkpoint: found and checked.
        tokenizer: that of the checkpoint.
        rows: of every split.
        encoded: the tokens of each split that is used for training, validation or predictions.
        predicted: the splits whose predictions are written.
        provenance: the source of the rows, for run.json.
        data_files: the local files of the rows.
        notes: a line for each split that lacks some of its official rows.
        warnings: for the user; `load` may add some.
        parent: the run that the checkpoint is of.
        run: how the run was computed that goes on, or is done again; None for a new one.
        teacher: of a distillation, if it is one.
        batches: all batches of the training.
        evaluation: the batches of each split of `encoded` but "train".
        evaluated: whether the primary split is evaluated after each step, (steps,).
        backend: of Keras, which is chosen before it is imported.
        precision: of the model; as it is expected to be until `load`.
        jit_compile: whether XLA compiles the steps, and why.
        loss: of the recipe, or of the task.
        rule: how labels are decided; what of it is tuned is plain until the end of the training.
        devices: what the model computes on; set by `load`.
        model: the compiled classifier; set by `load`, as is `load_report`.
        load_report: how the tensors of the checkpoint were used.
    """

    recipe: Recipe
    checkpoint: Checkpoint
    tokenizer: Any
    rows: dict[str, Rows]
    encoded: dict[str, Encoded]
    predicted: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    data_files: tuple[Path, ...] = ()
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    parent: Parent | None = None
    run: RunEngine | None = None
    teacher: Teacher | None = None
    batches: TrainingBatches = field(init=False)
    evaluation: dict[str, EvaluationBatches] = field(init=False)
    evaluated: NDArray[np.bool_] = field(init=False)
    backend: Choice = field(init=False)
    precision: Choice = field(init=False)
    jit_compile: JitDecision = field(init=False)
    loss: TrainingLoss = field(init=False)
    rule: DecisionRule = field(init=False)
    devices: Devices | None = field(init=False, default=None)
    model: Classifier = field(init=False)
    load_report: LoadReport = field(init=False)

    def __post_init__(self) -> None:
        training, train = self.recipe.training, self.encoded["train"]
        self.backend = use_backend(self.recipe.engine.backend, self.run)
        self.jit_compile = decide_jit_compile(self.recipe.engine.jit_compile)
        self.precision = self._use_precision()
        self.loss = TrainingLoss(choose_loss(self.recipe), self.task, self.recipe.distill)
        self.rule = chosen_rule(self.recipe)
        self.batches = TrainingBatches(
            train,
            batch_size=training.batch_size * training.gradient_accumulation_steps,
            epochs=training.epochs,
            seed=training.seed,
            balanced=training.sampler == "balanced",
            label_weights=self.loss.label_weights,
        )
        self.evaluation = {
            name: EvaluationBatches(tokens, batch_size=training.evaluation_batch_size)
            for name, tokens in self.encoded.items()
            if name != "train"
        }
        steps_per_epoch = self.batches.steps_per_epoch
        self.evaluated = evaluated_steps(training.evaluate_every, steps_per_epoch, training.epochs)
        self._choose_padded_lengths()
        self.warnings += balance_warnings(self.recipe, weighted=self.loss.label_weights is not None)
        self.warnings += kept_warnings(self.recipe)
        self.warnings += step_warnings(self.recipe, self.batches.num_train_steps, len(train))
        self.warnings += evaluation_warnings(
            self.recipe, self.evaluated, len(train), len(self.encoded[self.primary_split])
        )

    def _choose_padded_lengths(self) -> None:
        """Choose them for all batches where each is compiled, else for the training alone.

        So predictions have the same last digits wherever they are made, if the model is not compiled.
        """
        run, batches = self.run, self.batches
        if self.jit_compile.compiled:
            price = SHAPE_TOKENS_ON_GPU if uses_gpu() else SHAPE_TOKENS
            lengths = None if run is None else run.padded_lengths
            share_buckets(batches, list(self.evaluation.values()), lengths, price)
        elif run is None:
            rows, longest, _ = batches.measures().T
            batches.buckets = choose_buckets(longest, rows, SHAPE_TOKENS_UNCOMPILED)
        elif run.training_lengths is not None:
            import numpy as np

            batches.buckets = np.array(run.training_lengths, np.int64)

    @property
    def task(self) -> Task:
        """The task of the recipe; its labels are known."""
        return self.recipe.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names in the order of the logits; () in regression."""
        return tuple(self.task.labels)

    @property
    def plugins_at_work(self) -> tuple[Plugin, ...]:
        """The plugins whose objects a training step uses."""
        return self.recipe.optimizer, self.recipe.schedule, self.loss.plugin, self.checkpoint.family

    @property
    def primary_split(self) -> str:
        """The split whose metrics are those of the run: the first validation split, or "held_out"."""
        return evaluated_splits(self.task, self.recipe.data)[0]

    @property
    def kept_metric(self) -> str | None:
        """The metric whose best value decides which weights are kept; None for the last ones."""
        return self.task.metrics[0] if self.recipe.training.keep == "best" else None

    @property
    def metric_labels(self) -> dict[str, str]:
        """For each metric of one label, the name of that label."""
        return metric_labels(self.task.metrics, self.labels, self.task.positive_index)

    def load(self) -> None:
        """Load, prepare and compile the classifier. Imports Keras and its backend."""
        recipe, training = self.recipe, self.recipe.training
        labels, validation = self.encoded["train"].labels, self.encoded[self.primary_split].labels
        try_foreign_metrics(self.task, labels, validation, recipe.decision.tuned_for(self.task))
        check()
        import_backend()
        try_foreign_loss(self.loss)
        self.warnings += device_warnings()
        self.precision = self._use_precision()
        setting, begun = recipe.engine.devices, self.run is not None
        devices = self.devices = choose_devices(setting, training.batch_size, fewer=begun)
        distribution = make_distribution(devices)
        with distributed(distribution):
            self._load(devices)
            self.model.distribution = distribution

    def _use_precision(self) -> Choice:
        choice = use_precision(self.recipe.engine.precision, self.run, jit_compile=self.jit_compile.compiled)
        refuse_precision(self.checkpoint, choice.value)
        return choice

    def _load(self, devices: Devices) -> None:
        recipe, training = self.recipe, self.recipe.training
        loaded = load_model(
            self.checkpoint,
            self.labels,
            precision=self.precision.value,
            jit_compile=self.jit_compile,
            multi_label=self.task.multi_label,
            seed=training.seed,
            new_head=starts_new_head(recipe, self.parent),
            reinit_layers=recipe.model.reinit_layers,
        )
        check()
        from glueft.encoder.freezing import freeze
        from glueft.encoder.lora import enable_lora
        from glueft.encoder.word_embeddings import narrow_vocabulary

        self.model, self.load_report = loaded.model, loaded.report
        freeze(self.model, embeddings=recipe.model.freeze.embeddings, layers=recipe.model.freeze.layers)
        if recipe.model.lora_rank is not None:
            enable_lora(self.model, recipe.model.lora_rank, seed=training.seed)
        parts = training.gradient_accumulation_steps
        if parts > 1:
            self.model.rows_at_once = training.batch_size
        if keras_backend() == "jax":
            size = -(-training.batch_size // devices.count) * devices.count
            self.batches.filling = Filling(parts, training.batch_size, size)
            self.model.rows_at_once = size
        optimizer = build(recipe.optimizer, build(recipe.schedule, self.batches.num_train_steps))
        if recipe.optimizer.leaves_unused_weights:
            splits = self.encoded.values()
            narrow_vocabulary(self.model, [split.ids for split in splits], [split.pad_id for split in splits])
        with attributed_built(recipe.optimizer):
            compile_model(self.model, optimizer, self.loss, jit_compile=self.jit_compile.compiled)
        check()
        if self.jit_compile.compiled and not self.model.jit_compile:
            self.jit_compile = JitDecision(False, "Keras cannot compile this model with XLA here")
        with attributed(recipe.schedule, "__call__"):
            self.warnings += rate_warnings(partial(learning_rate, self.model), recipe, self.batches.num_train_steps)

    def score(self, split: str, logits: NDArray[np.float32], rule: DecisionRule | None = None) -> dict[str, float]:
        """Return the task's metrics of a labelled split by name; logits (rows, labels), or (rows, 1) in regression.

        `rule` decides the labels in place of the session's own.
        """
        predictions = (rule or self.rule).predictions(logits, self.labels)
        return task_metrics(self.task, predictions, self.encoded[split].labels)

    def other_scores(self, split: str, logits: NDArray[np.float32]) -> dict[str, float]:
        """Return the metrics that are shown beside them."""
        return metrics_beside(self.task, self.rule.predictions(logits, self.labels), self.encoded[split].labels)

    def baseline(self, split: str) -> dict[str, float]:
        """Return all these metrics of the best constant answer for a labelled split."""
        return baseline(self.task, self.encoded["train"].labels, self.encoded[split].labels)

    def judged(self, split: str, logits: NDArray[np.float32]) -> tuple[Decided | NDArray[Any], NDArray[Any]]:
        """Return what was decided of a labelled split, or its scores, and the references."""
        return self.rule.predictions(logits, self.labels), self.encoded[split].labels

    def predictions(self, logits: NDArray[np.float32]) -> NDArray[Any]:
        """Return the predicted label indices, or in regression the scores, (rows,)."""
        return self.rule.decide(logits).labels if self.labels else logits[:, 0]

    def describe_rows(self) -> dict[str, Any]:
        """Return what run.json says of the task and its rows."""
        task = self.task
        splits = {name: describe_split(task, rows, self.encoded.get(name)) for name, rows in self.rows.items()}
        data = {"max_length": self.recipe.data.max_length, "splits": splits, "notes": list(self.notes)}
        data["leaks"] = describe_leaks(self.rows)
        if self.recipe.data.windows is not None:
            data["windows"] = self.recipe.data.windows.model_dump()
        return {
            "data": self.provenance | {"validation_split": self.primary_split} | data,
            "warnings": list(self.warnings),
            "loss_function": self.loss.as_record(),
            **({"multi_label": True} if task.multi_label else {}),
            "metric_labels": self.metric_labels,
            "metric_facts": metric_facts(
                [*task.metrics, *other_metrics(task.metrics, len(self.labels), task.multi_label)]
            ),
            "task_description": describe_task(task).as_record(),
            "majority_accuracy": majority_accuracy(task, self.encoded[self.primary_split].labels),
            # They are of the validation rows.
            "published": [asdict(score) for score in task.published if not self.recipe.data.holds_out],
        }

    def describe_engine(self) -> dict[str, Any]:
        """Return `engine` of run.json."""
        widths, training_widths = self.evaluation[self.primary_split].buckets, self.batches.buckets
        described = describe_backend(self.backend, self.precision, jit_compile=self.jit_compile.compiled)
        return described | {
            "jit_compile_reason": self.jit_compile.reason,
            "widths": None if widths is None else widths.tolist(),
            "training_widths": None if training_widths is None or widths is not None else training_widths.tolist(),
            "devices": None if self.devices is None else self.devices.as_record(),
        }

    def headline(self, folder: Path) -> str:
        """Return what a run is, in a line; the model is loaded.

        `TensorFlow 2.21 on the CPU (2 cores), float32, bert-base (109.5 M parameters), 3,668 rows, ...`
        """
        backend = self.backend.value
        version = ".".join(installed_versions().get(backend, "").split(".")[:2])
        train = self.encoded["train"]
        parts = [
            f"{' '.join(filter(None, [TITLES[backend], version]))} on {self._devices_text()}",
            self.precision.value,
            f"{short_checkpoint(self.checkpoint.name)} ({self._size_text()})",
            counted(len(self.rows["train"]), "row") if train.windows is None else counted(len(train), "window"),
            counted(self.batches.num_train_steps, "step"),
            from_here(folder),
        ]
        return ", ".join(parts)

    def _devices_text(self) -> str:
        devices = self.devices
        if devices is None or devices.kind == "cpu":
            cores = threads(self.backend.value)["intra_op_threads"]
            where = f"the CPU ({counted(cores, 'core')})" if devices is None or devices.count == 1 else ""
        elif devices.count == 1:
            where = f"the {devices.kind.upper()} {devices.name or ''}".rstrip()
        else:
            where = ""
        if not where:
            assert devices is not None
            named = f" ({devices.name})" if devices.name else ""
            where = f"{devices.count} {devices.kind.upper()}s{named}"
        return where if devices is None or devices.processes == 1 else f"{where} of {devices.processes} processes"

    def _size_text(self) -> str:
        whole, trained = all_parameters(self.model), trainable_parameters(self.model)
        text = f"{parameters_text(whole)} parameters"
        return text if trained == whole else f"{text}, {parameters_text(trained)} trained"

    def rows_texts(self) -> Iterator[str]:
        """Yield what a run says of its rows, a line each."""
        yield from map(rows_text, self.rows.values())
        yield from self.notes

    def engine_text(self) -> str:
        """Return what backend and precision came to, and why, and how many devices share out the batches, in a line."""
        text = f"on {self.backend.value} ({self.backend.reason}), in {self.precision.value} ({self.precision.reason})"
        if self.devices is None or self.devices.count == 1:
            return text
        return f"{text}, on {self.devices.count} of {self.devices.available} {self.devices.kind.upper()} devices"

    def describe_model(self) -> dict[str, Any]:
        """Return what run.json says of the checkpoint and the loaded model."""
        distillation = {}
        if self.teacher is not None and self.batches.teacher is not None:
            logits = arrays_sha256(self.batches.teacher)
            distillation = {"distillation": self.teacher.as_record(self.task) | {"logits": logits}}
        return distillation | {
            "checkpoint": {
                "name": self.checkpoint.name,
                "revision": self.checkpoint.revision,
                "sha256": self.checkpoint.fingerprints,
                "head": self.load_report.head,
                "new": list(self.load_report.new),
                "left_over": list(self.load_report.left_over),
                "family": {"name": self.checkpoint.family.name} | origin_of(self.checkpoint.family),
            }
            | ({} if self.parent is None else {"run": self.parent.record.as_dict()}),
            "warnings": list(self.warnings),
            "engine": self.describe_engine(),
            "parameters": all_parameters(self.model),
            "trainable_parameters": trainable_parameters(self.model),
            "num_train_steps": self.batches.num_train_steps,
        }


def read_session(
    recipe: Recipe, progress: Progress, token_cache: Path | None = None, run: RunEngine | None = None
) -> Session:
    """Find the checkpoint, read the rows and tokenize them. Keras is not imported.

    Args:
        recipe: checked.
        progress: shows the phases.
        token_cache: the folder of a `TokenCache`.
        run: how the run was computed that goes on, or is done again.

    Raises:
        TrainingError: the backend that the recipe asks for cannot be used.
        GlueftError: the checkpoint or the rows cannot.
    """
    # What is missing is told before anything is read.
    use_backend(recipe.engine.backend, run)
    refuse_devices(recipe.engine.devices, keras_backend())
    from glueft.data.encoding import encode
    from glueft.data.row_warnings import row_warnings
    from glueft.data.rows import load_rows
    from glueft.data.sources import make_source
    from glueft.data.token_cache import TokenCache
    from glueft.encoder.checkpoint import check_max_length, has_head, load_tokenizer
    from glueft.encoder.new_parts import check_reinit, with_pooling

    data, task = recipe.data, recipe.task
    use_registry(*recipe.plugin_files)
    with progress.phase(f"checkpoint {recipe.model.checkpoint}"):
        checkpoint, parent = find_start(recipe.model, recipe.registry)
        check_max_length(data.max_length, checkpoint)
        check_reinit(checkpoint, recipe.model.reinit_layers, recipe.model.freeze.layers)
        tokenizer = load_tokenizer(checkpoint, pair=len(task.inputs) == 2)
    check()
    teacher = None
    if recipe.distill is not None:
        with progress.phase(f"teacher {recipe.distill.teacher}"):
            teacher = find_teacher(recipe, decide_jit_compile(recipe.engine.jit_compile))
    source = make_source(data, task)
    with progress.phase(f"rows of {task.name} ({source.kind})"):
        rows = load_rows(task, source, data.selection)
        # Only the rows may have told the labels, and with them whether the head of a run is the task's.
        new_head = starts_new_head(recipe, parent) or not has_head(checkpoint)
        checkpoint = with_pooling(checkpoint, recipe.model.pooling, new_head=new_head)
        predicted = predicted_splits(task, data.predict, rows)
        choose_loss(recipe)
        refuse_balance(recipe)
        refuse_decision(recipe)
        if teacher is not None:
            teacher.refuse_unsuited(task)
            if not new_head:
                refuse_same(teacher, checkpoint)
            for text in teacher.warnings(task, rows.get(HELD_OUT)):
                source.warn(text)
        for text in row_warnings(task, rows, new_head=new_head):
            source.warn(text)
        if parent is not None and HELD_OUT in rows and parent.may_have_seen(task, rows[HELD_OUT]):
            source.warn(
                f"the checkpoint was trained on {task.name} too, and may have seen the held_out rows: they do not "
                "measure how the model does on new texts"
            )
    notes = size_notes(task, rows, source.provenance.get("left_out", {}))
    if parent is not None:
        progress.inform(parent.text(new_head=new_head))
    with progress.phase("tokens"):
        splits = dict.fromkeys(["train", *evaluated_splits(task, data), *predicted])
        if token_cache is not None:
            encode = TokenCache(token_cache, checkpoint.fingerprints, progress.say).encode
        encoded = {name: encode(rows[name], tokenizer, data.max_length, data.windowing) for name in splits}
    for text in cut_warnings(encoded, data.max_length):
        source.warn(text)
    session = Session(
        recipe,
        checkpoint,
        tokenizer,
        rows,
        encoded,
        predicted,
        source.provenance,
        tuple(dict.fromkeys([*source.files, *option_files(task.options.model_dump())])),
        notes,
        list(source.warnings),
        parent,
        run,
        teacher,
    )
    for line in _weighing(session):
        progress.inform(line)
    progress.warn(*session.warnings)
    return session


def _weighing(session: Session) -> Iterator[str]:
    """What of loss and sampler is not as in a recipe that says nothing of them."""
    if session.recipe.loss is not None:
        yield f"loss: {LossFunction(**session.loss.as_record()).text()}"
    if session.recipe.training.sampler == "balanced":
        present = sum(count > 0 for count in session.task.label_counts)
        rows = len(session.encoded["train"])
        what = "row" if session.encoded["train"].windows is None else "window"
        yield f"sampler: an epoch has {counted(rows // present, what)} of each label"


def refuse_balance(recipe: Recipe) -> None:
    """Raise TrainingError if what cannot be balanced is to be. The task's rows are read."""
    from glueft.recipe.rules import UNBALANCED

    kind = recipe.task.predicts
    if recipe.training.sampler == "balanced" and kind in UNBALANCED:
        expected, fix = UNBALANCED[kind]
        why = "they are scores" if kind == "scores" else "a row has any number of them"
        raise TrainingError(
            f"the labels of {recipe.task.name} cannot be made equally frequent: {why}",
            expected=f"training.sampler = {expected}",
            received='training.sampler = "balanced"',
            fix=fix.replace("remove sampler", "remove training.sampler"),
        )


def starts_new_head(recipe: Recipe, parent: Parent | None) -> bool:
    """Whether the head of the checkpoint is left, if it has one."""
    return (
        recipe.model.new_head
        or recipe.model.reinit_layers > 0
        or (parent is not None and not parent.gives_head(recipe.task))
    )
