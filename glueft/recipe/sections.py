"""The recipe's own sections; the tables of plugins are checked by the plugins' Options."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from glueft.data.folds import FoldDraw
from glueft.data.held_out import HeldOutDraw
from glueft.data.limited_draw import FewShotDraw
from glueft.data.selection import OnLeaks, Selection
from glueft.data.windows import Pool, Windowing
from glueft.encoder.input_file import InputRule, InputWindows
from glueft.hub.repository_name import NAME_PATTERN, check_branch, check_repository_name
from glueft.metrics import MetricName
from glueft.plugin.options import LocalPath, Options

if TYPE_CHECKING:
    from glueft.plugin.task import Task


def _printable(text: str) -> str:
    """Refuse text that is no name or folder, or that the run folder's recipe cannot hold."""
    if not text.strip():
        raise ValueError("must not be empty")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("must not hold control characters, such as a line break")
    return text


# A checkpoint that is the model of a run: "run:FOLDER".
RUN = "run:"

Text = Annotated[str, AfterValidator(_printable)]


def _named_run(checkpoint: str) -> str:
    if checkpoint.startswith(RUN) and not checkpoint.removeprefix(RUN).strip():
        raise ValueError("must name the folder of a run, as in run:runs/mrpc-20260131-120000-a1b2c3")
    return checkpoint


def _each_once(splits: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(splits)) != len(splits):
        raise ValueError("must name each split once")
    return splits


class Freeze(Options):
    """The parts of the encoder whose weights stay as the checkpoint has them."""

    embeddings: bool = Field(default=False, description="The embeddings of words, positions and token types.")
    layers: int = Field(default=0, ge=0, le=1_000_000, description="The first so many layers above the embeddings.")


class Model(Options):
    """The checkpoint to start from, and how much of it is trained."""

    checkpoint: Annotated[Text, AfterValidator(_named_run)] = Field(
        description="A name on the hub, a folder, package:module/path of an installed package, or run:FOLDER for the "
        "encoder of a run.",
        examples=["google-bert/bert-base-uncased"],
    )
    revision: Text | None = Field(
        None, description="Branch, tag, commit or pull request (refs/pr/2) of a checkpoint on the hub."
    )
    new_head: bool = Field(False, description="Start a new head where the checkpoint's own has other labels.")
    pooling: Literal["first", "mean", "max"] | None = Field(
        None,
        description="How a new head reads the tokens' states: that of the first token, their mean or their maximum, "
        "where transformers' class of the family can; by default as the checkpoint says.",
    )
    reinit_layers: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Start so many of the last layers anew, and pooler and head above them (Zhang et al. 2021).",
    )
    freeze: Freeze = Field(
        default_factory=Freeze,
        description="The parts of the encoder that are not trained: embeddings, and a number of first layers.",
        examples=[{"embeddings": True, "layers": 2}],
    )
    lora_rank: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Train the head and, beside each dense kernel of the encoder, two matrices of this rank (LoRA); "
        "the encoder's own weights stay, and the saved model has the sum.",
    )


class Windows(Options):
    """How rows that are longer than `max_length` are cut into windows, of `max_length` tokens each."""

    stride: int = Field(ge=0, le=1_000_000, description="Tokens that a window shares with its neighbour.")
    pool: Pool = Field(
        "mean",
        description="What the logits of a row are: of each label the mean over its windows, the largest one (max), or "
        "those of the window that is left where rows are cut (first).",
    )


class Fold(Options):
    """One of several parts of the training rows, which is held out."""

    number: int = Field(ge=1, le=1000, description="Of the fold, from 1.")
    of: int = Field(ge=2, le=1000, description="How many folds there are.")
    group: Text | None = Field(
        None,
        description="A column of the rows: those with equal values stay in one fold. By default the texts.",
        examples=["question"],
    )


