"""What the table of a study says of each recipe, and of all tasks together. Numbers are not rounded here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glueft.metrics import lower_is_better, metric_facts, metric_title
from glueft.plugin.registry import known_classes
from glueft.plugin.task import PublishedScore, Submission
from glueft.studies.result import OVER, RecipeResult, StudyResult, StudyRun
from glueft.studies.tables.statistics import Interval, Summary, expected_best, mean_of_means, summary
from glueft.studies.words import rows_text

# The name of a task's score: the mean of its metrics, as benchmarks have it.
SCORE = "score"
# For how many runs the expected best one is told.
BEST_OF = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Line:
    """One score of a recipe on one split, over the runs of the table.

    Attributes:
        recipe, task: names.
        title: for readers: "MNLI matched" where the task has several splits.
        split: of the score.
        metric: "score" for the mean of the task's metrics, where it has several; else a metric's name.
        metric_title: for readers.
        lower_is_better: whether the smallest is the best.
        bounds: the least and the greatest value that there is; None for no bound.
        setting: the chosen one.
        asked, failed, collapsed: runs that the table asks for; that failed for good; that are done and told nothing
            apart, which count like the others.
        scores: by run, in the order of the plan.
        summary: of them; None while there is none.
        baseline: the score of the best constant answer; None if unknown.
        published: by model.
    """

    recipe: str
    task: str
    title: str
    split: str
    metric: str
    metric_title: str
    lower_is_better: bool
    bounds: tuple[float | None, float | None]
    setting: Mapping[str, Any]
    asked: int
    failed: int
    collapsed: int
    scores: Mapping[str, float]
    summary: Summary | None
    baseline: float | None
    published: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the line flat, with all digits, for JSON and data frames."""
        found = self.summary
        low, high = (found.interval if found else None) or (None, None)
        return {
            "recipe": self.recipe,
            "task": self.task,
            "split": self.split,
            "metric": self.metric,
            "n": found.n if found else 0,
            "mean": found and found.mean,
            "sd": found and found.sd,
            "median": found and found.median,
            "iqm": found and found.iqm,
            "min": found and found.minimum,
            "max": found and found.maximum,
            "low": low,
            "high": high,
            "asked": self.asked,
            "failed": self.failed,
            "collapsed": self.collapsed,
            "baseline": self.baseline,
            "setting": dict(self.setting),
            "published": dict(self.published),
        }


def lines(result: StudyResult) -> list[Line]:
    """Return the lines of the table, in the order of the recipes; none of a recipe whose setting is still to be chosen.

    A task with several metrics has their mean first, unless some of them are the better the lower they are.
    """
    shown = (recipe for recipe in result.recipes if recipe.chosen is not None or _has_failed(recipe))
    return [line for recipe in shown for line in _lines(recipe)]


def _has_failed(recipe: RecipeResult) -> bool:
    """Whether all runs are over and none has a score, by which a setting could be chosen."""
    return (
        bool(recipe.runs)
        and recipe.chosen is None
        and all(run.state in OVER and run.score is None for run in recipe.runs)
    )


def _lines(recipe: RecipeResult) -> list[Line]:
    metrics = [*recipe.metrics]
    names = [SCORE, *metrics] if len(metrics) > 1 and _is_score(recipe) else metrics
    return [_line(recipe, split, name) for split in recipe.splits for name in names]


def _line(recipe: RecipeResult, split: str, name: str) -> Line:
    parts = [*recipe.metrics] if name == SCORE else [name]
    titles = [metric_title(part, recipe.metric_labels) for part in parts]
    asked = recipe.runs if recipe.chosen is None else recipe.reported
    scores = {
        run.name: value
        for run in recipe.reported
        if (value := metric_mean(run.metrics.get(split, {}), parts)) is not None
    }
    several = len(recipe.splits) > 1
    published = {
        score.model: value
        for score in reversed(recipe.published)
        if (score.split or recipe.primary_split) == split and (value := metric_mean(score.metrics, parts)) is not None
    }
    return Line(
        recipe=recipe.name,
        task=recipe.task,
        title=title_of(recipe) + (f" {split.removeprefix('validation_')}" if several else ""),
        split=split,
        metric=name,
        metric_title=f"mean of {' and '.join(titles)}" if name == SCORE else titles[0],
        lower_is_better=lower_is_better(parts[0], recipe.metric_facts),
        bounds=_bounds(recipe, parts),
        setting=recipe.chosen or {},
        asked=len(asked),
        failed=sum(run.state == "failed" for run in asked),
        collapsed=sum(run.collapsed for run in recipe.reported if run.name in scores),
        scores=scores,
        summary=summary([*scores.values()], recipe.overlap) if scores else None,
        baseline=metric_mean(recipe.baseline, parts) if split == recipe.primary_split else None,
        published=dict(reversed(published.items())),
    )


def title_of(recipe: RecipeResult) -> str:
    """Return the title of a recipe: that of its task, with its own name where it has another one."""
    return recipe.title if recipe.name == recipe.task else f"{recipe.title} ({recipe.name})"


@dataclass(frozen=True)
class Average:
    """The mean of the tasks' scores.

    Attributes:
        name: "GLUE average" only where all tasks of the benchmark are there on its own rows.
        tasks: titles of those that are in it.
        mean: of the means of the tasks' runs.
        interval: of it, over seeds; None where it cannot be told.
        left_out: recipes that are not in it, each with the reason.
        scores: of each run, by task.
    """

    name: str
    tasks: Sequence[str]
    mean: float
    interval: Interval | None
    left_out: Sequence[str]
    scores: Mapping[str, Sequence[float]]


