"""run.json, the record of a run: the one place that knows its keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glueft.data.windows import Pool
from glueft.errors import PluginError, RunFolderError
from glueft.metrics import metric_title
from glueft.metrics.decision import DecisionRule, Fit
from glueft.plugin.attribution import who
from glueft.plugin.contract import NAME
from glueft.plugin.json_values import json_values
from glueft.system.plain_file import UnreadableError, parse_json, read_text
from glueft.text import counted, epoch_text, score_text, short_repr

FORMAT = 1
REPEAT = "repeat the run (glueft run with its recipe.toml), or restore the folder from a copy"

# Numbers as reports and tables can write and draw them. A metric may be NaN: the correlation of equal scores is.
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**15)]
Number: TypeAlias = Annotated[float, Field(ge=-1e30, le=1e30)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=1e12)]
Length: TypeAlias = Annotated[int, Field(ge=1, le=10**9)]
Metric: TypeAlias = Annotated[float, Field(allow_inf_nan=True)]
Metrics: TypeAlias = dict[str, Metric]
Interval: TypeAlias = Annotated[list[Number], Field(min_length=2, max_length=2)]


class Part(BaseModel):
    """A table of run.json.

    Values are checked, never converted. Keys that are not described here are kept: those of plugins, and of a later
    glueft. A key that the file does not have reads as its default, and is not written.
    """

    model_config = ConfigDict(
        strict=True, extra="allow", allow_inf_nan=False, validate_assignment=True, defer_build=True
    )

    def written(self) -> Iterator[str]:
        """Yield the keys that the table has: those that were set, and lists and tables that something was put into."""
        for name in type(self).model_fields:
            if name in self.model_fields_set or (
                isinstance(value := getattr(self, name, None), (list, dict)) and value
            ):
                yield name
        yield from self.__pydantic_extra__ or {}

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of the table as JSON has it."""
        extra = self.__pydantic_extra__ or {}
        return {
            name: _json_copy(extra[name]) if name in extra else _each_part(getattr(self, name), Part.as_dict)
            for name in self.written()
        }

    # By key, as plugins and `Table` use it.

    def __contains__(self, key: object) -> bool:
        return key in [*self.written()]

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        extra = self.__pydantic_extra__ or {}
        return extra[key] if key in extra else _each_part(getattr(self, key), Table)

    def __setitem__(self, key: str, value: Any) -> None:
        value = _storable(key, value)
        if key not in type(self).model_fields:
            assert self.__pydantic_extra__ is not None
            self.__pydantic_extra__[key] = value
            return
        try:
            setattr(self, key, value)
        except ValidationError as error:
            raise PluginError(
                f'{who()}run.json cannot hold this as "{key}"',
                expected="; ".join(f"{place}: {wanted}" for place, wanted in wrong_values(error).items()),
                received=", ".join(short_repr(fault["input"]) for fault in error.errors(include_url=False)),
                fix="fix the plugin that says so, or tell its authors",
            ) from None

    def __delitem__(self, key: str) -> None:
        assert self.__pydantic_extra__ is not None
        del self.__pydantic_extra__[key]


