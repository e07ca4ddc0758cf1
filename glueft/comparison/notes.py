"""The conclusions and notes of a comparison, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.comparison.differences import material
from glueft.comparison.significance import significant
from glueft.metrics.decision import effect_of_fit
from glueft.text import counted, score_text

if TYPE_CHECKING:
    from glueft.plugin.metric import Metric
    from glueft.runs.record import Collapse, Decision, Record

# Earlier versions stored scores with six digits after the point: where such a run predicts nearly the same for all
# rows, metrics of them that know no unit (correlations) are off by some 1e-5. Labels are stored as they are.
_ROUNDING = 1e-3
_EXACT = 1e-9


def answer_sentences(comparison: Mapping[str, Any]) -> list[str]:
    """Return the conclusions on one run and the first: a single one if the predictions are the same."""
    other, first, metrics = comparison["run"], comparison["to"], comparison["metrics"].values()
    told = [f"{other}: {metric['sentence']}" for metric in metrics if metric["verdict"] != "same"]
    if comparison["same_predictions"]:
        return [f"{other}: the predictions are the same as those of {first}"]
    if comparison["rows_that_differ"] == 0:
        apart = comparison["largest_probability_difference"]
        same = f"every row has the same prediction as in {first}; the probabilities differ by up to {apart:.2g}"
        return [f"{other}: {same}", *told]
    test = comparison["mcnemar"]
    if test is not None:
        told.append(
            f"{other}: right in {first} alone {counted(test['only_first'], 'row')}, in {other} alone "
            f"{counted(test['only_other'], 'row')}; McNemar's exact test: {significant(test['p'])}"
        )
    return told


def general_notes(compared: Mapping[str, Any]) -> list[str]:
    """Return what to know to read the numbers."""
    notes = [f"{key} is written differently, and {reason}" for key, reason in compared["same_in_fact"].items()]
    for group in compared["seeds"]:
        seeds = ", ".join(map(str, group["seeds"]))
        notes.append(
            f"{listed(group['runs'])} differ in the seed alone ({seeds}): a difference between them is the "
            "seed's luck, not a better recipe"
        )
    different = [pair for pair in compared["comparisons"] if not pair["same_predictions"]]
    found = compared["differences"]
    if different and not any(material(found).values()) and not found["host"]:
        notes.append(
            "nothing that is recorded differs, and yet the predictions do: a training is not repeated exactly here"
        )
    notes += _undefined(compared)
    if not different:
        return notes
    count = len(compared["comparisons"])
    if count > 1:
        notes.append(
            f"with {count} comparisons at 95 % the chance that some interval leaves out 0 by luck is up to "
            f"{min(100, 5 * count)} %; a difference is claimed only where it holds at {100 - 5 / count:.4g} %"
        )
    bootstrap = compared["bootstrap"]
    notes.append(
        f"intervals: paired bootstrap over the rows, {bootstrap['resamples']:,} resamples (seed {bootstrap['seed']}), "
        "percentiles; they tell what other rows would change; what other seeds would, several runs of each recipe tell"
    )
    return notes


def unlike_the_record(
    run: str, values: Mapping[str, float], recorded: Mapping[str, Any], metrics: Sequence[Metric]
) -> list[str]:
    """Return a sentence for each metric of a run whose value differs from that in its run.json."""
    sentences = []
    for metric in metrics:
        value, then = values[metric.name], recorded.get(metric.name)
        tolerance = _ROUNDING if metric.suits == "scores" and None not in metric.bounds else _EXACT
        if isinstance(then, (int, float)) and not abs(then - value) <= tolerance:
            told = f"{run}: run.json has {metric.name} {score_text(then)}, its predictions give {score_text(value)}"
            sentences.append(f"{told}; the predictions are what is compared")
    return sentences


def without_intervals(metrics: Sequence[str], record: Record) -> list[str]:
    """Return a sentence on each metric that cannot be computed here.

    Args:
        metrics: their names.
        record: of a run.
    """
    facts, files = record.metric_facts, [shlex.quote(file.path) for file in record.plugins.files if file.path]
    brought = {name: f" ({facts[name].package} has it)" for name in metrics if name in facts and facts[name].package}
    of_a_file = f" (if a plugin file of the run has it: --plugin {' --plugin '.join(files)})" if files else ""
    brought = {name: brought.get(name, of_a_file) for name in metrics}
    return [
        f"there is no interval for {name}: no plugin of this name is installed{brought[name]}; the values are "
        "those of run.json"
        for name in metrics
    ]


def other_labels(of_run: Mapping[str, str], compared: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the metrics that are about another label in a run than in the comparison, with both labels.

    Args:
        of_run: the label of each such metric in the run; empty for a run that has not recorded it.
        compared: likewise in the comparison.
    """
    return {name: (of_run[name], label) for name, label in compared.items() if of_run.get(name, label) != label}


def of_other_labels(name: str, of_run: Mapping[str, str], compared: Mapping[str, str]) -> list[str]:
    """Return a sentence for each metric that is about another label in run.json than in the comparison."""
    return [
        f'{name}: run.json has {metric} of "{then}"; here it is of "{now}" for all'
        for metric, (then, now) in other_labels(of_run, compared).items()
    ]


def collapsed(name: str, collapse: Collapse | None) -> list[str]:
    """Return a sentence if a run's model has collapsed, and was saved so."""
    return [f"{name}: {collapse.sign}; a run that has collapsed is no result"] if collapse and collapse.result else []


def tuned(name: str, decision: Decision | None, split: str) -> list[str]:
    """Return a sentence if the decision of a run was tuned on the rows that are compared."""
    if decision is None or decision.split != split:
        return []
    what = " and ".join(decision.tuned)
    return [f"{name}: {what} tuned on these very rows, {effect_of_fit(decision.tuned)}"]


def listed(names: Sequence[str]) -> str:
    """Return `A`, `A and B`, `A, B and C`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _undefined(compared: Mapping[str, Any]) -> list[str]:
    return [
        f"{pair['run']}: {name} is not defined in {metric['undefined_resamples']:,} of "
        f"{compared['bootstrap']['resamples']:,} resamples, and counts as 0 there"
        for pair in compared["comparisons"]
        for name, metric in pair["metrics"].items()
        if metric["undefined_resamples"]
    ]
