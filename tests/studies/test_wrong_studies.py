"""Wrong study files: each has one clear answer, with its place, and every problem is told at once."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from glueft.cli.main import command_line
from glueft.recipe import RecipeError
from glueft.studies.definition.file import load_study

RECIPES = Path(__file__).parents[2] / "recipes"
RECIPE = (RECIPES / "mrpc.toml").read_text(encoding="utf-8")
BATCH_SIZE_LINE = RECIPE.partition("\nbatch_size = ")[0].count("\n") + 2
THREE = '[study]\nrecipes = ["mrpc", "rte", "mnli"]\n'
ACCEPTED = "Accepted: plugin, initial_learning_rate, warmup_steps, warmup_ratio, end_learning_rate"

# What; the file; the place; the message; what the fix holds.
CASES = [
    # folds
    (
        "folds and rows",
        '[study]\nrecipes = ["mrpc"]\nfolds = 5\nchoose = "held_out"\nheld_out = 0.2\n[study.grid]\n'
        '"training.epochs" = [1, 2]\n',
        "study.held_out (line 5)",
        "the folds are the rows that are held out",
        "remove held_out",
    ),
    (
        "folds of nothing to choose",
        '[study]\nrecipes = ["mrpc"]\nfolds = 5\nchoose = "held_out"\n',
        "study.folds (line 3)",
        "the folds choose the setting, and there is nothing to choose",
        "add a grid",
    ),
    (
        "a group without folds",
        '[study]\nrecipes = ["mrpc"]\nfold_group = "sentence1"\n',
        "study.fold_group (line 3)",
        "fold_group is for folds, and there are none",
        "add folds = 5",
    ),
    (
        "folds of a recipe that holds rows out",
        '[study]\nrecipes = ["mrpc"]\nfolds = 5\n[study.set]\n"data.held_out" = 0.1\n',
        "study.set.data.held_out (line 5)",
        "the study holds rows out itself, as its folds say",
        "remove it, or the study's folds",
    ),
    (
        "one fold",
        '[study]\nrecipes = ["mrpc"]\nfolds = 1\n',
        "study.folds (line 3)",
        "from 2 to 1000",
        "5",
    ),
    # recipes
    ("none", "[study]\nseeds = 3\n", "study.recipes (line 1)", "missing; [study] needs a list", "add recipes = ["),
    ("no recipe", "[study]\nrecipes = []\n", "study.recipes (line 2)", "a study needs a recipe", "name one or more"),
    ("twice", '[study]\nrecipes = ["rte",\n"rte"]\n', "study.recipes.1 (line 3)", '"rte" is named twice', "remove one"),
    (
        "same name",
        '[study]\nrecipes = ["mrpc", "inner/mrpc.toml"]\n',
        "study.recipes.1 (line 2)",
        '"inner/mrpc.toml" is called "mrpc", as "mrpc" is',
        "under another name",
    ),
    (
        "misspelt",
        '[study]\nrecipes = ["mrcp"]\n',
        "study.recipes.0 (line 2)",
        '"mrcp": there is no such recipe',
        'did you mean "mrpc"?  Packaged recipes: ax,',
    ),
    (
        "a file by its name alone",
        '[study]\nrecipes = ["pushes"]\n',
        "study.recipes.0 (line 2)",
        '"pushes": there is no such recipe',
        'did you mean "pushes.toml"?',
    ),
    (
        "its own folder",
        '[study]\nrecipes = ["."]\n',
        "study.recipes.0 (line 2)",
        '".": this is a folder',
        "give one of",
    ),
    ("folder", '[study]\nrecipes = ["inner"]\n', "study.recipes.0 (line 2)", '"inner": this is a folder', "mrpc.toml"),
    (
        "study",
        '[study]\nrecipes = ["rte", "glue"]\n',
        "study.recipes.1 (line 2)",
        '"glue" is a study itself',
        "list its recipes",
    ),
    (
        "study's file",
        '[study]\nrecipes = ["other.toml"]\n',
        "study.recipes.0 (line 2)",
        '"other.toml" is a study itself',
        "list its recipes",
    ),
    ("number", "[study]\nrecipes = [1]\n", "study.recipes.0 (line 2)", "expected text in quotes; received 1", '"1"'),
    ("text", '[study]\nrecipes = "rte"\n', "study.recipes (line 2)", 'received "rte" (text)', 'recipes = ["rte"]'),
    (
        "no folder's name",
        '[study]\nrecipes = ["my recipe.toml"]\n',
        "study.recipes.0 (line 2)",
        'cannot be called "my recipe" in a study: that is no name of a folder',
        "such as my-recipe.toml",
    ),
    (
        "table's name",
        '[study]\nrecipes = ["training.toml"]\n',
        "study.recipes.0 (line 2)",
        'cannot be called "training" in a study: that is a table of recipes',
        "such as training-recipe.toml",
    ),
    (
        "wrong recipe",
        '[study]\nrecipes = ["rte", "wrong.toml"]\n',
        f"wrong: training.batch_size (line {BATCH_SIZE_LINE})",
        'received "8" (text)',
        "remove the quotes: batch_size = 8",
    ),
    (
        "no TOML",
        '[study]\nrecipes = ["syntax.toml"]\n',
        "syntax: the file (line 2)",
        "not TOML: there is no value after plugin =",
        "plugin = 8",
    ),
    (
        "a recipe that pushes",
        '[study]\nrecipes = ["pushes.toml"]\n',
        f"pushes: hub.push (line {len(RECIPE.splitlines()) + 3})",
        "every run would push to this repository",
        'write unset = ["hub"] in [study]',
    ),
    # seeds
    ("seed twice", THREE + "seeds = [1,\n2,\n1]\n", "study.seeds.2 (line 5)", "1 is in the list twice", "remove one"),
    ("no seed", THREE + "seeds = []\n", "study.seeds (line 3)", "there is no value in the list", "one or more"),
    ("0 seeds", THREE + "seeds = 0\n", "study.seeds (line 3)", "a number of seeds is from 1 to 10,000", "[1, 2, 3]"),
    ("seeds in quotes", THREE + 'seeds = "3"\n', "study.seeds (line 3)", "expected a number or a list", "seeds = 3,"),
    ("seeds = true", THREE + "seeds = true\n", "study.seeds (line 3)", "received true (true or false)", "seeds = 5,"),
    ("seed below 0", THREE + "seeds = [1, -1]\n", "study.seeds.1 (line 3)", "received -1", "for example: 42"),
    ("seed = true", THREE + "seeds = [true]\n", "study.seeds.0 (line 3)", "received true", "for example: 42"),
    (
        "seed chose",
        THREE + "seeds = [1, 2]\nfinal_seeds = [3, 2]\n[study.grid]\ntraining.epochs = [1, 2]\n",
        "study.final_seeds.1 (line 4)",
        "2 is in seeds too: the setting was chosen by its run",
        "final_seeds = 2",
    ),
    (
        "nothing to choose",
        THREE + "final_seeds = 3\n",
        "study.final_seeds (line 3)",
        "there is nothing to choose",
        "add a grid",
    ),
    # set, grid
    (
        "seed in the grid",
        THREE + '[study.grid]\n"training.seed" = [1, 2]\n',
        "study.grid.training.seed (line 4)",
        "the seeds of a study are in study.seeds",
        "write seeds = [1, 2, 3]",
    ),
    (
        "seed in set",
        THREE + "[study.set]\ntraining.seed = 1\n",
        "study.set.training.seed (line 4)",
        "study.seeds",
        "seeds",
    ),
    (
        "task in set",
        THREE + '[study.set]\ntask.plugin = "rte"\n',
        "study.set.task.plugin (line 4)",
        "a recipe keeps its task",
        "add a recipe of the other task",
    ),
    (
        "push in set",
        THREE + '[study.set]\nhub.push = "a/b"\n',
        "study.set.hub.push (line 4)",
        "every run would push to the same repository",
        "glueft push RUN",
    ),
    (
        "plugin files in set",
        THREE + '[study.set]\nplugins.files = ["a.py"]\n',
        "study.set.plugins.files (line 4)",
        "in study.plugins",
        "--plugin FILE.py",
    ),
    (
        "a key that no recipe has",
        '[study]\nrecipes = ["rte", "mnli"]\n[study.grid]\n"schedule.lerning_rate" = [1e-5,\n2e-5]\n',
        "study.grid.schedule.lerning_rate (line 4)",
        'unknown key for schedule "linear"',
        'did you mean "initial_learning_rate"?',
    ),
    (
        "a key that one recipe has",
        THREE + '[study.grid]\n"schedule.power" = [1.0, 2.0]\n',
        "study.grid.schedule.power (line 4)",
        'unknown key for schedule "linear" (in rte, mnli)',
        ACCEPTED,
    ),
    (
        "one of twenty",
        THREE + f'[study.grid]\n"training.epochs" = [\n{",".join(f"{n}{chr(10)}" for n in range(1, 20))},"20"]\n',
        "study.grid.training.epochs.19 (line 24)",
        'received "20" (text)',
        "remove the quotes",
    ),
    (
        "one value",
        THREE + "[study.grid]\ntraining.epochs = 3\n",
        "study.grid.training.epochs (line 4)",
        "expected a list of values; received 3",
        "write epochs = [3]",
    ),
    (
        "no value",
        THREE + "[study.grid]\ntraining.epochs = []\n",
        "study.grid.training.epochs (line 4)",
        "no value",
        "or",
    ),
    (
        "value twice",
        THREE + "[study.grid]\nschedule.initial_learning_rate = [2e-5, 3e-5, 0.00002]\n",
        "study.grid.schedule.initial_learning_rate.2 (line 4)",
        "2e-5 is in the list twice",
        "remove one of them",
    ),
    (
        "too many settings",
        '[study]\nrecipes = ["mrpc"]\n[study.grid]\n'
        f"training = {{epochs = {[*range(1, 102)]}, batch_size = {[*range(1, 101)]}}}",
        "study.grid.training.batch_size (line 4)",
        "the grid has 10,100 combinations",
        "[study.ranges]",
    ),
    (
        "recipe that is not there",
        THREE + "[study.grid.rtee]\ntraining.epochs = [3]\n",
        "study.grid.rtee (line 3)",
        '"rtee" is no table of recipes, and no recipe of the study is called so',
        "did you mean rte?",
    ),
    ("no table", THREE + "[study.set]\nrte = 3\n", "study.set.rte (line 4)", "keys of recipe", "[study.set.rte]"),
    (
        "of the study",
        THREE + "[study.set]\nseeds = 3\n",
        "study.set.seeds (line 4)",
        "no table of",
        "mean study.seeds?",
    ),
    (
        "set and grid",
        THREE + "[study.set]\ntraining.epochs = 2\n[study.grid]\ntraining.epochs = [3]\n",
        "study.grid.training.epochs (line 6)",
        "training.epochs is in [study.set] too",
        "remove it from one",
    ),
    (
        "in quotes and not",
        THREE + '[study.set]\ntraining.epochs = 2\n"training.epochs" = 3\n',
        'study.set."training.epochs" (line 5)',
        "training.epochs is given twice",
        "keep one",
    ),
    (
        "two values that contradict each other",
        THREE + "[study.grid]\nmodel.lora_rank = [4, 8]\nmodel.freeze.layers = [2]\n",
        "study.grid.model.freeze.layers (line 5)",
        "lora_rank already keeps",
        "remove freeze",
    ),
    (
        "a key of another plugin",
        THREE + '[study.set.schedule]\nplugin = "linear"\npower = 3.0\n',
        "study.set.schedule.power (line 5)",
        'unknown key for schedule "linear"',
        ACCEPTED,
    ),
    ("unset", THREE + 'unset = ["data.max_lenght"]\n', "study.unset.0 (line 3)", "no recipe", "mean data.max_length?"),
    ("plugins", THREE + 'plugins = ["no.py"]\n', "study.plugins.0 (line 3)", "there is no such file", "check the path"),
    (
        "nothing changes",
        THREE + "[study.grid]\ntraining.checkpoint_minutes = [1, 2, 3]\n",
        "study.grid.training.checkpoint_minutes (line 4)",
        "1 and 2 make the same run: no number changes with it",
        "set it once in [study.set]",
    ),
    (
        "rows",
        THREE + "[study.grid]\ndata.held_out = [0.1, 0.2]\n",
        "study.grid.data.held_out (line 4)",
        "settings are compared on the same rows",
        "set it once",
    ),
    (
        "another fold",
        THREE + "[study.set]\ndata.fold = { number = 1, of = 3 }\n[study.ranges]\ndata.fold.seed = { choices = [1] }\n",
        "study.ranges.data.fold.seed (line 6)",
        "settings are compared on the same rows",
        "set it once",
    ),
    (
        "losses by the loss",
        THREE + 'metric = "loss"\n[study.grid]\nloss = [{ plugin = "focal" }, { plugin = "cross_entropy" }]\n',
        "study.grid.loss (line 5)",
        "settings are compared by the loss (study.metric), and each would have another one",
        "choose by a metric of the task",
    ),
    (
        "rows that folds divide",
        THREE + "folds = 3\n[study.grid]\ndata.limit_train = [100, 200]\n",
        "study.grid.data.limit_train (line 5)",
        "settings are compared on the same rows, and rows are held out of those that it leaves",
        "data.per_label",
    ),
    (
        "validation rows",
        THREE + '[study.set]\ndata.limit_validation = 9\n[study.grid]\ndata.limit_draw = ["first", "stratified"]\n',
        "study.grid.data.limit_draw (line 6)",
        "settings are compared on the same rows",
        "set it once",
    ),
    # start_from
    (
        "circle",
        THREE + '[study.start_from]\nrte = "mnli"\nmnli = "mrpc"\nmrpc = "rte"\n',
        "study.start_from.rte (line 4)",
        "in a circle: rte from mnli from mrpc from rte",
        "remove one",
    ),
    (
        "itself",
        THREE + '[study.start_from]\nrte = "rte"\n',
        "study.start_from.rte (line 4)",
        "cannot start",
        "remove it",
    ),
    (
        "from nowhere",
        THREE + '[study.start_from]\nrte = "mnl"\n',
        "study.start_from.rte (line 4)",
        'no recipe of the study is called "mnl"',
        'did you mean "mnli"?',
    ),
    (
        "nobody starts",
        THREE + '[study.start_from]\nrtee = "mnli"\n',
        "study.start_from.rtee (line 4)",
        'no recipe of the study is called "rtee"',
        'did you mean "rte"?',
    ),
    ("no name", THREE + "[study.start_from]\nrte = 3\n", "study.start_from.rte (line 4)", "received 3", 'rte = "mrpc"'),
    (
        "two beginnings",
        THREE + '[study.set.rte]\nmodel.checkpoint = "a/b"\n[study.start_from]\nrte = "mnli"\n',
        "study.set.rte.model.checkpoint (line 4)",
        "rte begins with the chosen run of mnli",
        "entry of start_from",
    ),
    (
        "many beginnings",
        THREE + '[study.grid]\nmodel.checkpoint = ["a/b", "a/c"]\n[study.start_from]\nrte = "mnli"\n',
        "study.grid.model.checkpoint (line 4)",
        "rte begins with the chosen run of mnli",
        "entry of start_from",
    ),
    # ranges
    (
        "prune",
        THREE + 'prune = "median"\n',
        "study.prune (line 3)",
        "drawn from ranges, and there are none",
        "add ranges",
    ),
    (
        "trials",
        THREE + "trials = 3\n",
        "study.trials (line 3)",
        "drawn from ranges, and there are none",
        "remove trials",
    ),
    (
        "one epoch",
        THREE
        + 'prune = "median"\n[study.set]\ntraining.epochs = 1\n[study.ranges]\n"training.batch_size" = {low=8,high=9}',
        "study.prune (line 3)",
        "there is one epoch",
        "train longer",
    ),
    (
        "prune how",
        THREE + 'prune = "mean"\n',
        "study.prune (line 3)",
        'expected "median" or a table',
        'prune = "median"',
    ),
    (
        "prune's key",
        THREE + 'prune = {methd = "median"}\n[study.ranges]\ntraining.epochs = {low = 2, high = 3}\n',
        "study.prune.methd (line 3)",
        "unknown key for [study.prune]",
        'did you mean "method"?',
    ),
    (
        "no range",
        THREE + "[study.ranges]\ntraining.epochs = [2, 3]\n",
        "study.ranges.training.epochs (line 4)",
        "expected a table; received a list of 2",
        "write {choices = [2, 3]}",
    ),
    (
        "range's key",
        THREE + "[study.ranges]\ntraining.epochs = {lo = 2, high = 3}\n",
        "study.ranges.training.epochs.lo (line 4)",
        "unknown key for [study.ranges.training.epochs]",
        "Accepted: low, high, log, step, choices",
    ),
    (
        "half a range",
        THREE + "[study.ranges]\ntraining.epochs = {high = 3}\n",
        "study.ranges.training.epochs (line 4)",
        "there is no low",
        "add low",
    ),
    (
        "range upside down",
        THREE + "[study.ranges]\ntraining.epochs = {low = 3, high = 2}\n",
        "study.ranges.training.epochs (line 4)",
        "low must be below high",
        "exchange them",
    ),
    (
        "range upside down, and nothing is left to prune",
        THREE + 'prune = "median"\n[study.ranges]\ntraining.epochs = {low = 3, high = 2}\n',
        "study.ranges.training.epochs (line 5)",
        "low must be below high",
        "exchange them",
    ),
    (
        "logarithm of 0",
        THREE + "[study.ranges]\ntraining.checkpoint_minutes = {low = 0, high = 2, log = true}\n",
        "study.ranges.training.checkpoint_minutes (line 4)",
        "log needs low above 0",
        "raise low",
    ),
    (
        "log and step",
        THREE + "[study.ranges]\ntraining.epochs = {low = 1, high = 9, log = true, step = 2}\n",
        "study.ranges.training.epochs (line 4)",
        "log takes no step",
        "remove one",
    ),
    (
        "step",
        THREE + "[study.ranges]\ntraining.epochs = {low = 1, high = 3, step = 4}\n",
        "study.ranges.training.epochs (line 4)",
        "step is more than from low to high",
        "smaller",
    ),
    (
        "choices and low",
        THREE + "[study.ranges]\ntraining.epochs = {choices = [1, 2], low = 1}\n",
        "study.ranges.training.epochs (line 4)",
        "choices take no low",
        "remove low",
    ),
    (
        "wrong choice",
        THREE + '[study.ranges]\ntraining.epochs = {choices = [1, "2"]}\n',
        "study.ranges.training.epochs.choices.1 (line 4)",
        'received "2" (text)',
        "remove the quotes",
    ),
    (
        "wrong end",
        THREE + "[study.ranges]\ntraining.epochs = {low = 0, high = 3}\n",
        "study.ranges.training.epochs.low (line 4)",
        "received 0",
        "for example",
    ),
    (
        "half steps",
        THREE + "[study.ranges]\ntraining.epochs = {low = 1, high = 3, step = 0.5}\n",
        "study.ranges.training.epochs.step (line 4)",
        "expected a whole number from 1 to 100000; received 1.5",
        "for example",
    ),
    # other keys
    ("choose", THREE + 'choose = "heldout"\n', "study.choose (line 3)", "expected one of", 'did you mean "held_out"?'),
    ("held_out", THREE + "held_out = 1.5\n", "study.held_out (line 3)", "received 1.5", "for example: held_out = 0.1"),
    ("held_out alone", THREE + "held_out = 0.2\n", "study.held_out (line 3)", "validation rows choose", "write choose"),
    ("metric misspelt", THREE + 'metric = "accuarcy"\n', "study.metric (line 3)", '"accuarcy"', 'mean "accuracy"?'),
    (
        "no such parent",
        THREE + '[study.start_from]\nrte = "qnli"\n',
        "study.start_from.rte (line 4)",
        'no recipe of the study is called "qnli"',
        'name "qnli" in recipes too',
    ),
    ("metric", THREE + 'metric = "f1"\n', "study.metric (line 3)", 'no metric "f1" (in rte, mnli)', "accuracy, loss"),
    ("sampler", THREE + 'sampler = "tpee"\n', "study.sampler (line 3)", 'received "tpee"', 'did you mean "tpe"?'),
    ("retries", THREE + "retries = -1\n", "study.retries (line 3)", "received -1", "for example: retries = 1"),
    ("keep", THREE + 'keep_models = "best"\n', "study.keep_models (line 3)", 'received "best"', "keep_models = "),
    ("name", THREE + 'name = "a/b"\n', "study.name (line 3)", '"a/b" cannot be the name of a folder', 'name = "a-b"'),
    ("empty name", THREE + 'name = ""\n', "study.name (line 3)", "must not be empty", "study's folder"),
    ("key", THREE + "seed = 3\n", "study.seed (line 3)", "unknown key for [study]", 'did you mean "seeds"?'),
    (
        "executor",
        THREE + 'executor = "slurm"\n',
        "study.executor (line 3)",
        'expected a table; received "slurm" (text)',
        'write executor = {plugin = "slurm"}',
    ),
    (
        "rows held out twice",
        THREE + 'choose = "held_out"\n[study.set]\ndata.held_out = 0.2\n',
        "study.set.data.held_out (line 5)",
        "the study holds rows out itself",
        "give the study's own held_out",
    ),
    (
        "callback's key",
        THREE + '[[study.set.callbacks]]\nplugin = "early_stopping"\npatienc = 3\n',
        "study.set.callbacks.0.patienc (line 5)",
        'unknown key for callback "early_stopping"',
        'did you mean "patience"?',
    ),
    (
        "no such callback",
        THREE + "[study.set]\ncallbacks.0.patience = 3\n",
        "study.set.callbacks.0.patience (line 4)",
        "the recipe has no list callbacks",
        "a table [[callbacks]]",
    ),
    (
        "misspelt executor",
        THREE + '[study.executor]\nplugin = "locl"\n',
        "study.executor.plugin (line 4)",
        'no executor is called "locl"',
        'did you mean "local"?',
    ),
    (
        "executor's key",
        THREE + "[study.executor]\nparalel = 2\n",
        "study.executor.paralel (line 4)",
        'unknown key for executor "local"',
        'did you mean "parallel"?',
    ),
    # beside [study]
    ("outside", "seeds = 3\n" + THREE, "seeds (line 1)", "a study has no such key beside [study]", "below [study]?"),
    ("grid", THREE + "[grid]\na = 1\n", "grid (line 3)", "a study has no such table", "did you mean [study.grid]?"),
    ("recipe's", THREE + "[training]\nepochs = 3\n", "training (line 3)", "no such table", '"training.KEY" = VALUE'),
    ("no such", THREE + "[zzz]\na = 1\n", "zzz (line 3)", "no such table", "[study] accepts: name, recipes,"),
    ("no table of its own", "study = 3\n", "study (line 1)", "expected a table; received 3", "in single brackets"),
    ("two brackets", "[[study]]\n", "study (line 1)", "expected a table; received a list of 1", "in single brackets"),
    ("twice a table", THREE + "[study]\n", "the file (line 3)", "not TOML: study is given twice", "1 or 3"),
    ("recipe", RECIPE, "the file", "this is a recipe, not a study", "glueft run study.toml, on several seeds with"),
    (
        "misspelt table",
        "[studdy]\nrecipes = []\n",
        "the file",
        "there is no table [study]",
        'mean [study], where it has "studdy"',
    ),
    ("no table", "recipes = []\n", "the file", "there is no table [study]", "write [study] on a line of its own"),
    (
        "callbacks of a grid",
        THREE + '[[study.grid.callbacks]]\nplugin = "early_stopping"\n',
        "study.grid.callbacks (line 3)",
        "each value of a grid is a whole list of callbacks",
        'callbacks = [[{plugin = "early_stopping"}], []]',
    ),
    ("neither", "[a]\nb = 1\n", "the file", "there is no table [study] in it", "glueft show glue > mine.toml"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipes of all kinds for studies beside them."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "other.toml").write_text(THREE)
    (folder / "wrong.toml").write_text(RECIPE.replace("batch_size = 8", 'batch_size = "8"'))
    (folder / "syntax.toml").write_text("[task]\nplugin = \n")
    (folder / "pushes.toml").write_text(RECIPE + '\n[hub]\npush = "a/b"\n')
    for name in ("my recipe", "training", "inner/mrpc"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(RECIPES / "mrpc.toml", folder / f"{name}.toml")
    return folder


@pytest.mark.parametrize(("text", "place", "message", "fix"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_wrong_study_has_one_clear_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str, message: str, fix: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "study.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_study("study.toml")
    (problem,) = caught.value.problems
    assert problem.place == place
    assert message in problem.message
    assert fix in problem.fix
    assert problem.expected and problem.received


def test_all_problems_at_once_those_of_recipes_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (folder / "study.toml").write_text(
        '[study]\nrecipes = ["wrong.toml", "rte"]\nseeds = [1, 1]\n[study.grid]\n"training.epochs" = [1, 0]\n'
        '[study.start_from]\nrte = "mnli"\n'
    )
    assert command_line(["validate", "study.toml", "--set", "training.batch=3"]) == 2
    told = [re.split("  +", line.strip()) for line in capsys.readouterr().err.splitlines() if line.startswith("  ")]
    whole_number = "expected a whole number from 1 to"
    assert [line for line in told if "line" in line[0] or "--set" in line[0]] == [
        ["study.seeds.1 (line 3)", "1 is in the list twice"],
        ["study.grid.training.epochs.1 (line 5)", f"{whole_number} 100000; received 0 (a whole number)"],
        ["study.start_from.rte (line 7)", 'no recipe of the study is called "mnli"'],
        ["study.set.training.batch (--set training.batch=3)", "unknown key for [training]"],
        [f"wrong: training.batch_size (line {BATCH_SIZE_LINE})", f'{whole_number} 1000000; received "8" (text)'],
    ]


COMMANDS = [
    # the options; the place; the message; what the fix holds
    (["--set", "study.seed=3"], "study.seed (--set study.seed=3)", "unknown key for [study]", 'did you mean "seeds"?'),
    (["--set", "seeds=3"], "study.set.seeds (--set seeds=3)", "is no table of recipes", "did you mean study.seeds?"),
    (
        ["--set", 'training.epochs="3"'],
        'study.set.training.epochs (--set training.epochs="3")',
        'received "3" (text)',
        "--set training.epochs=3",
    ),
    (
        ["--set", 'study.grid.rte.training.epochs=[1, "2"]'],
        'study.grid.rte.training.epochs.1 (--set "study.grid.rte.training.epochs=[1, \\"2\\"]")',
        'received "2" (text)',
        "--set study.grid.rte.training.epochs.1=2",
    ),
    (
        ["--set", "training.seed=3"],
        "study.set.training.seed (--set training.seed=3)",
        "study.seeds",
        "seeds = [1, 2, 3]",
    ),
    (["--unset", "study.grd"], "study.grd (--unset study.grd)", "the study does not have this key", "study has: "),
    (
        ["--unset", "trainin.epochs"],
        "study.unset.0 (--unset trainin.epochs)",
        "no recipe of the study",
        "training.epochs?",
    ),
    (["--plugin", "no.py"], "study.plugins.0 (--plugin no.py)", "there is no such file", "check the path"),
    (["--set", "study=3"], "study (--set study=3)", "expected a table", "single brackets"),
    (
        ["--set", 'study.recipes=["rte"]'],
        "study.start_from.rte (line 6)",
        'no recipe of the study is called "mnli"',
        "add --unset study.start_from.rte, or name mnli in recipes too",
    ),
]


@pytest.mark.parametrize(("options", "place", "message", "fix"), COMMANDS, ids=[each[0][1] for each in COMMANDS])
def test_a_wrong_option_is_told_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], place: str, message: str, fix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.toml").write_text(f'{THREE}[study.set]\nmodel.checkpoint = "a/b"\n[study.start_from]\nrte = "mnli"\n')
    given = {"--set": "overrides", "--unset": "unset", "--plugin": "plugins"}
    with pytest.raises(RecipeError) as caught:
        load_study("study.toml", **{given[options[0]]: options[1:]})
    (problem,) = caught.value.problems
    assert problem.place == place
    assert message in problem.message
    assert fix in problem.fix


WHOLE = """[study]
recipes = ["mrpc", "rte", "mnli"]
seeds = [1, 2]
final_seeds = 2
choose = "held_out"
held_out = 0.1
prune = {method = "median", runs = 2}
unset = ["training.epochs"]
plugins = []
[study.set]
"model.checkpoint" = "a/b"
callbacks = [{plugin = "early_stopping", patience = 2}]
rte.training.batch_size = 8
[study.grid]
"training.epochs" = [2, 3]
[study.ranges.mnli]
"schedule.initial_learning_rate" = {low = 1e-5, high = 1e-4, log = true}
"training.batch_size" = {choices = [8, 16]}
[study.start_from]
rte = "mnli"
[study.executor]
plugin = "local"
"""


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values inside a value."""
    for part in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, part)
        yield from places(value[part], (*path, part))


