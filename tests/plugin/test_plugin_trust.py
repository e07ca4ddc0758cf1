"""A run folder runs no code by itself: of the plugin files that it names, only those that this user has run before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from glueft.cli.main import command_line
from glueft.plugin.file import PluginFile, is_trusted, read_plugin_file, remember_trusted, state_folder
from glueft.recipe import RecipeError, load_recipe
from glueft.runs.run import Run
from run_folders import change_record, make_run

Captured = pytest.CaptureFixture[str]

# A task like MRPC, of a file that leaves a trace when it is run.
EVIL = '''
import pathlib
pathlib.Path({trace!r}).touch()
import glueft

class Evil(glueft.Task):
    """Looks like any other."""
    name = "evil"
    inputs = ("sentence1", "sentence2")
    labels = ("not_equivalent", "equivalent")
    metrics = ("accuracy", "f1")
    tsv = glueft.TSVLayout("EVIL", columns={{"sentence1": "a", "sentence2": "b", "label": "c"}})
    sample = "samples"
    submission = glueft.Submission("EVIL", {{"test": "EVIL.tsv"}}, majority="equivalent")
    sizes = {{"test": 2}}
'''
COMMANDS = [
    "list-runs {parent}",
    "report {run}",
    "compare {run} {run}",
    "evaluate {run}",
    "predict {run} a b",
    "export {run} {parent}/export",
    "push {run} alice/evil",
    "submit {run} --fill-missing --output {parent}/upload.zip",
    "validate {run}/recipe.toml",
    "show {run}/recipe.toml",
    "plan {run}/recipe.toml --no-probe",
    "run {run}/recipe.toml",
]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "glueft" / "plugin-files"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "it-was-run"


@pytest.fixture
def run(tmp_path: Path, trace: Path) -> Path:
    """A run folder from elsewhere, whose recipe names a plugin file in it; run.json says whatever a stranger likes."""
    folder = make_run(tmp_path / "runs" / "evil", [0, 1], [0, 0])
    file = folder / "evil.py"
    file.write_text(EVIL.format(trace=str(trace)))
    recipe = folder / "recipe.toml"
    recipe.write_text('[plugins]\nfiles = ["evil.py"]\n' + recipe.read_text().replace('"mrpc"', '"evil"'))
    digest = read_plugin_file(file).sha256
    change_record(
        folder,
        task="evil",
        plugins={
            "task": "evil",
            "files": [{"path": str(file), "sha256": digest}],
            "packages": {"task": {"file": str(file), "sha256": digest}},
        },
        host={"name": os.uname().nodename},
        baseline={},
        published=[],
        data={"source": "sample", "max_length": 128, "notes": []},
        checkpoint={"head": "new"},
        parameters=1,
        trainable_parameters=1,
        num_train_steps=1,
    )
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[0])
def test_no_command_runs_a_file_that_a_stranger_s_folder_names(
    command: str, run: Path, trace: Path, tmp_path: Path, capsys: Captured
) -> None:
    words = command.format(run=run, parent=tmp_path / "runs").split()
    code = command_line(words)
    assert not trace.exists()
    told = capsys.readouterr().err
    if words[0] in ("list-runs", "compare", "report"):
        assert code == 0
    else:
        assert code == 2 and "Traceback" not in told
    if words[0] not in ("list-runs", "compare", "export", "push"):  # which look for no plugin at all, or go without
        assert f"plugin file {run / 'evil.py'}: it is not run, for a run folder names it" in told
        assert f"if you trust it, add --trust, or --plugin {run / 'evil.py'}" in told


@pytest.mark.parametrize(
    "way", ["above", "link", "linked recipe", "linked folder", "record is a dangling link", "below"]
)
def test_no_other_way_of_naming_it_does(way: str, run: Path, trace: Path, tmp_path: Path) -> None:
    recipe = run / "recipe.toml"
    if way == "above":
        shutil.move(run / "evil.py", run.parent / "evil.py")
        recipe.write_text(recipe.read_text().replace('"evil.py"', '"../evil.py"'))
    elif way == "link":
        shutil.move(run / "evil.py", tmp_path / "real.py")
        (run / "evil.py").symlink_to(tmp_path / "real.py")
    elif way == "linked recipe":
        recipe = tmp_path / "mine.toml"
        recipe.symlink_to(run / "recipe.toml")
        shutil.copy(run / "evil.py", tmp_path)
    elif way == "linked folder":
        (tmp_path / "link").symlink_to(run)
        recipe = tmp_path / "link" / "recipe.toml"
    elif way == "below":
        (run / "again").mkdir()
        recipe = Path(shutil.copy(recipe, run / "again"))
        shutil.copy(run / "evil.py", run / "again")
    else:
        (run / "run.json").unlink()
        (run / "run.json").symlink_to("nowhere")
    with pytest.raises(RecipeError, match="it is not run, for a run folder names it"):
        load_recipe(recipe)
    assert not trace.exists()


def test_a_recipe_of_one_s_own_runs_its_files_and_so_does_what_the_user_names(
    run: Path, trace: Path, tmp_path: Path, capsys: Captured
) -> None:
    for options in (["--trust"], ["--plugin", str(run / "evil.py")]):
        assert command_line(["validate", str(run / "recipe.toml"), *options]) == 0
        trace.unlink(missing_ok=True)
    # A file of the same name takes the place of the run's, wherever it lies.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(run / "evil.py", elsewhere / "evil.py")
    assert command_line(["show", str(run / "recipe.toml"), "--plugin", str(elsewhere / "evil.py")]) == 0
    assert f'files = ["{elsewhere / "evil.py"}"]' in capsys.readouterr().out
    assert command_line(["report", str(run), "--plugin", str(elsewhere / "evil.py")]) == 0
    assert trace.exists() and "it is not run" not in capsys.readouterr().err
    # Out of the run folder it is a recipe like any other.
    shutil.copy(run / "recipe.toml", elsewhere / "mine.toml")
    assert load_recipe(elsewhere / "mine.toml").task.name == "evil"


def test_a_file_that_a_run_of_this_user_has_run_is_run_again_as_long_as_it_is_the_same(run: Path, state: Path) -> None:
    file = read_plugin_file(run / "evil.py")
    assert not is_trusted(file)
    remember_trusted([file])
    assert is_trusted(file)
    assert Run.open(run).parts.task.name == "evil"
    assert load_recipe(run / "recipe.toml").task.name == "evil"
    with (run / "evil.py").open("a") as text:
        text.write("\n")
    with pytest.raises(RecipeError, match="it is not run"):
        _ = Run.open(run).parts
    assert not is_trusted(PluginFile(str(run / "other.py"), file.source))
    assert state.stat().st_mode & 0o777 == 0o700
    assert [note.stat().st_mode & 0o777 for note in state.iterdir()] == [0o600]


def test_a_note_that_others_could_have_written_does_not_count(run: Path, state: Path) -> None:
    file = read_plugin_file(run / "evil.py")
    remember_trusted([file])
    (note,) = state.iterdir()
    note.chmod(0o622)
    assert not is_trusted(file)
    note.chmod(0o600)
    state.chmod(0o777)
    assert not is_trusted(file)
    state.chmod(0o700)
    assert is_trusted(file)
    note.rename(state / "elsewhere")
    note.symlink_to("elsewhere")
    assert not is_trusted(file)


def test_where_no_note_can_be_written_nothing_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    file = PluginFile(str(tmp_path / "a.py"), b"")
    remember_trusted([file])
    assert not is_trusted(file)
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setattr(Path, "expanduser", _homeless)
    remember_trusted([file])
    assert not is_trusted(file)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".local" / "state" / "glueft"


def _homeless(path: Path) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_pipe_or_a_huge_file_in_place_of_a_plugin_is_not_waited_for(run: Path) -> None:
    file = run / "evil.py"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(RecipeError, match="a named pipe in place of a file"):
        load_recipe(run / "recipe.toml", trust=True)
    file.unlink()
    with file.open("wb") as sparse:
        sparse.truncate(2**32)
    with pytest.raises(RecipeError, match="more than 10,000,000 bytes"):
        load_recipe(run / "recipe.toml", trust=True)
