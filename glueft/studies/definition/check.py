"""Checks a study and every recipe that it would run, and makes the Study."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from glueft.plugin.executor import Executor
from glueft.plugin.registry import use_registry
from glueft.recipe import RecipeError
from glueft.recipe.check import KNOWN
from glueft.recipe.file import packaged_recipes
from glueft.recipe.plugin_files import read_files
from glueft.recipe.problems import Locations, Problem, dotted
from glueft.recipe.recipe import plugin_table
from glueft.recipe.toml_lines import Path
from glueft.recipe.values import as_toml, received, rewritten
from glueft.studies.definition.change_check import ROWS_FROM, ChangeCheck
from glueft.studies.definition.changes import Change, changes_of
from glueft.studies.definition.draft import RecipeDraft, RecipeLocations
from glueft.studies.definition.options import CHANGES, HIGHEST_SEED, MOST_SEEDS, PruneOptions, StudyOptions
from glueft.studies.definition.recipe_files import RecipeFiles, recipe_name
from glueft.studies.definition.settings import SettingsCheck, as_told, once
from glueft.studies.definition.study import Prune, Study, StudyRecipe
from glueft.studies.execution.search import missing_package
from glueft.suggest import nearest
from glueft.text import quoted

# A name of a folder on any system, and a part of longer ones.
FOLDER_NAME = re.compile(r"[^\W_][\w.-]{0,59}")


class StudyCheck(ChangeCheck):
    """The check of one study.

    Args:
        tables: of the study's file, changed by the command line.
        locations: of their values.
        problems: those found so far.
        left_out: recipes of the file that the command line has left out; what is said of them is ignored.
        trust: as in `load_study`.
    """

    def __init__(
        self,
        tables: dict[str, Any],
        locations: Locations,
        problems: Sequence[Problem] = (),
        *,
        left_out: Collection[str] = (),
        trust: bool = False,
    ) -> None:
        study = tables["study"] if isinstance(tables["study"], dict) else {}
        files = {"plugins": {"files": study.get("plugins")}}
        origins: dict[Path, Path] = {("plugins", "files"): ("study", "plugins")}
        self.files, unusable = read_files(files, RecipeLocations("", study=locations, origins=origins))
        super().__init__(locations, use_registry(*self.files), lacking=bool(unusable))
        self.tables = tables
        self.problems += [*problems, *unusable]
        self.left_out = left_out
        self.trust = trust

    def study(self, path: str) -> Study:
        """Return the study.

        Raises:
            RecipeError: with every problem, in the order of the file; those of the recipes' own files come last.
        """
        self._other_tables()
        options = self._options()
        executor = self._executor(options)
        name = self._name(options, path)
        files = RecipeFiles(self.locations, options.unset, options.plugins, trust=self.trust)
        drafts = self._drafts(options, files)
        names = [recipe_name(entry) for entry in options.recipes]
        changes = self.changes(options, names)
        starts = self._starts(options, names, changes)
        seeds, final_seeds = self._seeds(options)
        prune = self._prune(options.prune)
        self._sampler(options.sampler)
        checks = [SettingsCheck(draft, _changes_for(draft, drafts, changes), options, starts) for draft in drafts]
        recipes = [check.recipe() for check in checks]
        self.problems += [*files.problems, *_with_recipes({check.draft.name: check.problems for check in checks})]
        use_registry(*dict.fromkeys([*self.files, *(file for draft in drafts for file in draft.files)]))
        good = [recipe for recipe in recipes if recipe is not None]
        self._metric(options.metric, good)
        if len(good) == len(names):
            self._nothing_to_choose(options, good)
        if self.problems or executor is None:
            raise RecipeError(self.locations.recipe, _in_order(self.problems))
        study = Study(
            path=path,
            name=name,
            recipes=tuple(good),
            seeds=seeds,
            executor=executor,
            final_seeds=final_seeds,
            choose=options.choose,
            held_out=options.held_out,
            folds=options.folds,
            fold_group=options.fold_group,
            metric=options.metric,
            start_from=starts,
            keep_models=options.keep_models,
            retries=options.retries,
            retry_collapsed=options.retry_collapsed,
            prune=prune,
            sampler=options.sampler,
            trials=options.trials,
        )
        return replace(study, complete=self._complete(study, options, files, checks, changes))

    def _complete(
        self,
        study: Study,
        options: Any,
        files: RecipeFiles,
        checks: Sequence[SettingsCheck],
        changes: Sequence[Change],
    ) -> dict[str, Any]:
        """The [study] table with every default, as plain values, valid in any folder."""
        drawn = any(recipe.ranges for recipe in study.recipes)
        unset = [key for place, key in enumerate(options.unset) if place in files.unset]
        table: dict[str, Any] = {
            "name": study.name,
            "recipes": [check.draft.file for check in checks],
            "seeds": [*study.seeds],
            "final_seeds": None if study.final_seeds is None else [*study.final_seeds],
            "choose": study.choose,
            "held_out": study.held_out if study.choose == "held_out" and study.folds is None else None,
            "folds": study.folds,
            "fold_group": study.fold_group,
            "metric": study.metric,
            "keep_models": study.keep_models,
            "retries": study.retries,
            "retry_collapsed": study.retry_collapsed,
            "sampler": study.sampler if drawn else None,
            "trials": study.trials if drawn else None,
            "plugins": [file.path for file in self.files] or None,
            "unset": unset or None,
            "prune": None if study.prune is None else asdict(study.prune),
        }
        for section in CHANGES:
            found = [change for change in changes if change.section == section]
            shared = {c.key: _value(c, checks) for c in found if c.recipe is None}
            own = {
                n: {c.key: _value(c, checks) for c in found if c.recipe == n}
                for n in dict.fromkeys(c.recipe for c in found if c.recipe)
            }
            table[section] = (shared | own) or None
        table["start_from"] = dict(study.start_from) or None
        table["executor"] = plugin_table(study.executor)
        return {key: value for key, value in table.items() if value is not None}

    def _other_tables(self) -> None:
        """Report what stands beside [study]."""
        keys = StudyOptions.model_fields
        for name, value in self.tables.items():
            if name == "study":
                continue
            is_table = isinstance(value, (dict, list))
            meant = nearest(name, keys)
            fix = f"remove it; [study] accepts: {', '.join(keys)}"
            if name in KNOWN:
                fix = f'a study changes its recipes in [study.set]: "{name}.KEY" = VALUE'
            elif meant:
                fix = f"did you mean [study.{meant}]?" if is_table else f"did you mean {meant}, below [study]?"
            self.add(
                (name,),
                f"a study has no such {'table' if is_table else 'key'} beside [study]",
                expected="the table [study] alone",
                received=quoted(name),
                fix=fix,
                suggestion=f"study.{meant}" if meant else None,
            )

    def _options(self) -> Any:
        """The [study] table as Options; where keys have problems, without those keys."""
        table = self.tables["study"]
        if not isinstance(table, dict):
            got = received(table)
            fix = "write [study] on a line of its own, in single brackets, and its keys below it"
            self.add(("study",), f"expected a table; received {got}", expected="a table", received=got, fix=fix)
            raise RecipeError(self.locations.recipe, _in_order(self.problems))
        before = len(self.problems)
        options = self.options(StudyOptions, ("study",), table, "[study]")
        if options is None:
            self.drop_echoes()
            if isinstance(executor := table.get("executor"), str):
                fix = f"write executor = {{plugin = {quoted(executor)}}}"
                self.problems = [
                    replace(problem, fix=fix) if problem.path == "study.executor" else problem
                    for problem in self.problems
                ]
            wrong = [f"{problem.path}." for problem in self.problems[before:]]
            good = {
                key: value
                for key, value in table.items()
                if not any(path.startswith(f"{dotted(('study', key))}.") for path in wrong)
            }
            # Without recipes nothing more can be told of them.
            options = StudyOptions.model_validate(
                {"recipes": [], **good}, context=lambda key: self.locations.folder_of(("study", key))
            )
        elif not options.recipes:
            self.empty(("study", "recipes"), "a study needs a recipe", 'name one or more: recipes = ["mrpc", "rte"]')
        return options

    def _executor(self, options: Any) -> Executor | None:
        executor = self.plugin("executor", ("study", "executor"), {"plugin": "local", **options.executor})
        return executor if isinstance(executor, Executor) else None

    def _name(self, options: Any, path: str) -> str:
        name = options.name if options.name is not None else recipe_name(path)
        if not FOLDER_NAME.fullmatch(name):
            self.add(
                ("study", "name"),
                f"{quoted(name)} cannot be the name of a folder"
                + ("" if options.name is not None else ", and the study is called as its file"),
                expected="letters, digits, _, - and ., a letter or digit first, at most 60 of them",
                received=received(name),
                fix=f'write name = "{as_folder_name(name)}" in [study]',
            )
        return name

    def _drafts(self, options: Any, files: RecipeFiles) -> list[RecipeDraft]:
        """The recipes that can be read, each once."""
        drafts: list[RecipeDraft] = []
        first: dict[str, int] = {}
        for place, entry in enumerate(options.recipes):
            name, at = recipe_name(entry), ("study", "recipes", place)
            if name in first:
                other = options.recipes[first[name]]
                again = "named twice" if other == entry else f"called {quoted(name)}, as {quoted(other)} is"
                fix = "remove one" if other == entry else "copy one of the files under another name"
                told = {"expected": "recipes of different names", "received": received(entry), "fix": fix}
                self.add(at, f"{quoted(entry)} is {again}", **told)
                continue
            first[name] = place
            draft = files.read(place, entry)
            if draft is None:
                continue
            drafts.append(draft)
            if not FOLDER_NAME.fullmatch(name) or name in KNOWN:
                why = "a table of recipes" if name in KNOWN else "no name of a folder"
                other = f"{name}-recipe" if name in KNOWN else as_folder_name(name)
                fix = f"copy the file under another name, such as {other}.toml"
                told = {"expected": "a recipe named as a folder can be", "received": received(entry), "fix": fix}
                self.add(at, f"a recipe cannot be called {quoted(name)} in a study: that is {why}", **told)
        self._unset(options, files, read_all=len(drafts) == len(options.recipes))
        return drafts

    def _unset(self, options: Any, files: RecipeFiles, *, read_all: bool) -> None:
        """Report keys that no recipe has; `--checkpoint` and such remove keys that need not be there."""
        for place, key in enumerate(options.unset):
            at = ("study", "unset", place)
            argument = self.locations.argument(at) or "--unset"
            if read_all and place not in files.unset and argument.startswith("--unset"):
                meant = nearest(key, files.keys_there, cutoff=0.75)
                self.add(
                    at,
                    f"no recipe of the study has the key {key}",
                    expected="a key that a recipe gives",
                    received=quoted(key),
                    fix=f"did you mean {meant}?" if meant else "remove it; `glueft show RECIPE` shows a recipe's keys",
                    suggestion=meant,
                )

    def _starts(self, options: Any, names: Collection[str], changes: Sequence[Change]) -> dict[str, str]:
        starts: dict[str, str] = {}
        for name, start in options.start_from.items():
            at: Path = ("study", "start_from", name)
            if name in self.left_out:
                continue
            if name not in names:
                self._no_recipe(at, name, names)
            elif not isinstance(start, str):
                got = received(start)
                fix = f'write {dotted((name,))} = "{next((other for other in names if other != name), "mnli")}"'
                told = {"expected": "the name of a recipe, in quotes", "received": got, "fix": fix}
                self.add(at, f"expected the name of a recipe; received {got}", **told)
            elif start == name:
                told = {"expected": "another recipe", "received": quoted(start), "fix": "remove it"}
                self.add(at, f"{name} cannot start from itself", **told)
            elif start not in names:
                self._no_recipe(at, start, names)
            else:
                starts[name] = start
        for circle in _circles(starts):
            told = {"expected": "an order in which the recipes can be run", "fix": "remove one of these"}
            self.add(
                ("study", "start_from", circle[0]),
                f"the recipes start from each other in a circle: {' from '.join([*circle, circle[0]])}",
                received="a circle",
                **told,
            )
        for change in changes:
            if change.key.startswith("model.checkpoint") and (
                change.recipe in starts or (change.recipe is None and change.section != "set" and starts)
            ):
                who = change.recipe or next(iter(starts))
                self.add(
                    change.at,
                    f"{who} begins with the chosen run of {starts[who]}, as study.start_from says",
                    expected=f"no checkpoint for {who}",
                    received=received(change.value),
                    fix="remove it, or the entry of start_from",
                )
        return starts

    def _no_recipe(self, at: Path, name: str, names: Collection[str]) -> None:
        meant = nearest(name, names)
        gone = f"add --unset {dotted(at)}, or name {name} in recipes too" if name in self.left_out else ""
        hint = f'did you mean "{meant}"?  ' if meant else ""
        if name in packaged_recipes():
            hint, meant = f"name {quoted(name)} in recipes too.  ", None
        fix = gone or f"{hint}Recipes of the study: {', '.join(names)}"
        told = {"expected": "a recipe of the study", "received": quoted(name), "fix": fix, "suggestion": meant}
        self.add(at, f"no recipe of the study is called {quoted(name)}", **told)

    def _seeds(self, options: Any) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        seeds = self._seed_list("seeds", options.seeds, itertools.count(1))
        if options.final_seeds is None:
            return seeds, None
        greatest = max(seeds, default=0)
        counted_on = itertools.chain(range(greatest + 1, HIGHEST_SEED + 1), range(greatest))
        fresh = (seed for seed in counted_on if seed not in seeds)
        final = self._seed_list("final_seeds", options.final_seeds, fresh)
        for place, seed in enumerate(final):
            if seed in seeds:
                self.add(
                    ("study", "final_seeds", place),
                    f"{seed} is in seeds too: the setting was chosen by its run",
                    expected="seeds that have chosen nothing",
                    received=received(seed),
                    fix=f"give others, or how many: final_seeds = {len(final)}",
                )
        return seeds, final

    def _seed_list(self, key: str, seeds: object, fresh: Iterator[int]) -> tuple[int, ...]:
        at, most = ("study", key), f"{MOST_SEEDS:,}"
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            if 1 <= seeds <= MOST_SEEDS:
                return tuple(itertools.islice(fresh, seeds))
            got, fix = received(seeds), f"give a number from 1 to {most}, or the seeds themselves: {key} = [1, 2, 3]"
            self.add(at, f"a number of seeds is from 1 to {most}", expected="such a number", received=got, fix=fix)
            return ()
        if not isinstance(seeds, list):
            number = next((meant for meant in rewritten(seeds) if isinstance(meant, int)), 5)
            got, fix = received(seeds), f"write {key} = {as_toml(number)}, or {key} = [1, 2, 3]"
            self.add(at, f"expected a number or a list; received {got}", expected="seeds", received=got, fix=fix)
            return ()
        good = self.is_list(at, seeds)
        for place, seed in enumerate(seeds):
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= HIGHEST_SEED:
                good, got, wanted = False, received(seed), f"a whole number from 0 to {HIGHEST_SEED}"
                told = {"expected": wanted, "received": got, "fix": "for example: 42"}
                self.add((*at, place), f"expected {wanted}; received {got}", **told)
        return tuple(seeds) if good else ()

    def _prune(self, given: object) -> Prune | None:
        at: Path = ("study", "prune")
        if given is None or given == "median":
            return None if given is None else Prune()
        if isinstance(given, dict):
            options = self.options(PruneOptions, at, given, "[study.prune]")
            return None if options is None else Prune(**options.model_dump())
        told = {"expected": '"median", or a table', "received": received(given), "fix": 'write prune = "median"'}
        self.add(at, f'expected "median" or a table; received {received(given)}', **told)
        return None

    def _sampler(self, sampler: str) -> None:
        if missing := missing_package(sampler):
            self.problems.append(self.locations.refused(("study", "sampler"), missing))

    def _metric(self, metric: str | None, recipes: Sequence[StudyRecipe]) -> None:
        """Report a metric that some of the tasks do not have."""
        has = {recipe.name: (*recipe.base.task.metrics, "loss") for recipe in recipes}
        lacking = [name for name, metrics in has.items() if metric not in metrics]
        if metric is None or not lacking:
            return
        of_all = [name for name in next(iter(has.values())) if all(name in metrics for metrics in has.values())]
        meant = nearest(metric, of_all)
        self.add(
            ("study", "metric"),
            f"there is no metric {quoted(metric)} (in {', '.join(lacking)})",
            expected=f"one of {', '.join(of_all)}",
            received=quoted(metric),
            fix=(f'did you mean "{meant}"?  ' if meant else "") + f"All tasks have: {', '.join(of_all)}",
            suggestion=meant,
        )

    def _nothing_to_choose(self, options: Any, recipes: Sequence[StudyRecipe]) -> None:
        """Report what is only for choosing, or for drawing, where nothing is chosen or drawn."""
        drawn = bool(options.ranges) or any(recipe.ranges for recipe in recipes)
        wrong = {each.path.split(".")[1] for each in self.problems if each.path.startswith("study.")}
        given = self.tables["study"].keys() - wrong
        for key in ("prune", "trials", "sampler"):
            if key in given and not drawn:
                told = {"expected": "[study.ranges]", "received": "none", "fix": f"add ranges, or remove {key}"}
                self.add(
                    ("study", key), f"{key} is for settings that are drawn from ranges, and there are none", **told
                )
        chosen_otherwise = options.choose != "held_out" and "choose" not in wrong
        if "held_out" in given and chosen_otherwise and not self.locations.argument(("study", "choose")):
            fix = 'write choose = "held_out", or remove held_out'
            message = "held_out is how many rows choose, and the validation rows choose here"
            told = {"expected": 'choose = "held_out"', "received": f"choose = {quoted(options.choose)}"}
            self.add(("study", "held_out"), message, fix=fix, **told)
        one_setting = not drawn and all(len(recipe.settings()) == 1 for recipe in recipes)
        self._folds(options, given, one_setting=one_setting)
        if options.final_seeds is not None and not drawn and all(len(recipe.settings()) == 1 for recipe in recipes):
            told = {"expected": "[study.grid] or [study.ranges]", "received": "one setting for each recipe"}
            fix = "add a grid, or put the seeds into seeds"
            message = "final_seeds are for the setting that is chosen, and there is nothing to choose"
            self.add(("study", "final_seeds"), message, fix=fix, **told)

    def _folds(self, options: Any, given: Collection[str], *, one_setting: bool) -> None:
        """Report keys that contradict folds."""
        if options.folds is None:
            if "fold_group" in given:
                told = {"expected": "folds beside it", "received": "none", "fix": "add folds = 5, or remove fold_group"}
                self.add(("study", "fold_group"), "fold_group is for folds, and there are none", **told)
            return
        if "held_out" in given and not self.locations.argument(("study", "choose")):
            told = {"expected": "one of the two", "received": f"folds = {options.folds}", "fix": "remove held_out"}
            self.add(("study", "held_out"), "the folds are the rows that are held out", **told)
        if options.choose == "held_out" and one_setting:
            told = {"expected": "[study.grid] or [study.ranges]", "received": "one setting for each recipe"}
            fix = 'add a grid, or remove choose = "held_out": the table then has the folds'
            self.add(
                ("study", "folds"), "the folds choose the setting, and there is nothing to choose", fix=fix, **told
            )


def _changes_for(draft: RecipeDraft, drafts: Sequence[RecipeDraft], changes: Sequence[Change]) -> list[Change]:
    """What is changed in a recipe: where all rows are is not for one that names its own files, beside others."""
    found = changes_of(draft.name, changes).values()
    if not draft.reads_own_files or all(each.reads_own_files for each in drafts):
        return [*found]
    return [change for change in found if change.recipe is not None or change.key not in ROWS_FROM]


def _value(change: Change, checks: Sequence[SettingsCheck]) -> Any:
    """What a change gives, as the first recipe has it that it changes."""
    return next((check.complete(change) for check in checks if change in check.changes), change.value)


def _circles(starts: Mapping[str, str]) -> list[list[str]]:
    """The circles of recipes that start from each other, each once."""
    circles: list[list[str]] = []
    for name in starts:
        chain = [name]
        while (start := starts.get(chain[-1])) is not None and start not in chain:
            chain.append(start)
        if start == name and not any(name in circle for circle in circles):
            circles.append(chain)
    return circles


def as_folder_name(name: str) -> str:
    """A name of a folder that is like this name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-_.")[:50] or "study"


def _with_recipes(problems: Mapping[str, Sequence[Problem]]) -> list[Problem]:
    """The problems of all recipes, each once; one that only some have says which."""
    having: dict[tuple[str, ...], tuple[Problem, list[str]]] = {}
    for name, found in problems.items():
        for problem in once(found):
            having.setdefault(as_told(problem), (problem, []))[1].append(name)
    told = []
    for problem, names in having.values():
        own = problem.of or any(problem.path.startswith(f"study.{section}.{names[0]}.") for section in CHANGES)
        of_all = own or len(names) == len(problems)
        told.append(problem if of_all else replace(problem, message=f"{problem.message} (in {', '.join(names)})"))
    return told


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Every problem once: those of the study in the order of its file, then those of each recipe's file."""
    return sorted(once(problems), key=lambda each: (bool(each.of), each.of, each.line is None, each.line or 0))