class Data(Options):
    """Where the rows come from and how much of them is used."""

    source: Literal["hub", "folder", "sample"] = Field(
        "hub",
        description="The hub, a folder in the benchmark's own TSV layout, or the sample that ships with the task.",
    )
    folder: LocalPath | None = Field(
        None, description='The folder of source = "folder"; it holds MRPC/train.tsv and so on.'
    )
    revision: Text | None = Field(None, description="Branch, tag or commit of the data set on the hub.")
    max_length: int = Field(128, ge=8, le=1_000_000, description="Longest row in tokens; what is longer is cut.")
    windows: Windows | None = Field(
        None,
        description="Cut no longer row off but train on each of its windows with the row's label; predictions and "
        "metrics are by row. For tasks of one text.",
        examples=[{"stride": 64, "pool": "mean"}],
    )
    limit_train: int | None = Field(None, ge=1, description="Use only so many rows of the train split, for trials.")
    limit_validation: int | None = Field(None, ge=1, description="Use only so many rows of each validation split.")
    limit_draw: Literal["first", "stratified"] | None = Field(
        None,
        description='Which rows a limit keeps: the "first" ones, as by default, or "stratified", drawn by chance with '
        "each label's share of them.",
    )
    limit_seed: int | None = Field(
        None, ge=0, le=2**32 - 1, description="Of the draw, by default 42; training.seed does not change it."
    )
    held_out: Annotated[int, Field(ge=1, le=10**9)] | Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Hold so many of the training rows out, or such a part of them (0.1): they are what the run is "
        "evaluated on, and the validation rows are not looked at. Each label has its share; equal texts stay together.",
        examples=[0.1],
    )
    held_out_seed: int | None = Field(
        None, ge=0, le=2**32 - 1, description="Of their draw, by default 42; training.seed does not change it."
    )
    fold: Fold | None = Field(
        None,
        description="Hold one fold of the training rows out, as held_out does; held_out_seed draws the folds. The "
        "folds of a study make a cross-validation.",
        examples=[{"number": 1, "of": 5}],
    )
    per_label: int | None = Field(
        None,
        ge=1,
        description="Train on so many rows of each label, drawn by chance from those that held_out leaves (few-shot).",
        examples=[16],
    )
    draw: int | None = Field(
        None,
        ge=0,
        le=2**32 - 1,
        description="The number of that draw, by default 1: another number, other rows; training.seed does not change "
        "it. A smaller per_label draws some of the rows of a larger one.",
    )
    leaks: OnLeaks | None = Field(
        None,
        description="What to do with training rows whose texts are those of a validation, held-out or test row, "
        'exactly or but for case and white space: by default "warn"; "drop" takes them out of the training rows, '
        '"error" refuses to train.',
    )
    predict: Annotated[tuple[Text, ...], AfterValidator(_each_once)] = Field(
        ("validation",),
        description='Splits whose predictions are written: "validation" and "test", each for all of its kind, or '
        "single ones by their full names.",
        examples=[["validation", "test"]],
    )

    @property
    def windowing(self) -> Windowing | None:
        """How long rows are cut into windows."""
        return None if self.windows is None else Windowing(self.windows.stride, self.windows.pool)

    @property
    def cut(self) -> InputRule:
        """What a saved model keeps of how rows are cut."""
        windows = None if self.windows is None else InputWindows(stride=self.windows.stride, pool=self.windows.pool)
        return InputRule(max_length=self.max_length, windows=windows)

    @property
    def holds_out(self) -> bool:
        """Whether the run is evaluated on a part of the training rows."""
        return self.held_out is not None or self.fold is not None

    @property
    def selection(self) -> Selection:
        """Which of the task's rows are used."""
        draw_seed = 42 if self.limit_seed is None else self.limit_seed
        held_out_seed = 42 if self.held_out_seed is None else self.held_out_seed
        held_out: HeldOutDraw | FoldDraw | None = None
        if self.held_out is not None:
            # `limit_validation` is the most of the rows that are held out.
            held_out = HeldOutDraw(self.held_out, held_out_seed, self.limit_validation)
        elif self.fold is not None:
            fold = self.fold
            held_out = FoldDraw(fold.number, fold.of, held_out_seed, fold.group, self.limit_validation)
        return Selection(
            limit_train=self.limit_train,
            limit_validation=self.limit_validation,
            draw_seed=draw_seed if self.limit_draw == "stratified" else None,
            held_out=held_out,
            leaks=self.leaks or "warn",
            few_shot=None
            if self.per_label is None
            else FewShotDraw(self.per_label, 1 if self.draw is None else self.draw),
        )


