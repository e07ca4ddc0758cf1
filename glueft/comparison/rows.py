"""The rows of one split that several runs have predicted, once it is checked that they are the same rows for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from glueft.data.held_out import HELD_OUT
from glueft.errors import ComparisonError
from glueft.metrics import known_metrics, metric_labels
from glueft.metrics.label_sets import read_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.plugin.metric import Metric
    from glueft.runs.predictions import Predictions
    from glueft.runs.run import Run


@dataclass(frozen=True)
class ComparedRows:
    """The references of one split, and the predictions of each run.

    Attributes:
        split: its name.
        labels: the label names in index order; () in regression.
        metrics: those of the task that can be computed.
        references: the right label of each row by index, or its score, (rows,); in a multi-label task 0 and 1, (rows,
            labels).
        predictions: of each run likewise.
        probabilities: of each run (rows, labels); (rows, 0) in regression.
        metric_labels: for each metric that is about one label that label, as the first run has it.
        run_labels: likewise as each run has it.
        unknown_metrics: the task's metrics that no installed plugin computes.
    """

    split: str
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]
    references: NDArray[Any]
    predictions: tuple[NDArray[Any], ...]
    probabilities: tuple[NDArray[Any], ...]
    metric_labels: Mapping[str, str] = field(default_factory=dict)
    run_labels: tuple[Mapping[str, str], ...] = ()
    unknown_metrics: tuple[str, ...] = ()

    @property
    def multi_label(self) -> bool:
        """Whether a row has any number of the labels."""
        return self.references.ndim == 2


def read_rows(runs: Sequence[Run], split: str | None) -> ComparedRows:
    """Read the predictions of each run and check that they are of the same rows of the same data.

    Args:
        runs: finished ones.
        split: the one to compare; None for the primary split of the runs.

    Raises:
        ComparisonError: the runs are of different tasks, labels, metrics, splits or rows, or the rows have no labels.
        RunFolderError: a file of a run is missing or broken.
    """
    _refuse_other_tasks(runs)
    split = _the_split(runs, split)
    files = tuple(run.predictions(split) for run in runs)
    _refuse_other_rows(runs, files, split)
    labels, run_labels, multi_label = runs[0].labels, _run_labels(runs), runs[0].record.multi_label
    names, known = list(runs[0].record.metrics), known_metrics()
    of_labels = run_labels[0]
    metrics = [
        known[name](labels, labels.index(of_labels[name]) if name in of_labels else 1)
        for name in names
        if name in known and known[name].fits(len(labels), multi_label) and (multi_label or len(labels) != 1)
    ]
    return ComparedRows(
        split,
        labels,
        tuple(metrics),
        _values(max((file.labels for file in files), key=_digits), labels, multi_label),
        tuple(_values(file.predictions, labels, multi_label) for file in files),
        tuple(file.probabilities for file in files),
        of_labels,
        run_labels,
        tuple(name for name in names if name not in known),
    )


def _run_labels(runs: Sequence[Run]) -> tuple[dict[str, str], ...]:
    """For each run the label of each metric that is about one; nothing if no run has recorded it.

    For a run that alone has not, it is the second label: earlier versions had no other.
    """
    labels, recorded = runs[0].labels, [run.record.metric_labels for run in runs]
    if not any(recorded) or len(labels) != 2:
        return tuple({} for _ in runs)
    usual = metric_labels([*runs[0].record.metrics], labels, 1)
    return tuple({name: label for name, label in (of or usual).items() if label in labels} for of in recorded)


def _refuse_other_tasks(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for what, one, other in (
            ("tasks", first.record.task, run.record.task),
            ("labels", _labels(first), _labels(run)),
            ("metrics", ", ".join(first.record.metrics), ", ".join(run.record.metrics)),
        ):
            if one != other:
                _refuse(
                    f"the runs have different {what}",
                    f"runs of one task, with the same labels and metrics: {one}, as in {first.folder.name}",
                    f"{other} in {run.folder.name}",
                    "compare runs of the same task; `glueft list-runs --task NAME` shows them",
                )


def _labels(run: Run) -> str:
    named = ", ".join(run.labels) or "a score"
    return f"any number of {named}" if run.record.multi_label else named


def _the_split(runs: Sequence[Run], wanted: str | None) -> str:
    primary = [run.record.primary_split for run in runs]
    split = primary[0] if wanted is None else wanted
    if wanted is None and len(set(primary)) > 1:
        _refuse(
            "the runs have different primary splits",
            "one split for all",
            ", ".join(dict.fromkeys(primary)),
            "name one with --split",
        )
    for run in runs:
        if split not in run.splits():
            _refuse(
                f"{run.folder.name} has no predictions of the {split} split",
                f"a split that all the runs have predicted; of {run.folder.name}: {', '.join(run.splits()) or 'none'}",
                f'"{split}"',
                "name another with --split, or repeat the run with the split in data.predict",
            )
    return split


def _refuse_other_rows(runs: Sequence[Run], predictions: Sequence[Predictions], split: str) -> None:
    first = runs[0]
    for run, other_rows in zip(runs, predictions, strict=True):
        one, other = (_fingerprint(each, split) for each in (first, run))
        if len(other_rows.labels) != len(predictions[0].labels) or (one and other and one != other):
            _refuse(
                f"the runs have different {split} rows",
                f"{_rows(predictions[0], one)}, as in {first.folder.name}",
                f"{_rows(other_rows, other)} in {run.folder.name}",
                "compare runs on the same data: the same files, and the same data.limit_validation"
                + (", data.held_out or data.fold, and data.held_out_seed" if split == HELD_OUT else ""),
            )
        # Scores that are the same may be written with fewer digits, as earlier versions did; see `_digits`.
        same_scores = bool(one) and one == other and not run.labels
        for row, pair in enumerate(zip(predictions[0].labels, other_rows.labels, strict=True)):
            if pair[0] != pair[1] and not (same_scores and all(pair)):
                _refuse(
                    f"the runs have different labels on row {row} of the {split} split",
                    f'"{pair[0]}", as in {first.folder.name}',
                    f'"{pair[1]}" in {run.folder.name}',
                    "compare runs on the same data",
                )
        if "" in other_rows.labels:
            _refuse(
                f"the {split} rows have no labels to compare the predictions with",
                "a label in every row",
                f"none in row {other_rows.labels.index('')}",
                f"compare on a labelled split, such as {first.record.primary_split}",
            )
    if not predictions[0].labels:
        _refuse(f"the {split} split has no rows", "at least one row", "none", "compare on another split")


def _fingerprint(run: Run, split: str) -> str | None:
    described = run.record.data.splits.get(split)
    return described.sha256 if described else None


def _rows(predictions: Predictions, fingerprint: str | None) -> str:
    return f"{len(predictions.labels):,} rows" + (f" with the SHA-256 {fingerprint[:12]}..." if fingerprint else "")


def _digits(scores: Sequence[str]) -> int:
    """How many digits scores are written with: of the same scores, those with the most are whole."""
    return sum(len(score.partition("e")[0].replace(".", "").strip("-0")) for score in scores)


def _values(texts: Sequence[str], labels: tuple[str, ...], multi_label: bool) -> NDArray[Any]:
    import numpy as np

    if multi_label:
        return read_sets(texts, labels)
    if not labels:
        # The model's scores, by which the run was measured, are float32.
        return np.array([float(text) for text in texts], np.float32).astype(np.float64)
    index = {name: number for number, name in enumerate(labels)}
    return np.array([index[text] for text in texts])


def _refuse(message: str, expected: str, received: str, fix: str) -> NoReturn:
    raise ComparisonError(message, expected=expected, received=received, fix=fix)
