"""A run that has failed is resumed in its folder, and ends as one that never did."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import glueft
from glueft import launch
from glueft.cli.main import command_line
from glueft.errors import PluginError, RunFolderError
from glueft.recipe import load_recipe
from glueft.runs.checkpoints import checkpoint_folder, saved_steps
from glueft.runs.lease import Lease
from glueft.runs.run import Run
from glueft.system.process_identity import process_identity
from glueft.training.observers import RunProgress
from glueft.training.resumption import Resumption
from glueft.training.state_files import PackedState, read_state

# Fails at the end of a step while the file of that number is beside the plugin; notes each step and each resumption. It
# waits until the state of the step before is written: no state is saved meanwhile.
STUMBLE = '''
"""A callback that fails on demand."""

import json
import threading
from pathlib import Path

import glueft

class Stumble(glueft.Callback):
    """Fails on demand."""

    name = "stumble"

    def claims(self):
        return ["built"]

    def build(self, run):
        import keras

        self.steps = 0
        (run.folder / "built").touch()

        def train_begin(logs=None):
            run.log("begun", step=self.steps)

        def batch_end(batch, logs=None):
            self.steps += 1
            for thread in threading.enumerate():
                if thread.name == "glueft-state":
                    thread.join()
            run.log("seen", batch=batch, steps=self.steps)
            if Path(__file__).with_name(str(self.steps)).exists():
                raise RuntimeError("a stone")

        return keras.callbacks.LambdaCallback(on_train_begin=train_begin, on_train_batch_end=batch_end)

    def state(self):
        return {"steps": self.steps}

    def restore(self, state):
        self.steps = state["steps"]

@glueft.hookimpl
def glueft_callbacks():
    return [Stumble]
'''
ALWAYS = "training.checkpoint_minutes=1e-9"


class Said(RunProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "stumble.py"
    path.write_text(STUMBLE)
    return path


@pytest.fixture(scope="module")
def recipe(plugin: Path, tiny_bert: Path) -> Any:
    """Of two epochs of three steps."""
    changes = ["training.epochs=2", "training.batch_size=16", "data.limit_train=48", "data.limit_validation=20"]
    changes += [ALWAYS, 'callbacks=[{plugin="stumble"}, {plugin="csv", every="step"}]']
    return load_recipe("mrpc", changes, sample=True, checkpoint=str(tiny_bert), plugins=[str(plugin)])


@pytest.fixture(scope="module")
def whole(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return glueft.run(recipe, output_dir=tmp_path_factory.mktemp("whole")).folder


@pytest.fixture(scope="module")
def _failed(recipe: Any, plugin: Path, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failed")
    plugin.with_name("5").touch()
    try:
        with pytest.raises(PluginError, match="a stone"):
            glueft.run(recipe, output_dir=folder)
    finally:
        plugin.with_name("5").unlink()
    (run,) = folder.iterdir()
    return run


@pytest.fixture
def failed(_failed: Path, tmp_path: Path) -> Path:
    """A run that failed in its fifth step, of which the fourth is saved."""
    return Path(shutil.copytree(_failed, tmp_path / "runs" / _failed.name))


def without_seconds(history: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in json.loads(line).items() if key != "seconds"} for line in history.splitlines()
    ]


def files(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "history.jsonl")
    }


def record(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "run.json").read_text())
    return content


def assert_equal(run: Path, whole: Path) -> None:
    assert files(run) == files(whole)
    assert without_seconds((run / "history.jsonl").read_text()) == without_seconds(
        (whole / "history.jsonl").read_text()
    )
    own = {"seconds", "epochs", "examples_per_second", "tokens_per_second", "peak_memory_bytes", "parts"}
    own |= {"started", "finished", "run_dir", "process", "hub"}
    ended, expected = ({key: each[key] for key in each.keys() - own} for each in map(record, (run, whole)))
    for each in (ended, expected):  # A run that begins again without a state has its backend from its record.
        del each["engine"]["backend_reason"]
    assert ended == expected and record(run).keys() - {"parts", "hub"} == record(whole).keys()


def change(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_failed_run_goes_on_after_the_step_that_is_saved(failed: Path, whole: Path) -> None:
    assert saved_steps(failed) == [3, 4]
    assert record(failed)["status"] == "failed"
    pushes = [{"status": "done", "epoch": epoch} for epoch in (1, 2, None)]
    change(failed / "run.json", lambda found: found.update(hub={"repository": "alice/x", "pushes": pushes}))
    said = Said()
    result = launch.resume_run(failed, progress=said, begin=None)
    assert result is not None and result.folder == failed
    assert "going on after step 4 of 6" in said.lines
    assert_equal(failed, whole)
    assert result.record == record(failed)
    assert result.record["run_dir"] == str(failed)  # a copy
    # The second epoch, and the end, came again.
    assert [push["epoch"] for push in result.record["hub"]["pushes"]] == [1]
    first, second = result.record["parts"]
    assert (first["status"], first.get("from_step", 0), first["to_step"]) == ("failed", 0, 4)
    assert (second["status"], second["from_step"], second["to_step"]) == ("done", 4, 6)
    seconds = result.record["seconds"]
    assert seconds["total"] > second["seconds"] + 0.5 and seconds["total"] >= seconds["setup"] + seconds["train"]
    assert seconds["first_step"] < first["seconds"]
    assert not (failed / "checkpoints").exists()
    # Once more, by the command line, of the least that a run that is done may have.
    (failed / "recipe.toml").unlink()
    assert command_line(["resume", str(failed), "--json"]) == 0
    assert record(failed) == result.record


def test_damaged_states_are_passed_over(failed: Path, whole: Path) -> None:
    arrays = failed / "checkpoints" / "step-4" / "state.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-100])
    said = Said()
    launch.resume_run(failed, progress=said)
    assert "the state after step 4 is passed over" in said.lines[0] and "is damaged" in said.lines[0]
    assert "going on after step 3 of 6" in said.lines
    assert_equal(failed, whole)


def test_without_a_state_the_run_begins_again(failed: Path, whole: Path) -> None:
    shutil.rmtree(failed / "checkpoints")
    change(failed / "run.json", lambda found: found.update(status="running"))  # as if it had been killed
    said = Said()
    launch.resume_run(failed, progress=said)
    assert "there is no state to go on from: the run begins again with its first step" in said.lines
    assert_equal(failed, whole)
    assert [part["status"] for part in record(failed)["parts"]] == ["died", "done"]


def changed_everywhere(run: Path, changed: Callable[[dict[str, Any]], Any]) -> None:
    """Change what the run and its states say of what the run began with."""
    change(run / "run.json", changed)
    for step in saved_steps(run):
        state = read_state(checkpoint_folder(run, step))
        changed(state["record"])
        PackedState.of(state).write(checkpoint_folder(run, step))


def test_a_run_that_began_with_something_else_is_refused(failed: Path) -> None:
    def older(found: dict[str, Any]) -> None:
        found["versions"]["keras"] = "3.0.0"

    changed_everywhere(failed, older)
    before = {path: path.stat().st_mtime_ns for path in failed.rglob("*") if path.is_file()}
    with pytest.raises(RunFolderError, match="cannot go on as it began") as caught:
        launch.resume_run(failed)
    assert "version of keras: 3.0.0 in the run" in caught.value.received
    assert "--anyway" in caught.value.fix
    assert {path: path.stat().st_mtime_ns for path in failed.rglob("*") if path.is_file()} == before

    def other_rows(found: dict[str, Any]) -> None:
        found["data"]["splits"]["train"]["sha256"] = "0" * 64

    changed_everywhere(failed, other_rows)
    with pytest.raises(RunFolderError, match="cannot go on as it began") as caught:
        launch.resume_run(failed, anyway=True)
    assert "rows of train" in caught.value.received and "keras" not in caught.value.received
    assert record(failed)["status"] == "failed" and saved_steps(failed) == [3, 4]


def test_anyway_accepts_another_version(failed: Path) -> None:
    changed_everywhere(failed, lambda found: found["versions"].update(keras="3.0.0"))
    said = Said()
    assert launch.resume_run(failed, anyway=True, progress=said) is not None
    assert [line for line in said.lines if "version of keras: 3.0.0" in line and "other last digits" in line]
    resume = record(failed)["resume"]
    assert not resume["exact"] and resume["reasons"][0].startswith("it was resumed after step 4: version of keras: 3.0")


def test_a_run_that_still_goes_on_is_refused(failed: Path) -> None:
    lease = Lease.take(failed)
    try:
        with pytest.raises(RunFolderError, match="the run is still going on"):
            launch.resume_run(failed)
    finally:
        lease.release()


def test_a_process_that_trains_without_a_heartbeat_is_heard(failed: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        try:
            stat = Path(f"/proc/{other.pid}/stat")
            if not stat.exists():
                pytest.skip("nothing tells whether a process is alive")
            ticks = int(stat.read_text().rpartition(")")[2].split()[19])
            process = process_identity() | {"pid": other.pid, "start_ticks": ticks}
            change(failed / "run.json", lambda found: found.update(status="running", process=process))
            with pytest.raises(RunFolderError, match="the run is still going on"):
                launch.resume_run(failed)
            assert not (failed / "heartbeat").exists()
        finally:
            other.kill()
    assert Run.reopen(failed).is_reopened


def test_what_callbacks_claim_is_removed_where_a_run_begins_again(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run"
    for name in ("logs/a/b.txt", "logs/c.txt", "metrics.csv", "run.json", "../other.txt"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    (run / "link").symlink_to(tmp_path / "runs")
    claims = [
        ["logs/a", "metrics.csv", "..", ".", "logs/../../other.txt", str(tmp_path / "runs"), "link/run"],
        None,
        "b",
    ]
    recipe = SimpleNamespace(callbacks=[SimpleNamespace(claims=lambda each=each: each) for each in claims])
    reopened: Any = SimpleNamespace(folder=run, recipe=recipe)
    Resumption(reopened, False, reopened, None, None).remove_claimed()
    left = {path.relative_to(run.parent).as_posix() for path in run.parent.rglob("*") if path.is_file()}
    assert left == {"other.txt", "run/logs/c.txt", "run/run.json"}


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Notes what the command line would train instead."""
    done: list[str] = []

    def noted(what: str) -> Callable[..., Any]:
        def start(first: Any, **options: Any) -> glueft.Result:
            done.append(f"{what} {getattr(first, 'name', '')}".strip())
            described = {"task_description": {"inputs": ["text"]}}
            return cast(glueft.Result, SimpleNamespace(record=described, folder=Path()))

        return start

    monkeypatch.setattr(launch, "run_recipe", noted("run"))
    monkeypatch.setattr(launch, "resume_run", noted("resume"))
    yield done


