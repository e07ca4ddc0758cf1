"""Loads a saved classifier for prediction: of a run, or a classification checkpoint in Hugging Face layout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.windows import Windowing, cut_of_folder
from glueft.encoder.decision_file import read_decision
from glueft.encoder.labels import MULTI_LABEL, listed, problem_type
from glueft.errors import CheckpointError, DataError, PluginError, RunFolderError
from glueft.plugin.file import read_plugin_file
from glueft.plugin.origin import how_to_get, in_words, origin_of, recorded_origins
from glueft.plugin.registry import load_registry
from glueft.recipe.problems import RecipeError
from glueft.recipe.sections import Engine
from glueft.runs.folder import find_run_folder, is_published
from glueft.runs.models import refuse_without_model
from glueft.runs.record import REPEAT, parse_record, read_object
from glueft.runs.run import Run
from glueft.training.engine_choice import AUTO, RunEngine
from glueft.training.text_model import TextModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.batches import EvaluationBatches
    from glueft.data.encoding import Encoded
    from glueft.data.rows import Rows
    from glueft.encoder.checkpoint import Checkpoint
    from glueft.encoder.classifier import Classifier
    from glueft.metrics.decision import DecisionRule
    from glueft.plugin.task import Task
    from glueft.plugin.task_description import TaskDescription
    from glueft.recipe.task_parts import Sections, TaskParts

# Rows a step for a checkpoint without a recipe: the default of recipes.
BATCH_SIZE = 64


@dataclass(kw_only=True)
class SavedModel(TextModel):
    """A classifier with its weights, compiled to predict.

    Attributes:
        pair: whether a row is two texts; None if unknown: for a checkpoint that is no run's, and for a run that has not
            recorded it and whose task plugin is not installed.
        run: None for a checkpoint that is no run's.
        checkpoint: the model folder, with the SHA-256 of its files.
        engine: backend and precision with their reasons, as run.json has them.
        settings: [engine] that it was loaded with.
    """

    pair: bool | None
    run: Run | None
    checkpoint: Checkpoint
    engine: dict[str, Any]
    settings: Engine

    @property
    def precision(self) -> str:
        """What the model computes in, as `engine.precision` of a recipe."""
        return str(self.engine["precision"])

    def encode(self, rows: Rows) -> Encoded:
        """Return the tokens of rows.

        Raises:
            CheckpointError: they are pairs, and the tokenizer puts nothing between the two texts.
            DataError: `max_length` leaves no room for text.
        """
        from glueft.encoder.tokenizer import refuse_joined_pairs

        if self.pair is None and len(rows.texts) == 2:
            refuse_joined_pairs(self.tokenizer, self.checkpoint.name)
        return super().encode(rows)

    @property
    def task(self) -> Task | None:
        """The run's task; its plugin must be installed. None for a checkpoint that is no run's."""
        return None if self.run is None else self.run.task

    def batches(self, encoded: Encoded) -> EvaluationBatches:
        """Return the batches that the run's own evaluation would have made: same sizes, same padded lengths."""
        from glueft.data.batches import EvaluationBatches, keep_buckets

        batches = EvaluationBatches(encoded, batch_size=self.evaluation_batch_size)
        # A run has padded lengths too if XLA was asked for and could not compile its model.
        if self.classifier.jit_compile or self.widths is not None:
            keep_buckets(batches, self.widths)
        return batches

    def label_indices(self, rows: Rows) -> NDArray[Any]:
        """Return the labels of rows as indices into `labels`, matched by name, -1 for none. Scores are returned as is.

        Those of a multi-label task are 0 and 1, (rows, labels), or -1 for all of a row without a reference.

        Raises:
            DataError: the rows have a label that the model does not know.
        """
        import numpy as np

        unknown = [name for name in rows.label_names if name not in self.labels]
        if not unknown and (rows.labels.ndim == 2) != self.rule.multi_label:
            kinds = {True: "any number of labels a row", False: "one label or a score a row"}
            raise DataError(
                f"the labels of the {rows.name} rows are not of the model's kind",
                expected=kinds[self.rule.multi_label],
                received=kinds[not self.rule.multi_label],
                fix="evaluate rows of the task that the model was trained on",
            )
        if unknown or bool(rows.label_names) != bool(self.labels):
            raise DataError(
                f"the labels of the {rows.name} rows are not those of the model",
                expected=listed(self.labels),
                received=listed(rows.label_names),
                fix="evaluate rows of the task that the model was trained on",
            )
        if not rows.label_names or rows.label_names == self.labels:
            return rows.labels
        if rows.labels.ndim == 2:
            return rows.labels[:, [rows.label_names.index(name) for name in self.labels]]
        indices = [*(self.labels.index(name) for name in rows.label_names), -1]  # a label of -1 is the one at the end
        return np.asarray(indices, np.int32)[rows.labels]

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """Return the logits of rows, (rows, labels) or in regression (rows, 1), in their order.

        Raises:
            TrainingError: a logit is not a finite number.
        """
        from glueft.training import engine

        return engine.predict(self.classifier, self.batches(self.encode(rows)))