class Training(Options):
    """How long, and in what portions."""

    epochs: int = Field(3, ge=1, le=100_000, description="Times that the whole train split is read.")
    batch_size: int = Field(8, ge=1, le=1_000_000, description="Rows that go through the model at once.")
    gradient_accumulation_steps: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="Batches that make one update: the update of one batch so many times as large, in less memory.",
    )
    evaluation_batch_size: int = Field(
        64,
        ge=1,
        le=1_000_000,
        description="Rows a step in evaluation and prediction; on a GPU it takes more rows that are shorter.",
    )
    seed: int = Field(
        42, ge=0, le=2**32 - 1, description="Of the new head, dropout and the order of rows: same seed, same numbers."
    )
    sampler: Literal["random", "balanced"] = Field(
        "random",
        description='The rows of an epoch: "random" for each one once, in random order; "balanced" for as many rows, '
        "with all labels equally frequent: those of rare labels several times, of frequent ones a random part.",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="The weights that are saved and measured: of the last step, or of the evaluation with the best "
        "primary metric.",
    )
    evaluate_every: Annotated[int, Field(ge=1, le=1_000_000)] | Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Evaluate within epochs too: every so many steps, or with a decimal point every such part of an "
        "epoch (0.5); the end of each epoch is always evaluated.",
        examples=[0.5],
    )
    checkpoint_minutes: float = Field(
        15.0,
        ge=0,
        le=1_000_000,
        description="Save the state of the training every so many minutes, and when the run is interrupted, so that "
        "glueft resume goes on from there; 0 for never.",
    )
    keep_checkpoints: bool = Field(
        False,
        description="Save a state at the end of each epoch too, and keep the saved states when the run is done; those "
        "of the last two and of the best evaluation are kept.",
    )


# What the threshold of each label of a multi-label task is tuned for.
LABEL_METRIC = "f1"
Threshold = Annotated[float, Field(gt=0, lt=1)]


class Decision(Options):
    """How labels are decided from logits. What is "tuned" is fitted after the training, on the rows of the metrics."""

    threshold: Literal["tuned"] | Threshold | dict[str, Threshold] = Field(
        default=0.5,
        description="The probability from which on a row of a two-label task gets its positive label, or of a "
        'multi-label task each label: a number, or "tuned" for the one at which the metric is best, of each label by '
        "itself; of a multi-label task also a table by label name, 0.5 for those that are not named.",
        examples=["tuned", {"urgent": 0.3}],
    )
    metric: MetricName | None = Field(
        default=None,
        description="What the threshold is tuned for; by default the task's primary metric, in a multi-label task the "
        "f1 of each label.",
    )
    temperature: Literal["tuned"] | Annotated[float, Field(ge=0.000_001, le=1_000_000)] = Field(
        default=1.0,
        description='What logits are divided by before they become probabilities: a number, or "tuned" for the one at '
        "which the right labels are most likely (Guo et al. 2017). The most probable label stays the same.",
        examples=["tuned"],
    )

    @property
    def tuned(self) -> tuple[str, ...]:
        """What is fitted after the training."""
        return tuple(key for key in ("threshold", "temperature") if getattr(self, key) == "tuned")

    def tuned_for(self, task: Task) -> str | None:
        """Return the metric that thresholds are tuned for; None if they are not, or the task names no metric yet."""
        if self.threshold != "tuned":
            return None
        own = LABEL_METRIC if task.multi_label else next(iter(task.metrics), None)
        return self.metric or own


