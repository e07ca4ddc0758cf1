"""The teacher of a distillation: found and checked before anything is trained.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.array_files import key_of
from glueft.data.windows import Windowing, cut_of_folder
from glueft.encoder.labels import head_rows
from glueft.errors import GlueftError, TrainingError
from glueft.recipe.sections import RUN
from glueft.runs.environment import installed_versions
from glueft.runs.parent import find_model, parent_of
from glueft.training.backend import JitDecision, import_backend, keras_backend, use_precision
from glueft.training.engine_choice import RunEngine
from glueft.training.model import compile_for_prediction, load_model, refuse_precision

if TYPE_CHECKING:
    from glueft.data.batches import EvaluationBatches
    from glueft.data.rows import Rows
    from glueft.encoder.checkpoint import Checkpoint
    from glueft.encoder.classifier import Classifier
    from glueft.plugin.task import Task
    from glueft.recipe import Recipe
    from glueft.recipe.sections import Distill
    from glueft.runs.parent import Parent

_ANOTHER = "name a teacher that was fine-tuned on this task: distill.teacher = run:FOLDER of a run"


@dataclass(frozen=True)
class Teacher:
    """A classifier of the task's labels, which reads the rows as it was trained to: a run's as its own recipe says.

    Attributes:
        settings: [distill] of the recipe.
        checkpoint: its model.
        tokenizer: its own.
        run: the run whose model it is; None for another checkpoint.
        max_length: its longest row, in tokens.
        windowing: how it cuts longer rows into windows; None to cut them off.
        batch_size: rows a step: those of an evaluation of the student, and no more than of its own.
        precision: what it computes in.
    """

    settings: Distill
    checkpoint: Checkpoint
    tokenizer: Any
    run: Parent | None
    max_length: int
    windowing: Windowing | None
    batch_size: int
    precision: str

    def refuse_unsuited(self, task: Task) -> None:
        """Raise CheckpointError unless its head has the task's labels, by name and in any order. The rows are read."""
        from glueft.encoder.checkpoint import refuse_headless

        with as_teacher():
            rows = refuse_headless(self.checkpoint)
            config, family, multi_label = self.checkpoint.config, self.checkpoint.family, task.multi_label
            head_rows(config, rows, task.labels, family, _ANOTHER, multi_label=multi_label)

    def warnings(self, task: Task, held_out: Rows | None) -> Iterator[str]:
        """Warn of what its run was trained on; `held_out` are the rows that the student is evaluated on, if any are."""
        if self.run is None:
            return
        if self.run.task != task.name:
            yield (
                f"the teacher was trained on {self.run.task}, and its labels have the names of those of {task.name}: "
                "see that they mean the same"
            )
        elif held_out is not None and self.run.may_have_seen(task, held_out):
            yield (
                f"the teacher was trained on {task.name} too, and may have seen the held_out rows: what it tells the "
                "student of other rows may carry them on, and make its scores look better than they are"
            )

    @contextmanager
    def loaded(self, task: Task, jit_compile: JitDecision) -> Iterator[list[Classifier]]:
        """Load its model, ready to predict, for the block alone, in a list: its memory is the student's afterwards."""
        import_backend()
        loaded = load_model(
            self.checkpoint,
            tuple(task.labels),
            multi_label=task.multi_label,
            precision=self.precision,
            jit_compile=jit_compile,
        )
        models = [loaded.model]
        compile_for_prediction(models[0], jit_compile=jit_compile.compiled)
        try:
            yield models
        finally:
            models[0].forget_programs()
            models.clear()
            gc.collect()  # A model is a cycle of objects, and the collector may be paused.

    def batches(self, rows: Rows, model: Classifier) -> EvaluationBatches:
        """Return the batches in which its model predicts rows."""
        from glueft.data.batches import EvaluationBatches, keep_buckets
        from glueft.data.encoding import encode

        encoded = encode(rows, self.tokenizer, self.max_length, self.windowing)
        batches = EvaluationBatches(encoded, batch_size=self.batch_size)
        if model.jit_compile:
            keep_buckets(batches, None)
        return batches

    def facts(self) -> dict[str, Any]:
        """Return what its logits depend on beside its files, plain JSON."""
        windows = self.windowing and {"stride": self.windowing.stride, "pool": self.windowing.pool}
        return {"max_length": self.max_length, "windows": windows or None, "precision": self.precision}

    def as_record(self, task: Task) -> dict[str, Any]:
        """Return `distillation` of run.json, but for the logits."""
        return {
            "teacher": self.checkpoint.name,
            "revision": self.checkpoint.revision,
            "sha256": self.checkpoint.fingerprints,
            "run": None if self.run is None else self.run.record.as_dict(),
            **self.facts(),
            "temperature": self.settings.softening if task.labels else None,
            "weight": self.settings.weight,
        }

    def key(self, rows: Rows, task: Task, jit_compile: JitDecision) -> str:
        """The SHA-256 of all that its logits depend on, but for the machine."""
        return key_of(
            {
                "rows": rows.sha256,
                "texts": len(rows.texts),
                "files": self.checkpoint.fingerprints,
                "labels": list(task.labels),
                "batch_size": self.batch_size,
                "backend": keras_backend(),
                "jit_compile": jit_compile.compiled,
                "versions": installed_versions(),
                **self.facts(),
            }
        )


