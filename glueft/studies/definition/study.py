"""A study: the recipes that it runs, with which settings and seeds, and how it chooses between them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from glueft.plugin.executor import Executor
from glueft.recipe import Recipe
from glueft.recipe.sections import Fold
from glueft.studies.result import Stage
from glueft.text import preformatted


@dataclass(frozen=True)
class Range:
    """The values from which one key of a drawn setting is drawn: numbers from `low` to `high`, or `choices`.

    Attributes:
        low, high: both are drawn too; None where there are choices.
        log: whether the logarithm is drawn evenly, not the number.
        step: between the numbers that are drawn, from `low` on; None for any. A step takes no `log`.
        whole: whether whole numbers are drawn: the key takes no others.
        choices: each is drawn as often; () where there are `low` and `high`.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    whole: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Prune:
    """When a run of a drawn setting is stopped early.

    Attributes:
        method: "median": a run ends whose validation is worse than the median of the others at the same epoch.
        runs: of the recipe that must have got as far before one is stopped.
        epochs: that every run is given.
    """

    method: Literal["median"] = "median"
    runs: int = 4
    epochs: int = 1


@dataclass(frozen=True, eq=False)
class StudyRecipe:
    """A recipe of a study.

    Attributes:
        name: the stem of its file, unique in the study.
        base: the recipe with the study's [study.set].
        grid: every key with its values, in the order of the file; a recipe with `ranges` draws from them too.
        ranges: what settings are drawn from; {} where they are not drawn.
        starts_from: the recipe whose chosen run this one begins with; None for the checkpoint itself.
        check: returns the recipe with a setting, checked.
    """

    name: str
    base: Recipe
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    starts_from: str | None = None
    check: Callable[[Mapping[str, Any]], Recipe] | None = None
    _checked: dict[str, Recipe] = field(default_factory=dict, repr=False)

    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the grid, [{}] without one; [] where settings are drawn."""
        return [] if self.ranges else every_setting(self.grid)

    @property
    def is_choice(self) -> bool:
        """Whether there is more than one setting, or they are drawn."""
        return bool(self.ranges) or len(self.settings()) > 1

    def recipe(
        self,
        setting: Mapping[str, Any],
        seed: int,
        *,
        held_out: int | float | Fold | None = None,
        checkpoint: str | None = None,
    ) -> Recipe:
        """The recipe of one run, checked.

        Args:
            setting: recipe keys with their values.
            seed: of the training.
            held_out: evaluate on this part of the training rows, or so many of them, or this fold, in place of the
                validation rows.
            checkpoint: begin with this one: that of the chosen run of `starts_from`.

        Raises:
            RecipeError: the recipe does not take this setting.
        """
        recipe = self.base
        if setting and self.check is not None:
            known = json.dumps(setting, default=str)
            if known not in self._checked:
                self._checked[known] = self.check(setting)
            recipe = self._checked[known]
        changed: dict[str, Any] = {"training": recipe.training.model_copy(update={"seed": seed})}
        if isinstance(held_out, Fold):
            changed["data"] = recipe.data.model_copy(update={"fold": held_out})
        elif held_out is not None:
            changed["data"] = recipe.data.model_copy(update={"held_out": held_out})
        if checkpoint is not None:
            changed["model"] = recipe.model.model_copy(update={"checkpoint": checkpoint, "revision": None})
        return replace(recipe, **changed)


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """A valid study with every default filled in.

    Attributes:
        path: its file, or the name of a packaged study; of `glueft run --seeds`, the recipe's.
        name: of its folder.
        recipes: in the order of the file; each that starts from another may stand before it.
        seeds: of the runs that choose the setting; where there is only one, of all runs.
        final_seeds: of the runs of the chosen setting; None for none beside those that chose it.
        choose: by which rows: the task's own validation rows, or a part of the training rows.
        held_out: that part, or how many rows.
        folds: of the training rows; each is held out once, for each seed of a setting. None for no cross-validation.
        fold_group: the column whose rows stay in one fold where they are equal; None for the texts.
        metric: by which settings are chosen; None for the mean of the task's metrics.
        start_from: by recipe, the recipe whose chosen run it begins with.
        keep_models: which runs keep their `model/`.
        retries: how often a failed run is begun again.
        retry_collapsed: whether a collapsed run is followed by one with a fresh seed; both count.
        prune: when drawn runs are stopped early; None for never.
        sampler, trials: how settings are drawn from ranges, and how many for each recipe.
        executor: where the runs are run.
        complete: the [study] table with every default, as plain values.
    """

    path: str
    name: str
    recipes: tuple[StudyRecipe, ...]
    seeds: tuple[int, ...]
    executor: Executor
    final_seeds: tuple[int, ...] | None = None
    choose: Literal["validation", "held_out"] = "validation"
    held_out: int | float = 0.1
    folds: int | None = None
    fold_group: str | None = None
    metric: str | None = None
    start_from: Mapping[str, str] = field(default_factory=dict)
    keep_models: Literal["chosen", "all", "none"] = "chosen"
    retries: int = 1
    retry_collapsed: bool = False
    prune: Prune | None = None
    sampler: Literal["random", "tpe"] = "random"
    trials: int = 20
    complete: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Study({self.name}: {', '.join(recipe.name for recipe in self.recipes)})"

    def _repr_html_(self) -> str:
        """In a notebook: the complete study."""
        return preformatted(self.to_toml())

    def recipe(self, name: str) -> StudyRecipe:
        """The recipe of this name."""
        return next(recipe for recipe in self.recipes if recipe.name == name)

    def in_folds(self, stage: Stage) -> bool:
        """Whether the runs of a stage hold out a fold each."""
        return self.folds is not None and (stage == "search" or self.choose == "validation")

    def repeats(self, stage: Stage) -> list[tuple[int, int | None]]:
        """The runs of a setting: the seed and the fold of each, None without folds."""
        seeds = (self.final_seeds or self.seeds) if stage == "final" else self.seeds
        folds = range(1, (self.folds or 0) + 1) if self.in_folds(stage) else (None,)
        return [(seed, fold) for seed in seeds for fold in folds]

    def held_out_by(self, stage: Stage, fold: int | None) -> int | float | Fold | None:
        """What a run holds out of the training rows; None if it is evaluated on the validation rows."""
        if fold is not None and self.folds is not None:
            return Fold(number=fold, of=self.folds, group=self.fold_group)
        return self.held_out if stage == "search" and self.choose == "held_out" else None

    def tables(self) -> dict[str, Any]:
        """The complete study as plain values."""
        return {"study": dict(self.complete)}

    def to_toml(self) -> str:
        """The complete study as TOML; loading it gives the same study."""
        import tomlkit

        return tomlkit.dumps(self.tables())


def every_setting(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of a grid; [{}] for an empty one."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