class Engine(Options):
    """How the numbers are computed."""

    backend: Literal["auto", "tensorflow", "jax", "torch"] = Field(
        "auto",
        description='Keras\'s; "auto" is KERAS_BACKEND, else JAX or TensorFlow if one of them can use an NVIDIA GPU, '
        "else TensorFlow.",
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "auto",
        description='In what the model computes; "auto" is mixed_bfloat16 on an NVIDIA GPU of compute capability 8.0 '
        "or more, and on a CPU whose products are faster so; else float32.",
    )
    jit_compile: Literal["auto"] | bool = Field(
        "auto", description='Compile with XLA: true, false, or "auto" to let glueft decide.'
    )
    devices: Literal["auto"] | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        "auto",
        description='Devices that share out each batch, on JAX: a number, all processes together, or "auto" for as '
        "many GPUs as the batch keeps busy.",
    )


class Distill(Options):
    """A teacher whose answers the model learns beside the labels (knowledge distillation)."""

    teacher: Annotated[Text, AfterValidator(_named_run)] = Field(
        description="A finished classifier of the task's labels: run:FOLDER for the model of a run, a name on the hub, "
        "a folder, or package:module/path.",
        examples=["run:runs/mrpc-20260131-120000-a1b2c3"],
    )
    revision: Text | None = Field(None, description="Branch, tag, commit or pull request of a teacher on the hub.")
    temperature: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="What the logits of both are divided by, by default 2.0: the higher, the more the labels count "
        "that the teacher thinks less likely. A regression has none.",
        examples=[2.0],
    )
    weight: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Of the teacher's part in the training loss: weight * temperature^2 * KL(teacher || student) + "
        "(1 - weight) * the recipe's own loss; with any number of labels a row the binary cross-entropy to the "
        "teacher's probability of each in place of KL, with scores the squared error to the teacher's, without "
        "temperature.",
    )

    @property
    def softening(self) -> float:
        """The temperature in use, where there are labels."""
        return 2.0 if self.temperature is None else self.temperature


class Plugins(Options):
    """Plugins of the user's own, beside those of the installed packages."""

    files: tuple[LocalPath, ...] = Field(
        (),
        description="Python files with plugins, relative to the recipe; their code is run when the recipe is read.",
        examples=[["my_task.py"]],
    )


class Hub(Options):
    """Where on the hub the result goes."""

    push: (
        Annotated[
            str, AfterValidator(check_repository_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})
        ]
        | None
    ) = Field(
        None,
        description="Push the model and its card to this repository, USER/NAME; a hub that is away stops no run.",
        examples=["alice/mrpc-minilm"],
    )
    private: bool = Field(False, description="Make a new repository private, and refuse one that is public.")
    revision: Annotated[str, AfterValidator(check_branch)] | None = Field(
        None, description="The branch to push to, made if it is new; the repository's main branch by default."
    )
    when: Literal["end", "epoch"] = Field(
        "end", description="Push when the run is done, or after each epoch and when it is done."
    )
    license: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")] | None = Field(
        None, description="The licence for the model card, as the hub names it.", examples=["apache-2.0", "mit"]
    )
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None = Field(
        None, description="The language of the texts for the model card; by default the task's.", examples=["en", "de"]
    )


SECTIONS: dict[str, type[Options]] = {
    "model": Model,
    "data": Data,
    "distill": Distill,
    "training": Training,
    "decision": Decision,
    "engine": Engine,
    "plugins": Plugins,
    "hub": Hub,
}
PLUGIN_TABLES = ("task", "optimizer", "schedule", "loss")
# Those that a recipe may leave out.
OPTIONAL_TABLES = ("loss", "distill")

# The order in which a completed recipe is written.
ORDER = (
    "plugins",
    "task",
    "model",
    "data",
    "optimizer",
    "schedule",
    "loss",
    "distill",
    "training",
    "decision",
    "engine",
    "hub",
    "callbacks",
)


def short_checkpoint(name: str) -> str:
    """Return a checkpoint's name; of a long path its last two parts, of a run its folder's name."""
    path = PurePath(name.removeprefix(RUN))
    if name.startswith(RUN):
        return RUN + path.name
    return "…/" + "/".join(path.parts[-2:]) if path.is_absolute() and len(path.parts) > 3 else name