def load_saved_model(
    path: str | os.PathLike[str],
    *,
    plugins: Sequence[str] = (),
    trust: bool = False,
    backend: str = AUTO,
    precision: str | None = None,
) -> SavedModel:
    """Load a classifier for prediction. Imports Keras and its backend.

    Args:
        path: a run folder, its `model/`, or any other folder with a classification checkpoint in Hugging Face layout,
            which comes without a task.
        plugins, trust: of `Run.open`.
        backend: of Keras, as `engine.backend` of a recipe.
        precision: as `engine.precision` of a recipe; None for that of the run, and float32 for another checkpoint.

    Raises:
        TrainingError: there is no such precision, or the backend cannot be used.
        RunFolderError: the run folder is not whole, or its model is that of another task.
        CheckpointError: the model folder cannot be read, or holds no classifier.
        RecipeError: what the run's recipe says of its model cannot be used.
    """
    path = Path(path)
    if find_run_folder(path) is None and (path / "config.json").is_file():
        saved = load_classification_checkpoint(str(path), plugins=plugins, backend=backend, precision=precision)
        return _cut_as_published(saved, path) if is_published(path) else saved
    return load_run_model(Run.open(path, plugins=plugins, trust=trust), backend=backend, precision=precision)


def _cut_as_published(saved: SavedModel, folder: Path) -> SavedModel:
    """Return a published model that truncates texts as its run did, or cuts them into windows."""
    content = read_object(folder / "run.json", "the record of a run")
    # A published record does not say where the run was.
    record, _ = parse_record(content | {"run_dir": str(folder)}, tolerant=True)
    longest = (record and record.data.max_length) or saved.max_length
    windows = record and record.data.windows
    windowing = Windowing(windows.stride, windows.pool) if windows else None
    return replace(saved, max_length=min(longest, saved.max_length), windowing=windowing)


def load_run_model(
    run: Run,
    *,
    quiet: bool = True,
    backend: str = AUTO,
    precision: str | None = None,
    loaded: Iterable[SavedModel] = (),
) -> SavedModel:
    """Load the model that a run has saved. See `load_saved_model`.

    It is the same on every backend: that of the recipe need not be installed.

    Args:
        quiet: suppress what libraries print.
        loaded: models of the same run. The weights of one that was loaded with the same [engine] are used again, and
            so is what was compiled for them; lengths and batch sizes are those of `run`.
    """
    from glueft.encoder.checkpoint import check_max_length, load_tokenizer

    sections = run.sections
    asked = {"backend": backend} | ({} if precision is None else {"precision": precision})
    sections = replace(sections, engine=sections.engine.model_copy(update=asked))
    check_model_folder(run)
    checkpoint = find_run_checkpoint(run)
    check_max_length(sections.data.max_length, checkpoint)
    for model in loaded:
        if model.settings == sections.engine and model.checkpoint.fingerprints == checkpoint.fingerprints:
            return replace(
                model,
                max_length=sections.data.max_length,
                windowing=sections.data.windowing,
                evaluation_batch_size=sections.training.evaluation_batch_size,
                run=run,
                on_rows=None,
            )
    described = described_if_known(run)
    pair = None if described is None else len(described.inputs) == 2
    tokenizer = load_tokenizer(checkpoint, pair=bool(pair))
    return load_as_set(sections, checkpoint, tokenizer, run.labels, pair=pair, run=run, quiet=quiet)


