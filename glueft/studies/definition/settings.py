"""Checks one recipe of a study with each of its settings."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from glueft.recipe import Recipe, RecipeError
from glueft.recipe.problems import Locations, Problem, dotted
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import as_toml, received
from glueft.studies.definition.changes import Change
from glueft.studies.definition.draft import RecipeDraft
from glueft.studies.definition.options import MOST_SETTINGS
from glueft.studies.definition.study import Range, StudyRecipe, every_setting
from glueft.studies.execution.planned import run_identity


class SettingsCheck:
    """The check of one recipe with all that a study changes in it.

    Args:
        draft: the recipe.
        changes: what the study changes in it.
        options: the [study] table.
        starts: the recipe that each recipe starts from.

    Attributes:
        problems: those found so far.
    """

    def __init__(
        self, draft: RecipeDraft, changes: Collection[Change], options: Any, starts: Mapping[str, str]
    ) -> None:
        self.draft = draft
        self.changes = changes
        self.options = options
        self.starts_from = starts.get(draft.name)
        self.fixed = [change for change in changes if change.section == "set"]
        self.grid = {change.key: change for change in changes if change.section == "grid"}
        self.ranges = {change.key: change for change in changes if change.section == "ranges"}
        self.problems: list[Problem] = []
        self.checked: dict[str, Recipe] = {}

    def recipe(self) -> StudyRecipe | None:
        """Return the recipe, None if it cannot be used; `problems` then says why."""
        tried = {key: _tried(change) for key, change in [*self.grid.items(), *self.ranges.items()]}
        base, problems = self.draft.check(self.fixed)
        if tried:
            # A setting may repair what the recipe alone lacks.
            first, problems = self._one_by_one(tried)
            base = base or first
        self.problems += problems
        if base is None or self.problems:
            return None
        self._same_runs(tried)
        self._held_out(base)
        self._of_base(base)
        grid = {key: tuple(change.value) for key, change in self.grid.items()}
        ranges = {key: self._range(change) for key, change in self.ranges.items()}
        if not ranges:
            self._combinations(grid)
        if self.problems:
            return None
        return StudyRecipe(self.draft.name, base, grid, ranges, self.starts_from, self.check, self.checked)

    def complete(self, change: Change) -> Any:
        """What a change gives, with texts and lists as the checked recipe has them: paths are absolute."""
        if change.section == "set":
            return self._as_checked(change, change.value, {})
        values = change.value if change.section == "grid" else change.value.get("choices", [])
        checked = [self._as_checked(change, value, {change.key: value}) for value in values]
        if change.section == "grid":
            return checked
        return change.value | ({"choices": checked} if checked else {})

    def _as_checked(self, change: Change, value: Any, setting: Mapping[str, Any]) -> Any:
        if not isinstance(value, (str, list, dict)):
            return value
        firsts = {first.key: first.value for first in self._firsts()}
        found: Any = self.check({**firsts, **setting}).tables()
        for part in change.path:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return value
        return found

    def check(self, setting: Mapping[str, Any]) -> Recipe:
        """Return the recipe with a setting.

        Raises:
            RecipeError: it does not take it.
        """
        recipe, problems = self._with(setting)
        if recipe is None:
            raise RecipeError(self.draft.file, problems)
        return recipe

    def _with(self, setting: Mapping[str, Any]) -> tuple[Recipe | None, list[Problem]]:
        given = {**self.grid, **self.ranges}
        changes = [Change(key, value, _place(given[key], value), given[key].section) for key, value in setting.items()]
        return self.draft.check([*self.fixed, *changes])

    def _one_by_one(self, tried: Mapping[str, list[Any]]) -> tuple[Recipe | None, list[Problem]]:
        """Check each value of each key, beside the first values of the others."""
        firsts = {key: values[0] for key, values in tried.items()}
        base, problems = self._with(firsts)
        for key, values in tried.items():
            for value in values[1:]:
                problems += self._with({**firsts, key: value})[1]
        problems = once(problems)
        for key, values in tried.items():
            problems = self._of_the_key(key, len(values), problems)
        return base, problems

    def _of_the_key(self, key: str, values: int, problems: list[Problem]) -> list[Problem]:
        """The problems, where what is said of every value of a key alike is said of the key once."""
        change = self.grid.get(key) or self.ranges[key]
        inside = [problem for problem in problems if problem.path.startswith(f"{dotted(change.at)}.")]
        alike: dict[tuple[str, str], list[Problem]] = {}
        for problem in inside:
            alike.setdefault((problem.message, problem.fix), []).append(problem)
        for same in alike.values():
            if len(same) == values:
                first = same[0]
                told = {"expected": first.expected, "received": first.received, "fix": first.fix}
                whole = self.draft.study.problem(change.at, first.message, suggestion=first.suggestion, **told)
                problems = [whole if each is first else each for each in problems if each not in same[1:]]
        return problems

    def _same_runs(self, tried: Mapping[str, list[Any]]) -> None:
        """Report keys of which two values make the same run: it would be run once, and compared with itself."""
        firsts = {key: values[0] for key, values in tried.items()}
        for key, values in tried.items():
            change, seen = self.grid.get(key) or self.ranges[key], dict[str, Any]()
            for value in values:
                tables = self.check({**firsts, key: value}).tables()
                known = json.dumps(run_identity(tables), sort_keys=True, default=str)
                if known in seen and seen[known] != value:  # one that is given twice is told of elsewhere
                    self.problems.append(
                        self.draft.study.problem(
                            change.at,
                            f"{as_toml(seen[known])} and {as_toml(value)} make the same run: no number changes with it",
                            expected="settings that differ in what is computed",
                            received=received(change.value),
                            fix="remove the key, or set it once in [study.set]",
                        )
                    )
                    break
                seen[known] = value

    def _combinations(self, grid: Mapping[str, tuple[Any, ...]]) -> None:
        """Check every setting of the grid: two values may contradict each other."""
        count = 1
        for values in grid.values():
            count *= len(values)
        if count > MOST_SETTINGS:
            last = [*self.grid.values()][-1]
            self.problems.append(
                self.draft.study.problem(
                    last.at,
                    f"the grid has {count:,} combinations",
                    expected=f"at most {MOST_SETTINGS:,}",
                    received=f"{count:,}",
                    fix="give fewer values, or draw some settings: [study.ranges] with choices",
                )
            )
            return
        for setting in every_setting(grid) if grid else ():
            recipe, problems = self._with(setting)
            self.problems += problems
            if recipe is not None:
                self.checked[json.dumps(setting, default=str)] = recipe

    def _held_out(self, base: Recipe) -> None:
        """Check the recipe as it is run to choose by held-out rows, or on a fold."""
        if base.data.holds_out:
            return  # `_of_base` tells of it.
        if self.options.folds is not None:
            group = {} if self.options.fold_group is None else {"group": self.options.fold_group}
            fold = {"number": 1, "of": self.options.folds} | group
            change = Change("data.fold", fold, ("study", "folds"), "set")
            self.problems += self.draft.check([*self.fixed, *self._firsts(), change])[1]
        elif self.options.choose == "held_out":
            at: Path = ("study", "held_out")
            held_out = Change("data.held_out", self.options.held_out, at, "set")
            self.problems += self.draft.check([*self.fixed, *self._firsts(), held_out])[1]

    def _of_base(self, base: Recipe) -> None:
        """Check what of the recipe's own does not fit a study."""
        locations = self.draft.locations(self.fixed)
        if base.hub.push is not None:
            self.problems.append(push_problem(locations, base.hub.push, 'write unset = ["hub"] in [study]'))
        if base.data.holds_out and (self.options.choose == "held_out" or self.options.folds is not None):
            key, fold = ("held_out" if base.data.fold is None else "fold"), base.data.fold
            by = 'choose = "held_out" says' if self.options.folds is None else "its folds say"
            self.problems.append(
                locations.problem(
                    ("data", key),
                    f"the study holds rows out itself, as {by}",
                    expected="one that holds rows out",
                    received=received(base.data.held_out if fold is None else fold.model_dump(exclude_none=True)),
                    fix="remove it, or give the study's own held_out"
                    if self.options.folds is None
                    else "remove it, or the study's folds",
                )
            )
        self._limits(base)
        self._losses()
        if self.options.prune is not None and self.ranges and self._most_epochs(base) == 1:
            self.problems.append(
                self.draft.study.problem(
                    ("study", "prune"),
                    "there is one epoch, and runs are compared after each epoch but the last",
                    expected="two epochs or more",
                    received="1",
                    fix="remove prune, or train longer: --set training.epochs=3",
                )
            )

    def _limits(self, base: Recipe) -> None:
        """Refuse limits among the settings that change the rows by which these are compared."""
        data = base.data
        held_out = data.holds_out or self.options.choose == "held_out" or self.options.folds is not None
        keys = ["data.limit_train"] if held_out else []
        if (data.limit_train if held_out else data.limit_validation) is not None:
            keys += ["data.limit_draw", "data.limit_seed"]
        for key in keys:
            change = self.grid.get(key) or self.ranges.get(key)
            if change is not None:
                left = ", and rows are held out of those that it leaves" if held_out else ""
                drawn = ", or draw training rows after that with data.per_label" if held_out else ""
                self.problems.append(
                    self.draft.study.problem(
                        change.at,
                        f"settings are compared on the same rows{left}",
                        expected="another key",
                        received=received(change.value),
                        fix=f"remove it; set it once, in [study.set]{drawn}",
                    )
                )

    def _losses(self) -> None:
        """Refuse settings of the loss where they are compared by it: each would be measured in its own."""
        if self.options.metric != "loss":
            return
        for key, change in {**self.grid, **self.ranges}.items():
            if key.partition(".")[0] == "loss":
                self.problems.append(
                    self.draft.study.problem(
                        change.at,
                        "settings are compared by the loss (study.metric), and each would have another one",
                        expected="another key, or another metric",
                        received=received(change.value),
                        fix="choose by a metric of the task, or set the loss once, in [study.set]",
                    )
                )

    def _most_epochs(self, base: Recipe) -> int:
        change = self.grid.get("training.epochs") or self.ranges.get("training.epochs")
        if change is None:
            return base.training.epochs
        return max(int(value) for value in _tried(change))

    def _range(self, change: Change) -> Range:
        given = change.value
        if "choices" in given:
            return Range(choices=tuple(given["choices"]))
        low, high, step = given["low"], given["high"], given.get("step")
        whole = all(isinstance(number, int) for number in (low, high, step) if number is not None)
        if whole and self._takes_fractions(change):
            whole, low, high = False, float(low), float(high)
            step = None if step is None else float(step)
        return Range(low, high, given.get("log", False), step, whole)

    def _takes_fractions(self, change: Change) -> bool:
        between = Change(change.key, change.value["low"] + 0.5, change.at, "ranges")
        others = [other for other in self._firsts() if other.key != change.key]
        return self.draft.check([*self.fixed, *others, between])[0] is not None

    def _firsts(self) -> list[Change]:
        """The first setting."""
        varied = [*self.grid.values(), *self.ranges.values()]
        return [replace(change, value=_tried(change)[0]) for change in varied]


