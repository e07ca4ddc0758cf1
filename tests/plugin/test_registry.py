"""Finding plugins: the first-party ones, and packages that go wrong in every way without taking others with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glueft.errors import PluginError
from glueft.plugin.file import read_plugin_file
from glueft.plugin.registry import Registry, load_registry
from glueft.recipe import RecipeError, load_recipe
from plugin_packages import GOOD_TASK, forget, glueft, install


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path` for more distributions; what was found there is forgotten afterwards."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    load_registry.cache_clear()
    yield folder
    forget(folder)


def reasons(registry: Registry) -> list[str]:
    return [str(failure) for failure in registry.failures]


def test_the_first_party_plugins_come_in_by_entry_points() -> None:
    registry = load_registry()
    tasks = ["ax", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "table", "wnli"]
    assert registry.names("task") == tasks
    optimizers = ["adafactor", "adam", "adamw", "lamb", "lion", "muon", "nadam", "rmsprop", "sgd"]
    assert registry.names("optimizer") == optimizers
    assert registry.names("schedule") == ["constant", "cosine", "inverse_sqrt", "linear", "polynomial_decay"]
    losses = ["binary_cross_entropy", "cross_entropy", "focal", "huber", "mean_absolute_error", "mean_squared_error"]
    assert registry.names("loss") == losses
    kinds = [plugin.kind for plugin in registry.all()]
    assert kinds == sorted(
        kinds, key=("task", "optimizer", "schedule", "loss", "callback", "metric", "encoder", "executor").index
    )
    assert {plugin.package for plugin in registry.all()} == {"glueft"}
    assert registry.failures == []
    assert load_registry() is registry


def test_a_package_brings_a_task(packages: Path) -> None:
    install(packages, "glueft-mood", GOOD_TASK, version="2.3")
    found = load_registry().find("task", "mood")
    assert (found.package, found.version, found.cls.description()) == (
        "glueft-mood",
        "2.3",
        "Glad or sad: short sentences.",
    )
    recipe = load_recipe("mrpc", ["task.plugin=mood", "task.words=5"])
    assert recipe.task.options.words == 5
    with pytest.raises(RecipeError, match='did you mean "words"'):
        load_recipe("mrpc", ["task.plugin=mood", "task.word=5"])
    with pytest.raises(RecipeError, match='task "mood" has no layout of files'):
        load_recipe("mrpc", ["task.plugin=mood"], data_dir="x")
    with pytest.raises(RecipeError, match='task "mood" ships no sample'):
        load_recipe("mrpc", ["task.plugin=mood"], sample=True)


def task_class(body: str, name: str = "mood", doc: str = '"""Glad or sad."""', returned: str = "[Mood]") -> str:
    return f"""
import glueft

class Mood(glueft.Task):
    {doc}
    name = {name!r}
    inputs = ("sentence",)
    labels = ("sad", "glad")
    hub = glueft.HubDataset("someone/mood")
{body}

@glueft.hookimpl
def glueft_tasks():
    return {returned}
