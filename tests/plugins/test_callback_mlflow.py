"""The mlflow callback against a real local file store, and against servers that are away."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import glueft
import glueft_callbacks
from glueft.recipe import load_recipe
from glueft.runs.run import Run
from glueft.training.observers import RunProgress

pytest.importorskip("mlflow", reason="needs MLflow: pip install 'glueft[mlflow]'")

from test_resumed_callbacks import AT, Part, killed, through_a_file, whole

from glueft_callbacks.flat import flatten
from glueft_callbacks.mlflow_run import TrackedRun, tracking_uri

SHORT = ["training.epochs=2", "training.batch_size=16", "data.limit_train=64", "data.limit_validation=20"]


class Listening(RunProgress):
    """Keeps the lines that are shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri(str(folder)))


def the_run(folder: Path, experiment: str = "glueft") -> Any:
    """The one run of an experiment."""
    store = client(folder)
    (run,) = store.search_runs([store.get_experiment_by_name(experiment).experiment_id])
    return run


def test_a_run_is_in_the_file_store(tiny_bert: Path, tmp_path: Path) -> None:
    store, progress = tmp_path / "store", Listening()
    options = (
        'experiment="harbour", every_steps=3, artifacts=["run.json", "predictions", "no-such-file"], log_model=true'
    )
    callback = f'callbacks=[{{plugin="mlflow", tracking_uri="file:{store}", {options}}}]'
    recipe = load_recipe("mrpc", [*SHORT, callback], checkpoint=str(tiny_bert), sample=True)
    result = glueft.run(recipe, output_dir=tmp_path / "runs", progress=progress)
    run = the_run(store, "harbour")
    assert run.info.run_name == result.folder.name
    assert run.info.status == "FINISHED"
    assert run.data.tags["glueft.run_dir"] == str(result.folder.resolve())
    assert run.data.params["training.batch_size"] == "16"
    assert run.data.params["callbacks.0.experiment"] == "harbour"
    assert run.data.params["data.predict"] == str(list(recipe.tables()["data"]["predict"]))

    def series(name: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in client(store).get_metric_history(run.info.run_id, name)]

    lines = [json.loads(line) for line in (result.folder / "history.jsonl").read_text().splitlines()]
    by_step = {line["step"]: line for line in lines if line["kind"] == "step"}
    epochs = [line for line in lines if line["kind"] == "epoch"]
    assert [epoch["step"] for epoch in epochs] == [4, 8]
    assert series("loss") == [(step, by_step[step]["loss"]) for step in (1, 3, 4, 6, 8)]
    assert series("learning_rate") == [(step, by_step[step]["learning_rate"]) for step in (1, 3, 4, 6, 8)]
    assert series("validation_loss") == [(epoch["step"], epoch["validation_loss"]) for epoch in epochs]
    assert series("epoch") == [(4, 1), (8, 2)]
    for name, value in result.record["metrics"].items():
        # By epoch, and once more at the end.
        assert series(name) == [*((epoch["step"], epoch["metrics"][name]) for epoch in epochs), (8, value)]
        assert run.data.metrics[name] == value

    artifacts = store / run.info.experiment_id / run.info.run_id / "artifacts"
    assert json.loads((artifacts / "run.json").read_text()) == result.record
    assert (artifacts / "predictions" / "validation.tsv").exists()
    import mlflow.pyfunc
    import pandas

    texts = {"sentence2": ["a bridge", "it is old"], "sentence1": ["the bridge", "it was old"]}
    answers = mlflow.pyfunc.load_model(str(artifacts / "mlflow_model")).predict(pandas.DataFrame(texts))
    own = result.predict(texts["sentence1"], texts["sentence2"])
    assert [*answers.columns] == [*own.columns][2:] and answers["label"].tolist() == own["label"].tolist()
    assert answers.iloc[:, 1].tolist() == pytest.approx(own.iloc[:, 3].tolist(), abs=1e-6)
    assert f"mlflow: run {result.folder.name} of experiment harbour at {store.as_uri()}" in progress.lines
    assert 'warning: mlflow: the run folder has no "no-such-file" to upload' in progress.lines


