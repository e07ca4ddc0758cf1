"""Two studies, of two encoders say, compared by task and on average: what `glueft study compare` prints."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from glueft.comparison.bootstrap import resampled
from glueft.comparison.rows import read_rows
from glueft.errors import ComparisonError, GlueftError
from glueft.metrics import lower_is_better, metric_title
from glueft.runs.run import Run
from glueft.studies.comparison.difference import Difference, difference_of, mean_difference, paired_difference
from glueft.studies.comparison.verdict import order, verdict
from glueft.studies.result import RecipeResult, StudyResult, StudyRun
from glueft.studies.result_file import read_result
from glueft.studies.tables.statistics import FEWEST_FOR_ORDER, LEVEL, ORDER, RESAMPLES, SEED
from glueft.studies.tables.summary import SCORE, average_name, counted_recipes, metric_mean, title_of
from glueft.studies.words import is_or_are
from glueft.text import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES = ("A", "B")


@dataclass
class _Pair:
    """A recipe in both studies.

    Attributes:
        recipes: in A and in B.
        runs: those of the tables that have every metric.
        reason: why they are not compared; "" if they are.
        paired: whether the runs of both sides are of the same folds, seed by seed, in the same order.
        without_rows: why other rows could not be drawn; "" if they were.
        difference: of the task's score.
        scores: of the runs of each.
        lines: the difference of each metric on each split.
    """

    recipes: tuple[RecipeResult, RecipeResult]
    runs: tuple[Sequence[StudyRun], Sequence[StudyRun]] = ((), ())
    reason: str = ""
    paired: bool = False
    without_rows: str = ""
    difference: Difference | None = None
    scores: tuple[Sequence[float], Sequence[float]] = ((), ())
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def metrics(self) -> list[str]:
        """The metrics whose mean is the task's score: all, or the first where not all have the same direction."""
        names = [*self.recipes[0].metrics]
        return names if len({self.is_lower_better(name) for name in names}) == 1 else names[:1]

    def is_lower_better(self, metric: str) -> bool:
        return lower_is_better(metric, self.recipes[0].metric_facts)

    @property
    def lower_is_better(self) -> bool:
        return self.is_lower_better(self.metrics[0])

    @property
    def title(self) -> str:
        return title_of(self.recipes[0])

    @property
    def overlaps(self) -> tuple[float, float]:
        """What the runs of each side share of their training rows; see `interval`."""
        return self.recipes[0].overlap, self.recipes[1].overlap