class Table(dict[str, Any]):
    """A table of run.json as plugins see it: a dict of JSON's values, read from the record and put into it."""

    def __init__(self, part: Part) -> None:
        self._part = part
        # json's C code, `copy` and `|` read the dict itself; all else asks the record.
        super().__init__((name, part[name]) for name in part.written())

    def __getitem__(self, key: str) -> Any:
        return self._part[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._part[key] = value

    def __delitem__(self, key: str) -> None:
        del self._part[key]

    def __iter__(self) -> Iterator[str]:
        return self._part.written()

    def __len__(self) -> int:
        return len([*self._part.written()])

    def __ior__(self, other: Any) -> Table:  # type: ignore[override, misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)  # A copy is of its own.

    # Those of `dict` would not call the methods above.
    def pop(self, key: str, *default: Any) -> Any:
        if default and key not in self:
            return default[0]
        value = self[key]
        del self[key]
        return value

    __contains__, __eq__ = Mapping.__contains__, Mapping.__eq__
    get, keys, values, items = Mapping.get, Mapping.keys, Mapping.values, Mapping.items  # type: ignore[assignment]
    setdefault, update = MutableMapping.setdefault, MutableMapping.update


class Histogram(Part):
    """How many rows have how many tokens."""

    bin_tokens: Annotated[int, Field(ge=1, le=10**6)] = Field(description="tokens that a bin spans")
    rows: Annotated[list[Count], Field(min_length=1, max_length=10_000)] = Field(description="rows in each bin")


class Windows(Part):
    """How rows that are longer than data.max_length were cut into windows."""

    stride: Count = Field(description="tokens that a window shares with its neighbour")
    pool: Pool = Field(description="how a row's logits come from those of its windows: mean, max or first")


class Leaks(Part):
    """The rows of a split whose texts are those of a training row."""

    rows: Count = Field(description="how many there are")
    exact: Count = Field(description="those with the same texts to the letter, not but for case and white space")
    first: list[Count] = Field(default=[], description="the numbers of the first 100 of them, from 0")


class Split(Part):
    """The rows of a split."""

    rows: Count = Field(description="how many rows were used")
    sha256: str | None = Field(default=None, description="fingerprint of the rows")
    limited_from: Count | None = Field(default=None, description="rows before the limit of the recipe")
    limit_draw: str | None = Field(default=None, description="how the rows of the limit were drawn")
    part_of: Count | None = Field(
        default=None, description="train rows, some of which are held out, as data.held_out says"
    )
    drawn_from: Count | None = Field(
        default=None, description="train rows that as many of each label were drawn from (data.per_label)"
    )
    dropped: Count | None = Field(
        default=None, description="train rows that were left out, as they stand in another split (data.leaks)"
    )
    official_rows: Count | None = Field(default=None, description="rows that the split has officially")
    labels: dict[str, Count] = Field(
        default={}, description="how many rows have each label; absent in regression, without labels, in earlier runs"
    )
    tokens: Count | None = Field(default=None, description="tokens of all rows, or of all their windows")
    truncated_rows: Count | None = Field(default=None, description="rows that were cut to data.max_length")
    windows: Count | None = Field(default=None, description="that its rows were cut into; absent without windows")
    token_lengths: Histogram | None = Field(
        default=None, description="histogram of the rows' lengths in tokens, or of the windows'"
    )


class Data(Part):
    """Where the rows came from, and how many there were."""

    source: str = Field(default="", description="hub, files, folder or sample: the kind of the source")
    dataset: str | None = Field(default=None, description="the data set of the hub")
    config: str | None = Field(default=None, description="its configuration")
    revision: str | None = Field(default=None, description="its commit")
    read_from: Any = Field(default=None, description="hub, or cache where the hub was not asked")
    folder: str | None = Field(default=None, description="the folder of the files")
    package: Any = Field(default=None, description="the package of the sample")
    task: Any = Field(default=None, description="the task of the sample")
    left_out: Any = Field(default=None, description="broken lines that were left out, by split")
    validation_split: str = Field(default="", description="the primary split: the one that `metrics` is of")
    max_length: Length | None = Field(default=None, description="longest row in tokens; longer ones are cut")
    windows: Windows | None = Field(default=None, description="how long rows were cut; absent: cut off")
    splits: dict[str, Split] = Field(default={}, description="each split that was read")
    leaks: dict[str, Leaks] = Field(
        default={}, description="by split, rows that stand in train too; absent in earlier runs"
    )
    notes: list[str] = Field(default=[], description="how the rows differ from the official ones")

    @model_validator(mode="before")
    @classmethod
    def _name_the_primary_split(cls, content: Any) -> Any:
        """The first runs had one validation split, and did not name it."""
        if isinstance(content, dict) and "validation_split" not in content:
            splits = content.get("splits")
            if isinstance(splits, dict) and "validation" in splits:
                return content | {"validation_split": "validation"}
        return content


class MidEpoch(Part):
    """An evaluation within an epoch (`training.evaluate_every`), in `mid_epochs` and as a line of history.jsonl."""

    epoch: Number = Field(description="epochs done, such as 1.5")
    step: Count = Field(description="optimizer steps done")
    loss: Number = Field(description="mean training loss of the epoch so far")
    validation_loss: Number = Field(description="mean loss of the primary split")
    metrics: Metrics = Field(description="metrics of the primary split")
    seconds: Seconds = Field(description="time since the epoch began")


class Epoch(MidEpoch):
    """An epoch, in `epochs` and as a line of history.jsonl."""

    epoch: Count = Field(description="its number, from 1")
    step: Count = Field(description="optimizer steps done at its end")
    loss: Number = Field(description="mean training loss")
    seconds: Seconds = Field(description="time it took")


class KeptEvaluation(Part):
    """The best evaluation, whose weights were kept: those of the model folder, the metrics and the predictions."""

    metric: str = Field(description="the primary metric, by which it is the best")
    value: Metric = Field(description="of the metric, when it was evaluated")
    step: Count = Field(description="optimizer steps done; `num_train_steps` were planned")
    epoch: Count | Number = Field(description="the number of the epoch that ended with it, or the epochs done: 1.5")
    evaluations: Count = Field(description="how many there were to choose from")

    def text(self, labels: Mapping[str, str]) -> str:
        """Return `epoch 1.5, step 690 (accuracy 0.8137), the best of 6 evaluations`; labels as for `metric_title`."""
        score = f"{metric_title(self.metric, labels)} {score_text(self.value)}"
        count = counted(self.evaluations, "evaluation")
        return f"epoch {epoch_text(self.epoch)}, step {self.step:,} ({score}), the best of {count}"


class Decision(Part):
    """How labels were decided from logits, where it was not the plain decision ([decision] of the recipe)."""

    temperature: Number = Field(description="what logits were divided by before they became probabilities")
    threshold: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="the probability from which on a row got `label`; null: the most probable label"
    )
    label: str | None = Field(default=None, description="the positive label; null where there are not two")
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default={}, description="of a multi-label task: of each label the probability from which on a row got it"
    )
    tuned: list[str] = Field(default=[], description="what was fitted: threshold, temperature")
    split: str | None = Field(
        default=None, description="the rows that it was fitted to: their scores look better than they are"
    )
    rows: Count | None = Field(default=None, description="how many they are")
    metric: str | None = Field(
        default=None, description="that the threshold was tuned for; of a multi-label task for each label by itself"
    )
    value: Metric | None = Field(
        default=None, description="of that metric on these rows; of a multi-label task the mean over the labels"
    )
    plain_value: Metric | None = Field(default=None, description="what it would be at the plain decision")
    plain_metrics: dict[str, Metrics] = Field(
        default={}, description="by labelled split, the metrics of the task at the plain decision"
    )
    log_loss: Number | None = Field(default=None, description="of the primary split, at the temperature")
    plain_log_loss: Number | None = Field(default=None, description="of the primary split, at temperature 1")

    def text(self, *, with_thresholds: bool = True) -> str:
        """Return `"alarm" from a probability of 0.31 on (tuned for f1); tuned on the 168 held_out rows`.

        Without `with_thresholds` those of labels are left out where they differ: a table beside the text has them.
        """
        fit = Fit(tuple(self.tuned), self.metric, self.split, self.rows or 0, "") if self.split else None
        if self.thresholds:
            thresholds = tuple(self.thresholds.values())
            labels = list(self.thresholds) if with_thresholds or len({*thresholds}) == 1 else []
            return DecisionRule(self.temperature, None, 0, fit, True, thresholds).text(labels)
        return DecisionRule(self.temperature, self.threshold, 0, fit).text([self.label or ""])


