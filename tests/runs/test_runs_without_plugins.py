"""Runs whose plugins are no longer there, or are others: what needs none of them goes on as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.errors import PluginError, RunFolderError
from glueft.inference.evaluate import evaluate_run
from glueft.plugin.origin import how_to_get, origin_of, recorded_origins
from glueft.plugin.registry import load_registry
from glueft.plugin.task_description import describe_task, read_description
from glueft.push.content import content_of, source_of
from glueft.recipe import RecipeError
from glueft.runs.run import Run
from run_folders import change_record, make_run, merged

Captured = pytest.CaptureFixture[str]

# MRPC under another name, as a package or a file brings it.
NOTES = '''
import glueft

class Notes(glueft.Task):
    """Two notes: the same news, or not."""
    name = "notes"
    inputs = ("sentence1", "sentence2")
    labels = ({labels})
    metrics = ("accuracy", "f1")
    tsv = glueft.TSVLayout(
        "MRPC", columns={{"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"}}
    )
    sample = {samples!r}
'''
LABELS = '"not_equivalent", "equivalent"'
SAMPLES = str(Path(__file__).parents[2] / "plugins" / "glueft_tasks" / "samples")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A run of a task, an optimizer and a callback of packages that are not installed here."""
    folder = shutil.copytree(finished_run, tmp_path / "run")
    recipe = folder / "recipe.toml"
    text = recipe.read_text().replace('"mrpc"', '"notes"').replace('plugin = "adam"', 'plugin = "fast"')
    recipe.write_text(text + '\n[[callbacks]]\nplugin = "bell"\n')
    mine = {"package": "glueft-notes", "version": "1.0"}
    packages = {"task": mine, "optimizer": mine, "callbacks": [{"package": "glueft-bell", "version": "2.1"}]}
    plugins = {"task": "notes", "optimizer": "fast", "callbacks": ["bell"], "packages": packages}
    change_record(folder, task="notes", plugins=plugins, task_description={"description": "Two notes."})
    return folder


