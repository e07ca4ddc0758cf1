"""Compares runs: from their folders to what `glueft compare` prints."""

from __future__ import annotations

import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from glueft.comparison.bootstrap import metrics_of, paired_bootstrap
from glueft.comparison.differences import differences, ingredients, material, same_in_fact
from glueft.comparison.mcnemar import differing_rows, mcnemar
from glueft.comparison.notes import (
    answer_sentences,
    collapsed,
    general_notes,
    of_other_labels,
    other_labels,
    tuned,
    unlike_the_record,
    without_intervals,
)
from glueft.comparison.rows import ComparedRows, read_rows
from glueft.comparison.seeds import seed_groups, spreads
from glueft.comparison.significance import Pair, verdict
from glueft.errors import ComparisonError
from glueft.metrics import metric_title
from glueft.metrics.bootstrap import LEVEL, RESAMPLES, SEED
from glueft.plugin.registry import use_plugin_files
from glueft.runs.run import Run

__all__ = ["Comparison", "compare", "compare_runs"]


@dataclass(frozen=True)
class Comparison:
    """Some runs, compared.

    Attributes:
        runs: in their order.
        rows: those that all of them have predicted.
        found: what `compare_runs` returns.
    """

    runs: Sequence[Run]
    rows: ComparedRows
    found: dict[str, Any]


def compare_runs(
    paths: Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Any]:
    """Compare runs. No plugin of their recipes is loaded.

    Args:
        paths: two run folders or more; each is compared with the first. A folder may come twice.
        split: the one to compare; None for the primary split of the runs.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        What `glueft compare --json` prints. `runs` are named A, B, ... in their order; `differences` has the dotted
        keys that differ, with a value per run, `material` those of them that can change a result; `comparisons`
        compares each run with the first; `seeds` has mean and standard error of runs that differ only in the seed;
        `sentences` are the conclusions, `notes` what to know to read them.

    Raises:
        ComparisonError: there is one run only, or they are of different tasks, labels, splits or rows.
        RunFolderError: a path is no finished run, or a file of it is missing or broken.
    """
    return compare(paths, split=split, resamples=resamples, seed=seed).found


def compare(
    paths: Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    plugins: Sequence[str] = (),
    trust: bool = False,
) -> Comparison:
    """Compare runs as `compare_runs` does.

    Args:
        paths, split, resamples, seed: there.
        plugins: plugin files, whose metrics are known, too; and as of `Run.open`, for readers of the rows.
        trust: of `Run.open`.

    Raises:
        ComparisonError, RunFolderError: there.
        PluginError: a plugin file cannot be used.
    """
    if plugins:
        use_plugin_files(plugins)
    if len(paths) < 2:
        raise ComparisonError(
            "there is nothing to compare with",
            expected="two runs or more",
            received=f"{len(paths)}",
            fix="name another run; `glueft list-runs` shows them",
        )
    runs = [Run.open(path, tolerant=True, plugins=plugins, trust=trust) for path in paths]
    rows = read_rows(runs, split)
    made_of = [ingredients(run) for run in runs]
    found = differences(made_of)
    names = [name_of(number) for number in range(len(runs))]
    recorded = [_recorded(run, rows, labels) for run, labels in zip(runs, rows.run_labels, strict=True)]
    computed = [metrics_of(rows, number) for number in range(len(runs))]
    uncomputed = [name for name in rows.unknown_metrics if all(name in values for values in recorded)]
    metrics = [
        {name: (values | ours)[name] for name in runs[0].record.metrics if name in ours or name in uncomputed}
        for values, ours in zip(recorded, computed, strict=True)
    ]
    groups = seed_groups(made_of, [run.record.seed for run in runs])
    compared: dict[str, Any] = {
        "task": runs[0].record.task,
        "split": rows.split,
        "rows": len(rows.references),
        "metric_labels": dict(rows.metric_labels),
        "runs": [_described(run, name, scores) for run, name, scores in zip(runs, names, metrics, strict=True)],
        "differences": found,
        "material": material(found),
        "same_in_fact": same_in_fact(found),
        "bootstrap": {"method": "paired, percentile", "resamples": resamples, "seed": seed, "level": LEVEL},
        "comparisons": [_compared(rows, names, number, resamples, seed) for number in range(1, len(runs))],
        "seeds": [
            {
                "runs": [names[run] for run in group.runs],
                "seeds": list(group.seeds),
                "metrics": {name: asdict(spread) for name, spread in spreads(group, metrics).items()},
            }
            for group in groups
        ],
    }
    compared["sentences"] = [sentence for pair in compared["comparisons"] for sentence in answer_sentences(pair)]
    compared["notes"] = [
        *(
            note
            for name, ours, values in zip(names, computed, recorded, strict=True)
            for note in unlike_the_record(name, ours, values, rows.metrics)
        ),
        *(
            note
            for name, labels in zip(names, rows.run_labels, strict=True)
            for note in of_other_labels(name, labels, rows.metric_labels)
        ),
        *(note for name, run in zip(names, runs, strict=True) for note in collapsed(name, run.record.collapse)),
        *(note for name, run in zip(names, runs, strict=True) for note in tuned(name, run.record.decision, rows.split)),
        *without_intervals(uncomputed, runs[0].record),
        *general_notes(compared),
    ]
    return Comparison(runs, rows, compared)