class LabelScores(Part):
    """How well one label is predicted."""

    precision: Number = Field(description="share of the rows predicted as it that have it; 0 where none is")
    recall: Number = Field(description="share of the rows that have it that are predicted as it; 0 where none has")
    f1: Number = Field(description="harmonic mean of both; 0 where it is nowhere")
    support: Count = Field(description="rows that have it")
    predicted: Count = Field(description="rows that are predicted as it")


class Collapse(Part):
    """The first evaluation at which the model gave all rows the same answer, or was no better than that."""

    kind: str = Field(description="one label, constant scores, or baseline: the metric of always the same answer")
    sign: str = Field(description="what showed it, in a sentence")
    step: Count = Field(description="optimizer steps done")
    epoch: Count | Number = Field(description="the number of the epoch that ended with it, or the epochs done: 1.5")
    metric: str = Field(description="the primary metric")
    value: Metric = Field(description="of the metric")
    evaluations: Count = Field(default=0, description="how many showed it")
    last_step: Count = Field(description="optimizer steps done at the last of them")
    result: bool = Field(default=False, description="whether the model that was saved shows it")

    def place(self) -> str:
        """Return `collapse at step 48 (epoch 1)`."""
        return f"collapse at step {self.step:,} (epoch {epoch_text(self.epoch)})"

    def text(self, *, ended: bool = False) -> str:
        """Return `collapse at step 48 (epoch 1): ...`; of a run that has ended also whether its result shows it."""
        told = f"{self.place()}: {self.sign}"
        if not ended:
            return told
        return told + ("; the saved model shows it too" if self.result else "; the saved model does not show it")


class Step(Part):
    """A logged step, as a line of history.jsonl."""

    step: Count
    loss: Number
    learning_rate: Number


class ParentRun(Part):
    """The run whose model the run began with."""

    folder: str | None = Field(default=None, description="its run folder, absolute; not published")
    task: str = Field(description="the task that it was trained on")
    checkpoint: str | None = Field(default=None, description="what it began with itself, as its recipe names it")
    sha256: dict[str, str] = Field(default={}, description="fingerprint of each file of its model, as it has them")


