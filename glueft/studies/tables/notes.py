"""What to know to read the table of a study: what its numbers are, and what they are not."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import Any

from glueft.metrics.decision import effect_of_fit
from glueft.studies.result import RecipeResult, StudyResult, StudyRun
from glueft.studies.tables.statistics import t_quantile
from glueft.studies.tables.summary import (
    Line,
    average,
    best_of,
    counted_recipes,
    lines,
    other_rows,
    scored,
    sources,
    task_scores,
    title_of,
)
from glueft.studies.words import is_or_are, setting_text
from glueft.text import counted, score_text

# Of names that a note lists.
_MOST_NAMES = 5
# Folders that are named as left out.
_MOST_FOLDERS = 20


def notes(result: StudyResult, *, short: bool = False) -> list[str]:
    """Return the notes below the table: on single recipes first, then on what all numbers are.

    `short` are those for the terminal, whose table has neither IQM nor the expected best of k runs.
    """
    shown = lines(result)
    # What is to be said of several recipes is said once.
    of: dict[str, list[str]] = {}
    for recipe in result.recipes:
        for note in _of_recipe(recipe, result):
            of.setdefault(note, []).append(title_of(recipe))
        own = [line for line in shown if line.recipe == recipe.name]
        for line in own:
            for note in _of_line(line):
                alike = all(note in _of_line(other) for other in own)
                subject = title_of(recipe) if alike else f"{line.title} {line.metric_title}"
                if subject not in of.setdefault(note, []):
                    of[note].append(subject)
    return [
        *(f"{', '.join(subjects)}: {note}" for note, subjects in of.items()),
        *_in_general(shown, result),
        *([] if short else _of_more_columns(shown, result)),
        *_of_average(result),
        *_of_left_out(result),
    ]


def _of_recipe(recipe: RecipeResult, result: StudyResult) -> Iterator[str]:
    yield from _of_unfinished(recipe)
    runs = scored(recipe.reported)
    collapsed = [run for run in runs if run.collapsed]
    if collapsed:
        yield (
            f"{len(collapsed)} of {counted(len(runs), 'run')} collapsed and {is_or_are(len(collapsed))} counted like "
            f"the others ({_listed(collapsed)}); where runs collapse, an interval from few of them often misses the "
            "mean (72 % instead of 95 % for 3 runs, if one in ten collapses); the median shows what most runs do"
        )
        if result.study.get("study", {}).get("retry_collapsed"):
            yield "each collapsed run was given one more seed, so that their share looks smaller than it is"
    yield from _of_choice(recipe)
    if recipe.keeps_best and runs:
        yield 'each run keeps its best evaluation on these rows (training.keep = "best"), which looks better than it is'
    if recipe.tunes and runs:
        tuned = " and its ".join(recipe.tunes)
        yield f"each run tunes its {tuned} on these rows ([decision]), {effect_of_fit(recipe.tunes)}"
    if recipe.starts_from is not None:
        parent = next((other for other in result.recipes if other.name == recipe.starts_from), None)
        run = f" ({parent.chosen_run})" if parent and parent.chosen_run else ""
        yield (
            f"every run begins with the encoder of one run of {recipe.starts_from}{run}, the best by validation; what "
            "another one would change is in no interval"
        )
    if recipe.folds is not None:
        yield (
            f"cross-validation: each run holds out one of {recipe.folds} folds of the training rows and is scored on "
            "it; the validation rows are not looked at"
        )
    elif recipe.primary_split == "held_out":
        yield "the scores are of training rows that were held out, not of the validation rows (data.held_out)"
    kinds = Counter((run.precision, run.backend) for run in runs if run.precision and run.backend)
    if len(kinds) > 1:
        told = ", ".join(f"{count:,} in {precision} on {backend}" for (precision, backend), count in kinds.items())
        yield (
            f"the runs were not computed alike ({told}), which is in the spread of their scores; engine.backend and "
            "engine.precision can be named"
        )
    if recipe.row_notes:
        yield f"rows: {'; '.join(recipe.row_notes)}"


def _of_unfinished(recipe: RecipeResult) -> Iterator[str]:
    asked = recipe.reported or recipe.runs  # Where no run has a score, no setting is chosen.
    failed = [run for run in asked if run.state == "failed"]
    if failed:
        named = "; ".join(f"{run.name}: {run.error or 'no reason is known'}" for run in failed[:_MOST_NAMES])
        yield (
            f"{len(failed)} of {counted(len(asked), 'run')} failed and {is_or_are(len(failed))} in no "
            f"number: {named}{_rest(failed)}"
        )
    done = [run for run in recipe.reported if run.state == "done"]
    whole = task_scores(recipe)
    lacking = [run for run in done if run.name not in whole]
    if lacking:
        yield f"{len(lacking)} of {counted(len(done), 'run')} without a value of each metric: {_listed(lacking)}"
    is_open = [run for run in recipe.runs if run.state in ("waiting", "running")]
    if is_open:
        yield f"not finished: {len(is_open):,} of {counted(len(recipe.runs), 'run')} still to be done"
    elif recipe.chosen is None:
        yield "no setting could be chosen: no run has a score"


def _of_choice(recipe: RecipeResult) -> Iterator[str]:
    """How the setting was chosen, and what that does to its scores."""
    searched, settings = recipe.searched, len(recipe.settings)
    if recipe.chosen is None or settings < 2:
        return
    counts = {
        "failed": sum(run.state == "failed" for run in searched),
        "stopped early": sum(run.state == "pruned" for run in searched),
        "collapsed": sum(run.collapsed for run in searched if run not in recipe.reported),
    }
    rest = [f"{count} {what}" for what, count in counts.items() if count]
    told = f"{setting_text(recipe.chosen)}: {recipe.reason}"
    if rest:
        told += f" (of {counted(len(searched), 'run')} of the search {', '.join(rest)})"
    yield told
    scores = [run.score for run in searched if run.score is not None]
    if any("data.draw" in setting for setting in recipe.settings) and len(scores) > 1:
        yield (
            f"data.draw is a part of the setting: the best draw of rows was chosen. Over all {len(scores)} runs of the "
            f"search the {recipe.chooses} is {score_text(fmean(scores))} ± {score_text(stdev(scores))}"
        )
    if recipe.on == "held_out" and recipe.primary_split != recipe.on:
        yield "the setting was chosen on training rows that were held out, so that the scores are not inflated by it"
    elif any(run.stage == "final" for run in recipe.reported):
        yield (
            "the scores are of other seeds than those that chose the setting, on the same rows, which inflates them a "
            'little; choose = "held_out" does not'
        )
    else:
        yield (
            f"the scores are of the very runs that chose the setting, and the best of {settings} looks better than it "
            'is; final_seeds, or choose = "held_out", tell what it is worth'
        )


def _of_line(line: Line) -> Iterator[str]:
    found = line.summary
    if found is None:
        return
    if found.n == 1:
        yield "one run tells no spread and no interval; on another seed it may be quite another score"
    elif found.sd == 0:
        yield f"all {found.n} runs have the same score, which tells no interval"
    elif found.n == 2:
        factor = t_quantile(0.975, 1)
        yield (
            f"an interval from 2 runs is {factor:.1f} standard errors to each side, and says little; a third run "
            f"makes that {t_quantile(0.975, 2):.1f}"
        )


def _in_general(shown: Sequence[Line], result: StudyResult) -> Iterator[str]:
    if any(line.summary and line.summary.interval for line in shown):
        yield (
            "95 % interval: of the mean over seeds, by Student's t, cut where no score can be; sd: of a run, with n - "
            "1. They tell what other seeds would change, and not what other rows would"
        )
    if any(recipe.folds for recipe in result.recipes):
        yield (
            "runs of folds share most of their training rows, so their 95 % intervals are wider than those of "
            "independent runs: Nadeau and Bengio 2003"
        )
    lower = dict.fromkeys(line.metric_title for line in shown if line.lower_is_better)
    if lower:
        yield f"the lower, the better: {', '.join(lower)}"
    if any(line.baseline is not None for line in shown):
        yield "baseline: always the same answer, the most frequent label or, for scores, their mean"
    names = {line.recipe for line in shown}
    used = [score for recipe in result.recipes if recipe.name in names for score in recipe.published]
    if used:
        yield f"published, of validation rows: {'; '.join(sources(used))}"


def _of_more_columns(shown: Sequence[Line], result: StudyResult) -> Iterator[str]:
    """What the files have and the terminal has not."""
    if any(line.summary and line.summary.interval for line in shown):
        yield "IQM: interquartile mean, without the lowest and the highest quarter of the runs (Agarwal et al. 2021)"
    if best_of(result):
        yield (
            "expected best of k: the mean of the best score over every choice of k of the runs (Tang et al. 2020); it "
            "is what trying k of them and keeping the best would have shown, not what a model is worth"
        )
        left_out = sum(run.state in ("pruned", "failed") for recipe in result.recipes for run in recipe.searched)
        if left_out:
            yield (
                f"expected best of k: without {counted(left_out, 'run')} of the search stopped early or failed, and so "
                "rather too high"
            )


def _of_average(result: StudyResult) -> Iterator[str]:
    found = average(result)
    if found is None:
        yield from _why_no_average(result)
        return
    yield (
        f"{found.name}: of {', '.join(found.tasks)}, each the mean of its metrics and splits, all counting the same; "
        "on validation rows, while a benchmark's own score is of its test rows"
    )
    yield from (f"{found.name}: without {reason}" for reason in found.left_out)
    others = [title_of(recipe) for recipe in counted_recipes(result)[0] if other_rows(recipe)]
    if others:
        yield f"{found.name}: not that of a benchmark, whose rows are others: {', '.join(others)}"
    if found.interval is None:
        few = [title for title, scores in zip(found.tasks, found.scores.values(), strict=True) if len(scores) < 2]
        reason = f"one run only: {', '.join(few)}" if few else "all runs of each task have the same score"
        yield f"{found.name}: no interval ({reason})"
        return
    yield f"{found.name}: its interval adds up the variances of the tasks' means (Satterthwaite 1946)"
    same = [title for title, scores in zip(found.tasks, found.scores.values(), strict=True) if len({*scores}) == 1]
    if same:
        yield f"{found.name}: the interval is too narrow, for the runs tell no spread: {', '.join(same)}"


def _why_no_average(result: StudyResult) -> Iterator[str]:
    recipes, _ = counted_recipes(result)
    tasks = [recipe.task for recipe in recipes]
    twice = [*dict.fromkeys(task for task in tasks if tasks.count(task) > 1)]
    without = [title_of(recipe) for recipe in recipes if not task_scores(recipe)]
    if twice and len(set(tasks)) > 1:
        yield f"no average over tasks: more than one recipe of {', '.join(twice)}"
    elif without and len(recipes) > 1:
        yield f"no average over tasks: no score yet of {', '.join(without)}"


def _of_left_out(result: StudyResult) -> Iterator[str]:
    home = f"{result.folder}{os.sep}"
    yield from (f"left out: {path.removeprefix(home)}: {reason}" for path, reason in result.left_out[:_MOST_FOLDERS])
    if len(result.left_out) > _MOST_FOLDERS:
        yield f"left out: {len(result.left_out) - _MOST_FOLDERS:,} more folders, which study.json names"


def cut(interval: tuple[float, float], bounds: tuple[float | None, float | None]) -> str:
    """Return `0.8412 to 0.8690`; what lies beyond the scores that there are is left out."""
    low, high = interval
    low = low if bounds[0] is None else max(low, bounds[0])
    high = high if bounds[1] is None else min(high, bounds[1])
    return f"{score_text(low)} to {score_text(high)}"


def _listed(runs: Sequence[StudyRun]) -> str:
    return ", ".join(run.name for run in runs[:_MOST_NAMES]) + _rest(runs)


def _rest(items: Sequence[Any]) -> str:
    return f" and {len(items) - _MOST_NAMES} more" if len(items) > _MOST_NAMES else ""