"""


OPTIMIZER = '''
import glueft

class Still(glueft.Optimizer):
    """Goes nowhere."""
    name = "still"

@glueft.hookimpl
def glueft_optimizers():
    return [Still]
'''

BREACHES = {
    "import": ("raise RuntimeError('no weights here')", "cannot be imported: RuntimeError: no weights here"),
    "exit": ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3"),
    "syntax": ("def (", "cannot be imported: SyntaxError: invalid syntax"),
    "missing module": ("import does_not_exist_anywhere", "cannot be imported: ModuleNotFoundError"),
    "misspelt hook": (
        GOOD_TASK.replace("glueft_tasks", "glueft_tsaks"),
        'there is no hook "glueft_tsaks"; did you mean "glueft_tasks"?',
    ),
    "other hook": (
        GOOD_TASK.replace("glueft_tasks", "quite_something"),
        'there is no hook "quite_something"; the hooks are glueft_callbacks, glueft_commands',
    ),
    "argument": (
        GOOD_TASK.replace("def glueft_tasks()", "def glueft_tasks(registry)"),
        "breaks a hook's contract: hookimpl definition: glueft_tasks(registry); "
        "Argument(s) {'registry'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "no marker": (GOOD_TASK.replace("@glueft.hookimpl", ""), "has no hooks; put @glueft.hookimpl above glueft_tasks"),
    "no hook": (
        GOOD_TASK[: GOOD_TASK.index("@glueft.hookimpl")],
        "has no hooks; add @glueft.hookimpl and below it a glueft_tasks() that returns [Mood]",
    ),
    "empty": ("", "has no hooks"),
    "raises": (task_class("", returned="[Mood, Moot]"), "its glueft_tasks failed: NameError: name 'Moot'"),
    "not a list": (task_class("", returned="Mood"), "and returned a class; put it in a list: return [Mood]"),
    "nothing": (task_class("", returned="None"), "must return a list of classes, and returned nothing"),
    "generator": (
        GOOD_TASK.replace("return [Mood]", "yield Mood"),
        "must return a list of classes, and returned a generator",
    ),
    "instance": (
        task_class("", returned="[Mood()]"),
        "glueft_tasks must return classes, and gives an object of one: return [Mood], not [Mood()]",
    ),
    "text": (task_class("", returned="['mood']"), "glueft_tasks must return classes, and 'mood' is not one"),
    "wrong kind": (task_class("", returned="[glueft.Optimizer]"), "class Optimizer is not a glueft.Task"),
    "no name": (task_class("    del name"), "class Mood needs a `name` of lower-case letters"),
    "bad name": (task_class("", name="My Mood"), "a letter first, and has 'My Mood'"),
    "no docstring": (task_class("", doc="pass"), "class Mood needs a docstring"),
    "loose options": (
        task_class("    class Options(glueft.Options):\n        model_config = {'extra': 'allow', 'strict': False}"),
        "must stay strict and refuse unknown keys; they set extra='allow', strict=False",
    ),
    "foreign options": (task_class("    class Options: pass"), "class Mood needs `class Options(glueft.Options)`"),
    "misspelt metric": (
        task_class("    metrics = ('acuracy',)"),
        "names a metric that glueft does not have: 'acuracy'; expected one of accuracy, f1",
    ),
    "metric by another name": (task_class("    metrics = ('mcc',)"), 'did you mean "matthews_correlation"?'),
    "silent option": (
        task_class("    class Options(glueft.Options):\n        words: int = 3\n        letters: int = 4"),
        "every option needs a description, and class Mood gives none for words, letters",
    ),
    "default that can be changed": (
        task_class(
            "    class Options(glueft.Options):\n        words: list[str] = glueft.Field(['a'], description='Words.')"
        ),
        "an option's default must be immutable; in class Mood, `words` has ['a']: give a tuple",
    ),
    "option called plugin": (
        task_class("    class Options(glueft.Options):\n        plugin: str = glueft.Field('', description='x')"),
        'has an option "plugin"',
    ),
    "no inputs": (task_class("    inputs = ()"), "class Mood needs `inputs`"),
    "one label": (task_class("    labels = ('glad',)"), "class Mood needs `labels`"),
    "label twice": (task_class("    labels = ('glad', 'glad')"), "class Mood needs `labels`"),
    "positive label of no row": (
        task_class("    positive_label = 'gald'"),
        "the `positive_label` of class Mood, 'gald', is none of its `labels`",
    ),
    "no metric": (task_class("    metrics = ()"), "class Mood needs `metrics`"),
    "unknown metric": (task_class("    metrics = ('acuracy',)"), "names a metric that glueft does not have: 'acuracy'"),
    "metric of regression": (task_class("    metrics = ('pearson',)"), "does not suit a task with 2 labels"),
    "label among the inputs": (task_class("    inputs = ('label',)"), 'has "label" among its `inputs`'),
    "labels in another order": (
        task_class(
            "    tsv = glueft.TSVLayout('M', columns={'sentence': 0, 'label': 1}, label_text=('Glad', 'sad'))"
        ),
        "has the labels in another order (Glad, sad) than its `labels` (sad, glad)",
    ),
    "a label's text too many": (
        task_class("    tsv = glueft.TSVLayout('M', columns={'sentence': 0, 'label': 1}, label_text=('a', 'b', 'c'))"),
        "the `label_text` of class Mood has 3 texts, and its `labels` are 2",
    ),
    "incomplete layout": (
        task_class("    tsv = glueft.TSVLayout('M', columns={'sentence': 0})"),
        "does not say in which column to find label",
    ),
    "sample without layout": (task_class("    sample = 'samples'"), "has a `sample` and nothing to read it by"),
    "no rows": (task_class("    hub = None"), "its rows cannot be found"),
    "no work": (OPTIMIZER, "class Still needs a `build` method"),
    "attributes that raise": (
        "import glueft\nclass Meta(type):\n    @property\n    def name(cls): raise OSError('away')\n"
        + task_class("").replace("class Mood(glueft.Task):", "class Mood(glueft.Task, metaclass=Meta):").replace(
            "    name = 'mood'\n", ""
        ),
        "cannot be checked: OSError: away",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BREACHES)
def test_a_plugin_that_goes_wrong_is_named_and_the_others_go_on(packages: Path, case: str) -> None:
    source, reason = BREACHES[case]
    install(packages, "glueft-bad", source)
    install(packages, "glueft-good", GOOD_TASK.replace('"mood"', '"other-mood"'))
    registry = load_registry()
    assert len(registry.failures) == 1, registry.failures
    told = str(registry.failures[0])
    assert reason in told
    assert "package glueft-bad 1.0, entry point glueft_bad:" in told
    assert "\n" not in told and not told.endswith(".")
    assert {"mrpc", "sst2", "other-mood"} <= set(registry.names("task"))
    assert load_recipe("mrpc").task.name == "mrpc"


def test_a_file_beside_them_has_no_package_loaded_a_second_time(packages: Path) -> None:
    (packages / "mood.py").write_text(GOOD_TASK)
    noted = packages / "noted.txt"
    note = f"\nwith open({str(noted)!r}, 'a') as file:\n    file.write('{{}}\\n')\n"
    install(packages, "glueft-bad", note.format("bad is imported") + "raise RuntimeError('no weights here')")
    asked = "def glueft_tasks():" + note.format("good is asked").replace("\n", "\n    ")
    good = GOOD_TASK.replace('"mood"', '"other-mood"').replace("def glueft_tasks():", asked)
    install(packages, "glueft-good", good)
    file = read_plugin_file(packages / "mood.py")
    for files in [(), (file,)]:
        registry = load_registry(*files)
        assert {"mrpc", "other-mood"} <= set(registry.names("task"))
        assert len(registry.failures) == 1 and "no weights here" in str(registry.failures[0])
        assert "glueft-good:glueft_good" in [point.id for point in registry.implementing("glueft_tasks")]
    assert "mood" in registry.names("task")
    assert noted.read_text().splitlines() == ["bad is imported", "good is asked"]


def test_a_keyboard_interrupt_is_not_swallowed(packages: Path) -> None:
    install(packages, "glueft-bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_registry()


def test_what_a_failed_package_might_have_brought(packages: Path) -> None:
    install(packages, "glueft-mood", "import nothing_of_that_name")
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", ["task.plugin=mood"])
    told = str(caught.value)
    assert 'no task is called "mood"' in told
    assert "It may be in what could not be used: package glueft-mood 1.0" in told
    assert "No module named 'nothing_of_that_name'" in told


def test_a_plugin_that_is_known_but_broken_says_why_when_it_is_needed(packages: Path) -> None:
    install(packages, "glueft-mood", task_class("    metrics = ()"))
    with pytest.raises(PluginError) as caught:
        load_registry().find("task", "mood")
    assert 'task "mood" cannot be used' in str(caught.value)
    assert "needs `metrics`" in caught.value.received
    assert caught.value.fix == "fix or uninstall the package"
    with pytest.raises(RecipeError, match="needs `metrics`"):
        load_recipe("mrpc", ["task.plugin=mood"])


@pytest.mark.parametrize("group", ["glueft_tasks", "glueft.plugins", "Glueft", "glueft-mood"])
def test_an_entry_point_in_a_wrong_group(packages: Path, group: str) -> None:
    install(packages, "glueft-mood", "raise RuntimeError('imported')", group=group)
    registry = load_registry()
    assert reasons(registry) == [
        "package glueft-mood 1.0, entry point glueft_mood: "
        f'its entry point stands in the group "{group}", which glueft does not read: '
        'write glueft_mood = "glueft_mood" below [project.entry-points.glueft] in pyproject.toml'
    ]
    with pytest.raises(RecipeError, match="which glueft does not read"):
        load_recipe("mrpc", ["task.plugin=mood"])


def test_a_package_that_is_found_may_have_groups_of_its_own(packages: Path) -> None:
    install(packages, "glueft-mood", GOOD_TASK)
    declared = packages / "glueft_mood-1.0.dist-info" / "entry_points.txt"
    declared.write_text(declared.read_text() + "[glueft_mood.readers]\ncsv = csv\n[other]\njson = json\n")
    load_registry.cache_clear()
    assert reasons(load_registry()) == []
    declared.write_text(declared.read_text() + "[glueft_callbacks]\nmood = glueft_mood:Bell\n")
    load_registry.cache_clear()
    (reason,) = reasons(load_registry())
    assert 'stands in the group "glueft_callbacks", which glueft does not read: write mood = "gl' in reason


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (
            "Mood",
            'its entry point names the class Mood, and glueft needs the module: write mood = "glueft_mood" below '
            "[project.entry-points.glueft] in pyproject.toml, and give that module a glueft_tasks() under "
            "@glueft.hookimpl that returns [Mood]",
        ),
        ("glueft_tasks", "its entry point names the function glueft_tasks, and glueft needs the module: write mood ="),
        ("NUMBER", "its entry point names a int, and glueft needs the module: write mood ="),
    ],
)
def test_an_entry_point_that_names_no_module(packages: Path, named: str, told: str) -> None:
    install(packages, "glueft-mood", f"NUMBER = 3\n{GOOD_TASK}", entry_point=f"mood = glueft_mood:{named}")
    (reason,) = reasons(load_registry())
    assert told in reason


def test_an_object_with_hooks_serves_as_a_module_does(packages: Path) -> None:
    source = GOOD_TASK[: GOOD_TASK.index("@glueft.hookimpl")] + (
        "class Hooks:\n    @glueft.hookimpl\n    def glueft_tasks(self):\n        return [Mood]\n\nhooks = Hooks()\n"
    )
    install(packages, "glueft-mood", source, entry_point="mood = glueft_mood:hooks")
    assert reasons(load_registry()) == []
    assert load_registry().find("task", "mood").package == "glueft-mood"


def test_a_file_takes_the_place_of_a_package(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(packages, "glueft-mood", GOOD_TASK)
    file = tmp_path / "newer.py"
    file.write_text(GOOD_TASK.replace("words", "letters"))
    recipe = load_recipe("mrpc", ["task.plugin=mood", "task.letters=3"], plugins=[file])
    assert recipe.registry.find("task", "mood").origin == str(file)
    assert capsys.readouterr().err == (f'note: the task "mood" of {file} takes the place of that of glueft-mood 1.0\n')
    assert load_recipe("mrpc", ["task.plugin=mood", "task.words=3"]).task.options.words == 3
    assert capsys.readouterr().err == ""
    again = tmp_path / "again.py"
    again.write_text(file.read_text())
    with pytest.raises(RecipeError, match='each bring a task called "mood"; name one of the files'):
        load_recipe("mrpc", ["task.plugin=mood"], plugins=[file, again])
    install(packages, "another-mood", GOOD_TASK)
    load_registry.cache_clear()
    with pytest.raises(RecipeError, match='each bring a task called "mood"; uninstall one of them'):
        load_recipe("mrpc", ["task.plugin=mood"], plugins=[file])


def test_a_name_that_two_packages_bring(packages: Path) -> None:
    install(packages, "another-glue", GOOD_TASK.replace('"mood"', '"mrpc"'))
    registry = load_registry()
    assert reasons(registry) == [
        "package another-glue 1.0, entry point another_glue: "
        'another-glue and glueft each bring a task called "mrpc"; '
        "uninstall one of them"
    ]
    assert "mrpc" not in registry.names("task") and "sst2" in registry.names("task")
    assert load_recipe("sst2").task.name == "sst2"
    with pytest.raises(RecipeError, match="another-glue and glueft each bring a task"):
        load_recipe("mrpc")


def test_one_name_may_serve_two_kinds(packages: Path) -> None:
    install(packages, "glueft-adam", GOOD_TASK.replace('"mood"', '"adam"'))
    registry = load_registry()
    assert registry.failures == []
    assert registry.find("task", "adam").package == "glueft-adam"
    assert registry.find("optimizer", "adam").package == "glueft"


def test_a_package_that_brings_one_name_twice(packages: Path) -> None:
    second = 'class Mood2(Mood):\n    """Again."""\n    name = "mood"\n\n@glueft.hookimpl'
    install(packages, "glueft-mood", GOOD_TASK.replace("@glueft.hookimpl", second).replace("[Mood]", "[Mood, Mood2]"))
    assert 'it brings 2 task classes called "mood"' in reasons(load_registry())[0]


def test_two_entry_points_for_one_module_are_one_plugin(packages: Path) -> None:
    install(packages, "glueft-mood", GOOD_TASK, entry_point="one = glueft_mood\ntwo = glueft_mood")
    registry = load_registry()
    assert registry.failures == []
    assert registry.find("task", "mood").package == "glueft-mood"


def test_an_unknown_name() -> None:
    with pytest.raises(PluginError) as caught:
        load_registry().find("optimizer", "adamm")
    assert caught.value.message == 'no optimizer is called "adamm"'
    names = "adafactor, adam, adamw, lamb, lion, muon, nadam, rmsprop, sgd"
    assert caught.value.expected == f"one of {names}"
    assert caught.value.fix == f'did you mean "adam"?  Installed: {names}'
    with pytest.raises(PluginError) as caught:
        load_registry().find("callback", "early_stoping")
    names = "csv, early_stopping, mlflow, tensorboard, wandb"
    assert caught.value.fix == f'did you mean "early_stopping"?  Installed: {names}'


def test_hooks_are_called_one_by_one(packages: Path) -> None:
    hook = "import glueft\ncalled = []\n@glueft.hookimpl\ndef glueft_run_finished(run):\n    "
    install(packages, "a-tracker", hook + "raise ConnectionError('no server')")
    install(packages, "b-tracker", hook + "called.append(run)")
    registry = load_registry()
    points = registry.implementing("glueft_run_finished")
    assert [point.package for point in points] == ["a-tracker", "b-tracker", "glueft"]
    points = points[:2]
    failures = [registry.call("glueft_run_finished", point, run="the run") for point in points]
    assert str(failures[0]) == (
        "package a-tracker 1.0, entry point a_tracker: its glueft_run_finished failed: ConnectionError: no server"
    )
    assert failures[1] is None
    assert sys.modules["b_tracker"].called == ["the run"]


def test_in_a_process_of_its_own_validate_goes_on_and_warns(tmp_path: Path) -> None:
    install(tmp_path, "glueft-bad", "raise RuntimeError('no weights here')")
    done = glueft("validate", "mrpc", packages=tmp_path)
    assert done.returncode == 0
    assert done.stdout == "mrpc: good (task mrpc, optimizer adam, schedule polynomial_decay)\n"
    assert done.stderr == (
        "warning: package glueft-bad 1.0, entry point glueft_bad: cannot be imported: RuntimeError: no weights here\n"
    )