class Checkpoint(Part):
    """The checkpoint that the run began with."""

    name: str | None = Field(default=None, description="as the recipe names it")
    revision: str | None = Field(default=None, description="its commit on the hub")
    sha256: dict[str, str] = Field(default={}, description="fingerprint of each file")
    head: str | None = Field(default=None, description="whether the classification head was loaded or new")
    new: list[str] = Field(default=[], description="tensors that the checkpoint did not have")
    left_over: list[str] = Field(default=[], description="tensors of the checkpoint that the model has no place for")
    family: dict[str, str] = Field(default={}, description="of the encoder, with the package or file that brought it")
    run: ParentRun | None = Field(default=None, description="the run whose model it is; null if it is no run's")


class Distillation(Part):
    """The teacher whose logits of the training rows the model was trained on, beside their labels."""

    teacher: str = Field(description="as the recipe names it")
    revision: str | None = Field(default=None, description="its commit on the hub")
    sha256: dict[str, str] = Field(default={}, description="fingerprint of each of its files")
    run: ParentRun | None = Field(default=None, description="the run whose model it is; null if it is no run's")
    max_length: Length = Field(description="its longest row in tokens")
    windows: Windows | None = Field(default=None, description="how it cut longer rows; null: cut off")
    precision: str = Field(description="in which its logits were computed")
    temperature: Number | None = Field(default=None, description="that softens both distributions; null in regression")
    weight: Number = Field(description="of the teacher's part in the training loss; the validation loss has none")
    logits: str = Field(description="fingerprint of its logits of the training rows")

    def facts(self) -> dict[str, Any]:
        """Return what the logits depend on beside the files, plain JSON."""
        windows = None if self.windows is None else self.windows.as_dict()
        return {"max_length": self.max_length, "windows": windows, "precision": self.precision}

    def text(self) -> str:
        """Return `run:runs/mrpc-... (mrpc), weight 0.5, temperature 2.0`."""
        task = "" if self.run is None else f" ({self.run.task})"
        temperature = "" if self.temperature is None else f", temperature {self.temperature}"
        return f"{self.teacher}{task}, weight {self.weight}{temperature}"


class MetricFacts(Part):
    """What is known of a metric without the plugin that computes it."""

    description: str = Field(default="", description="the first line of its docstring")
    higher_is_better: bool = True
    bounds: list[float | None] = Field(default=[None, None], description="least and greatest value; null for no bound")
    hub_name: str | None = Field(default=None, description="what model cards call it in their metadata")
    package: str | None = Field(default=None, description="the package that brings it; null for a plugin file")
    version: str | None = Field(default=None, description="of the package")


class InputFile(Part):
    """A local file that the run was made from."""

    kind: str = Field(description="data, checkpoint, teacher or plugin")
    path: str = Field(description="absolute")
    size: Count | None = Field(default=None, description="bytes")
    modified_ns: int | None = Field(default=None, description="when it was last changed, nanoseconds since 1970")
    sha256: str = Field(description="fingerprint of the file")


class Model(Part):
    """The model folder."""

    sha256: dict[str, str] = Field(default={}, description="fingerprint of each file")
    removed: str | None = Field(default=None, description="when it was removed to save room, UTC, ISO 8601")


class Devices(Part):
    """What the numbers were computed on."""

    kind: str | None = Field(default=None, description="cpu, gpu or tpu")
    name: str | None = Field(default=None, description="the model of the first one; null for a CPU")
    count: int | None = Field(default=None, description="how many shared out each batch, all processes together")
    available: int | None = Field(default=None, description="how many there were")
    processes: int | None = Field(default=None, description="that trained together")


class Engine(Part):
    """How the numbers were computed."""

    backend: str | None = Field(default=None, description="tensorflow, jax or torch")
    backend_reason: str | None = Field(default=None, description="why")
    precision: str | None = Field(default=None, description="in what the model computed")
    precision_reason: str | None = Field(default=None, description="why")
    onednn: str | None = Field(default=None, description="TensorFlow's setting of oneDNN")
    jit_compile: bool | None = Field(default=None, description="whether XLA compiled the steps")
    jit_compile_reason: str | None = Field(default=None, description="why")
    widths: list[Annotated[int, Field(ge=1, le=10**6)]] | None = Field(
        default=None, description="padded lengths of all batches; null: evaluated ones have their own"
    )
    training_widths: list[Annotated[int, Field(ge=1, le=10**6)]] | None = Field(
        default=None, description="padded lengths of the training's batches alone; null: widths, or their own"
    )
    devices: Devices | None = None


