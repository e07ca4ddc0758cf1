"""One-off plugins: `--plugin FILE.py` and `[plugins] files`; only what the user names is loaded."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from broken_recipes import GOOD
from glueft.cli.main import command_line
from glueft.errors import PluginError
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import load_registry
from glueft.recipe import RecipeError, load_recipe

SAMPLES = Path(__file__).parents[2] / "plugins" / "glueft_tasks" / "samples"
MOOD = '''
import glueft

class Mood(glueft.Task):
    """Glad or sad."""
    name = "mood"
    inputs = ("sentence",)
    labels = ("sad", "glad")
    tsv = glueft.TSVLayout("SST-2", columns={"sentence": "sentence", "label": "label"})
    sample = "samples"
'''
HOOK = "\n@glueft.hookimpl\ndef glueft_tasks():\n    return [Mood]\n"
FILES = '[plugins]\nfiles = ["mood.py"]\n\n'


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "mood.py") -> Path:
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refused(text: str | None, name: str = "mood.py") -> str:
    """What is said of a recipe with such a plugin file, one problem."""
    if text is not None:
        write(text, name)
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=mood"], plugins=[name], sample=True)
    (problem,) = caught.value.problems
    assert problem.place == f"plugins.files.0 (--plugin {name})"
    assert problem.message.startswith(f"plugin file {Path(name).absolute()}: ")
    return f"{problem.message.removeprefix(f'plugin file {Path(name).absolute()}: ')} | {problem.fix}"


@pytest.mark.parametrize("source", [MOOD, MOOD + HOOK], ids=["without a hook", "with one"])
def test_a_file_brings_a_task(source: str) -> None:
    file = write(source)
    recipe = load_recipe("mrpc", ["task.plugin=mood"], plugins=["mood.py"], sample=True)
    assert recipe.task.name == "mood"
    assert recipe.plugin_files == (read_plugin_file(file),)
    assert recipe.registry.find("task", "mood").origin == str(file)
    assert {"mrpc", "sst2"} <= set(recipe.registry.names("task"))
    assert load_recipe("mrpc").registry is load_registry()
    assert not list(Path().glob("__pycache__"))


def test_a_recipe_names_files_relative_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(MOOD, "recipes/mood.py")
    text = GOOD.replace('"mrpc"', '"mood"').replace('"hub"', '"sample"')
    path = write(FILES + text, "recipes/mood.toml")
    monkeypatch.chdir("/")
    recipe = load_recipe(path)
    assert recipe.plugins.files == (str(file),)
    completed = recipe.to_toml()
    assert completed.startswith(f'[plugins]\nfiles = ["{file}"]\n\n[task]\nplugin = "mood"\n')
    monkeypatch.chdir(tmp_path)
    assert load_recipe(write(completed, "completed.toml")) == recipe
    # What the command line names begins at the shell's folder, and the same file is loaded once.
    write(MOOD.replace("mood", "other"), "other.py")
    both = load_recipe(path, plugins=["other.py", str(file)])
    assert both.plugins.files == (str(file), str(tmp_path / "other.py"), str(file))
    assert [Path(plugin.path).name for plugin in both.plugin_files] == ["mood.py", "other.py"]
    # However its path is spelt.
    again = load_recipe(path, plugins=["recipes/../recipes/mood.py"])
    assert [plugin.path for plugin in again.plugin_files] == [str(file)]
    assert load_recipe("mrpc").tables().get("plugins") is None


def test_nothing_is_picked_up_that_is_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    write("raise SystemExit('nobody named this file')")
    write("raise SystemExit('nobody named this file')", "glueft_mood.py")
    assert command_line(["list", "task"]) == 0
    assert "mood" not in capsys.readouterr().out
    with pytest.raises(RecipeError, match='no task is called "mood"'):
        load_recipe("mrpc", ["task.plugin=mood"])


def test_which_classes_of_a_file_count() -> None:
    write(
        "from glueft_tasks import SST2\n"
        + MOOD
        + "\nclass _Base(Mood):\n    name = 'base'\n"
        + "\nclass Second(_Base):\n    '''Another.'''\n    name = 'second'\nAlias = Second\n"
        + "\nclass Calm(glueft.Optimizer):\n    '''Calm.'''\n    name = 'calm'\n    def build(self, rate): ...\n"
    )
    registry = load_registry(read_plugin_file("mood.py"))
    assert registry.failures == []
    mine = [(plugin.kind, plugin.name) for plugin in registry.all() if plugin.point.file]
    assert mine == [("task", "mood"), ("task", "second"), ("optimizer", "calm")]
    # A hook says for its kind which ones count; of other kinds all do.
    write(Path("mood.py").read_text() + HOOK, "hooked.py")
    registry = load_registry(read_plugin_file("hooked.py"))
    assert [plugin.name for plugin in registry.all() if plugin.point.file] == ["mood", "calm"]


def test_an_edited_file_is_loaded_anew() -> None:
    write(MOOD)
    assert load_recipe("mrpc", ["task.plugin=mood"], plugins=["mood.py"], sample=True).task.labels == ("sad", "glad")
    write(MOOD.replace('("sad", "glad")', '("blue", "merry")'))
    assert load_recipe("mrpc", ["task.plugin=mood"], plugins=["mood.py"], sample=True).task.labels == ("blue", "merry")


def test_files_of_one_name_are_two_modules() -> None:
    first, second = write(MOOD, "a/task.py"), write(MOOD.replace("mood", "other"), "b/task.py")
    registry = load_registry(read_plugin_file(first), read_plugin_file(second))
    modules = {registry.find("task", name).cls.__module__ for name in ("mood", "other")}
    assert len(modules) == 2 and all(sys.modules[name].__file__ in (str(first), str(second)) for name in modules)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def (", "cannot be imported: SyntaxError: invalid syntax (mood.py, line 1)"),
        ("\0", "cannot be imported: "),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('bye')", "cannot be imported: SystemExit: bye"),
        ("import nothing_of_that_name", "cannot be imported: ModuleNotFoundError"),
        ("x = 1", "there is no plugin in it; define a class that derives from glueft.Task, Optimizer, Schedule, "),
        (MOOD.replace("class Mood", "class _Mood"), "there is no plugin in it"),
        (MOOD.replace('"""Glad or sad."""', ""), "class Mood needs a docstring"),
        (MOOD + HOOK.replace("tasks", "tsaks"), 'there is no hook "glueft_tsaks"; did you mean "glueft_tasks"?'),
        (MOOD + HOOK.replace("@glueft.hookimpl", ""), "has no hooks; put @glueft.hookimpl above glueft_tasks"),
        (MOOD.replace('"mood"', '"mrpc"'), 'has a task called "mrpc" already; give this one another name'),
    ],
)
def test_a_file_that_cannot_be_used(source: str, told: str) -> None:
    said = refused(source)
    assert told in said and said.endswith(" | fix the file, or leave it out")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert refused(None) == "there is no such file | check the path"
    write(MOOD, "mooed.py")
    assert refused(None) == 'there is no such file | did you mean "mooed.py"? Python files in that folder: mooed.py'
    assert refused("x", "mood.toml").startswith("this is not a Python file | name a Python file that defines a plugin")
    Path("folder.py").mkdir()
    assert refused(None, "folder.py").startswith("this is a folder | ")
    if Path("/proc/self/mem").exists():  # a file that nobody can read from its beginning
        Path("memory.py").symlink_to("/proc/self/mem")
        assert refused(None, "memory.py").startswith("it cannot be read: ")


def test_a_file_is_loaded_alone() -> None:
    write("x = 1", "helper.py")
    told = refused("import helper\n" + MOOD)
    assert "No module named 'helper'; a plugin file cannot import the files beside it" in told


def test_two_files_with_one_name() -> None:
    write(MOOD)
    write(MOOD, "again.py")
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=mood"], plugins=["mood.py", "again.py"])
    (problem,) = caught.value.problems
    assert problem.path == "plugins.files.1"
    assert (
        "mood.py and " in problem.message
        and 'each bring a task called "mood"; name one of the files' in problem.message
    )


def test_a_file_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    load_registry()  # What is installed is imported before, and in its own time.
    monkeypatch.setenv("GLUEFT_IMPORT_SECONDS", "0.2")
    assert refused("import time; time.sleep(60)").startswith("its import did not finish within 0.2 s")
    monkeypatch.setenv("GLUEFT_IMPORT_SECONDS", "soon")
    load_registry.cache_clear()
    with pytest.raises(PluginError, match="GLUEFT_IMPORT_SECONDS is not a number of seconds"):
        load_registry()
    load_registry.cache_clear()


@pytest.mark.parametrize(
    ("table", "path", "told"),
    [
        ('files = "mood.py"', "plugins.files", 'put it in brackets: files = ["mood.py"]'),
        ("files = [1]", "plugins.files.0", "expected text in quotes; received 1"),
        ('files = [" "]', "plugins.files.0", "must not be empty"),
        ('file = ["mood.py"]', "plugins.file", 'did you mean "files"?'),
    ],
)
def test_a_plugins_table_that_is_wrong(table: str, path: str, told: str) -> None:
    write(MOOD)
    recipe = write(f"[plugins]\n{table}\n\n{GOOD}", "recipe.toml")
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (path, 2)
    assert told in f"{problem.message} {problem.fix}"


def test_other_problems_are_told_beside_a_file_s() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=mood", "training.epochs=0"], plugins=["mood.py"])
    assert sorted(problem.path for problem in caught.value.problems) == ["plugins.files.0", "training.epochs"]


def test_the_commands_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    file = write(MOOD)
    shutil.copytree(SAMPLES, "samples")
    assert command_line(["list", "task", "--plugin", "mood.py"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " mood " in line)
    assert line.split() == ["task", "mood", str(file), "Glad", "or", "sad."]
    assert command_line(["list", "task", "--plugin", "mood.py", "--json"]) == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)["plugins"]}
    assert plugins["mood"] == {
        "kind": "task",
        "name": "mood",
        "description": "Glad or sad.",
        "package": None,
        "version": None,
        "file": str(file),
    }
    assert command_line(["describe", "mood", "--plugin", "mood.py"]) == 0
    assert capsys.readouterr().out.startswith(f"mood, a plugin of kind task from {file}\n\nGlad or sad.\n")
    assert command_line(["schema", "--plugin", "mood.py"]) == 0
    assert '"const": "mood"' in capsys.readouterr().out
    chosen = ["mrpc", "--plugin", "mood.py", "--set", "task.plugin=mood"]
    assert command_line(["validate", *chosen, "--set", "data.source=sample"]) == 0
    assert capsys.readouterr().out.startswith("mrpc: good (task mood, ")
    assert command_line(["show", *chosen, "--set", "data.source=sample"]) == 0
    assert capsys.readouterr().out.startswith(f'[plugins]\nfiles = ["{file}"]\n')
    for command in (["list"], ["describe", "mood"], ["schema"]):
        assert command_line([*command, "--plugin", "none.py"]) == 2
        assert "plugin file none.py: there is no such file" in capsys.readouterr().err
        write("x = 1", "empty.py")
        assert command_line([*command, "--plugin", "empty.py"]) == 2
        assert "there is no plugin in it" in capsys.readouterr().err


def test_a_run_records_the_file_and_calls_its_hooks(tiny_bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watch = "\n@glueft.hookimpl\ndef glueft_run_finished(run):\n    (run.folder / 'heard.txt').write_text('yes')\n"
    file = write(MOOD + watch)
    shutil.copytree(SAMPLES, "samples")
    few = ["--set", "data.limit_train=16", "--set", "data.limit_validation=8", "--set", "training.epochs=1"]
    arguments = ["run", "mrpc", "--plugin", "mood.py", "--set", "task.plugin=mood", "--sample", "--json", *few]
    assert command_line([*arguments, "--checkpoint", str(tiny_bert)]) == 0
    record = json.loads(capsys.readouterr().out)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert record["plugins"]["files"] == [{"path": str(file), "sha256": sha256}]
    folder = Path(record["run_dir"])
    assert (folder / "heard.txt").read_text() == "yes"
    assert load_recipe(folder / "recipe.toml").task.name == "mood"
