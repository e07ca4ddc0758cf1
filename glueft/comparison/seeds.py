"""Runs that differ only in the seed: mean, standard deviation and standard error of their metrics."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glueft.comparison.differences import Ingredients, differences, same_but_for_the_seed


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one recipe with different seeds.

    Attributes:
        runs: the number of each run; of several with the same seed, the first.
        seeds: of each.
    """

    runs: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Spread:
    """One metric of a group.

    Attributes:
        mean: of the seeds.
        standard_deviation: of one run, with n - 1 degrees of freedom.
        standard_error: of the mean: the standard deviation over the root of the number of seeds.
    """

    mean: float
    standard_deviation: float
    standard_error: float


def seed_groups(made_of: Sequence[Ingredients], seeds: Sequence[int]) -> list[SeedGroup]:
    """Return the groups of two seeds or more, in the order of their first runs."""
    groups: list[dict[int, int]] = []
    for number, (made, seed) in enumerate(zip(made_of, seeds, strict=True)):
        for group in groups:
            first = made_of[next(iter(group.values()))]
            if same_but_for_the_seed(differences([first, made])):
                group.setdefault(seed, number)
                break
        else:
            groups.append({seed: number})
    return [SeedGroup(tuple(group.values()), tuple(group)) for group in groups if len(group) > 1]


def spreads(group: SeedGroup, metrics: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return mean and spread of each metric over a group; `metrics` are those of all runs, by number."""
    found = {}
    for name in metrics[group.runs[0]]:
        values = [metrics[run][name] for run in group.runs]
        deviation = statistics.stdev(values)
        found[name] = Spread(statistics.fmean(values), deviation, deviation / math.sqrt(len(values)))
    return found