class LossFunction(Part):
    """What the training made small, and `validation_loss` is."""

    name: str = Field(description="of the plugin")
    label_weights: dict[str, Number] | None = Field(
        default=None, description="the weight of the rows of each label in the mean; null: all the same"
    )

    def text(self) -> str:
        """Return `cross_entropy; rows weigh by label: common 0.526, rare 10`."""
        if not self.label_weights:
            return self.name
        weights = ", ".join(f"{label} {weight:.3g}" for label, weight in self.label_weights.items())
        return f"{self.name}; rows weigh by label: {weights}"


class Published(Part):
    """A published score of the task."""

    model: str
    metrics: Metrics
    source: str = ""
    split: str | None = None


class PluginFile(Part):
    """A plugin file that the recipe names."""

    path: str
    sha256: str


class Origin(Part):
    """What brought a plugin: a package and its version, or a file and its fingerprint."""

    package: str | None = None
    version: str | None = None
    file: str | None = None
    sha256: str | None = None


class Packages(Part):
    """What brought each plugin."""

    task: Origin = Field(default_factory=Origin)
    optimizer: Origin = Field(default_factory=Origin)
    schedule: Origin = Field(default_factory=Origin)
    loss: Origin | None = None
    callbacks: list[Origin] = []


class Plugins(Part):
    """The plugins that the recipe names."""

    task: str | None = None
    optimizer: str | None = None
    schedule: str | None = None
    loss: str | None = Field(default=None, description="absent where the task decides")
    callbacks: list[str] = []
    packages: Packages = Field(default_factory=Packages)
    files: list[PluginFile] = []


class Host(Part):
    """The machine."""

    name: str | None = None
    system: str | None = None
    cpus: Count | None = None
    python: str | None = None


class Machine(Part):
    """What of the machine can change a number."""

    processor: str | None = Field(default=None, description="its model")
    architecture: str | None = Field(default=None, description="x86_64, arm64 and so on")
    instructions: list[str] = Field(default=[], description="its instruction sets for which there are other kernels")
    intra_op_threads: Count | None = Field(default=None, description="threads of the backend within an operation")
    inter_op_threads: Count | None = Field(default=None, description="threads of TensorFlow between operations")
    device: str | None = Field(default=None, description="what computed: CPU, or the model of the GPU")
    switches: dict[str, str] = Field(
        default={}, description="environment variables that choose other kernels or another precision"
    )


class Fingerprints(Part):
    """What tells whether another training is the same, and is not elsewhere in run.json."""

    recipe: dict[str, Any] = Field(
        default={}, description="the tables of the recipe without what changes no number, such as places"
    )
    tokens: dict[str, str] = Field(default={}, description="SHA-256 of the tokens and labels of each used split")
    batches: dict[str, str] = Field(
        default={}, description="SHA-256 of each split's batches: which rows, in which order"
    )
    machine: Machine = Field(default_factory=Machine)
    logits: dict[str, str] = Field(
        default={}, description="SHA-256 of the logits of each split that was predicted, float32"
    )


class Resume(Part):
    """Whether the run, killed and resumed, ends as it does in one piece."""

    exact: bool = Field(description="to the last bit")
    reasons: list[str] = Field(default=[], description="why not")


class RunPart(Part):
    """What one process has done of a run that was resumed."""

    status: str = Field(description="how it ended: interrupted, failed, died or done; running until then")
    started: str = Field(description="UTC, ISO 8601")
    finished: str | None = Field(default=None, description="UTC, ISO 8601; null where it died")
    from_step: Count = Field(default=0, description="optimizer steps done when it began")
    to_step: Count | None = Field(default=None, description="those that the next part began with, or the last")
    seconds: Seconds | None = Field(default=None, description="from its start to its end; null where it died")
    host: Host = Field(default_factory=Host)
    versions: dict[str, str] = Field(default={}, description="as in the run's own `versions`")


class Push(Part):
    """A push to the hub; `reason`, `received` and `mend` say why one did not work."""

    status: str = Field(default="", description="done, failed, skipped, unfinished or interrupted")
    epoch: int | None = Field(default=None, description="whose model was pushed; null: the finished run")
    url: str = Field(default="", description="of the repository")
    commit: str = ""


class Hub(Part):
    """The repository that the run is pushed to."""

    repository: str
    revision: str | None = Field(default=None, description="the branch")
    private: bool | None = None
    when: str | None = Field(default=None, description="end or epoch, as the recipe says; command: `glueft push`")
    pushes: list[Push]

    def options(self) -> str:
        """Return the options with which `glueft push` does the same: " --private", or none."""
        branch = self.revision if "revision" in self.model_fields_set else "main"
        return " --private" * bool(self.private) + f" --revision {branch}" * (branch != "main")


