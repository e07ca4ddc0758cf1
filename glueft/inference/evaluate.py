"""Evaluates a saved model: that of a run, or any classification checkpoint. Nothing is trained or written."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glueft.data.held_out import HELD_OUT
from glueft.data.splits import describe_split, evaluated_splits, is_labelled, size_notes
from glueft.encoder.labels import MULTI_LABEL, listed
from glueft.errors import CheckpointError, DataError
from glueft.inference.evaluation_comparison import compare_with_run
from glueft.metrics import metric_labels
from glueft.metrics.decision import Fit, effect_of_fit
from glueft.metrics.label_sets import set_texts
from glueft.plugin.registry import use_registry
from glueft.runs.clock import Clock
from glueft.runs.environment import describe_host, installed_versions
from glueft.suggest import did_you_mean
from glueft.system.quiet import hush_libraries
from glueft.text import counted
from glueft.training.engine_choice import AUTO
from glueft.training.progress import Progress
from glueft.training.scores import by_label, metrics_beside, score_intervals, task_metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.data.rows import Rows
    from glueft.inference.predictor import SavedModel
    from glueft.plugin.task import Task
    from glueft.recipe.task_parts import TaskParts
    from glueft.runs.run import Run


@dataclass(frozen=True)
class LabelledRows:
    """The rows of each split, and where they came from."""

    splits: dict[str, Rows]
    provenance: dict[str, Any]
    notes: list[str]
    warnings: list[str]


def evaluate_run(
    run: Run,
    splits: Sequence[str] = (),
    overrides: Sequence[str] = (),
    *,
    data_dir: str | None = None,
    sample: bool = False,
    plugins: Sequence[str] = (),
    trust: bool = False,
    progress: Progress | None = None,
    verbose: bool = False,
    begin: float | None = None,
    load: Callable[..., SavedModel] | None = None,
) -> dict[str, Any]:
    """Evaluate the model of a run as the run itself did, and compare the result with the run's own.

    Rows that the run read from the hub are read at the same commit, unless another is asked for.

    Args:
        run: from `Run.open`.
        splits: "train", "validation" and "test" (the last two mean all splits of that kind), or single splits by name;
            if empty, those that the run was evaluated on.
        overrides: changes of the run's recipe, as `--set` takes them.
        data_dir: read the rows from this folder, in the benchmark's own layout.
        sample: read the rows that ship with the task.
        plugins, trust: as in `Run.open`.
        progress: what shows the phases; nothing if None.
        verbose: let the libraries' own log lines through.
        begin: `time.perf_counter()` at which the clock starts; now if None.
        load: loads the model as `load_run_model` does, which it is if None: to use one that is loaded already.

    Returns:
        What `glueft evaluate --json` prints.

    Raises:
        RunFolderError: a file of the run folder is missing, cut off, or not this run's.
        GlueftError: the rows cannot be read or have no labels, or the model cannot be loaded.
    """
    progress, clock = _begin(progress, begin, verbose)
    _refuse_decision(overrides)
    from glueft.inference.predictor import check_model_folder, check_task_labels, load_run_model

    with clock.phase("setup", clock.begin):
        # A saved model is the same on every backend: only one that is named for this evaluation counts.
        overrides = [f"engine.backend={AUTO}", *overrides]
        parts = run.load_parts(overrides, data_dir=data_dir, sample=sample, plugins=plugins, trust=trust)
        run = run.with_parts(parts)
        chosen = choose_splits(parts, splits)
        check_model_folder(run)
        check_task_labels(run)
        own = {split: run.predictions(split) for split in chosen if split in run.splits() or _promised(run, split)}
        revision = run.record.data.revision if _same_hub_dataset(run, parts) else None
        rows = read_rows(parts, chosen, progress, revision=revision)
        # A task that learns its labels from its rows may have other ones now; the model has those of the run.
        task = run.task if parts.task.reads_own_files else parts.task
        with progress.phase(f"model {run.model_folder}"):
            saved = (load or load_run_model)(run, quiet=not verbose, backend=parts.engine.backend)
    result, logits = measure(saved, task, rows, clock, progress)
    references = {name: label_texts(split, saved.labels) for name, split in rows.splits.items() if split.label_names}
    comparison = compare_with_run(run, parts, result, own, logits, references, saved.rule)
    result |= {"run_dir": str(run.folder), "comparison": comparison}
    return result | {"seconds": clock.readings()}


def evaluate_checkpoint(
    parts: TaskParts,
    splits: Sequence[str] = (),
    *,
    labels: Sequence[str] = (),
    progress: Progress | None = None,
    verbose: bool = False,
    begin: float | None = None,
) -> dict[str, Any]:
    """Evaluate a classification checkpoint on a task, its outputs matched to the task's labels by name.

    Args:
        parts: from `load_task_parts`.
        labels: the names of the checkpoint's outputs, in order, if config.json does not tell them.
        splits, progress, verbose, begin: as in `evaluate_run`.

    Returns:
        What `glueft evaluate --json` prints.

    Raises:
        CheckpointError: the checkpoint cannot be read, has no head, or one with other labels than the task's.
        GlueftError: the rows cannot be read or have no labels.
    """
    progress, clock = _begin(progress, begin, verbose)
    from glueft.encoder.checkpoint import check_max_length, load_tokenizer
    from glueft.inference.predictor import load_as_set, rename_labels
    from glueft.runs.parent import find_start

    task = parts.task
    use_registry(*parts.plugin_files)
    with clock.phase("setup", clock.begin):
        chosen = choose_splits(parts, splits)
        with progress.phase(f"checkpoint {parts.model.checkpoint}"):
            found, _ = find_start(parts.model, parts.registry)
            checkpoint = rename_labels(found, labels)
            check_max_length(parts.data.max_length, checkpoint)
            tokenizer = load_tokenizer(checkpoint, pair=len(task.inputs) == 2)
        if not task.reads_own_files:
            refuse_other_labels(checkpoint, task)
        rows = read_rows(parts, chosen, progress)
        refuse_other_labels(checkpoint, task)
        with progress.phase("model"):
            pair = len(task.inputs) == 2
            saved = load_as_set(parts, checkpoint, tokenizer, task.labels, pair=pair, quiet=not verbose)
    result, _ = measure(saved, task, rows, clock, progress)
    return result | {"run_dir": None, "comparison": None, "seconds": clock.readings()}


def label_texts(rows: Rows, labels: Sequence[str]) -> list[str]:
    """Return the label of each row by name as a predictions file has it; all rows have one.

    Args:
        rows: their labels may have another order than the model's.
        labels: the model's.
    """
    if rows.labels.ndim == 2:
        names = sorted(rows.label_names, key=labels.index)
        return set_texts(rows.labels[:, [rows.label_names.index(name) for name in names]], names)
    return [rows.label_names[index] for index in rows.labels]


def choose_splits(settings: TaskParts, names: Sequence[str]) -> tuple[str, ...]:
    """Return the splits that `--split` names, each once; see `evaluate_run`.

    "validation" are the task's own validation splits, also where the run was evaluated on rows that were held out.

    Raises:
        DataError: the task has no such split.
    """
    task, evaluated = settings.task, evaluated_splits(settings.task, settings.data)
    sorts = {"train": ("train",), "validation": task.validation_splits, "test": task.test_splits}
    known = tuple(dict.fromkeys(("train", *evaluated, *task.validation_splits, *task.test_splits)))
    chosen: dict[str, None] = {}
    for name in names or evaluated:
        meant = sorts.get(name) or ((name,) if name in known else ())
        if not meant:
            fix = did_you_mean(name, (*known, *sorts)).strip() or "name one of them with --split"
            raise DataError(
                f'the task "{task.name}" has no split called "{name}"',
                expected=f"one of {', '.join(known)}",
                received=f'"{name}"',
                fix=fix,
            )
        chosen |= dict.fromkeys(meant)
    return tuple(chosen)


def read_rows(
    settings: TaskParts, splits: Sequence[str], progress: Progress, *, revision: str | None = None
) -> LabelledRows:
    """Read the rows of some splits, and no others if their source can be read in parts.

    Args:
        settings: the task and [data].
        splits: their names.
        progress: shows what was read.
        revision: of the data set on the hub, if [data] names none.

    Raises:
        DataError: a split is missing, is not what the task promises, or has rows without a label.
        HubError: the hub is out of reach and its cache does not hold the rows.
    """
    from glueft.data.rows import load_split
    from glueft.data.sources import make_source

    task, data = settings.task, settings.data
    if revision is not None:
        data = data.model_copy(update={"revision": revision})
    rows: dict[str, Rows] = {}
    left_out: dict[str, int] = {}
    provenance: dict[str, Any] = {}
    warnings: dict[str, None] = {}
    for split in splits:
        source = make_source(data, task)  # a source that was asked for one split has no other
        with progress.phase(f"{split} rows of {task.name} ({source.kind})"):
            rows[split] = load_split(task, source, split, data.selection)
        _refuse_unlabelled(task, rows[split])
        provenance = source.provenance
        left_out |= provenance.pop("left_out", {})
        warnings |= dict.fromkeys(source.warnings)
    notes = size_notes(task, rows, left_out)
    for line in notes:
        progress.say(line)
    progress.warn(*warnings)
    return LabelledRows(rows, provenance | ({"left_out": left_out} if left_out else {}), notes, list(warnings))


def measure(
    saved: SavedModel, task: Task, rows: LabelledRows, clock: Clock, progress: Progress
) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Predict and score every split, in the batches and with the predict step of a run's own evaluation.

    Returns:
        The result, and the logits of each split, (rows, labels) or (rows, 1).
    """
    from glueft.training import engine

    task = copy.copy(task)
    task.labels = saved.labels  # In the order of the logits.
    by_split, others, plain, intervals, described, logits = {}, {}, {}, {}, {}, {}
    of_labels: dict[str, dict[str, Any]] = {}
    warnings = [*rows.warnings]
    with clock.phase("evaluate"):
        for name, split in rows.splits.items():
            labels = saved.label_indices(split)
            with progress.phase(f"{counted(len(split), name + ' row')}"):
                encoded = saved.encode(split)
                logits[name] = engine.predict(saved.classifier, saved.batches(encoded))
            predictions = saved.rule.predictions(logits[name], task.labels)
            by_split[name] = task_metrics(task, predictions, labels)
            others[name] = metrics_beside(task, predictions, labels)
            measured = score_intervals(task, predictions, labels)
            intervals[name] = measured.found
            of_labels[name] = by_label(task, predictions, labels)
            for note in measured.notes(name):
                progress.say(note)
            described[name] = describe_split(task, split, encoded)
            if not saved.rule.is_plain:
                plain[name] = task_metrics(task, saved.rule.plain.predictions(logits[name], task.labels), labels)
            warnings += _fitted_to(saved.rule.fit, split)
    primary = next(iter(by_split))
    windows = {} if saved.windowing is None else {"windows": asdict(saved.windowing)}
    rule, decision = saved.rule, None
    if not rule.is_plain:
        decision = asdict(rule) | {"text": rule.text(saved.labels), "plain_metrics_by_split": plain}
    result = {
        "task": task.name,
        "split": primary,
        "metrics": by_split[primary],
        "metrics_by_split": by_split,
        "metric_labels": metric_labels(task.metrics, task.labels, task.positive_index),
        "other_metrics_by_split": others,
        "intervals": intervals,
        **{
            key: {name: found[key] for name, found in of_labels.items() if key in found}
            for key in ("label_scores", "confusion")
        },
        "labels": list(saved.labels),
        "multi_label": saved.rule.multi_label,
        "decision": decision,
        "checkpoint": {
            "name": saved.checkpoint.name,
            "revision": saved.checkpoint.revision,
            "sha256": saved.checkpoint.fingerprints,
        },
        "data": rows.provenance | windows | {"max_length": saved.max_length, "splits": described, "notes": rows.notes},
        "warnings": warnings,
        "published": [
            asdict(score) for score in task.published if (score.split or task.validation_splits[0]) in by_split
        ],
        "engine": saved.engine,
        "host": describe_host().as_dict(),
        "versions": installed_versions(),
    }
    return result, logits