def load_as_set(
    settings: Sections | TaskParts,
    checkpoint: Checkpoint,
    tokenizer: Any,
    labels: tuple[str, ...],
    *,
    pair: bool | None,
    run: Run | None = None,
    quiet: bool = True,
) -> SavedModel:
    """Load a classifier with the lengths, batch sizes and precision that [data], [training] and [engine] set."""
    widths = None if run is None else run.record.engine.widths
    classifier, engine = load_for_prediction(checkpoint, labels, settings.engine, run=run, quiet=quiet)
    return SavedModel(
        classifier=classifier,
        tokenizer=tokenizer,
        labels=labels,
        max_length=settings.data.max_length,
        windowing=settings.data.windowing,
        rule=decision_of(checkpoint, labels),
        evaluation_batch_size=settings.training.evaluation_batch_size,
        pair=pair,
        run=run,
        checkpoint=checkpoint,
        engine=engine,
        settings=settings.engine,
        widths=None if widths is None else tuple(widths),
    )


def decision_of(checkpoint: Checkpoint, labels: Sequence[str]) -> DecisionRule:
    """Return how the labels of a checkpoint's head are decided, for labels in this order.

    Raises:
        CheckpointError: what the checkpoint says of it cannot be used.
    """
    multi_label = is_multi_label(checkpoint)
    return read_decision(checkpoint.folder, head_labels(checkpoint), labels, multi_label=multi_label)


def find_run_checkpoint(run: Run) -> Checkpoint:
    """Find the model of a run; the plugin file that brought the encoder's family is loaded only if no package has it.

    Raises:
        CheckpointError: it cannot be read, or nothing here brings its family.
    """
    from glueft.encoder.checkpoint import find_checkpoint
    from glueft.encoder.config import UnknownFamilyError

    folder = str(run.model_folder)
    try:
        return find_checkpoint(folder)
    except UnknownFamilyError as error:
        origin = run.record.checkpoint.family
        from_file = {"name", "file", "sha256"} <= origin.keys()
        if from_file and ("encoder", origin["name"]) in (registry := run.parts.registry).plugins:
            return find_checkpoint(folder, registry=registry)
        if from_file or {"package", "version"} <= origin.keys():
            error.fix = how_to_get(origin)
        raise


def load_classification_checkpoint(
    name: str,
    revision: str | None = None,
    *,
    plugins: Sequence[str] = (),
    backend: str = AUTO,
    precision: str | None = None,
) -> SavedModel:
    """Load a checkpoint that is no run's, with the labels of its config.json.

    Rows are cut as glueft_input.json says, else to the longest that it can read.

    Args:
        name: a folder, `package:module/path`, or a hub name.
        revision: a branch, tag or commit of a hub repository.
        plugins: plugin files that the user has named; one may bring the encoder's family.
        backend, precision: as in `load_saved_model`.

    Raises:
        CheckpointError: it cannot be found or read, or is no classifier.
        HubError: the hub is out of reach and its local cache does not hold the checkpoint.
    """
    from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer

    checkpoint = find_checkpoint(name, revision, load_registry(*map(read_plugin_file, plugins)))
    labels = head_labels(checkpoint)
    tokenizer = load_tokenizer(checkpoint)
    # Without a recipe in float32, which is as exact as the checkpoint.
    settings = Engine.model_validate({}).model_copy(update={"backend": backend, "precision": precision or "float32"})
    classifier, engine = load_for_prediction(checkpoint, labels, settings)
    max_length, windowing = cut_of_folder(checkpoint, tokenizer)
    return SavedModel(
        classifier=classifier,
        tokenizer=tokenizer,
        labels=labels,
        max_length=max_length,
        windowing=windowing,
        rule=decision_of(checkpoint, labels),
        evaluation_batch_size=BATCH_SIZE,
        pair=None,
        run=None,
        checkpoint=checkpoint,
        engine=engine,
        settings=settings,
    )


def load_for_prediction(
    checkpoint: Checkpoint,
    labels: Sequence[str],
    settings: Engine,
    *,
    run: Run | None = None,
    quiet: bool = True,
) -> tuple[Classifier, dict[str, Any]]:
    """Load a classifier with the checkpoint's own head, and compile it for prediction.

    Args:
        checkpoint: from `find_checkpoint`.
        labels: the label names in the order wanted for the logits; empty for regression.
        settings: [engine] of a recipe.
        run: the run whose model this is: what "auto" came to there holds.
        quiet: suppress what libraries print.

    Returns:
        The classifier, and how it computes, as run.json has it.

    Raises:
        CheckpointError: the checkpoint has no head, or one with other labels.
        TrainingError: the backend cannot be used.
    """
    from glueft.encoder.checkpoint import refuse_headless
    from glueft.system.gc_pause import gc_paused
    from glueft.system.quiet import captured_stderr
    from glueft.training.backend import (
        decide_jit_compile,
        describe_backend,
        import_backend,
        use_backend,
        use_precision,
    )
    from glueft.training.model import compile_for_prediction, load_model, refuse_precision

    computed = None if run is None else RunEngine(run.record.engine.backend, run.record.engine.precision)
    backend = use_backend(settings.backend, computed)
    decision = decide_jit_compile(settings.jit_compile)
    refuse_headless(checkpoint)
    with captured_stderr() if quiet else nullcontext(), gc_paused():
        import_backend()
        precision = use_precision(settings.precision, computed, jit_compile=decision.compiled)
        refuse_precision(checkpoint, precision.value)
        multi_label = is_multi_label(checkpoint)
        loaded = load_model(
            checkpoint, tuple(labels), multi_label=multi_label, precision=precision.value, jit_compile=decision
        )
        model = loaded.model
        compile_for_prediction(model, jit_compile=decision.compiled)
    return model, describe_backend(backend, precision, jit_compile=bool(model.jit_compile))


