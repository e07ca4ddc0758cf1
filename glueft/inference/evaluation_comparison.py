"""Compares a later evaluation of a run's model with the run's own record: rows, metrics, predictions, environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.metrics.decision import PLAIN, DecisionRule
from glueft.metrics.label_sets import set_texts
from glueft.plugin.origin import in_words, origin_of, recorded_origins
from glueft.text import counted
from glueft.training.fingerprints import changes_numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.recipe.task_parts import TaskParts
    from glueft.runs.predictions import Predictions
    from glueft.runs.run import Run

# Of the numbers in the predictions of earlier versions.
EARLIER_DECIMALS = 6

# The keys of a recipe that an evaluation reads. The fingerprint of the rows tells whether they are the same.
_READ: dict[str, tuple[str, ...]] = {
    "task": (),
    "data": (
        "max_length",
        "windows",
        "limit_train",
        "limit_validation",
        "limit_draw",
        "limit_seed",
        "held_out",
        "held_out_seed",
        "fold",
        "leaks",
        "per_label",
        "draw",
    ),
    "training": ("evaluation_batch_size",),
}

# What of the environment can change a last digit.
_CIRCUMSTANCES = {
    "engine": ("backend", "precision", "jit_compile", "onednn"),
    "host": ("name", "system", "cpus", "python"),
}


def compare_with_run(
    run: Run,
    parts: TaskParts,
    result: Mapping[str, Any],
    own: Mapping[str, Predictions],
    logits: Mapping[str, NDArray[np.float32]],
    references: Mapping[str, Sequence[str]],
    rule: DecisionRule,
) -> dict[str, Any]:
    """Compare the metrics of now with those of the run. A metric that is of another label than then is not compared.

    Args:
        run: the run.
        parts: what was used now of its recipe.
        result: of `measure`.
        own: the run's predictions of each split that it predicted.
        logits: of now, (rows, labels) or (rows, 1).
        references: the labels of now by name; none in regression.
        rule: how the labels of now were decided.

    Returns:
        `splits`: for each the rows, the fingerprints and the metrics of both, the number of predicted labels that
        changed (`other_labels`) and the largest difference of a probability or score (`furthest_apart`); `equal`:
        whether everything that both have is the same, None if they have nothing in common; `differences`: a line for
        each thing that is not; and the `summary` in a sentence.
    """
    record = run.record
    of_others = {
        name: (label, result["metric_labels"][name])
        for name, label in record.metric_labels.items()
        if result["metric_labels"].get(name, label) != label
    }
    measured = {
        split: {name: value for name, value in metrics.items() if name not in of_others}
        for split, metrics in record.shown_metrics().items()
    }
    splits = {}
    for name, metrics in result["metrics_by_split"].items():
        now = result["data"]["splits"][name]
        then = record.data.splits.get(name)
        rows, sha256 = (then.rows, then.sha256) if then else (None, None)
        same = sha256 == now["sha256"] if then else None
        others, apart = None, None
        if same and name in own:
            others, apart = compare_predictions(own[name], logits[name], result["labels"], rule)
        splits[name] = {
            "rows": {"run": rows, "now": now["rows"]},
            "sha256": {"run": sha256, "now": now["sha256"]},
            "same_rows": same,
            "metrics": {
                metric: _difference(measured.get(name, {}).get(metric), value)
                for metric, value in (metrics | result["other_metrics_by_split"][name]).items()
            },
            "other_labels": others,
            "furthest_apart": apart,
        }
    positive = (f'{name}: of "{then}" in the run, of "{now}" now' for name, (then, now) in of_others.items())
    differences = [*_rows(splits), *_references(own, references), *positive, *_circumstances(run, parts, result)]
    return {
        "splits": splits,
        "equal": all(map(_is_equal, known(splits).values())) if known(splits) else None,
        "differences": differences,
        "summary": summary(splits, measured, differences),
    }


def compare_predictions(
    own: Predictions, logits: NDArray[np.float32], labels: list[str], rule: DecisionRule = PLAIN
) -> tuple[int, float]:
    """Return how many predicted labels changed, and the largest difference of a probability, or of a score.

    The files of earlier versions have six decimals: a number that is rounded to the run's counts as equal.
    """
    import numpy as np

    if labels:
        decided = rule.decide(logits)
        given = set_texts(decided.labels, labels) if rule.multi_label else [labels[index] for index in decided.labels]
        others = sum(name != text for name, text in zip(given, own.predictions, strict=True))
        now, then = decided.probabilities, own.probabilities
        apart = np.abs(now - then)
    else:
        others = 0
        now, then = logits[:, 0].astype(np.float64), np.array(own.predictions, np.float64)
        apart = np.abs(now - then.astype(np.float32))
    earlier = np.isclose(np.round(now, EARLIER_DECIMALS), then, rtol=0, atol=1e-12)
    return others, float(np.where(earlier, 0, apart).max())


def summary(splits: Mapping[str, Any], own: Mapping[str, Mapping[str, float]], differences: list[str]) -> str:
    """Return the result of the comparison in a sentence; `own` has the run's metrics of each split."""
    measured = known(splits)
    if not measured:
        metrics = next(iter(splits.values()))["metrics"]
        by = f" by {' or '.join(metrics)}" if any(own.get(name) for name in splits) else ""
        return f"the run itself did not measure {' and '.join(splits)}{by}"
    if not all(split["same_rows"] for split in measured.values()):
        return "other rows than the run's own: the numbers are not about the same thing"
    if all(map(_is_equal, measured.values())):
        rows = sum(split["rows"]["now"] for split in measured.values() if split["furthest_apart"] == 0)
        also = f", and so are the predictions of all {counted(rows, 'row')}" if rows else ""
        return f"equal to the run's own numbers to the last digit{also}"
    reason = "the differences below may be why" if differences else "nothing that run.json holds says why"
    moved = sum(split["other_labels"] or 0 for split in measured.values())
    apart = max(split["furthest_apart"] or 0 for split in measured.values())
    if all(metric["difference"] in (None, 0.0) for split in measured.values() for metric in split["metrics"].values()):
        same = "" if moved else " and predicted label"
        return f"equal to the run's own in every metric{same}, while predictions are up to {apart:.2g} apart: {reason}"
    return f"not equal to the run's own numbers; predicted labels that changed: {moved:,}; {reason}"


