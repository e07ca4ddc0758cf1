"""What a study has found so far: its runs, what was chosen, and what is in its table.

All tables, reports and comparisons of studies are made from this, and nothing else. Neither Keras nor a backend is
imported.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from glueft.plugin.task import PublishedScore

State = Literal["waiting", "running", "done", "pruned", "failed"]
OVER = ("done", "pruned", "failed")
Stage = Literal["search", "final"]


@dataclass(frozen=True)
class StudyRun:
    """A run that the study asks for, and what has come of it.

    Attributes:
        name: unique in the study, and the name of its folder in `runs/`: "mrpc-seed1-3f2a9c1b".
        recipe: its name in the study: "mrpc".
        task: the name of the task.
        stage: "search" while a setting is chosen; "final" for the runs of the chosen setting on fresh seeds, or on all
            training rows. Where there is only one setting, all runs are "final"; where neither fresh seeds nor held-out
            rows are asked for, all are "search", and those of the chosen setting go into the table.
        setting: what the study changes in the recipe, flat: {"schedule.initial_learning_rate": 2e-05}; {} if nothing.
        seed: of the training.
        trial: number of the drawn setting, from 0; None where the settings are not drawn.
        state: "failed" also for a run whose process died and that is not tried again.
        folder: the run folder of the last attempt, absolute; None before the first.
        attempts: run folders so far; a resumed one counts once.
        collapsed: whether the model told nothing apart at the end; such a run is done and counts as any other.
        error: why it failed, in one line.
        score: the number by which settings are chosen, of the split that chooses; None until the run is done.
        metrics: by split and name, of the run's record; {} until it is done.
        validations: what the run's history has of the evaluations at the ends of epochs: (epoch, step, score) each.
        step, steps: the last that is known to be done, and how many there will be; None if unknown.
        seconds: of the whole run so far, over all parts; None if unknown.
        has_model: whether `model/` is there.
        device: what computed: "CPU", or the model of the GPU; None if unknown.
        threads: those of the processor that it used; None if unknown.
        backend, precision: what it was computed with; None if unknown.
        asked_precision: what its recipe names now; None where it leaves that open.
        fold: of the training rows, from 1, that it holds out; None without folds.
    """

    name: str
    recipe: str
    task: str
    stage: Stage
    setting: Mapping[str, Any]
    seed: int
    trial: int | None = None
    state: State = "waiting"
    folder: Path | None = None
    attempts: int = 0
    collapsed: bool = False
    error: str | None = None
    score: float | None = None
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    validations: Sequence[tuple[int, int, float]] = ()
    step: int | None = None
    steps: int | None = None
    seconds: float | None = None
    has_model: bool = False
    device: str | None = None
    threads: int | None = None
    backend: str | None = None
    precision: str | None = None
    asked_precision: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class RecipeResult:
    """What a study has found about one recipe.

    Attributes:
        name: of the recipe in the study.
        task: name of the task; `title` and the published scores are those of `Task`.
        title: for readers: "MRPC".
        metrics: names of the task's metrics, in their order; the benchmark's score of the task is their mean.
        primary_split: the split that the table shows: "validation", for MNLI "validation_matched".
        splits: all validation splits, the primary one first.
        chooses: what settings are chosen by: the metric's name, or "score" for the mean of `metrics`; and `on`, the
            split, "held_out" for a part of the training rows.
        lower_is_better: whether a smaller score is chosen.
        settings: every setting so far, each once, in the order of the file.
        chosen: the setting whose runs are in the table; None while it is open.
        reason: why it was chosen, in one sentence; "" while it is open.
        chosen_run: name of the run whose model stands for the recipe; None while it is open.
        runs: all, in the order of the plan.
        starts_from: name of the recipe whose chosen run this one begins with; None for the checkpoint itself.
        baseline: metrics of the best constant answer on the primary split, of the record of a run that is done; {}
            before.
        published: the task's scores to compare with; () on the sample, whose rows are others.
        metric_labels: for each metric of one label that label, of the record of a run that is done.
        metric_facts: of each metric its direction, bounds and so on, as in run.json: for readers without its plugin.
        keeps_best: whether each run keeps the weights of its best evaluation on the rows of the table.
        tunes: what each run fits to the rows of the table after its training: "threshold", "temperature".
        row_notes: how the rows differ from the official ones, of the record of a run that is done.
        folds: of the training rows, one of which each run of the table holds out; None without folds.
    """

    name: str
    task: str
    title: str
    metrics: Sequence[str]
    primary_split: str
    splits: Sequence[str]
    chooses: str
    on: str
    lower_is_better: bool
    settings: Sequence[Mapping[str, Any]]
    chosen: Mapping[str, Any] | None
    reason: str
    chosen_run: str | None
    runs: Sequence[StudyRun]
    starts_from: str | None = None
    baseline: Mapping[str, float] = field(default_factory=dict)
    published: Sequence[PublishedScore] = ()
    metric_labels: Mapping[str, str] = field(default_factory=dict)
    metric_facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    keeps_best: bool = False
    tunes: Sequence[str] = ()
    row_notes: Sequence[str] = ()
    folds: int | None = None

    @property
    def overlap(self) -> float:
        """Of `glueft.studies.tables.statistics.interval`: what the runs of the table share of their training rows."""
        return 0.0 if self.folds is None else 1 / (self.folds - 1)

    @property
    def reported(self) -> list[StudyRun]:
        """The runs of the table: those of the chosen setting, on fresh seeds or all rows where the study asks for them.

        Failed ones and those that still wait are among them; none before a setting is chosen.
        """
        if self.chosen is None:
            return []
        final = [run for run in self.runs if run.stage == "final"]
        return final or [run for run in self.runs if run.setting == self.chosen]

    @property
    def searched(self) -> list[StudyRun]:
        """The runs by which the setting was chosen; [] where there was nothing to choose."""
        return [run for run in self.runs if run.stage == "search"]


@dataclass(frozen=True)
class StudyResult:
    """What a study has found so far.

    Attributes:
        folder: of the study, absolute.
        name: of the study.
        checkpoint: what the runs begin with, as the recipes name it; several are joined by ", ".
        recipes: in the order of the file.
        left_out: what lies in `runs/` and does not belong to the study as it is now: (folder, reason) each,
            the folder absolute.
        started, finished: UTC, ISO 8601; `finished` is None while something is open.
        seconds: the processes of all runs together, in seconds.
        versions: of the packages, as in run.json; those of the first run that is done.
        host: machine and accelerator, as in run.json; those of the first run that is done.
        study: the complete study file as plain values.
    """

    folder: Path
    name: str
    checkpoint: str
    recipes: Sequence[RecipeResult]
    left_out: Sequence[tuple[str, str]] = ()
    started: str = ""
    finished: str | None = None
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    study: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command with which the study goes on."""
        return shlex.join(["glueft", "study", f"{self.folder / 'study.toml'}", "--output-dir", f"{self.folder.parent}"])

    @property
    def runs(self) -> list[StudyRun]:
        return [run for recipe in self.recipes for run in recipe.runs]