def test_run_resumes_the_newest_unfinished_run_of_its_recipe(
    failed: Path, plugin: Path, no_training: list[str], tmp_path: Path
) -> None:
    older = Path(shutil.copytree(failed, failed.with_name("older")))
    change(older / "run.json", lambda found: found.update(started="2020-01-01T00:00:00+00:00"))
    newer = Path(shutil.copytree(failed, failed.with_name("newer")))
    change(newer / "run.json", lambda found: found.update(status="done", started="2090-01-01T00:00:00+00:00"))
    arguments = ["run", str(failed / "recipe.toml"), "--output-dir", str(failed.parent), "--resume", "--trust"]
    assert command_line(arguments) == 0
    assert command_line([*arguments, "--set", "training.seed=1"]) == 0
    assert command_line(["run", str(failed / "recipe.toml"), "--output-dir", str(tmp_path / "none"), "--resume"]) == 0
    assert no_training == [f"resume {failed.name}", "run", "run"]


def test_two_states_and_that_of_the_best_evaluation_are_kept(tiny_bert: Path, tmp_path: Path) -> None:
    changes = ["training.epochs=4", "training.batch_size=24", "data.limit_train=24", "data.limit_validation=20"]
    changes += ["training.keep_checkpoints=true", "schedule.initial_learning_rate=1e-2"]
    made = load_recipe("mrpc", changes, sample=True, checkpoint=str(tiny_bert))
    run = glueft.run(made, output_dir=tmp_path)
    accuracies = [epoch["metrics"]["accuracy"] for epoch in run.record["epochs"]]
    best = 1 + accuracies.index(max(accuracies))
    assert saved_steps(run.folder) == sorted({best, 3, 4})
    assert Run.open(run.folder).record.status == "done"
