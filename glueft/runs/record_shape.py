"""What the readers of run.json count on: which keys a record must have, and what each of them holds where it is there.

All that is not described here may be anything: what plugins say of their data, and what a later glueft adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glueft.plugin.contract import NAME

# Numbers as reports and tables can write and draw them. A float of JSON may be NaN: a correlation of equal scores is.
Count = Annotated[int, Field(ge=0, le=10**15)]
Number = Annotated[float, Field(ge=-1e30, le=1e30)]
Metric = Annotated[float, Field(allow_inf_nan=True)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Metrics = dict[str, Metric]
# A key that may be missing, but not null.
MISSING: Any = Field(default=None)


class Part(BaseModel):
    """A table of run.json: values are taken as they are, never converted, and other keys pass."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, defer_build=True)


class Histogram(Part):
    """`token_lengths` of a split."""

    bin_tokens: Annotated[int, Field(ge=1, le=10**6)]
    rows: Annotated[list[Count], Field(min_length=1, max_length=10_000)]


class Split(Part):
    """One of `data.splits`."""

    rows: Count
    sha256: str = MISSING
    limited_from: Count = MISSING
    official_rows: Count = MISSING
    tokens: Count = MISSING
    truncated_rows: Count = MISSING
    token_lengths: Histogram = MISSING


class Data(Part):
    """`data`."""

    splits: dict[str, Split]
    validation_split: str
    source: str = ""
    max_length: Annotated[int, Field(ge=1, le=10**9)] = MISSING
    notes: list[str] = []
    revision: str | None = None
    dataset: str | None = None
    config: str | None = None
    folder: str | None = None


class Epoch(Part):
    """One of `epochs`, and a line of history.jsonl of the kind "epoch"."""

    epoch: Count
    step: Count
    loss: Number
    validation_loss: Number
    metrics: Metrics
    seconds: Seconds


class Step(Part):
    """A line of history.jsonl of the kind "step"."""

    step: Count
    loss: Number
    learning_rate: Number


class Checkpoint(Part):
    """`checkpoint`, and `model`, which has `sha256` alone."""

    name: str = MISSING
    revision: str | None = None
    head: str = MISSING
    sha256: dict[str, str] = {}


class Engine(Part):
    """`engine`."""

    backend: str = MISSING
    precision: str = MISSING
    jit_compile: bool = MISSING
    widths: list[Annotated[int, Field(ge=1, le=10**6)]] | None = None


class Published(Part):
    """One of `published`."""

    model: str
    metrics: Metrics
    source: str = ""
    split: str | None = None


class File(Part):
    """One of `plugins.files`."""

    path: str
    sha256: str


class Origin(Part):
    """What brought a plugin, as `plugin_origin.origin_of` returns it."""

    package: str = MISSING
    version: str = MISSING
    file: str = MISSING
    sha256: str = MISSING


class Packages(Part):
    """`plugins.packages`."""

    task: Origin = Origin()
    optimizer: Origin = Origin()
    schedule: Origin = Origin()
    callbacks: list[Origin] = []


class Plugins(Part):
    """`plugins`."""

    task: str = MISSING
    optimizer: str = MISSING
    schedule: str = MISSING
    callbacks: list[str] = []
    files: list[File] = []
    packages: Packages = Packages()


class Host(Part):
    """`host`."""

    name: str = MISSING
    system: str = MISSING
    cpus: Count | None = None
    python: str = MISSING


class Hub(Part):
    """`hub`."""

    repository: str
    revision: str | None = None
    private: bool | None = None
    pushes: list[dict[str, Any]]


class Record(Part):
    """run.json of any run."""

    status: str
    task: Annotated[str, Field(pattern=f"^(?:{NAME.pattern})$", max_length=500)]
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    started: str
    run_dir: str
    finished: str = MISSING
    error: str = MISSING
    warnings: list[str] = []
    plugins: Plugins = Plugins()
    host: Host = Host()
    versions: dict[str, str] = {}
    metrics: Metrics = {}
    metrics_by_split: dict[str, Metrics] = {}
    metric_labels: dict[str, str] = {}
    other_metrics: Metrics = {}
    other_metrics_by_split: dict[str, Metrics] = {}
    baseline: Metrics = {}
    published: list[Published] = []
    epochs: list[Epoch] = []
    seconds: dict[str, Seconds] = {}
    data: Data = MISSING
    checkpoint: Checkpoint = MISSING
    model: Checkpoint = MISSING
    engine: Engine = MISSING
    parameters: Count = MISSING
    trainable_parameters: Count = MISSING
    num_train_steps: Count = MISSING
    examples_per_second: Seconds = MISSING
    tokens_per_second: Seconds = MISSING
    padding_waste: Annotated[float, Field(ge=0, le=1)] = MISSING
    peak_memory_bytes: Count | None = None
    hub: Hub = MISSING


class DoneRecord(Record):
    """run.json of a run that is done."""

    metrics: Metrics
    epochs: list[Epoch]
    seconds: dict[str, Seconds]
    data: Data
    checkpoint: Checkpoint
    engine: Engine


def wrong_keys(record: dict[str, Any]) -> dict[str, str]:
    """Return the keys of a record, dotted, that hold what no reader can use or are missing; each with the reason."""
    found = _wrong(DoneRecord if record.get("status") == "done" else Record, record)
    data = record.get("data")
    if not found and isinstance(data, dict) and data["validation_split"] not in data["splits"]:
        return {"data.validation_split": "the name of one of data.splits"}
    return found or {f"epochs.{key}": wanted for key, wanted in other_metrics(record.get("epochs", [])).items()}


def other_metrics(epochs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the first of some epochs, valid by themselves, whose metrics are others than those of the first."""
    for number, epoch in enumerate(epochs):
        if epoch["metrics"].keys() != epochs[0]["metrics"].keys():
            return {f"{number}.metrics": f"the metrics {', '.join(epochs[0]['metrics'])}"}
    return {}


def wrong_entry(entry: dict[str, Any]) -> dict[str, str]:
    """Return the same of a line of history.jsonl; of a kind that is not glueft's own, nothing is known."""
    kinds: dict[str, type[Part]] = {"step": Step, "epoch": Epoch}
    return _wrong(kinds[entry["kind"]], entry) if entry["kind"] in kinds else {}


def _wrong(kind: type[Part], value: dict[str, Any]) -> dict[str, str]:
    try:
        kind.model_validate(value)
    except ValidationError as error:
        return {".".join(map(str, each["loc"])): _wanted(each["msg"]) for each in error.errors(include_url=False)}
    return {}


def _wanted(message: str) -> str:
    """`a valid integer` of `Input should be a valid integer`."""
    return message.removeprefix("Input should be ").removeprefix("String should ")