@pytest.mark.parametrize("instead", ["\0", {"é.a": {"low": [-1]}}], ids=repr)
def test_whatever_stands_in_any_place_the_answer_is_a_study_or_an_error(tmp_path: Path, instead: Any) -> None:
    file, wrong = tmp_path / "study.toml", 0
    for path in places(tomllib.loads(WHOLE)):
        tables: Any = tomllib.loads(WHOLE)
        around = tables
        for part in path[:-1]:
            around = around[part]
        around[path[-1]] = instead
        file.write_text(tomlkit.dumps(tables))
        try:
            load_study(file)
        except RecipeError as error:
            assert error.problems
            wrong += 1
    assert wrong > 30


def test_tpe_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "study.toml").write_text(
        f'{THREE}sampler = "tpe"\n[study.ranges]\ntraining.epochs = {{low=2, high=3}}\n'
    )
    with pytest.raises(RecipeError) as caught:
        load_study(tmp_path / "study.toml")
    (problem,) = caught.value.problems
    assert problem.place == "study.sampler (line 3)" and "pip install 'glueft[optuna]'" in problem.fix


def test_a_study_is_no_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my study.toml").write_text(THREE)
    for command in (["run", str(tmp_path / "my study.toml")], ["run", "glue", "--sample"]):
        assert command_line(command) == 2
        told = capsys.readouterr().err
        assert "this is a study, not a recipe" in told
    assert "run it with: glueft study glue" in told
    assert command_line(["validate", "mrpc", "--set", "study.seeds=3"]) == 2
    told = capsys.readouterr().err
    assert "this is a recipe, which has no keys of a study" in told and "glueft run RECIPE --seeds 5" in told