def known(splits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the splits that the run has metrics of."""
    return {
        name: split
        for name, split in splits.items()
        if any(metric["run"] is not None for metric in split["metrics"].values())
    }


def _difference(run: float | None, now: float) -> dict[str, float | None]:
    return {"run": run, "now": now, "difference": None if run is None else now - run}


def _is_equal(split: Mapping[str, Any]) -> bool:
    return (
        split["same_rows"] is not False
        and not split["other_labels"]
        and not split["furthest_apart"]
        and all(metric["difference"] in (None, 0.0) for metric in split["metrics"].values())
    )


def _rows(splits: Mapping[str, Any]) -> Iterator[str]:
    for name, split in splits.items():
        if split["same_rows"] is False:
            rows, sha256 = split["rows"], split["sha256"]
            yield (
                f"{name} rows: the run had {rows['run']:,} (SHA-256 {sha256['run'][:12]}...), "
                f"these are {rows['now']:,} (SHA-256 {sha256['now'][:12]}...)"
            )


def _references(own: Mapping[str, Predictions], references: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, now in references.items():
        then = own[name].labels if name in own else []
        others = sum(before != after for before, after in zip(then, now, strict=False)) if len(then) == len(now) else 0
        if others:
            yield f"{name} labels: {others:,} of {counted(len(now), 'row')} are given another label than the run read"


def _circumstances(run: Run, parts: TaskParts, result: Mapping[str, Any]) -> Iterator[str]:
    """What may change the numbers of the same rows."""
    record = run.record
    files = result["checkpoint"]["sha256"]
    changed = [name for name, sha256 in record.model.sha256.items() if files.get(name) != sha256]
    if changed:
        yield f"model folder: {', '.join(changed)} changed since the run"
    yield from _origin(run, parts)
    yield from _labels(run, parts)
    before, after = run.recipe_settings(), parts.tables()
    for section, keys in _READ.items():
        for key in keys or dict.fromkeys([*before[section], *after[section]]):
            then, now = before[section].get(key), after[section].get(key)
            # An earlier glueft knew fewer settings.
            if then != now and (then is not None or changes_numbers(section, key, now)):
                yield f"{section}.{key}: the run had {_shown(then)}, now {_shown(now)}"
    for section, keys in _CIRCUMSTANCES.items():
        for key in keys:
            then, now = getattr(getattr(record, section), key), result[section][key]
            if then is not None and then != now:
                yield f"{section} {key}: the run had {_shown(then)}, now {_shown(now)}"
    for package, version in record.versions.items():
        if result["versions"].get(package) != version:
            yield f"{package}: the run had {version}, now {result['versions'].get(package, 'none')}"


def _origin(run: Run, parts: TaskParts) -> Iterator[str]:
    """Whether the task comes from where it came from in the run."""
    task, record = parts.task, run.record
    then, now = recorded_origins(record).get(("task", task.name)), origin_of(task)
    files = {file.path: file.sha256 for file in record.plugins.files}
    changed = [file.path for file in parts.plugin_files if files.get(file.path, file.sha256) != file.sha256]
    yield from (f"plugin file {path}: changed since the run" for path in changed)
    if then is None or now.get("file") in changed:
        return
    # A plugin file is the same if its content is; glueft's version is compared with those of the other packages.
    same = then.get("sha256") == now.get("sha256") if "file" in then else then == now
    if not same and {then.get("package"), now.get("package")} != {"glueft"}:
        yield f"task {task.name}: the run had it from {in_words(then)}, now it is from {in_words(now)}"


def _labels(run: Run, parts: TaskParts) -> Iterator[str]:
    """Whether the labels of the task have the order that they had in the run."""
    task = parts.task
    if not task.reads_own_files and tuple(task.labels) != run.labels:
        yield (
            f"labels of {task.name}: the run had {', '.join(run.labels)}, now they are {', '.join(task.labels)}: "
            "what a file or the hub gives by number has another name"
        )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