def head_labels(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the labels of a checkpoint's own head, in its order; () for a regression.

    Raises:
        CheckpointError: there is no classification head, or config.json contradicts it.
    """
    from glueft.encoder.checkpoint import refuse_headless
    from glueft.encoder.labels import label_names, refuse_one_class

    rows = refuse_headless(checkpoint)
    kind = checkpoint.config.get("problem_type")
    another = "choose another checkpoint"
    refuse_one_class(checkpoint.config, rows, another)
    names = label_names(checkpoint.config, rows, another)
    return () if rows == 1 and kind in (None, "regression") else tuple(names)


def is_multi_label(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint's head gives a row any number of its labels."""
    return checkpoint.config.get("problem_type") == MULTI_LABEL


def rename_labels(checkpoint: Checkpoint, labels: Sequence[str]) -> Checkpoint:
    """Return a checkpoint with other names for its outputs, in order; the same checkpoint if there are no names.

    Raises:
        CheckpointError: the head has another number of outputs.
    """
    if not labels:
        return checkpoint
    from glueft.encoder.checkpoint import refuse_headless

    rows = refuse_headless(checkpoint)
    if len(labels) != rows or len(set(labels)) != rows:
        raise CheckpointError(
            f"{checkpoint.name}: the names of its outputs are too few, too many or not each once",
            expected=f"{rows} different names, one for each output of the head",
            received=listed(labels),
            fix="give --label once for each output, in the order of the head",
        )
    config = {key: value for key, value in checkpoint.config.items() if key != "label2id"}
    config["id2label"] = {str(index): name for index, name in enumerate(labels)}
    return replace(checkpoint, config=config)


def check_model_folder(run: Run) -> None:
    """Raise RunFolderError unless a run has a model folder, with the labels of its task if these are known."""
    refuse_without_model(run)
    described = described_if_known(run)
    if described is None:
        return
    labels, wanted = run.labels, described.labels
    config = run.model_folder / "config.json"
    kind = read_object(config, "the model's configuration").get("problem_type") if config.is_file() else None
    other_kind = config.is_file() and described.multi_label != (kind == MULTI_LABEL)
    if len(labels) != len(wanted) or set(labels) != set(wanted) or other_kind:
        told = f", with problem_type {problem_type(wanted, multi_label=described.multi_label)}"
        raise RunFolderError(
            f"{run.model_folder}: the model is that of another task",
            expected=f'the labels of the task "{run.record.task}": {listed(wanted)}' + told * other_kind,
            received=listed(labels) + f", with problem_type {kind}" * other_kind,
            fix="put the run's own model folder back, or " + REPEAT,
        )


def check_task_labels(run: Run) -> None:
    """Raise PluginError unless the run's task, as installed now, has the labels of the run's model, in any order."""
    task, labels = run.parts.task, run.labels
    same = len(labels) == len(task.labels) and set(labels) == set(task.labels)
    if task.reads_own_files or (same and task.multi_label == run.record.multi_label):
        return
    then, now = recorded_origins(run.record).get(("task", task.name), {}), origin_of(task)
    raise PluginError(
        f'the task "{task.name}" that is here ({in_words(now)}) has other labels than the run had',
        expected=listed(labels),
        received=listed(task.labels),
        fix=how_to_get(then) if then not in ({}, now) else "have the version of the plugin that the run had",
    )


def described_if_known(run: Run) -> TaskDescription | None:
    """Return the description of a run's task; None if it is not recorded and the task's plugin is not installed."""
    try:
        return run.task_description
    except (PluginError, RecipeError):
        return None