def find_teacher(recipe: Recipe, jit_compile: JitDecision) -> Teacher | None:
    """Find the teacher of a recipe; None where it has none. The backend is chosen.

    Raises:
        GlueftError: it cannot be found or read, is no classifier, or cannot compute in its precision here.
    """
    settings, pair = recipe.distill, len(recipe.task.inputs) == 2
    most_rows = recipe.training.evaluation_batch_size
    if settings is None:
        return None
    from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer, refuse_headless

    with as_teacher():
        if not settings.teacher.startswith(RUN):
            checkpoint = find_checkpoint(settings.teacher, settings.revision, recipe.registry)
            refuse_headless(checkpoint)
            tokenizer = load_tokenizer(checkpoint, pair=pair)
            cut = cut_of_folder(checkpoint, tokenizer)
            # Without a recipe in float32, which is as exact as the checkpoint.
            return Teacher(settings, checkpoint, tokenizer, None, *cut, most_rows, "float32")
        checkpoint, run = find_model(settings.teacher, recipe.registry)
        refuse_headless(checkpoint)
        data, engine = run.sections.data, run.record.engine
        computed = RunEngine(engine.backend, engine.precision)
        precision = use_precision(run.sections.engine.precision, computed, jit_compile=jit_compile.compiled).value
        refuse_precision(checkpoint, precision)
        return Teacher(
            settings,
            checkpoint,
            load_tokenizer(checkpoint, pair=pair),
            parent_of(run, checkpoint),
            data.max_length,
            data.windowing,
            min(most_rows, run.sections.training.evaluation_batch_size),
            precision,
        )


def refuse_itself(recipe: Recipe, folder: Path) -> None:
    """Raise TrainingError if the teacher of a run is to be the run itself, whose folder this is."""
    teacher = None if recipe.distill is None else recipe.distill.teacher
    if teacher is None or not teacher.startswith(RUN) or Path(teacher.removeprefix(RUN)) != folder.absolute():
        return
    raise TrainingError(
        "distill.teacher: the teacher is the run itself",
        expected="a run that is done, or a classification checkpoint",
        received=teacher,
        fix="name the run of another model as the teacher, or remove [distill]",
    )


def refuse_same(teacher: Teacher, student: Checkpoint) -> None:
    """Raise TrainingError if the student, which begins with its checkpoint's head, begins as its own teacher."""
    if teacher.checkpoint.fingerprints == student.fingerprints:
        raise TrainingError(
            "distill.teacher: the teacher is the model that the run begins with",
            expected="another model than model.checkpoint",
            received=f"{teacher.checkpoint.name} for both",
            fix="begin with another checkpoint, such as a smaller encoder, or remove [distill]; with "
            "model.new_head = true the encoder learns from its own head",
        )


@contextmanager
def as_teacher() -> Iterator[None]:
    """Have errors say that they are about the teacher."""
    try:
        yield
    except GlueftError as error:
        error.message = f"distill.teacher: {error.message}"
        raise