def name_of(number: int) -> str:
    """Return A, B, ... Z, AA, AB, ... for 0, 1, ..."""
    letters = string.ascii_uppercase
    before, last = divmod(number, len(letters))
    return (name_of(before - 1) if before else "") + letters[last]


def _described(run: Run, name: str, metrics: dict[str, float]) -> dict[str, Any]:
    record = run.record
    return {
        "name": name,
        "folder": str(run.folder),
        "checkpoint": record.checkpoint.name,
        "seed": record.seed,
        "seconds": record.seconds.get("total"),
        "metrics": metrics,
    }


def _recorded(run: Run, rows: ComparedRows, labels: Mapping[str, str]) -> dict[str, float]:
    """The metrics of the split in run.json, those of another label left out; `labels` are the run's."""
    others = other_labels(labels, rows.metric_labels)
    found = run.record.all_metrics().get(rows.split, {})
    return {name: value for name, value in found.items() if name not in others}


def _compared(rows: ComparedRows, names: Sequence[str], run: int, resamples: int, seed: int) -> dict[str, Any]:
    """One run compared with the first."""
    differing = int(differing_rows(rows.predictions[0], rows.predictions[run]).sum())
    apart = abs(rows.probabilities[0] - rows.probabilities[run])
    test = mcnemar(rows.references, rows.predictions[0], rows.predictions[run]) if rows.labels else None
    found = paired_bootstrap(rows, run, resamples=resamples, seed=seed)
    metrics = {}
    for metric in rows.metrics:
        different_rows = int(apart.any(axis=1).sum()) if metric.takes_probabilities else differing
        difference = found[metric.name]
        said = verdict(
            Pair(names[0], len(rows.references), different_rows, len(names) - 1),
            metric,
            difference,
            test if metric.is_share_right(multi_label=rows.multi_label) else None,
            metric_title(metric.name, rows.metric_labels),
        )
        low, high = difference.interval()
        metrics[metric.name] = {
            "difference": difference.difference,
            "low": low,
            "high": high,
            "undefined_resamples": difference.undefined,
            "verdict": said.kind,
            "sentence": said.sentence,
        }
    return {
        "run": names[run],
        "to": names[0],
        "rows_that_differ": differing,
        "same_predictions": differing == 0 and not apart.any(),
        "largest_probability_difference": float(apart.max(initial=0.0)) if rows.labels else None,
        "mcnemar": None if test is None else asdict(test),
        "metrics": metrics,
    }