def _fitted_to(fit: Fit | None, rows: Rows) -> Iterator[str]:
    """Warn if a split is the rows that the decision rule of a model was fitted to."""
    if fit is not None and fit.sha256 == rows.sha256:
        yield (
            f"the {' and the '.join(fit.tuned)} of this model: tuned on these very {rows.name} rows, "
            f"{effect_of_fit(fit.tuned)}"
        )


def _refuse_decision(overrides: Sequence[str]) -> None:
    """Raise DataError if a recipe's [decision] is to be changed: a saved model has its own."""
    asked = [override for override in overrides if override.partition("=")[0].split(".")[0].strip() == "decision"]
    if asked:
        raise DataError(
            "a saved model decides labels as it was saved, and an evaluation does not change that",
            expected="no change of [decision]",
            received=f"--set {asked[0]}",
            fix="leave it out; the metrics at the plain decision are shown beside those of the model, and another "
            "decision is that of another run",
        )


def refuse_other_labels(checkpoint: Any, task: Task) -> None:
    """Raise CheckpointError unless the labels of a checkpoint's head are the task's, by name and in any order."""
    from glueft.inference.predictor import head_labels, is_multi_label

    labels, multi_label = head_labels(checkpoint), is_multi_label(checkpoint)
    other_kind = multi_label != task.multi_label
    if len(labels) == len(task.labels) and set(labels) == set(task.labels) and not other_kind:
        return
    fix = "evaluate it on the task that it was trained for, or choose another checkpoint"
    if task.multi_label and not multi_label:
        fix = (
            f"if each of its labels is decided by itself, write problem_type = {MULTI_LABEL} into its config.json, "
            f"as transformers has it; or {fix}"
        )
    if len(labels) == len(task.labels) and labels and not other_kind:
        wanted = " ".join(f"--label {name!r}" if " " in name else f"--label {name}" for name in task.labels)
        fix = f"if they are the same labels under other names, give the task's in the head's order, such as {wanted}"
    raise CheckpointError(
        f'{checkpoint.name}: its classification head does not fit the task "{task.name}"',
        expected=f"the task's labels: {listed(task.labels)}" + ", any number a row" * task.multi_label,
        received=f"the checkpoint's: {listed(labels)}" + ", any number a row" * multi_label,
        fix=fix,
    )


