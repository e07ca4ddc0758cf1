"""One MLflow run, fed by a thread of its own. Importing this module imports mlflow."""

from __future__ import annotations

import importlib.util
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before the import: MLflow reads the second as it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import Metric, Param

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


def flatten(tables: Mapping[str, Any]) -> dict[str, str]:
    """Return nested tables and lists as dotted names and texts; lists of plain values stay in one piece."""
    flat: dict[str, str] = {}
    for key, value in tables.items():
        if isinstance(value, list) and any(isinstance(element, dict) for element in value):
            value = {str(index): element for index, element in enumerate(value)}
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": text for name, text in flatten(value).items()}
        else:
            flat[key] = str(value)
    return flat


class TrackedRun:
    """One MLflow run. Nothing here raises, and only `close` waits.

    Args:
        uri: of the tracking store.
        experiment: its name; made if need be.
        name: of the run.
        params: by name.
        tags: by name.
        say: shows a line to the user; called from the thread that sends.
    """

    def __init__(
        self,
        uri: str,
        *,
        experiment: str,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self.uri = uri
        self.experiment = experiment
        self.name = name
        self.params = [Param(re.sub(r"[^\w./ -]", "_", key), value) for key, value in params.items()]
        self.tags = dict(tags)
        self.say = say
        self.last_step = 0
        self.waiting: queue.SimpleQueue[Metric | Ending] = queue.SimpleQueue()
        self.given_up = threading.Event()
        # A daemon: a request that hangs must not keep the process from its end.
        self.thread = threading.Thread(target=self._send, name="glueft-mlflow", daemon=True)

    def begin(self) -> None:
        """Begin the MLflow run; without this, nothing of it is ever seen."""
        self.thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send numbers, some time soon."""
        self.last_step = max(step, self.last_step)
        now = time.time_ns() // 1_000_000
        for name, value in values.items():
            if self.thread.is_alive():
                self.waiting.put(Metric(name, float(value), now, step))

    def close(self, status: str, files: Sequence[Path], *, wait_seconds: float) -> None:
        """End the MLflow run, and wait until all is sent, or for so long."""
        if not self.thread.is_alive():
            return
        self.waiting.put(Ending(status, files))
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
            run_id = self._create(client)
            ending = None
            while ending is None:
                metrics, ending = self._next()
                if metrics:
                    client.log_batch(run_id, metrics=metrics)
            for path in ending.files:
                self._upload(client, run_id, path)
            client.set_terminated(run_id, ending.status)
        except Exception as error:  # whatever a store, a network or a plugin of MLflow's may raise
            if not self.given_up.is_set():
                self.say(f"warning: mlflow: {self.uri}: {said(error)}; the run goes on without it")

    def _create(self, client: MlflowClient) -> str:
        experiment = client.get_experiment_by_name(self.experiment)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(self.experiment)
        run_id = str(client.create_run(experiment_id, run_name=self.name, tags=self.tags).info.run_id)
        for begin in range(0, len(self.params), MOST_PARAMS):
            client.log_batch(run_id, params=self.params[begin : begin + MOST_PARAMS])
        self.say(f"mlflow: run {self.name} of experiment {self.experiment} at {self.uri}")
        return run_id

    def _next(self) -> tuple[list[Metric], Ending | None]:
        """Wait for something, and return it with all that waits behind it: one request for many numbers."""
        metrics: list[Metric] = []
        while True:
            item = self.waiting.get()
            if isinstance(item, Ending):
                return metrics, item
            metrics.append(item)
            if self.waiting.empty() or len(metrics) == MOST_METRICS:
                return metrics, None

    def _upload(self, client: MlflowClient, run_id: str, path: Path) -> None:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
        elif path.exists():
            client.log_artifact(run_id, str(path))
        else:
            self.say(f'warning: mlflow: the run folder has no "{path.name}" to upload')


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