def compare_studies(
    first: str | os.PathLike[str],
    other: str | os.PathLike[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Any]:
    """Compare the tables of two studies. No plugin of their recipes is loaded.

    Args:
        first: the folder of the study that the other is compared with; "A" in the result.
        other: the folder of the other one, "B".
        resamples: of the rows.
        seed: of the draws.

    Returns:
        What `glueft study compare --json` prints. Differences are B less A. `almost_stochastic_order` has for each
        study the bound on how far it is from being the better one at every quantile.

    Raises:
        StudyError: a folder is not that of a study, or its study.json is broken.
        ComparisonError: the studies have no recipe in common.
    """
    studies = (read_result(first), read_result(other))
    pairs, missing = _matched(*studies)
    if not pairs:
        raise ComparisonError(
            "the studies have no recipe in common",
            expected="recipes of one task and name, or the only ones of their task",
            received="; ".join(f"{study.name}: {', '.join(map(title_of, study.recipes))}" for study in studies),
            fix="name the folders of two studies whose files name the same recipes",
        )
    for pair in pairs:
        _compare(pair, resamples, seed)
    comparisons = sum(pair.difference is not None and pair.difference.knows_seeds for pair in pairs)
    mean = _average(pairs, studies)
    compared: dict[str, Any] = {
        "studies": [
            {"name": name, "folder": str(study.folder), "study": study.name, "checkpoint": study.checkpoint}
            for name, study in zip(NAMES, studies, strict=True)
        ],
        "level": LEVEL,
        "resamples": resamples,
        "seed": seed,
        "tasks": [_told(pair, comparisons) for pair in pairs],
        "average": mean,
    }
    compared["sentences"] = [told["sentence"] for told in (*compared["tasks"], mean) if told is not None]
    compared["notes"] = [*_notes(pairs, missing, studies, mean, comparisons)]
    return compared


def _matched(first: StudyResult, other: StudyResult) -> tuple[list[_Pair], list[str]]:
    """The recipes that both have, by name and task or, where it is the only one of it, by task; and the others."""
    rest = [*other.recipes]
    pairs, missing = [], []
    for recipe in first.recipes:
        same_task = [each for each in rest if each.task == recipe.task]
        same_name = [each for each in same_task if each.name == recipe.name]
        only = sum(each.task == recipe.task for each in first.recipes) == len(same_task) == 1
        if same_name or only:
            pairs.append(_Pair((recipe, (same_name or same_task)[0])))
            rest.remove(pairs[-1].recipes[1])
        else:
            missing.append(f"only in A: {title_of(recipe)}")
    return pairs, [*missing, *(f"only in B: {title_of(recipe)}" for recipe in rest)]


def _compare(pair: _Pair, resamples: int, seed: int) -> None:
    """Fill in the differences of a pair, or the reason why there are none."""
    first, other = pair.recipes
    for what, one, two in (("metrics", first.metrics, other.metrics), ("splits", first.splits, other.splits)):
        if [*one] != [*two]:
            pair.reason = f"they have different {what}: {', '.join(one)} in A, {', '.join(two)} in B"
            return
    if first.folds != other.folds:
        told = [f"{recipe.folds or 'no'} folds in {name}" for name, recipe in zip(NAMES, pair.recipes, strict=True)]
        pair.reason = f"their runs hold other rows out: {', '.join(told)}"
        return
    names = [*first.metrics]
    whole = [
        [run for run in recipe.reported if all(_score(run, split, names) is not None for split in first.splits)]
        for recipe in pair.recipes
    ]
    pair.runs = (whole[0], whole[1])
    without = [name for name, runs in zip(NAMES, pair.runs, strict=True) if not runs]
    if without:
        pair.reason = f"no run of {' and '.join(without)} has a score"
        return
    drawn: dict[str, dict[str, NDArray[np.float64]]] = {}
    try:
        for split in () if first.folds else first.splits:
            drawn[split] = _drawn([*pair.runs[0], *pair.runs[1]], split, names, resamples, seed)
    except ComparisonError as error:
        pair.reason = error.in_one_line
        return
    except (GlueftError, OSError) as error:
        pair.without_rows = error.message if isinstance(error, GlueftError) else str(error)
        drawn = {}
    if first.folds:
        _pair_folds(pair)
    pair.scores = (_means(pair, 0), _means(pair, 1))
    by_split = [_split(pair, drawn, split, pair.metrics) for split in drawn]
    pair.difference = _difference(pair, pair.scores, by_split)
    pair.lines = [*_lines(pair, drawn)]


def _pair_folds(pair: _Pair) -> None:
    """Order the runs by seed and fold; they are paired where both sides have the same, of the same rows."""
    first, other = ([*sorted(runs, key=lambda run: (run.seed, run.fold or 0))] for runs in pair.runs)
    pair.runs = (first, other)
    same = [(run.seed, run.fold) for run in first] == [(run.seed, run.fold) for run in other]
    try:
        pair.paired = same and all(_rows_of(one) == _rows_of(two) for one, two in zip(first, other, strict=True))
    except (GlueftError, OSError):
        pair.paired = False
    pair.without_rows = (
        "the interval is of the differences on the same folds"
        if pair.paired
        else "A and B have not the same folds and seeds, which would tell more"
    )


def _rows_of(run: StudyRun) -> str | None:
    """The SHA-256 of the rows that a run is scored on."""
    record = _opened(run).record
    split = record.data.splits.get(record.primary_split)
    return None if split is None else split.sha256


def _difference(
    pair: _Pair,
    scores: tuple[Sequence[float], Sequence[float]],
    by_split: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Difference:
    if pair.paired:
        return paired_difference(*scores, pair.overlaps[0])
    return difference_of(*scores, by_split, pair.overlaps)


def _drawn(
    runs: Sequence[StudyRun], split: str, names: Sequence[str], resamples: int, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Each metric of each run on resamples of the rows, (runs, resamples); 0 where it is not defined.

    Raises:
        ComparisonError: the runs have predicted different rows.
        GlueftError, OSError: predictions are missing or broken, or a metric cannot be computed.
    """
    import numpy as np

    rows = read_rows([_opened(run) for run in runs], split)
    found = resampled(rows, range(len(runs)), resamples=resamples, seed=seed)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise GlueftError(f"no plugin computes {', '.join(unknown)}")
    return {name: np.nan_to_num(found[name].drawn) for name in names}


def _opened(run: StudyRun) -> Run:
    if run.folder is None:
        raise GlueftError(f"{run.name} has no run folder")
    return Run.open(run.folder, tolerant=True)


def _split(
    pair: _Pair, drawn: Mapping[str, Mapping[str, NDArray[np.float64]]], split: str, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of metrics on resamples of the rows of a split, of the runs of A and of B."""
    import numpy as np

    mean = np.mean([drawn[split][name] for name in names], axis=0)
    return mean[: len(pair.runs[0])], mean[len(pair.runs[0]) :]


def _score(run: StudyRun, split: str, names: Sequence[str]) -> float | None:
    return metric_mean(run.metrics.get(split, {}), names)


def _means(pair: _Pair, study: int, split: str | None = None, names: Sequence[str] | None = None) -> list[float]:
    """The score of each run: of a split, or the mean over all."""
    splits = pair.recipes[0].splits if split is None else [split]
    return [fmean(_score(run, each, names or pair.metrics) or 0.0 for each in splits) for run in pair.runs[study]]


def _lines(pair: _Pair, drawn: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> Iterator[dict[str, Any]]:
    metrics = [*pair.recipes[0].metrics]
    names = [(SCORE, metrics)] if len(metrics) > 1 and pair.metrics == metrics else []
    for split in pair.recipes[0].splits:
        for name, parts in [*names, *((name, [name]) for name in metrics)]:
            scores = (_means(pair, 0, split, parts), _means(pair, 1, split, parts))
            by_split = [_split(pair, drawn, split, parts)] if drawn else []
            found = _difference(pair, scores, by_split)
            labels = pair.recipes[0].metric_labels
            yield {
                "split": split,
                "metric": name,
                "metric_title": " and ".join(metric_title(part, labels) for part in parts),
                "lower_is_better": pair.is_lower_better(parts[0]),
                "means": [*map(fmean, scores)],
                **_numbers(found),
                "almost_stochastic_order": None
                if any(pair.overlaps)
                else order(*scores, lower=pair.is_lower_better(parts[0])),
            }


def _numbers(found: Difference) -> dict[str, Any]:
    low, high = found.interval() or (None, None)
    return {"difference": found.difference, "low": low, "high": high}


def _told(pair: _Pair, comparisons: int) -> dict[str, Any]:
    """A task in JSON; `comparisons` is how many tasks are compared at once."""
    told: dict[str, Any] = {
        "task": pair.recipes[0].task,
        "title": pair.title,
        "recipes": [recipe.name for recipe in pair.recipes],
        "metrics": pair.metrics,
        "lower_is_better": pair.lower_is_better,
        "runs": [*map(len, pair.runs)],
        "failed": [sum(run.state == "failed" for run in recipe.reported) for recipe in pair.recipes],
        "collapsed": [sum(run.collapsed for run in runs) for runs in pair.runs],
        "means": None,
        "difference": None,
        "low": None,
        "high": None,
        "almost_stochastic_order": None,
        "with_rows": False,
        "lines": pair.lines,
    }
    if pair.difference is None:
        word, sentence = "not_compared", f"not compared: {pair.reason}"
    else:
        told |= {
            "means": [*map(fmean, pair.scores)],
            **_numbers(pair.difference),
            # It is for independent runs.
            "almost_stochastic_order": None if any(pair.overlaps) else order(*pair.scores, lower=pair.lower_is_better),
            "with_rows": pair.difference.rows is not None,
        }
        doubt = _collapse_doubt([pair])
        word, sentence = verdict(
            pair.difference,
            None if any(pair.overlaps) else pair.scores,
            doubt=doubt,
            comparisons=comparisons,
            lower=pair.lower_is_better,
        )
    return told | {"verdict": word, "sentence": f"{pair.title}: {sentence}"}


def _average(pairs: Sequence[_Pair], studies: tuple[StudyResult, StudyResult]) -> dict[str, Any] | None:
    """The average over the tasks that can be averaged, in JSON; None for fewer than two."""
    may = [{recipe.name for recipe in counted_recipes(study)[0]} for study in studies]
    used = [
        pair
        for pair in pairs
        if pair.difference is not None and all(r.name in names for r, names in zip(pair.recipes, may, strict=True))
    ]
    tasks = [pair.recipes[0].task for pair in used]
    if len(used) < 2 or len(set(tasks)) < len(tasks):
        return None
    found = mean_difference([pair.difference for pair in used if pair.difference is not None])
    names = {average_name([pair.recipes[study] for pair in used]) for study in (0, 1)}
    name = names.pop() if len(names) == 1 else f"average of these {len(used)} tasks"
    by_seed = [_by_seed(used, study) for study in (0, 1)]
    means = [fmean(fmean(pair.scores[study]) for pair in used) for study in (0, 1)]
    word, sentence = verdict(found, by_seed if all(by_seed) else None, doubt=_collapse_doubt(used))
    return {
        "name": name,
        "tasks": tasks,
        "means": means,
        **_numbers(found),
        "with_rows": found.rows is not None,
        "almost_stochastic_order": order(*by_seed, lower=False) if all(by_seed) else None,
        "verdict": word,
        "sentence": f"{name}: {sentence}",
    }


def _by_seed(pairs: Sequence[_Pair], study: int) -> list[float]:
    """The average of the runs of one seed, for each seed that every task has once; [] for runs of folds."""
    if any(any(pair.overlaps) for pair in pairs):
        return []
    scores = [dict(zip([run.seed for run in pair.runs[study]], pair.scores[study], strict=True)) for pair in pairs]
    seeds = [seed for seed in scores[0] if all(seed in each for each in scores)]
    return [fmean(each[seed] for each in scores) for seed in seeds]


def _collapse_doubt(pairs: Sequence[_Pair]) -> str:
    """Which runs have collapsed, where some of a side have and others have not; "" if no side is like that."""
    found = []
    for pair in pairs:
        for name, runs in zip(NAMES, pair.runs, strict=True):
            collapsed = sum(run.collapsed for run in runs)
            if 0 < collapsed < len(runs):
                task = f" on {pair.title}" if len(pairs) > 1 else ""
                found.append(f"{collapsed} of {counted(len(runs), 'run')} of {name}{task} collapsed")
    return ", ".join(found)


def _notes(
    pairs: Sequence[_Pair],
    missing: Sequence[str],
    studies: tuple[StudyResult, StudyResult],
    mean: Mapping[str, Any] | None,
    comparisons: int,
) -> Iterator[str]:
    if studies[0].folder.resolve() == studies[1].folder.resolve():
        yield "A and B are the same study, whose runs are taken here as if each side had its own"
    yield from missing
    for pair in pairs:
        yield from (f"{pair.title}: {note}" for note in _notes_of(pair))
    differences = [pair.difference for pair in pairs if pair.difference is not None]
    with_rows = any(found.rows is not None for found in differences)
    if any(found.interval() for found in differences):
        yield (
            f"95 % interval: of the difference on other seeds{' and other rows' * with_rows}; seeds by the spread of "
            f"the runs{', rows by a paired bootstrap of the predictions' * with_rows}; Student's t, with degrees of "
            "freedom by Satterthwaite 1946"
        )
    if mean is None and len(differences) > 1:
        yield "no average over tasks: it takes two or more that can be averaged, each once"
    if mean is not None and with_rows and not mean["with_rows"]:
        yield f"{mean['name']}: the interval is of other seeds alone, for of some tasks it is"
    if comparisons > 1:
        yield (
            f"with {comparisons} tasks compared at once, a difference of a task is claimed where it holds at "
            f"{100 - 5 / comparisons:.4g} %"
        )
    if differences:
        yield (
            "order: almost stochastic order (Dror et al. 2019), a 95 % bound on how far a study is from being better "
            f"at every quantile; it is claimed below {ORDER}, from {FEWEST_FOR_ORDER} runs on each side"
        )
    if any(study.finished is None for study in studies):
        names = [name for name, study in zip(NAMES, studies, strict=True) if study.finished is None]
        yield f"not finished: {' and '.join(names)}"


def _notes_of(pair: _Pair) -> Iterator[str]:
    for name, recipe, runs in zip(NAMES, pair.recipes, pair.runs, strict=True):
        lost = len(recipe.reported) - len(runs)
        if lost and pair.difference is not None:
            yield f"{lost} of {counted(len(recipe.reported), 'run')} of {name} failed or {is_or_are(lost)} not done"
        collapsed = sum(run.collapsed for run in runs)
        if collapsed:
            yield f"{collapsed} of {counted(len(runs), 'run')} of {name} collapsed and {is_or_are(collapsed)} counted"
    if pair.without_rows and any(pair.overlaps):
        yield f"runs of folds share most of their training rows (Nadeau and Bengio 2003); {pair.without_rows}"
    elif pair.without_rows:
        yield f"the interval is of other seeds alone, not of other rows: {pair.without_rows}"
    if pair.difference is not None and not pair.difference.knows_seeds:
        yield "the interval is without what other seeds would change where a side has one run"
    settings = [max(1, len(recipe.settings)) if recipe.on == recipe.primary_split else 1 for recipe in pair.recipes]
    if settings[0] != settings[1]:
        yield (
            f"A chose among {counted(settings[0], 'setting')}, B among {settings[1]}, by the rows that are compared: "
            "the one that chose among more looks better than it is"
        )
    keeps = [name for name, recipe in zip(NAMES, pair.recipes, strict=True) if recipe.keeps_best]
    if len(keeps) == 1:
        yield f"the runs of {keeps[0]} alone keep their best evaluation on these rows, which looks better than it is"
    tunes = [name for name, recipe in zip(NAMES, pair.recipes, strict=True) if recipe.tunes]
    if len(tunes) == 1:
        yield f"the runs of {tunes[0]} alone tune their decision on these rows, which makes scores look better"
    started = [recipe.starts_from for recipe in pair.recipes]
    if any(started):
        told = " and ".join(f"{name} with one run of {of}" for name, of in zip(NAMES, started, strict=True) if of)
        yield f"every run of a side begins with the same encoder ({told}), whose luck is in no interval"
