"""What is wrong with a recipe: every message, its place, and what it proposes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broken_recipes import GOOD, changed, problems
from glueft.recipe import RecipeError, load_recipe


def test_the_good_one_is_good(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(GOOD)
    assert load_recipe(str(tmp_path / "recipe.toml")) == load_recipe("mrpc")


def test_all_problems_at_once_as_they_are_printed(tmp_path: Path) -> None:
    text = changed(
        ('"mrpc"', '"mrcp"'), ("initial_learning_rate", "lerning_rate"), ("batch_size = 8", 'batch_size = "8"')
    )
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert str(caught.value) == (
        f"{file}: 3 problems, nothing was run\n"
        "\n"
        '  task.plugin (line 2)              no task is called "mrcp"\n'
        '      did you mean "mrpc"?  Installed: ax, cola, mnli, mrpc, qnli, qqp, rte, sst2, stsb, table, wnli\n'
        "\n"
        '  schedule.lerning_rate (line 16)   unknown key for schedule "polynomial_decay"\n'
        '      did you mean "initial_learning_rate"?  '
        "Accepted: plugin, initial_learning_rate, warmup_steps, warmup_ratio, end_learning_rate, power\n"
        "\n"
        '  training.batch_size (line 21)     expected a whole number from 1 to 1000000; received "8" (text)\n'
        "      remove the quotes: batch_size = 8"
    )
    assert [problem.suggestion for problem in caught.value.problems] == ["mrpc", "schedule.initial_learning_rate", None]
    assert caught.value.message == f"{file}: 3 problems, nothing was run"
    assert caught.value.expected and caught.value.received and caught.value.fix


def test_a_key_in_the_wrong_table_is_sent_to_the_right_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('"adam"', '"adam"\nlerning_rate = 5e-5')))
    assert problem.place == "optimizer.lerning_rate (line 13)"
    assert problem.message == 'unknown key for optimizer "adam"'
    assert problem.fix.startswith("did you mean schedule.initial_learning_rate?  Accepted: plugin, ")
    assert problem.suggestion == "schedule.initial_learning_rate"


CASES: list[tuple[str, tuple[str, str], str, int | None, str, str]] = [
    # what; change; path; line; message; what the fix holds
    # unknown names
    ("plugin", ('"adam"', '"adamm"'), "optimizer.plugin", 12, 'no optimizer is called "adamm"', 'did you mean "adam"?'),
    (
        "far plugin",
        ('"adam"', '"zzz"'),
        "optimizer.plugin",
        12,
        'no optimizer is called "zzz"',
        "Installed: adafactor, adam, adamw",
    ),
    ("key", ("epochs", "epoch"), "training.epoch", 20, "unknown key for [training]", 'did you mean "epochs"?'),
    ("far key", ("epochs", "zzz"), "training.zzz", 20, "unknown key for [training]", "Accepted: epochs, batch_size"),
    ("long key", ("epochs", "num_train_epochs"), "training.num_train_epochs", 20, "unknown key", 'mean "epochs"?'),
    ("lr", ("epochs = 3", "lr = 1"), "training.lr", 20, "unknown key", "did you mean schedule.initial_learning_rate?"),
    (
        "moved",
        ("epochs = 3", "max_length = 1"),
        "training.max_length",
        20,
        "unknown key",
        "did you mean data.max_length?",
    ),
    (
        "name",
        ('plugin = "adam"', 'name = "adam"'),
        "optimizer.name",
        12,
        "unknown key for [opt",
        'did you mean "plugin"?',
    ),
    ("table", ("[training]", "[trainig]"), "trainig", 19, "unknown table", "did you mean [training]?"),
    ("far table", ("[training]", "[zzz]\n[training]"), "zzz", 19, "unknown table", "Tables: [task], [optimizer]"),
    (
        "no table",
        ("[task]", "seed = 1\n[task]"),
        "seed",
        1,
        "this key is outside any table",
        "did you mean training.seed?",
    ),
    ("near", ("[task]", "sead = 1\n[task]"), "sead", 1, "this key is outside any table", "did you mean training.seed?"),
    ("far", ("[task]", "zzz = 1\n[task]"), "zzz", 1, "this key is outside any table", "Tables: [task]"),
    ("quoted", ("epochs", '"the epochs"'), 'training."the epochs"', 20, "unknown key", 'did you mean "epochs"?'),
    ("sub-table", ("[schedule]", "[schedule.x]\n[schedule]"), "schedule.x", 14, "unknown key", "Accepted: plugin"),
    ("inline", ("[engine]", "[engine]\nx = {y = 1}"), "engine.x", 25, "unknown key", "Accepted: backend, precision"),
    ("dotted", ("[data]", "[data]\nfolde = 1"), "data.folde", 8, "unknown key", 'mean "folder"?'),
    # wrong types
    ("text", ("= 8", '= "8"'), "training.batch_size", 21, 'received "8" (text)', "remove the quotes: batch_size = 8"),
    (
        "part or steps",
        ("epochs = 3", "evaluate_every = 2.5"),
        "training.evaluate_every",
        20,
        "expected a whole number from 1 to 1000000 or a number above 0 and at most 1; received 2.5 (a number)",
        "for example: evaluate_every = 0.5",
    ),
    ("no step", ("epochs = 3", "evaluate_every = 0"), "training.evaluate_every", 20, "received 0 (a whole", "= 0.5"),
    (
        "words",
        ("= 8", '= "eight"'),
        "training.batch_size",
        21,
        'received "eight" (text)',
        "for example: batch_size = 8",
    ),
    ("float", ("= 8", "= 8.0"), "training.batch_size", 21, "received 8.0 (a number)", "write batch_size = 8"),
    ("half", ("= 8", "= 8.5"), "training.batch_size", 21, "received 8.5 (a number)", "for example: batch_size = 8"),
    (
        "bool",
        ("= 8", "= true"),
        "training.batch_size",
        21,
        "received true (true or false)",
        "for example: batch_size = 8",
    ),
    ("list", ("= 8", "= [8]"), "training.batch_size", 21, "received a list of 1", "write batch_size = 8"),
    ("empty list", ("= 8", "= []"), "training.batch_size", 21, "received an empty list", "for example: batch_size = 8"),
    ("a table", ("= 8", "= {a = 1}"), "training.batch_size", 21, "received a table", "for example: batch_size = 8"),
    ("date", ("= 8", "= 2026-01-02"), "training.batch_size", 21, "received 2026-01-02 (a date)", "batch_size = 8"),
    ("time", ("= 8", "= 10:20:30"), "training.batch_size", 21, "received 10:20:30 (a time of day)", "batch_size = 8"),
    ("moment", ("= 8", "= 2026-01-02T10:20:30"), "training.batch_size", 21, "(a date and time)", "batch_size = 8"),
    (
        "rate",
        ("= 5e-5", '= "5e-5"'),
        "schedule.initial_learning_rate",
        16,
        'received "5e-5" (text)',
        "remove the quotes: initial_learning_rate = 5e-5",
    ),
    (
        "bool rate",
        ("= 5e-5", "= true"),
        "schedule.initial_learning_rate",
        16,
        "received true",
        "initial_learning_rate = 5e-5",
    ),
    ("number", ('"float32"', "32"), "engine.precision", 25, "received 32 (a whole number)", 'precision = "auto"'),
    (
        "revision",
        ("[data]", "revision = 12\n[data]"),
        "model.revision",
        7,
        "expected text in quotes; received 12",
        'put it in quotes: revision = "12"',
    ),
    (
        "single",
        ("[optimizer]", 'predict = "test"\n[optimizer]'),
        "data.predict",
        11,
        'received "test" (text)',
        'put it in brackets: predict = ["test"]',
    ),
    (
        "in list",
        ("[optimizer]", 'predict = ["tset"]\n[optimizer]'),
        "data.predict.0",
        11,
        'one of "validation", "test"; received "tset"',
        'did you mean "test"?',
    ),
    (
        "none held out",
        ("[optimizer]", 'predict = ["held_out"]\n[optimizer]'),
        "data.predict.0",
        11,
        'one of "validation", "test"; received "held_out"',
        "hold training rows out: data.held_out = 0.1",
    ),
    (
        "all held out",
        ("[optimizer]", "held_out = 1.5\n[optimizer]"),
        "data.held_out",
        11,
        "or a number above 0 and below 1; received 1.5",
        "for example: held_out = 0.1",
    ),
    (
        "twice",
        ("[optimizer]", 'predict = ["test", "test"]\n[optimizer]'),
        "data.predict",
        11,
        "must name each split once",
        "Splits whose",
    ),
    (
        "frozen",
        ("[data]", "freeze = true\n[data]"),
        "model.freeze",
        7,
        "expected a table; received true",
        "for example: freeze = {embeddings = true, layers = 2}",
    ),
    (
        "frozen key",
        ("[data]", "freeze = { layer = 2 }\n[data]"),
        "model.freeze.layer",
        7,
        "unknown key",
        'did you mean "layers"?  Accepted: embeddings, layers',
    ),
    (
        "frozen twice",
        ("[data]", "freeze = { layers = 2 }\nlora_rank = 4\n[data]"),
        "model.freeze",
        7,
        "lora_rank already keeps all the encoder's own weights",
        "remove freeze, or remove lora_rank",
    ),
    (
        "no rank",
        ("[data]", "lora_rank = 0\n[data]"),
        "model.lora_rank",
        7,
        "expected a whole number from 1 to 1000000; received 0",
        "or leave lora_rank out",
    ),
    (
        "no accumulation",
        ("[training]", "[training]\ngradient_accumulation_steps = 0"),
        "training.gradient_accumulation_steps",
        20,
        "expected a whole number from 1 to 1000000; received 0",
        "for example: gradient_accumulation_steps = 1",
    ),
    (
        "yes",
        ('"auto"', '"yes"'),
        "engine.jit_compile",
        26,
        'expected "auto", true or false',
        "remove the quotes: jit_compile = true",
    ),
    (
        "True",
        ('"auto"', '"False"'),
        "engine.jit_compile",
        26,
        'received "False" (text)',
        "remove the quotes: jit_compile = false",
    ),
    (
        "plugin type",
        ('"adam"', "3"),
        "optimizer.plugin",
        12,
        "expected the name of a plugin, in quotes; received 3",
        "Installed: adafactor, adam",
    ),
    ("table type", ("[engine]\n", "[a]\n"), "a", 24, "unknown table", "Tables:"),
    # wrong values
    (
        "enum",
        ('"float32"', '"float23"'),
        "engine.precision",
        25,
        'expected one of "auto", "float32"',
        'did you mean "float32"?',
    ),
    (
        "case",
        ('"hub"', '"HUB"'),
        "data.source",
        8,
        'expected one of "hub", "folder", "sample"; received "HUB"',
        'did you mean "hub"?',
    ),
    ("auto", ('"auto"', '"auot"'), "engine.jit_compile", 26, "expected", 'did you mean "auto"?'),
    ("zero", ("= 8", "= 0"), "training.batch_size", 21, "from 1 to 1000000; received 0", "for example: batch_size = 8"),
    ("negative", ("= 42", "= -1"), "training.seed", 22, "from 0 to 4294967295; received -1", "for example: seed = 42"),
    (
        "huge",
        ("= 42", "= " + "9" * 100),
        "training.seed",
        22,
        "received a number of 100 digits",
        "for example: seed = 42",
    ),
    (
        "nan",
        ("5e-5", "nan"),
        "schedule.initial_learning_rate",
        16,
        "received nan (a number)",
        "initial_learning_rate = 5e-5",
    ),
    (
        "inf",
        ("5e-5", "inf"),
        "schedule.initial_learning_rate",
        16,
        "received inf (a number)",
        "initial_learning_rate = 5e-5",
    ),
    (
        "too large",
        ("5e-5", "1e999"),
        "schedule.initial_learning_rate",
        16,
        "received inf",
        "initial_learning_rate = 5e-5",
    ),
    (
        "high rate",
        ("5e-5", "5e5"),
        "schedule.initial_learning_rate",
        16,
        "above 0 and at most 100",
        "initial_learning_rate = 5e-5",
    ),
    (
        "beta",
        ('"adam"', '"adam"\nbeta_1 = 1'),
        "optimizer.beta_1",
        13,
        "at least 0 and below 1; received 1",
        "beta_1 = 0.9",
    ),
    (
        "limit",
        ("= 128", "= 128\nlimit_train = 0"),
        "data.limit_train",
        10,
        "above 0; received 0",
        "or leave limit_train out",
    ),
    (
        "empty",
        ('"google-bert/bert-base-uncased"', '" "'),
        "model.checkpoint",
        5,
        "must not be empty",
        "A name on the hub",
    ),
    (
        "control",
        ('"google-bert/bert-base-uncased"', '"a\\u0000b"'),
        "model.checkpoint",
        5,
        "control characters",
        "A name on the hub",
    ),
    (
        "rising",
        ("= 0.0", "= 1.0"),
        "schedule",
        14,
        "end_learning_rate (1.0) is above",
        "initial_learning_rate is given in line 16; end_learning_rate is given in line 17",
    ),
    # missing things
    (
        "no task",
        ('[task]\nplugin = "mrpc"\n', ""),
        "task",
        None,
        "the recipe has no [task] table",
        'plugin = "ax".  Installed: ax, cola, ',
    ),
    (
        "no plugin",
        ('plugin = "mrpc"', ""),
        "task.plugin",
        1,
        "the table does not say which task",
        'add plugin = "ax".  Installed',
    ),
    (
        "no model",
        ('[model]\ncheckpoint = "google-bert/bert-base-uncased"\n', ""),
        "model.checkpoint",
        None,
        "missing; [model] needs text",
        'add checkpoint = "google-bert/bert-base-uncased" below [model]',
    ),
    (
        "no rate",
        ("initial_learning_rate = 5e-5", ""),
        "schedule.initial_learning_rate",
        14,
        'missing; schedule "polynomial_decay" needs a number',
        "add initial_learning_rate = 5e-5 below [schedule]",
    ),
    # callbacks
    (
        "callback",
        ("[task]", '[[callbacks]]\nplugin = "x"\n[task]'),
        "callbacks.0.plugin",
        2,
        'no callback is called "x"',
        "Installed: csv, early_stopping, mlflow, tensorboard",
    ),
    (
        "second",
        ("[engine]", "[[callbacks]]\n[engine]"),
        "callbacks.0.plugin",
        24,
        "does not say which callback",
        'add plugin = "csv".  Installed: csv, early_stopping',
    ),
    (
        "one bracket",
        ("[task]", "[callbacks]\n[task]"),
        "callbacks",
        1,
        "expected any number of tables; received a table",
        "write [[callbacks]]",
    ),
    (
        "callback type",
        ("[task]", "callbacks = [1]\n[task]"),
        "callbacks",
        1,
        "received a list of 1",
        "write [[callbacks]]",
    ),
    # contradictions
    (
        "folder",
        ('"hub"', '"folder"'),
        "data.folder",
        7,
        'missing; source = "folder" needs it',
        "or give --data-dir DIR",
    ),
    (
        "hub folder",
        ('"hub"', '"hub"\nfolder = "x"'),
        "data.folder",
        9,
        'not read, as source is "hub"',
        'set source = "folder", or remove folder',
    ),
    (
        "sample folder",
        ('"hub"', '"sample"\nfolder = "x"'),
        "data.folder",
        9,
        'not read, as source is "sample"',
        "remove folder",
    ),
    (
        "pinned folder",
        ('"hub"', '"folder"\nfolder = "x"\nrevision = "y"'),
        "data.revision",
        10,
        "only the hub has revisions",
        "remove revision",
    ),
    (
        "pinned file",
        ('"google-bert/bert-base-uncased"', '"./bert"\nrevision = "y"'),
        "model.revision",
        6,
        "only checkpoints on the hub have revisions",
        "remove revision",
    ),
]


@pytest.mark.parametrize(
    ("change", "path", "line", "message", "fix"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_problem(
    tmp_path: Path, change: tuple[str, str], path: str, line: int | None, message: str, fix: str
) -> None:
    found = problems(tmp_path, changed(change))
    assert len(found) == 1, found
    (problem,) = found
    assert (problem.path, problem.line) == (path, line)
    assert message in problem.message
    assert fix in problem.fix
    assert problem.expected and problem.received
    assert problem.where == str(tmp_path / "recipe.toml")


HAS_ONE = '''
import glueft

class Has(glueft.Task):
    """A task with a split of the name."""

    name = "has"
    inputs = ("text",)
    labels = ("no", "yes")
    validation_splits = ("held_out",)

    def load(self, source):
        raise NotImplementedError
'''


def test_rows_that_are_held_out_and_splits_of_the_task(tmp_path: Path) -> None:
    (tmp_path / "has.py").write_text(HAS_ONE)
    for task, changes, path, message, fix in (
        ("mnli", ['data.predict=["validation_matched"]'], "data.predict.0", 'one of "validation"', "leaves the valid"),
        ("mrpc", ['task.plugin="has"'], "data.held_out", 'task "has" has a split of that name', "rename the split"),
    ):
        with pytest.raises(RecipeError) as caught:
            load_recipe(task, ["data.held_out=0.1", *changes], plugins=[tmp_path / "has.py"])
        (problem,) = caught.value.problems
        assert problem.path == path and message in problem.message and fix in problem.fix


@pytest.mark.parametrize("value", ["3", '"x"', "[]", "2026-01-01"])
def test_a_section_that_is_no_table(tmp_path: Path, value: str) -> None:
    text = f"training = {value}\n" + re.sub(r"\[training\][^[]*", "", GOOD)
    (problem,) = problems(tmp_path, text)
    assert (problem.path, problem.line) == ("training", 1)
    assert problem.message.startswith("expected a table; received ")
    assert problem.fix == "write [training] on a line of its own, and its keys below it"


def test_a_key_that_its_table_needs_is_not_to_be_left_out(tmp_path: Path) -> None:
    text = changed(("[data]", "[data]\nwindows = {}\nfold = { number = 0, of = 3 }"), ("= 5e-5", "= -1"))
    found = problems(tmp_path, text)
    assert "missing; [data.windows] needs a whole number from 0 to 1000000" in [problem.message for problem in found]
    fixes = {problem.path: problem.fix for problem in found}
    assert fixes["data.fold.number"] == "give a whole number from 1 to 1000"
    assert " out" not in fixes["schedule.initial_learning_rate"]


def test_other_problems_of_a_table_whose_plugin_is_misspelt(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(('"adam"', '"adm"\nbeta_one = 0.9\nepsilon = -1')))
    assert [(problem.path, problem.line) for problem in found] == [
        ("optimizer.plugin", 12),
        ("optimizer.beta_one", 13),
        ("optimizer.epsilon", 14),
    ]
    assert found[1].suggestion == "optimizer.beta_1"


def test_other_problems_of_a_misspelt_table(tmp_path: Path) -> None:
    found = problems(tmp_path, changed(("[optimizer]", "[optimiser]"), ('"adam"', '"adm"')))
    assert [problem.place for problem in found] == ["optimiser (line 11)", "optimiser.plugin (line 12)"]
    assert found[0].suggestion == "optimizer"


def test_values_of_any_length_are_shown_shortly(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, changed(('"float32"', '"' + "x" * 5000 + '"')))
    assert len(problem.message) < 200
    assert problem.received == '"' + "x" * 57 + '..." (text)'


def test_more_problems_than_anyone_reads_are_counted(tmp_path: Path) -> None:
    keys = "\n".join(f"key{number} = 1" for number in range(80))
    file = tmp_path / "recipe.toml"
    file.write_text(changed(("[engine]", f"[engine]\n{keys}")))
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert len(caught.value.problems) == 80
    assert str(caught.value).endswith("\n\n  and 30 more")


CARELESS = '''
import glueft
import pydantic
from pydantic_core import PydanticCustomError

class Window(glueft.Options):
    width: int = glueft.Field(3, ge=5, description="How wide.")

class Careless(glueft.Optimizer):
    """Its options have defaults that their own types refuse, and a rule in pydantic's own words."""

    name = "careless"

    class Options(glueft.Options):
        count: int = glueft.Field("many", description="How many.")
        size: int | bool = glueft.Field(None, description="How large.")
        window: Window | None = glueft.Field(None, description="A table.")

        @pydantic.model_validator(mode="after")
        def check(self):
            raise PydanticCustomError("never", "These do not go together")

    def build(self, learning_rate):
        raise NotImplementedError
'''


def test_a_default_that_its_own_type_refuses(tmp_path: Path) -> None:
    """The recipe has nothing there: what is told is the plugin's slip, and what to write all the same."""
    (tmp_path / "careless.py").write_text(CARELESS)
    options = ["optimizer={plugin='careless', window={}}"]
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", options, plugins=[tmp_path / "careless.py"])
    assert [(problem.path, problem.message.partition(", is not a value")[0]) for problem in caught.value.problems] == [
        ("optimizer.count", 'the default of this option, "many" (text)'),
        ("optimizer.size", "the default of this option, None"),
        ("optimizer.window.width", "the default of this option, 3 (a whole number)"),
    ]
    (count, *_) = caught.value.problems
    assert count.message.endswith("is not a value that it may have: input should be a valid integer")
    assert count.fix == f"give optimizer.count a value, and tell the authors of {tmp_path / 'careless.py'}"


def test_a_rule_of_a_plugin_in_pydantic_s_own_words(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(CARELESS)
    options = ["optimizer={plugin='careless', count=1, size=1}"]
    with pytest.raises(RecipeError) as caught:
        load_recipe("mrpc", options, plugins=[tmp_path / "careless.py"])
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("optimizer", "These do not go together")
    ]
