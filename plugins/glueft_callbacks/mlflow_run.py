"""One MLflow run, fed by a thread of its own. Importing this module imports mlflow."""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before the import: MLflow reads the second as it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import LifecycleStage, Metric, Param, Run
from mlflow.exceptions import MlflowException

import glueft

# What a store takes in one request (MLflow's REST API, "Log Batch": 1,000 metrics, 100 params).
MOST_METRICS = 1000
MOST_PARAMS = 100

# What is told of an error: some of MLflow's are as long as a page.
LONGEST_LINE = 300

# The schemes of MLflow's database stores (mlflow.store.db.db_types.DATABASE_ENGINES).
DATABASES = ("postgresql", "mysql", "sqlite", "mssql")


def tracking_uri(wanted: str | None) -> str:
    """Return where the run is recorded; a folder as a `file:` URI.

    MLflow refuses folders unless MLFLOW_ALLOW_FILE_STORE is set, as it no longer develops that store; whoever names a
    folder, or has nothing but mlflow-skinny, wants it, so the variable is set for this process.

    Raises:
        PluginError: it is a database, and SQLAlchemy, which MLflow needs for one, is not installed.
    """
    uri = wanted or get_tracking_uri()
    if uri.startswith(DATABASES) and importlib.util.find_spec("sqlalchemy") is None:
        if wanted or os.environ.get("MLFLOW_TRACKING_URI"):
            raise glueft.PluginError(
                f'callback "mlflow" cannot write to the database {uri} without SQLAlchemy',
                expected="a server, a folder, or the whole of MLflow",
                received="mlflow-skinny, which has no databases",
                fix='pip install mlflow, or set tracking_uri = "file:mlruns" or the address of a server',
            )
        uri = "mlruns"
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", uri)
    if uri not in ("databricks", "databricks-uc", "uc") and (scheme is None or scheme[1] == "file"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        path = uri.removeprefix("file://") if uri.startswith("file://") else uri.removeprefix("file:")
        return Path(path).absolute().as_uri()
    return uri


class TrackedRun:
    """One MLflow run. Nothing here raises, and only `close` waits.

    Args:
        uri: of the tracking store.
        experiment: its name; made if need be.
        name: of the run.
        params: by name; sent as texts.
        tags: by name.
        say: shows a line to the user; called from the thread that sends.
    """

    def __init__(
        self,
        uri: str,
        *,
        experiment: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self.uri = uri
        self.experiment = experiment
        self.name = name
        self.params = [Param(re.sub(r"[^\w./ -]", "_", key), str(value)) for key, value in params.items()]
        self.tags = dict(tags)
        self.say = say
        self.last_step = 0
        self.run_id: str | None = None
        self.resumed_at = 0
        self.logged: Counter[str] = Counter()
        self.unsent: list[Metric] = []
        self.ending: Ending | None = None
        # Guards these.
        self.changed = threading.Condition()
        self.given_up = threading.Event()
        # A daemon: a request that hangs must not keep the process from its end.
        self.thread = threading.Thread(target=self._send, name="glueft-mlflow", daemon=True)

    def begin(self) -> None:
        """Let the MLflow run begin with the first number; without this, nothing of it is ever seen."""
        self.thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send numbers, some time soon."""
        self.last_step = max(step, self.last_step)
        now = time.time_ns() // 1_000_000
        with self.changed:
            if self.thread.is_alive():
                self.unsent += [Metric(name, float(value), now, step) for name, value in values.items()]
                self.logged.update(values.keys())
                self.changed.notify()

    def state(self) -> dict[str, Any]:
        """The MLflow run, the number of points by name, and those of them that it may not have yet."""
        with self.changed:
            unsent = [[metric.key, metric.value, metric.timestamp, metric.step] for metric in self.unsent]
            return {"run_id": self.run_id, "step": self.last_step, "logged": dict(self.logged), "unsent": unsent}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with the MLflow run of a `state`."""
        with self.changed:
            self.run_id, self.logged = state["run_id"], Counter(state["logged"])
            self.last_step = self.resumed_at = state["step"]
            self.unsent = [Metric(*point) for point in state["unsent"]]
            self.changed.notify()

    def close(self, status: str, files: Sequence[Path], *, wait_seconds: float) -> None:
        """End the MLflow run, and wait until all is sent, or for so long."""
        if not self.thread.is_alive():
            return
        with self.changed:
            self.ending = Ending(status, files)
            self.changed.notify()
        self.thread.join(wait_seconds)
        if self.thread.is_alive():
            self.given_up.set()
            self.say(
                f"warning: mlflow: {self.uri} has not taken everything within {wait_seconds:g} s; "
                "the run folder has it all"
            )

    def _send(self) -> None:
        try:
            client = MlflowClient(self.uri)
            self._next()  # Before the first number, `restore` may yet say which run to go on with.
            there = self._go_on(client)
            while metrics := self._next():
                new = [metric for metric in metrics if not _taken(there, metric)]
                if new:
                    client.log_batch(self.run_id, metrics=new)
                with self.changed:
                    del self.unsent[: len(metrics)]
            assert self.ending is not None
            for path in self.ending.files:
                self._upload(client, path)
            client.set_terminated(self.run_id, self.ending.status)
        except Exception as error:  # whatever a store, a network or a plugin of MLflow's may raise
            if not self.given_up.is_set():
                self.say(f"warning: mlflow: {self.uri}: {said(error)}; the run goes on without it")
            self.unsent = []

    def _next(self) -> list[Metric]:
        """Wait for numbers and return all that wait, for one request; none if all is sent and the run has ended."""
        with self.changed:
            self.changed.wait_for(lambda: self.unsent or self.ending)
            return self.unsent[:MOST_METRICS]

    def _go_on(self, client: MlflowClient) -> Counter[tuple[str, int]]:
        """Go on with the run, or begin one; return the points that it has and that come again, by name and step."""
        there: Counter[tuple[str, int]] = Counter()
        found = self._find(client)
        if found is None:
            self._create(client)
            return there
        self.run_id = found.info.run_id
        client.update_run(self.run_id, "RUNNING")
        with self.changed:
            sent = self.logged - Counter(metric.key for metric in self.unsent)
        for name in found.data.metrics:
            history = client.get_metric_history(self.run_id, name)
            points = sorted(history, key=lambda point: (point.step, point.timestamp))
            there.update((name, point.step) for point in points[sent[name] :])
        self.say(f"mlflow: goes on with the run {self.name} at {self.uri}")
        return there

    def _find(self, client: MlflowClient) -> Run | None:
        """Return the MLflow run of an earlier part of this run; None if there is none, or the store has lost it."""
        found = None
        if self.run_id is not None:
            try:
                found = client.get_run(self.run_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        elif experiment := client.get_experiment_by_name(self.experiment):
            # The run was not saved, or was before the store had answered. Its name is that of one run folder.
            named = f"tags.mlflow.runName = {self.name!r}"
            found = next(iter(client.search_runs([experiment.experiment_id], named, max_results=1)), None)
        if found is not None and found.info.lifecycle_stage == LifecycleStage.ACTIVE:
            return found
        if self.run_id is not None:
            self.say(
                f"warning: mlflow: {self.uri} no longer has the run {self.run_id}; another one begins, with what "
                f"follows step {self.resumed_at:,}"
            )
        return None

    def _create(self, client: MlflowClient) -> None:
        experiment = client.get_experiment_by_name(self.experiment)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(self.experiment)
        run_id = str(client.create_run(experiment_id, run_name=self.name, tags=self.tags).info.run_id)
        for begin in range(0, len(self.params), MOST_PARAMS):
            client.log_batch(run_id, params=self.params[begin : begin + MOST_PARAMS])
        self.run_id = run_id
        self.say(f"mlflow: run {self.name} of experiment {self.experiment} at {self.uri}")

    def _upload(self, client: MlflowClient, path: Path) -> None:
        if path.is_dir():
            client.log_artifacts(self.run_id, str(path), path.name)
        elif path.exists():
            client.log_artifact(self.run_id, str(path))
        else:
            self.say(f'warning: mlflow: the run folder has no "{path.name}" to upload')


def _taken(there: Counter[tuple[str, int]], metric: Metric) -> bool:
    """Whether a point is one of those that are there, each of which counts once."""
    point = metric.key, metric.step
    if not there[point]:
        return False
    there[point] -= 1
    return True


def said(error: BaseException) -> str:
    """An exception in one line. Of a failed connection, what the system said: MLflow wraps it in several others."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    system = [link for link in chain if isinstance(link, OSError)]
    root = system[-1] if system else error
    text = " ".join(f"{type(root).__name__}: {root}".split())
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 3]}..."


class Ending:
    """The last thing that is sent."""

    def __init__(self, status: str, files: Sequence[Path]) -> None:
        self.status = status
        self.files = files