def test_predicting_looking_comparing_and_pushing_need_none(run: Path, tmp_path: Path, capsys: Captured) -> None:
    assert command_line(["predict", str(run), "A seal.", "A seal.", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["predictions"]
    assert list(row["probabilities"]) == ["not_equivalent", "equivalent"]
    table = tmp_path / "rows.tsv"
    table.write_text('#1 String\t#2 String\n"A seal.\tA "seal".\n')  # the benchmark's own columns, quotes as they are
    assert command_line(["predict", str(run), "--input", str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    for command in ("list-runs {0}/..", "compare {0} {0}", "report {0}"):
        assert command_line(command.format(run).split()) == 0
    told = capsys.readouterr()
    assert (
        'shown without their texts: the rows cannot be read: no task is called "notes"; the run had it from '
        in told.err
    )
    card = content_of(source_of(Run.open(run)), "alice/notes", None).files["README.md"]
    assert b"Two notes." in card and b'"The first text.", "The second text."' in card  # type: ignore[operator]


def test_what_needs_the_task_says_which_package_brought_it(run: Path, capsys: Captured) -> None:
    for command in ("evaluate {0}", "submit {0}", "show {0}/recipe.toml"):
        assert command_line(command.format(run).split()) == 2
        told = capsys.readouterr().err
        assert 'no task is called "notes"' in told
        assert "the run had it from glueft-notes 1.0: pip install glueft-notes==1.0.  Installed: ax, cola" in told
        assert ('no optimizer is called "fast"' in told) == command.startswith("show")
        assert ("pip install glueft-bell==2.1" in told) == command.startswith("show")


def test_evaluating_needs_the_task_alone_and_names_what_is_another(run: Path, tmp_path: Path, capsys: Captured) -> None:
    plugin = tmp_path / "notes.py"
    plugin.write_text(NOTES.format(labels=LABELS, samples=SAMPLES))
    comparison = evaluate_run(Run.open(run), plugins=[str(plugin)])["comparison"]
    assert comparison["equal"] is True
    (difference,) = comparison["differences"]
    assert difference.startswith(
        f"task notes: the run had it from glueft-notes 1.0, now it is from plugin file {plugin} "
    )
    # The labels of an update are exchanged: all rows mean the other thing.
    plugin.write_text(NOTES.format(labels='"equivalent", "not_equivalent"', samples=SAMPLES))
    comparison = evaluate_run(Run.open(run), plugins=[str(plugin)])["comparison"]
    assert comparison["equal"] is False
    rows, labels, *_, order = comparison["differences"]
    assert rows.startswith("validation rows: the run had 153 (SHA-256 ")
    assert labels == "validation labels: 153 of 153 rows are given another label than the run read"
    assert order.startswith(
        "labels of notes: the run had not_equivalent, equivalent, now they are equivalent, not_equi"
    )
    plugin.write_text(NOTES.format(labels='"other", "same"', samples=SAMPLES))
    with pytest.raises(PluginError, match=r'the task "notes" that is here .* has other labels than the run') as caught:
        evaluate_run(Run.open(run), plugins=[str(plugin)])
    assert (caught.value.expected, caught.value.received) == ('"not_equivalent", "equivalent"', '"other", "same"')
    assert caught.value.fix.endswith("pip install glueft-notes==1.0")
    upload = (
        '    submission = glueft.Submission("NOTES", {"test": "NOTES.tsv"}, majority="same")\n    sizes = {"test": 9}\n'
    )
    plugin.write_text(plugin.read_text() + upload)
    assert command_line(["submit", str(run), "--plugin", str(plugin), "--output", str(tmp_path / "upload.zip")]) == 2
    assert 'received: "other", "same"' in capsys.readouterr().err
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('plugin = "notes"', 'plugin = "notes"\nwords = 7'))
    with pytest.raises(RecipeError) as refused:
        evaluate_run(Run.open(run), plugins=[str(plugin)])
    assert "and the run had it from glueft-notes 1.0: pip install glueft-notes==1.0" in refused.value.problems[0].fix


def test_an_older_run_goes_without_what_it_has_not_recorded(run: Path, capsys: Captured) -> None:
    record = json.loads((run / "run.json").read_text())
    del record["task_description"], record["plugins"]["packages"]
    (run / "run.json").write_text(json.dumps(record))
    card = content_of(source_of(Run.open(run)), "alice/notes", None).files["README.md"]
    assert b"Two notes." not in card and b'"The text."' in card  # type: ignore[operator]
    assert command_line(["predict", str(run), "A seal.", "A seal."]) == 2
    told = capsys.readouterr().err
    assert 'no task is called "notes"' in told and "pip install" not in told


def test_an_older_run_asks_the_plugin_that_is_there(finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "run")
    record = json.loads((folder / "run.json").read_text())
    described = read_description(record.pop("task_description"))
    (folder / "run.json").write_text(json.dumps(record))
    assert Run.open(folder).task_description == described == Run.open(finished_run).task_description


def test_the_run_records_what_brought_its_plugins(finished_run: Path) -> None:
    record = json.loads((finished_run / "run.json").read_text())
    ours = {"package": "glueft", "version": record["versions"]["glueft"]}
    assert record["plugins"]["packages"] == {"task": ours, "optimizer": ours, "schedule": ours, "callbacks": []}
    mrpc: Any = load_registry().find("task", "mrpc").cls()
    assert record["task_description"] == describe_task(mrpc).as_record()
    assert origin_of(mrpc) == ours


def test_compare_tells_packages_that_differ(tmp_path: Path, capsys: Captured) -> None:
    runs = []
    for name, version in (("a", "1.0"), ("b", "2.0")):
        folder = make_run(tmp_path / name, [0, 1, 1], [0, 1, 0])
        change_record(folder, plugins={"packages": {"task": {"package": "glueft-notes", "version": version}}})
        runs.append(str(folder))
    assert command_line(["compare", *runs]) == 0
    told = capsys.readouterr().out
    assert "task.mrpc" in told and "glueft-notes 1.0" in told and "glueft-notes 2.0" in told


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ({"task": {"package": "glueft-mood", "version": "1.0+cpu"}}, "pip install glueft-mood==1.0+cpu"),
        ({"task": {"package": "x; rm -rf ~", "version": "1"}}, "does not name a valid package"),
        ({"task": {"package": "--target=x", "version": "1"}}, "does not name a valid package"),
        ({"task": {"package": "mood", "version": "1 --pre"}}, "does not name a valid package"),
        (
            {"task": {"file": "/home/a/mood.py", "sha256": "0f" * 32}},
            "name the file that you have with --plugin FILE.py",
        ),
        ({"task": {"package": 3, "version": "1"}}, None),
        ({"task": []}, None),
        ([], None),
        (None, None),
    ],
)
def test_what_a_record_says_of_packages_is_not_counted_on(packages: object, said: str | None) -> None:
    origins = recorded_origins({"plugins": {"task": "mood", "packages": packages}})
    assert (said is None) == (origins == {})
    if said is not None:
        assert said in how_to_get(origins["task", "mood"])


def test_every_task_of_glueft_s_own_comes_back_from_its_description() -> None:
    for plugin in load_registry().all("task"):
        if plugin.name == "table":  # its options must be given
            continue
        task: Any = plugin.cls()
        described = describe_task(task)
        assert read_description(json.loads(json.dumps(described.as_record()))) == described
        assert described.table_layout == task.table_layout()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": []}, "inputs: one or two names"),
        ({"inputs": ["other"]}, "inputs: one or two names"),
        ({"labels": "ab"}, "labels: "),
        ({"tsv": {"folder": "X", "columns": {}}}, "tsv: files with a column for each input"),
        ({"table_layout": None}, "table_layout: "),
    ],
)
def test_a_description_that_is_none_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    mrpc: Any = load_registry().find("task", "mrpc").cls()
    folder = make_run(tmp_path / "run", [0, 1], [0, 1], task_description=describe_task(mrpc).as_record())
    record = json.loads((folder / "run.json").read_text())
    record["task_description"] |= change
    (folder / "run.json").write_text(json.dumps(merged(record, {})))
    with pytest.raises(RunFolderError, match="what it says of the task cannot be used") as caught:
        _ = Run.open(folder).task_description
    assert caught.value.received.startswith(said)