class Record(Part, MutableMapping[str, Any]):
    """run.json.

    Its attributes are typed. As a mapping it has the keys that the file has, with values of JSON: `record["metrics"]`.
    """

    format: int = Field(default=FORMAT, description="of this file; absent in those written before it was counted")
    status: str = Field(description="running, done, failed or interrupted")
    task: Annotated[str, Field(pattern=f"^(?:{NAME.pattern})$", max_length=500)] = Field(description="the task plugin")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = Field(description="of the training")
    started: str = Field(description="UTC, ISO 8601")
    run_dir: str = Field(description="the run folder, absolute, where it was made")
    plugins: Plugins = Field(default_factory=Plugins)
    host: Host = Field(default_factory=Host)
    process: Any = Field(default=None, description="the process that trains: whether it is alive can be told from it")
    versions: dict[str, str] = Field(default={}, description="versions of the packages that can change a number")
    warnings: list[str] = Field(default=[], description="what to know before the numbers are used")
    metrics: Metrics = Field(default={}, description="metrics of the primary split; empty until the run is done")
    epochs: list[Epoch] = []
    mid_epochs: list[MidEpoch] = Field(default=[], description="evaluations within epochs")
    kept: KeptEvaluation | None = Field(
        default=None, description='the evaluation that was kept (training.keep = "best"); null: the last weights'
    )
    decision: Decision | None = Field(
        default=None, description="how labels were decided; absent where it was the plain decision"
    )
    collapse: Collapse | None = Field(
        default=None, description="evaluations at which the model told nothing apart; absent if there were none"
    )
    seconds: dict[str, Seconds] = Field(
        default={},
        description="setup, train, evaluate, total; first_step from the start; compile, a part of these",
    )
    data: Data = Field(default_factory=Data)
    loss_function: LossFunction | None = Field(default=None, description="what was made small; absent in earlier runs")
    distillation: Distillation | None = Field(default=None, description="the teacher; absent without one")
    multi_label: bool = Field(
        default=False, description="whether a row has any number of the labels; absent where it has one, or a score"
    )
    metric_labels: dict[str, str] = Field(default={}, description="the label of each metric that is of one label")
    metric_facts: dict[str, MetricFacts] = Field(
        default={}, description="what is known of each metric of the run; absent in earlier runs"
    )
    task_description: Any = Field(default=None, description="the task in plain data, for when its plugin is missing")
    majority_accuracy: Metric | None = Field(
        default=None, description="accuracy of the most frequent label of the primary split; null in regression"
    )
    published: list[Published] = []
    checkpoint: Checkpoint = Field(default_factory=Checkpoint)
    inputs: list[InputFile] = Field(
        default=[], description="the local files of data and checkpoint that were read; absent in earlier runs"
    )
    engine: Engine = Field(default_factory=Engine)
    parameters: Count | None = Field(default=None, description="all parameters of the model")
    trainable_parameters: Count | None = Field(default=None, description="those that are trained")
    num_train_steps: Count | None = Field(default=None, description="planned optimizer steps")
    baseline: Metrics = Field(default={}, description="metrics of the best constant answer")
    baseline_by_split: dict[str, Metrics] = Field(
        default={}, description="likewise by labelled split, where there are several; absent in earlier runs"
    )
    examples_per_second: Seconds | None = Field(default=None, description="rows a second in training")
    tokens_per_second: Seconds | None = Field(default=None, description="tokens a second in training, padding left out")
    padding_waste: Annotated[float, Field(ge=0, le=1)] | None = Field(default=None, description="share of padding")
    other_metrics: Metrics = Field(default={}, description="metrics shown beside those of the task")
    metrics_by_split: dict[str, Metrics] = Field(default={}, description="by labelled split, where there are several")
    other_metrics_by_split: dict[str, Metrics] = {}
    intervals: dict[str, dict[str, Interval]] = Field(
        default={},
        description="by labelled split, the 95 % interval of each metric, low and high, by its own formula or a "
        "bootstrap of the rows (percentiles); a metric that is too slow, or the same on all resamples, has none; "
        "absent in earlier runs",
    )
    label_scores: dict[str, dict[str, LabelScores]] = Field(
        default={},
        description="by labelled split, how well each label is predicted, in index order; absent in earlier runs",
    )
    confusion: dict[str, list[list[Count]]] = Field(
        default={},
        description="by labelled split, for each reference (the outer list) how many rows are predicted as each label, "
        "in index order; absent with more than 100 labels, and where a row can have several",
    )
    remarks: list[str] = Field(default=[], description="what to know of the result, a sentence each")
    model: Model = Field(default_factory=Model)
    fingerprints: Fingerprints = Field(default_factory=Fingerprints)
    error: str | None = Field(default=None, description="why the run failed")
    finished: str | None = Field(default=None, description="UTC, ISO 8601")
    peak_memory_bytes: Count | None = Field(default=None, description="most memory (RSS) of the process")
    peak_device_memory_bytes: Count | None = Field(
        default=None, description="most memory in use on a GPU; null on a CPU, absent in earlier runs"
    )
    hub: Hub | None = Field(default=None, description="what became of the pushes")
    hosts: list[str] | None = Field(
        default=None, description="the machine of each process of a run in several; absent in one"
    )
    resume: Resume | None = Field(
        default=None, description="whether a resumed run ends the same; absent in earlier runs"
    )
    parts: list[RunPart] = Field(
        default=[],
        description="the processes of a run that was resumed; all else in this file is of the whole run, `host`, "
        "`process`, `versions` and the peaks of memory of its last part",
    )

    def model_post_init(self, context: Any) -> None:
        """Have the format written, also of a record that was read without it."""
        self.model_fields_set.add("format")

    def become(self, other: Record) -> None:
        """Take over all that another record says."""
        self.__setstate__(deepcopy(other).__getstate__())

    @property
    def primary_split(self) -> str:
        """The split that `metrics` is of; "" until the rows are read."""
        return self.data.validation_split

    def evaluations(self) -> list[MidEpoch]:
        """Return the epochs and the evaluations within them, in the order of their steps."""
        return sorted([*self.epochs, *self.mid_epochs], key=lambda entry: entry.step)

    def all_metrics(self) -> dict[str, Metrics]:
        """Return the metrics of each labelled split, the primary one first."""
        return self.metrics_by_split or {self.primary_split: self.metrics}

    def all_baselines(self) -> dict[str, Metrics]:
        """Return the metrics of the best constant answer by split; of an earlier run the primary one's alone."""
        return self.baseline_by_split or {self.primary_split: self.baseline}

    def shown_metrics(self) -> dict[str, Metrics]:
        """Return the same with the metrics that are shown beside those of the task."""
        others = self.other_metrics_by_split or {self.primary_split: self.other_metrics}
        return {split: metrics | others.get(split, {}) for split, metrics in self.all_metrics().items()}

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return self.written()

    def __len__(self) -> int:
        return len([*self.written()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self.as_dict() == (
            other.as_dict() if isinstance(other, Record) else dict(other)
        )


# What every record of a finished run has.
_DONE = ("metrics", "epochs", "seconds", "data", "checkpoint", "engine")
_WORDS = {
    "missing": "a value", "string_type": "a text", "int_type": "a whole number", "float_type": "a number",
    "bool_type": "true or false", "list_type": "a list", "dict_type": "a table", "model_type": "a table",
}  # fmt: skip
_KINDS: dict[Any, str] = {str: "a text", int: "a whole number"}


def record_schema() -> dict[str, Any]:
    """Return the JSON schema of run.json."""
    schema = Record.model_json_schema() | {
        "title": "run.json",
        "description": "The record of a run. Other keys than these are those of plugins, or of a later glueft.",
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def read_record(path: Path, *, tolerant: bool = False) -> Record:
    """Read run.json.

    Args:
        path: the file.
        tolerant: leave out values that cannot be used, except those that every run has.

    Raises:
        RunFolderError: it is missing, cut off or not the record of a run; or a later glueft wrote it.
    """
    content = read_object(path, "the record of a run")
    written = content.get("format", FORMAT)
    if isinstance(written, int) and written > FORMAT:
        raise RunFolderError(
            f"{path}: it was written by a later glueft",
            expected=f'"format": {FORMAT}',
            received=f'"format": {written}',
            fix="update glueft: pip install --upgrade glueft",
        )
    record, wrong = parse_record(content, tolerant=tolerant)
    if record is None:
        few = ", ".join([*wrong][:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise RunFolderError(
            f"{path}: it is not the record of a run",
            expected="; ".join(f"{key}: {wanted}" for key, wanted in [*wrong.items()][:5]),
            received=f"nothing of use at {few}",
            fix=REPEAT,
        )
    return record


def parse_record(content: dict[str, Any], *, tolerant: bool = False) -> tuple[Record | None, dict[str, str]]:
    """Return a record, or None and the dotted keys that are wrong, each with what is expected there."""
    while True:
        try:
            record = Record.model_validate(content)
            break
        except ValidationError as error:
            found: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
            less = _without(content, found) if tolerant else None
            if less is None:
                return None, wrong_values(error)
            content = less
    wrong: dict[str, str] = {}
    if record.status == "done":
        lacking = [key for key in _DONE if key not in record.model_fields_set]
        wrong = {key: "a list" if key == "epochs" else "a table" for key in lacking}
        if not wrong and record.primary_split not in record.data.splits:
            wrong = {"data.validation_split": "the name of one of data.splits"}
    if not wrong and not tolerant:
        wrong = {f"epochs.{key}": wanted for key, wanted in _other_metrics(record.epochs).items()}
        wrong |= {f"mid_epochs.{key}": wanted for key, wanted in _other_metrics(record.mid_epochs).items()}
    return (None if wrong else record), wrong


def _other_metrics(epochs: Sequence[MidEpoch]) -> dict[str, str]:
    """Return the first evaluation with other metrics than the first one, as `<number>.metrics`."""
    for number, epoch in enumerate(epochs):
        if epoch.metrics.keys() != epochs[0].metrics.keys():
            return {f"{number}.metrics": f"the metrics {', '.join(epochs[0].metrics)}"}
    return {}


def wrong_values(error: ValidationError) -> dict[str, str]:
    """Return the dotted keys of values that cannot be used, each with what is expected."""
    wrong = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        wanted = _WORDS.get(each["type"], each["msg"].removeprefix("Input should be ").removeprefix("String should "))
        if each["type"] == "missing" and len(each["loc"]) == 1:
            field = Record.model_fields.get(str(each["loc"][0]))
            wanted = _KINDS.get(field.annotation if field else None, wanted)
        wrong[".".join(map(str, each["loc"]))] = wanted
    return wrong


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object that a file of a run folder holds.

    Raises:
        RunFolderError: it is missing, cut off, or holds something else than `what`.
    """
    text = read_file(path)
    try:
        content = parse_json(text)
    except UnreadableError as error:
        raise RunFolderError(
            f"{path}: it is cut off or broken",
            expected=f"{what}, a JSON object",
            received=str(error),
            fix=REPEAT,
        ) from None
    if not isinstance(content, dict):
        raise RunFolderError(
            f"{path}: it is not {what}",
            expected="a JSON object",
            received=f"a JSON {type(content).__name__}",
            fix=REPEAT,
        )
    return content


def read_file(path: Path) -> str:
    """Return the text of a file of a run folder.

    Raises:
        RunFolderError: it is missing or cannot be read.
    """
    try:
        return read_text(path)
    except FileNotFoundError:
        received = "no such file"
    except UnreadableError as error:
        received = str(error)
    raise RunFolderError(f"{path}: it cannot be read", expected="a text file", received=received, fix=REPEAT)


def _without(content: dict[str, Any], faults: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return a copy of a record without the wrong values; None if one of them is required."""
    paths = {fault["loc"][:-1] if fault["type"] == "missing" else fault["loc"] for fault in faults}
    needed = {name for name, field in Record.model_fields.items() if field.is_required()} | {"format"}
    done = content.get("status") == "done"
    for path in paths:
        if (
            not path
            or path[0] in needed
            or (done and ((len(path) == 1 and path[0] in _DONE) or path[1:2] == ("splits",)))
        ):
            return None
    kept = deepcopy(content)
    # From the end, so that indices of lists stay valid.
    for path in sorted(paths, key=lambda path: [*map(str, path)], reverse=True):
        inner: Any = kept
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
    return kept


def _each_part(value: Any, form: Callable[[Part], dict[str, Any]]) -> Any:
    """A value with each table of the record in another form; one that holds none is returned as it is."""
    if isinstance(value, Part):
        return form(value)
    if isinstance(value, list) and any(map(_holds_part, value)):
        return [_each_part(item, form) for item in value]
    if isinstance(value, dict) and any(map(_holds_part, value.values())):
        return {key: _each_part(item, form) for key, item in value.items()}
    return value


def _holds_part(value: Any) -> bool:
    """Whether a value is a table of the record, or a dict of such."""
    return isinstance(value, Part) or (isinstance(value, dict) and any(map(_holds_part, value.values())))


def _storable(key: str, value: Any) -> Any:
    """A plugin's value: itself if JSON has it, so that the plugin can go on filling a table or list; else as JSON."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return json_values({key: value}, "run.json")[key]
    return value


def _json_copy(value: Any) -> Any:
    """A plugin's value as JSON has it. What the plugin has put into it later may have no form in JSON."""
    return json.loads(json.dumps(value, default=short_repr, skipkeys=True))
