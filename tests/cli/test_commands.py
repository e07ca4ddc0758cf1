"""validate, show, list, describe and schema."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from broken_recipes import GOOD
from glueft import __version__
from glueft.cli.main import command_line
from glueft.plugin.registry import load_registry
from glueft.recipe import load_recipe
from glueft.recipe.file import packaged_recipes, packaged_studies
from glueft.recipe.schema import recipe_schema
from plugin_packages import GOOD_TASK, glueft, install

Captured = pytest.CaptureFixture[str]


def test_validate_tells_of_all_recipes(tmp_path: Path, capsys: Captured) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(GOOD)
    bad.write_text(GOOD.replace("epochs = 3", "epochs = 0"))
    assert command_line(["validate", str(bad), str(good), str(tmp_path / "none.toml"), "sst2"]) == 2
    told = capsys.readouterr()
    assert told.out == (
        f"{good}: good (task mrpc, optimizer adam, schedule polynomial_decay)\n"
        "sst2: good (task sst2, optimizer adam, schedule polynomial_decay)\n"
    )
    assert told.err.count("nothing was run") == 2
    assert f"{bad}: 1 problem, nothing was run\n\n  training.epochs (line 20)" in told.err
    assert "there is no such recipe" in told.err


def test_validate_with_set(capsys: Captured) -> None:
    assert command_line(["validate", "mrpc", "--set", "optimizer.plugin=adamw", "--set", "training.epochs=1"]) == 0
    assert "optimizer adamw" in capsys.readouterr().out
    assert command_line(["validate", "mrpc", "--set", "training.epoch=1"]) == 2
    assert "training.epoch (--set training.epoch=1)" in capsys.readouterr().err


SHORT = ["--epochs", "7", "--batch-size", "4", "--learning-rate", "1e-4", "--seed", "9", "--backend", "jax"]


def test_options_that_are_short_for_set(capsys: Captured) -> None:
    assert command_line(["show", "mrpc", *SHORT]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line in ("epochs = 7", "batch_size = 4", "initial_learning_rate = 0.0001", "seed = 9", 'backend = "jax"'):
        assert line in lines
    for command in ("run", "plan", "validate", "show", "study"):
        assert command_line([command, "--help"]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "--epochs N Short for --set training.epochs=N." in told
        assert "--learning-rate RATE Short for --set schedule.initial_learning_rate=RATE." in told


def test_the_help_shows_arguments_without_types(capsys: Captured) -> None:
    for command, line in ((["explain"], "  TEXT...  Texts"), (["study", "compare"], "  A  The folder")):
        assert command_line([*command, "--help"]) == 0
        told = capsys.readouterr().out
        assert line in told and "<" not in told


def test_what_is_wrong_with_them_is_told_with_the_other_mistakes(capsys: Captured) -> None:
    wrong = ["--epochs", "two", "--batch-size", "0", "--set", "data.max_lenght=9"]
    assert command_line(["validate", "mrpc", *wrong]) == 2
    told = capsys.readouterr().err
    assert told.startswith("mrpc: 3 problems, nothing was run") and "max_length" in told
    # By the option that was given, not by the --set that it is short for.
    for line in (
        "training.epochs (--epochs two) ",
        "for example: --epochs 3\n",
        "training.batch_size (--batch-size 0) ",
    ):
        assert line in told
    assert command_line(["validate", "mrpc", "--epochs", "'a", "--learning-rate", ""]) == 2
    told = capsys.readouterr().err
    assert '(--epochs "\'a")' in told or "(--epochs 'a)" in told
    assert "give --learning-rate a number or a word, or leave it out" in told and "--set" not in told


@pytest.mark.parametrize("change", ["training.epochs=3", "training={epochs=3}", "training . epochs = 3"])
@pytest.mark.parametrize("command", ["run", "plan", "validate", "show"])
def test_one_that_contradicts_a_set_is_refused(command: str, change: str, capsys: Captured) -> None:
    assert command_line([command, "mrpc", "--epochs", "2", "--set", change]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "--epochs is short for --set training.epochs=2, and there is a --set of the same key",
        "  expected: one of the two",
        f"  received: --epochs 2 and --set {change}",
        "  to fix:   leave one of them out",
    ]


def test_all_that_contradict_one_another_are_told_at_once(capsys: Captured) -> None:
    arguments = ["--epochs", "2", "--seed", "1", "--set", "training={epochs=3}"]
    assert command_line(["show", "mrpc", *arguments]) == 2
    told = capsys.readouterr().err
    assert "received: --epochs 2 and --set training={epochs=3}; --seed 1 and --set training={epochs=3}" in told


def test_seeds_of_a_study_are_not_one_seed(capsys: Captured) -> None:
    assert command_line(["run", "mrpc", "--sample", "--seed", "3", "--seeds", "2"]) == 2
    assert "received: --seeds 2 and --seed 3" in capsys.readouterr().err
    assert command_line(["study", "glue", "--seed=3"]) == 2
    assert "The seeds of a study are in its file, --seed is for a recipe" in capsys.readouterr().err
    assert command_line(["validate", "glue", "--seed", "3"]) == 2
    assert "the seeds of a study are in study.seeds" in capsys.readouterr().err


def test_validate_names_a_callback_that_does_not_say_what_it_keeps(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "watching.py"
    file.write_text(
        "import glueft\n\n\n"
        "class Watching(glueft.Callback):\n    'Watches.'\n    name = 'watching'\n    def build(self, run): ...\n"
    )
    command = ["validate", "mrpc", "--plugin", str(file), "--set", "callbacks=[{plugin='watching'}]"]
    assert command_line(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mrpc: good (task mrpc, optimizer adam, schedule polynomial_decay)",
        'mrpc: this run can be resumed, but not exactly: the callback "watching" does not say what it keeps (state, '
        "restore)",
    ]
    assert command_line([*command, "--set", "training.checkpoint_minutes=0"]) == 0
    assert "resumed" not in capsys.readouterr().out


def test_show_prints_a_recipe_that_is_the_same(tmp_path: Path, capsys: Captured) -> None:
    assert command_line(["show", "sst2", "--set", "training.epochs=1"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "shown.toml").write_text(text)
    assert load_recipe(str(tmp_path / "shown.toml")) == load_recipe("sst2", ["training.epochs=1"])
    assert "evaluation_batch_size = 64" in text
    assert command_line(["show", "nothing"]) == 2


def test_list(capsys: Captured) -> None:
    assert command_line(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    packaged = [*packaged_recipes(), *packaged_studies()]
    assert len(lines) == len(packaged) + len(load_registry().all())
    recipe, mrpc = (line for line in lines if line.split()[1] == "mrpc")
    assert recipe.split()[:3] == ["recipe", "mrpc", "packaged"]
    assert recipe.endswith("MRPC with BERT: do two sentences from the news say the same thing?")
    assert mrpc.split()[:4] == ["task", "mrpc", "glueft", __version__]
    assert mrpc.endswith("(Microsoft Research Paraphrase Corpus).")
    for kind in ("optimizer", "optimizers"):
        assert command_line(["list", kind]) == 0
        listed = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
        assert listed == load_registry().names("optimizer") and "adamw" in listed
    for kind, names in {"recipes": packaged_recipes(), "study": packaged_studies()}.items():
        assert command_line(["list", kind]) == 0
        listed = capsys.readouterr().out.splitlines()
        assert [line.split()[1] for line in listed] == names
        assert all(len(line.split("packaged")[1].strip()) > 20 for line in listed)
    assert command_line(["list", "task", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["recipes"] == []
    assert command_line(["list", "study", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["plugins"] == [] and listed["recipes"][0].keys() == {"kind", "name", "description"}
    assert command_line(["list", "taks"]) == 2
    assert capsys.readouterr().err == (
        'there is no kind of plugin called "taks"\n'
        "  expected: one of recipe, study, task, optimizer, schedule, loss, callback, metric, encoder, executor\n"
        '  received: "taks"\n'
        '  to fix:   did you mean "task"?\n'
    )


def test_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda: importlib.metadata.EntryPoints())
    load_registry.cache_clear()
    try:
        assert command_line(["list", "callback"]) == 0
        assert capsys.readouterr().out == "no callback is installed\n"
        assert command_line(["validate", "mrpc", "--set", "callbacks=[{}]"]) == 2
        assert "remove the table: no callback plugin is installed" in capsys.readouterr().err
    finally:
        load_registry.cache_clear()


def test_list_as_json_with_a_third_party_package_and_a_broken_one(tmp_path: Path) -> None:
    install(tmp_path, "glueft-mood", GOOD_TASK, version="2.3")
    install(tmp_path, "glueft-bad", "import nothing_of_that_name")
    done = glueft("list", "task", "--json", packages=tmp_path)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1
    listed = json.loads(done.stdout)
    by_name = {plugin["name"]: plugin for plugin in listed["plugins"]}
    assert {"mood", "mrpc", "sst2"} <= set(by_name) and "adam" not in by_name
    assert by_name["mood"] == {
        "kind": "task",
        "name": "mood",
        "description": "Glad or sad: short sentences.",
        "package": "glueft-mood",
        "version": "2.3",
        "file": None,
    }
    assert listed["failures"] == [
        {
            "entry_point": "glueft_bad",
            "package": "glueft-bad",
            "version": "1.0",
            "reason": "cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'",
            "kind": None,
            "name": None,
            "file": None,
        }
    ]
    done = glueft("list", packages=tmp_path)
    assert re.search(r"^task +mood +glueft-mood 2\.3 +Glad or sad: short sentences\.$", done.stdout, re.MULTILINE)
    assert "\ncannot be used:\n  package glueft-bad 1.0, entry point glueft_bad: cannot be imported: Mod" in done.stdout


def test_describe_a_task(capsys: Captured) -> None:
    assert command_line(["describe", "mrpc"]) == 0
    told = capsys.readouterr().out
    for words in (
        f"mrpc, a plugin of kind task from glueft {__version__}\n",
        "inputs      sentence1, sentence2\n",
        "labels      not_equivalent, equivalent\n",
        "metric      accuracy: Share of rows with the right label.\n",
        "hub         nyu-mll/glue mrpc\n",
        'MRPC/dev.tsv, MRPC/test.tsv: sentence1 in "#1 String", sentence2 in "#2 String", label in "Quality"\n',
        "sample      ships with it\n",
        "sizes       train 3,668, validation 408, test 1,725\n",
        "submission  GLUE: MRPC.tsv of test (not_equivalent as 0, equivalent as 1)\n",
        'Options:\n\n  metrics: a list, each one of "accuracy", ',
    ):
        assert words in told
    assert command_line(["describe", "mrpc", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    data = described["data"]
    assert data["hub"] == {"dataset": "nyu-mll/glue", "config": "mrpc", "columns": {}, "splits": {}}
    assert data["folder"]["validation"] == "MRPC/dev.tsv"
    assert data["files"][-1]["columns"]["sentence1"] == "#1 String"
    assert (data["sample"], data["label_text"], data["reads_own_files"]) == (True, None, False)
    assert described["sizes"]["train"] == 3668 and described["validation_splits"] == ["validation"]
    assert all({"model", "metrics", "source", "split"} == set(score) for score in described["published"])
    assert described["submission"]["files"] == {"test": "MRPC.tsv"}
    assert (described["inputs"], described["labels"]) == (["sentence1", "sentence2"], ["not_equivalent", "equivalent"])
    assert [option["name"] for option in described["options"]] == ["metrics"]


@pytest.mark.parametrize(
    ("name", "suits", "kinds"),
    [
        ("f1", "tasks of up to 2 labels; it is about the positive label", ("labels", True, False)),
        ("roc_auc", "tasks of any number of labels, and multi-label tasks", ("labels", True, True)),
        ("hamming_loss", "multi-label tasks", ("labels", False, True)),
        ("pearson", "regression", ("scores", False, False)),
    ],
)
def test_describe_a_metric(name: str, suits: str, kinds: tuple[str, bool, bool], capsys: Captured) -> None:
    assert command_line(["describe", f"metric/{name}"]) == 0
    assert f"\nsuits       {suits}\n" in capsys.readouterr().out
    assert command_line(["describe", f"metric/{name}", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["suits"], described["one_label_a_row"], described["multi_label"]) == kinds


def test_describe_options(capsys: Captured) -> None:
    assert command_line(["describe", "linear"]) == 0
    told = capsys.readouterr().out
    assert "  initial_learning_rate: a number above 0 and at most 100; must be given\n      The highest" in told
    assert "  end_learning_rate: a number from 0 to 100; default 0.0\n" in told
    assert "  warmup_steps: a whole number at least 0; not set\n" in told
    assert command_line(["describe", "schedule/linear", "--json"]) == 0
    options = json.loads(capsys.readouterr().out)["options"]
    assert options[0] == {
        "name": "initial_learning_rate",
        "expected": "a number above 0 and at most 100",
        "required": True,
        "default": None,
        "description": "The highest learning rate: the first, or that at the end of the warm-up.",
        "schema": {
            "description": "The highest learning rate: the first, or that at the end of the warm-up.",
            "examples": [5e-5],
            "exclusiveMinimum": 0,
            "maximum": 100,
            "type": "number",
        },
    }


@pytest.mark.parametrize(
    ("name", "message", "fix"),
    [
        ("adm", 'no plugin is called "adm"', 'did you mean "adam"?'),
        ("zzz", 'no plugin is called "zzz"', "`glueft list` shows what is installed"),
        ("optimizer/adm", 'no optimizer is called "adm"', 'did you mean "adam"?'),
        ("optimiser/adam", 'there is no kind of plugin called "optimiser"', 'did you mean "optimizer"?'),
    ],
)
def test_describe_what_is_not_there(name: str, message: str, fix: str, capsys: Captured) -> None:
    assert command_line(["describe", name]) == 2
    told = capsys.readouterr().err
    assert told.startswith(message) and fix in told


def test_describe_a_name_of_two_kinds_and_a_broken_one(tmp_path: Path) -> None:
    install(tmp_path, "glueft-adam", GOOD_TASK.replace('"mood"', '"adam"'))
    done = glueft("describe", "adam", packages=tmp_path)
    assert done.returncode == 2
    assert '"adam" is the name of several plugins' in done.stderr
    assert "glueft describe task/adam or glueft describe optimizer/adam" in done.stderr
    assert "Glad or sad" in glueft("describe", "task/adam", packages=tmp_path).stdout
    install(
        tmp_path,
        "glueft-dull",
        GOOD_TASK.replace('"mood"', '"dull"').replace('"""Glad or sad: short sentences."""', ""),
    )
    done = glueft("describe", "dull", packages=tmp_path)
    assert done.returncode == 2
    assert 'task "dull" cannot be used' in done.stderr and "needs a docstring" in done.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [("glueft val", ["validate"]), ("glueft describe adamw", ["adamw"]), ("glueft list op", ["optimizer"])],
)
def test_the_shell_completes(line: str, offered: list[str]) -> None:
    environment = {"_GLUEFT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "glueft.cli.main"], env=os.environ | environment, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == (offered, "")


def test_schema(capsys: Captured) -> None:
    assert command_line(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == recipe_schema(load_registry())


def test_the_schema_of_run_json_describes_what_a_run_wrote(finished_run: Path, capsys: Captured) -> None:
    assert command_line(["schema", "--run"]) == 0
    schema = json.loads(capsys.readouterr().out)
    written = json.loads((finished_run / "run.json").read_text())
    assert {*schema["required"]} == {"status", "task", "seed", "started", "run_dir"}
    assert {*written} <= {*schema["properties"]} and schema["properties"]["seed"]["description"] == "of the training"
    tables = {name: schema["$defs"][name]["properties"] for name in ("Data", "Checkpoint", "Engine", "Host", "Plugins")}
    for name, properties in tables.items():
        assert {*written[name.lower()]} <= {*properties}, name
