"""Which setting of a recipe goes into the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glueft.studies.result import RecipeResult, StudyRun
from glueft.studies.words import rows_text
from glueft.text import counted, score_text


@dataclass(frozen=True)
class Choice:
    """A chosen setting, why it was chosen, and the trial that drew it, if one did."""

    setting: Mapping[str, Any]
    reason: str
    trial: int | None = None


def choose(runs: Sequence[StudyRun], recipe: RecipeResult) -> Choice | None:
    """Choose the setting with the best mean score over its seeds; of equal ones the first.

    A setting with a run that failed or was pruned is chosen only where every setting has one. Runs that have collapsed
    count with the score that they have.

    Args:
        runs: of the search, each done, pruned or failed.
        recipe: says what is compared, and where.

    Returns:
        None if no run has a score.
    """
    settings: list[list[StudyRun]] = []
    for run in runs:
        same = next((group for group in settings if group[0].setting == run.setting), None)
        settings.append([run]) if same is None else same.append(run)
    scored = [group for group in settings if any(run.score is not None for run in group)]
    if not scored:
        return None
    whole = [group for group in scored if all(run.state == "done" for run in group)]
    sign = -1 if recipe.lower_is_better else 1
    best = max(whole or scored, key=lambda group: sign * mean_score(group))
    found = [run for run in best if run.score is not None]
    reason = (
        f"the best mean {recipe.chooses} on {rows_text(recipe.on)} of {counted(len(settings), 'setting')}: "
        f"{score_text(mean_score(best))} over {_repeats(found)}"
    )
    if len(whole) < len(settings):
        reason += f"; {counted(len(settings) - len(whole), 'setting')} with failed or pruned runs came after all others"
    return Choice(best[0].setting, reason, best[0].trial)


def _repeats(runs: Sequence[StudyRun]) -> str:
    seeds, folds = ({run.seed for run in runs}, {run.fold for run in runs} - {None})
    if not folds:
        return counted(len(runs), "seed")
    return f"{counted(len(folds), 'fold')}" + (f" and {len(seeds)} seeds" if len(seeds) > 1 else "")


def mean_score(runs: Sequence[StudyRun]) -> float:
    """Return the mean score of the runs that have one."""
    scores = [run.score for run in runs if run.score is not None]
    return sum(scores) / len(scores)