def average(result: StudyResult) -> Average | None:
    """Return the average of the tasks as the benchmark has it; None for fewer than two, or while one has no run.

    A task's metrics are averaged first, and its splits, so that matched and mismatched MNLI count as one task: Wang et
    al. 2019, GLUE, section 4. Tasks that the benchmark does not count are left out, and those whose metrics have not 1
    as their best value.
    """
    counted, left_out = counted_recipes(result)
    scores = {recipe.name: [*task_scores(recipe).values()] for recipe in counted}
    tasks = [recipe.task for recipe in counted]
    if len(counted) < 2 or len(set(tasks)) < len(tasks) or not all(scores.values()):
        return None
    mean, interval = mean_of_means([*scores.values()], overlaps=[recipe.overlap for recipe in counted])
    return Average(average_name(counted), [title_of(recipe) for recipe in counted], mean, interval, left_out, scores)


def counted_recipes(result: StudyResult) -> tuple[list[RecipeResult], list[str]]:
    """Return the recipes whose scores an average can be made of, and the others with the reason."""
    counted, left_out = [], []
    for recipe in result.recipes:
        submission = _submission(recipe.task)
        if submission is not None and submission.average == "not counted":
            left_out.append(f"{title_of(recipe)}: {submission.benchmark}'s average does not count it")
        elif not _is_score(recipe) or _bounds(recipe, recipe.metrics)[1] != 1:
            left_out.append(f"{title_of(recipe)}: {', '.join(recipe.metrics)} cannot be averaged with other scores")
        else:
            counted.append(recipe)
    return counted, left_out


def task_scores(recipe: RecipeResult) -> dict[str, float]:
    """Return the score of each run of the table that has one: the mean over splits of the mean over metrics."""
    found = {}
    for run in recipe.reported:
        values = [metric_mean(run.metrics.get(split, {}), [*recipe.metrics]) for split in recipe.splits]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            found[run.name] = math.fsum(known) / len(known)
    return found


def average_name(recipes: Sequence[RecipeResult]) -> str:
    """Return the name of an average: the benchmark's where all its tasks are there, on its own rows."""
    plain = f"average of these {len(recipes)} tasks"
    submissions = {recipe.task: _submission(recipe.task) for recipe in recipes}
    benchmarks = {submission.benchmark for submission in submissions.values() if submission is not None}
    if None in submissions.values() or len(benchmarks) != 1 or any(map(other_rows, recipes)):
        return plain
    (benchmark,) = benchmarks
    declared = {name: _submission(name) for name in known_classes("task")}
    whole = {
        name: submission
        for name, submission in declared.items()
        if submission is not None and submission.benchmark == benchmark and submission.average != "not counted"
    }
    missing = [name for name in whole if name not in submissions]
    if any(whole[name].average != "optional" for name in missing):
        return plain
    return f"{benchmark} average" + (f" without {' and '.join(map(str.upper, missing))}" if missing else "")


def other_rows(recipe: RecipeResult) -> list[str]:
    """Return the notes that say that a split of the table has other rows than the official one."""
    if recipe.primary_split == "held_out":
        return ["training rows that were held out"]
    return [note for note in recipe.row_notes if note.startswith((*recipe.splits,)) and "broken line" not in note]


@dataclass(frozen=True)
class BestOf:
    """The expected best of k runs of a recipe.

    Attributes:
        recipe: its name.
        title: for readers.
        score: what is compared: a metric's name or "score", and the split.
        runs: how many there are: those by which a setting was chosen, or those of the table.
        settings: how many settings they have.
        best: by k.
    """

    recipe: str
    title: str
    score: str
    runs: int
    settings: int
    best: Mapping[int, float]


def best_of(result: StudyResult) -> list[BestOf]:
    """Return the expected best of k runs of each recipe with two runs or more, k up to their number."""
    found = []
    for recipe in result.recipes:
        runs = scored(recipe.searched) or scored(recipe.reported)
        if len(runs) < 2:
            continue
        scores = [run.score for run in runs if run.score is not None]
        best = {
            k: expected_best(scores, k, lower_is_better=recipe.lower_is_better) for k in BEST_OF if k <= len(scores)
        }
        settings = len({tuple(sorted((key, repr(value)) for key, value in run.setting.items())) for run in runs})
        score = f"{recipe.chooses} on {rows_text(recipe.on)}"
        found.append(BestOf(recipe.name, title_of(recipe), score, len(runs), settings, best))
    return found


def scored(runs: Sequence[StudyRun]) -> list[StudyRun]:
    """Return the runs that are done and have a score."""
    return [run for run in runs if run.state == "done" and run.score is not None]


def metric_mean(metrics: Mapping[str, float], names: Sequence[str]) -> float | None:
    """Return the mean of some metrics; None where one is missing or not finite."""
    mean = math.fsum(metrics.get(name, math.nan) for name in names) / len(names)
    return mean if math.isfinite(mean) else None


def _is_score(recipe: RecipeResult) -> bool:
    """Whether the metrics of a task can be averaged: of each the largest value is the best."""
    return not any(lower_is_better(name, recipe.metric_facts) for name in recipe.metrics)


def _bounds(recipe: RecipeResult, names: Sequence[str]) -> tuple[float | None, float | None]:
    """The bounds of the mean of metrics."""
    facts: Mapping[str, Mapping[str, Any]] = metric_facts(names) | dict(recipe.metric_facts)
    lows, highs = zip(*(facts.get(name, {}).get("bounds", (None, None)) for name in names), strict=True)
    return _mean(lows), _mean(highs)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def _submission(task: str) -> Submission | None:
    return getattr(known_classes("task").get(task), "submission", None)


def sources(published: Sequence[PublishedScore]) -> list[str]:
    """Return `MODEL in SOURCE` for each published score, once."""
    return [*dict.fromkeys(f"{score.model} in {score.source}" for score in published)]