def as_told(problem: Problem) -> tuple[str, str, str, str]:
    """What a reader sees of a problem."""
    return problem.place, problem.where, problem.message, problem.fix


def once(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that a reader can tell apart."""
    return list({as_told(problem): problem for problem in problems}.values())


def push_problem(locations: Locations, repository: str, fix: str) -> Problem:
    """A recipe whose every run would push its model to the same repository."""
    return locations.problem(
        ("hub", "push"),
        "every run would push to this repository",
        expected="no push where there are several runs",
        received=received(repository),
        fix=f"{fix}, and push the run that was chosen: glueft push RUN",
    )


def _tried(change: Change) -> list[Any]:
    """The values of a key that are checked: all of a grid, and of a range the choices, or both ends and a step."""
    if change.section == "grid":
        return list(change.value)
    range_ = change.value
    step = [range_["low"] + range_["step"]] if "step" in range_ else []
    return list(range_.get("choices") or [range_["low"], range_["high"], *step])


def _place(change: Change, value: object) -> Path:
    """Where in the study a value of a setting stands; the key itself for a drawn one."""
    tried = _tried(change)
    if value not in tried:
        return change.at
    place = tried.index(value)
    if change.section == "grid":
        return (*change.at, place)
    return (*change.at, "choices", place) if "choices" in change.value else (*change.at, ("low", "high", "step")[place])