@pytest.mark.parametrize(("status", "told"), [("failed", "FAILED"), ("interrupted", "KILLED")])
def test_how_a_run_ended(status: str, told: str, tmp_path: Path) -> None:
    """`close` is what the package's `glueft_run_finished` hook calls."""
    callback = f'callbacks=[{{plugin="mlflow", tracking_uri="{tmp_path / "store"}"}}]'
    run = Run.of(load_recipe("mrpc", [callback]), tmp_path / "mrpc-1")
    (plugin,) = run.recipe.callbacks
    plugin.build(run).on_train_begin()  # type: ignore[attr-defined]
    run.record.status = status
    glueft_callbacks.glueft_run_finished(run)
    assert the_run(tmp_path / "store").info.status == told
    glueft_callbacks.glueft_run_finished(run)  # all is closed already


def test_a_set_up_that_fails_leaves_no_run(tmp_path: Path) -> None:
    """The MLflow run begins with the training: before it, another callback may still refuse the recipe."""
    callback = f'callbacks=[{{plugin="mlflow", tracking_uri="{tmp_path / "store"}"}}]'
    run = Run.of(load_recipe("mrpc", [callback]), tmp_path / "mrpc-1")
    run.recipe.callbacks[0].build(run)
    run.record.status = "interrupted"
    glueft_callbacks.glueft_run_finished(run)
    assert not (tmp_path / "store").exists()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """An address at which nobody listens: it is taken until the test has ended."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_server_that_never_answers_is_waited_for_at_the_end_only(silent_server: str) -> None:
    lines: list[str] = []
    run = TrackedRun(silent_server, experiment="e", name="n", params={}, tags={}, say=lines.append)
    run.begin()
    for step in range(10_000):
        run.log(step, {"loss": 1.0})
    assert run.thread.is_alive()
    assert lines == []
    run.close("FINISHED", [], wait_seconds=0.5)
    assert lines == [
        f"warning: mlflow: {silent_server} has not taken everything within 0.5 s; the run folder has it all"
    ]


def test_a_server_that_is_away_is_told_once(refusing_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    lines: list[str] = []
    run = TrackedRun(refusing_server, experiment="e", name="n", params={}, tags={}, say=lines.append)
    run.begin()
    run.log(1, {"loss": 1.0})
    run.close("FINISHED", [], wait_seconds=60)
    run.log(2, {"loss": 1.0})
    (line,) = lines
    assert line.startswith(f"warning: mlflow: {refusing_server}: ")
    assert "ConnectionRefusedError: " in line
    assert line.endswith("; the run goes on without it")
    assert "\n" not in line and len(line) < 400


def test_many_numbers_and_parameters_go_in_few_requests(tmp_path: Path) -> None:
    params = {f"table.key {number}!": "x" * 10 for number in range(230)}
    uri = tracking_uri(f"file:{tmp_path / 'store'}")
    run = TrackedRun(uri, experiment="glueft", name="n", params=params, tags={}, say=print)
    run.begin()
    for step in range(1, 2502):
        run.log(step, {"loss": 1 / step})
    run.close("FINISHED", [], wait_seconds=60)
    recorded = the_run(tmp_path / "store")
    assert recorded.data.params == {f"table.key {number}_": "x" * 10 for number in range(230)}
    assert recorded.info.status == "FINISHED"
    assert len(client(tmp_path / "store").get_metric_history(recorded.info.run_id, "loss")) == 2501


def wait_until_sent(tracked: TrackedRun | None) -> None:
    assert tracked is not None
    deadline = time.monotonic() + 30
    while tracked.unsent or tracked.run_id is None:
        assert tracked.thread.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)


def points(store: Path) -> dict[str, list[tuple[int, float]]]:
    """All points of the one run that is there, by name."""
    run = the_run(store)
    assert run.info.status == "FINISHED"
    histories = {name: client(store).get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: [(point.step, point.value) for point in history] for name, history in histories.items()}


@AT
def test_a_resumed_run_goes_on_in_the_same_one(saved: int, lost: int, tmp_path: Path) -> None:
    """Whatever was sent after the run was saved, no point is there twice."""
    tables = [f'{{plugin="mlflow", every_steps=1, tracking_uri="{tmp_path / name}"}}' for name in ("whole", "killed")]
    whole(tmp_path / "mrpc-1", tables[0])
    part = killed(tmp_path / "mrpc-2", tables[1], saved, lost, lambda part: wait_until_sent(part.callback.tracked))  # type: ignore[attr-defined]
    assert points(tmp_path / "killed") == points(tmp_path / "whole")
    assert f"mlflow: goes on with the run mrpc-2 at {(tmp_path / 'killed').as_uri()}" in part.lines


def test_a_run_that_was_not_saved_begins_again_in_the_same_one(tmp_path: Path) -> None:
    tables = [f'{{plugin="mlflow", every_steps=1, tracking_uri="{tmp_path / name}"}}' for name in ("whole", "killed")]
    whole(tmp_path / "mrpc-1", tables[0])
    wait_until_sent(Part(tmp_path / "mrpc-2", tables[1]).train(1, 5).callback.tracked)  # type: ignore[attr-defined]
    whole(tmp_path / "mrpc-2", tables[1])
    assert points(tmp_path / "killed") == points(tmp_path / "whole")


def saved_state(store: Path) -> Any:
    """The state of a run that has sent the losses of two steps."""
    tracked = TrackedRun(tracking_uri(str(store)), experiment="glueft", name="n", params={}, tags={}, say=print)
    tracked.begin()
    for step in (1, 2):
        tracked.log(step, {"loss": float(step)})
    wait_until_sent(tracked)
    return through_a_file(tracked.state())


def resumed(store: Path, state: Any) -> list[str]:
    """Resume, send the loss of a third step, and return what is said."""
    lines: list[str] = []
    tracked = TrackedRun(tracking_uri(str(store)), experiment="glueft", name="n", params={}, tags={}, say=lines.append)
    tracked.begin()
    tracked.restore(state)
    tracked.log(3, {"loss": 3.0})
    tracked.close("FINISHED", [], wait_seconds=60)
    return lines


def test_what_was_not_yet_sent_is_sent_once(tmp_path: Path) -> None:
    """The first of the two was sent all the same, just before the process died."""
    state = saved_state(tmp_path)
    state["unsent"] = [["loss", 2.0, 1, 2], ["loss", 2.5, 2, 2]]
    state["logged"]["loss"] += 1
    resumed(tmp_path, state)
    assert points(tmp_path) == {"loss": [(1, 1.0), (2, 2.0), (2, 2.5), (3, 3.0)]}


@pytest.mark.parametrize("store", ["deleted from it", "empty"])
def test_a_run_that_the_store_has_lost(store: str, tmp_path: Path) -> None:
    state = saved_state(tmp_path / "deleted from it")
    client(tmp_path / "deleted from it").delete_run(state["run_id"])
    first, second = resumed(tmp_path / store, state)
    uri = (tmp_path / store).as_uri()
    assert first == (
        f"warning: mlflow: {uri} no longer has the run {state['run_id']}; another one begins, with what follows step 2"
    )
    assert second == f"mlflow: run n of experiment glueft at {uri}"
    assert points(tmp_path / store) == {"loss": [(3, 3.0)]}


def without_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sqlalchemy" else find_spec(name))


def test_where_a_run_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    without_sqlalchemy(monkeypatch)
    assert tracking_uri(None) == (tmp_path / "mlruns").as_uri()
    assert tracking_uri("file:here") == tracking_uri("here") == (tmp_path / "here").as_uri()
    assert tracking_uri((tmp_path / "there").as_uri()) == (tmp_path / "there").as_uri()
    assert tracking_uri("https://tracker.example:5000") == "https://tracker.example:5000"
    assert tracking_uri("databricks") == "databricks"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker.example")
    assert tracking_uri(None) == "http://tracker.example"


def test_a_database_needs_the_whole_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_sqlalchemy(monkeypatch)
    with pytest.raises(glueft.PluginError, match=r"cannot write to the database sqlite:///x\.db without") as caught:
        tracking_uri("sqlite:///x.db")
    assert caught.value.expected == "a server, a folder, or the whole of MLflow"
    assert caught.value.received == "mlflow-skinny, which has no databases"
    assert caught.value.fix == ('pip install mlflow, or set tracking_uri = "file:mlruns" or the address of a server')


def test_a_recipe_flattened() -> None:
    tables = {"a": {"b": 1, "c": {"d": [1, 2]}}, "callbacks": [{"plugin": "x"}, {"plugin": "y"}], "e": []}
    assert flatten(tables) == {
        "a.b": 1, "a.c.d": "[1, 2]", "callbacks.0.plugin": "x", "callbacks.1.plugin": "y", "e": "[]",
    }  # fmt: skip