def _begin(progress: Progress | None, begin: float | None, verbose: bool) -> tuple[Progress, Clock]:
    if not verbose:
        hush_libraries()
    return Progress() if progress is None else progress, Clock(time.perf_counter() if begin is None else begin)


def _promised(run: Run, split: str) -> bool:
    """Whether the run's recipe has it write the predictions of a split."""
    data, validation = run.recipe_settings()["data"], run.parts.task.validation_splits
    predict, held_out = data.get("predict", []), "held_out" in data or "fold" in data
    evaluated = (HELD_OUT,) if held_out else validation
    if split in evaluated:
        return split in predict or "validation" in predict
    return split in predict and split not in validation


def _same_hub_dataset(run: Run, parts: TaskParts) -> bool:
    data, hub = run.record.data, parts.task.hub
    if hub is None or parts.data.source != "hub" or parts.data.revision is not None:
        return False
    return data.source == "hub" and (data.dataset, data.config) == (hub.path, hub.config)


def _refuse_unlabelled(task: Task, rows: Rows) -> None:
    if is_labelled(rows.labels):
        return
    missing = rows.labels != rows.labels if rows.labels.dtype.kind == "f" else rows.labels < 0
    without = int(missing.reshape(len(rows), -1).any(axis=1).sum())
    raise DataError(
        f'the {rows.name} split of task "{task.name}" has no labels, so there is nothing to measure it by'
        if without == len(rows)
        else f'the {rows.name} split of task "{task.name}" has rows without a label',
        expected="a label in every row",
        received=f"none in {counted(without, 'row')}" + ("" if without == len(rows) else f" of {len(rows):,}"),
        fix="to know what the model says of them, use glueft predict with the split's file as --input; "
        f"labelled splits are: train, {', '.join(task.validation_splits)}",
    )
