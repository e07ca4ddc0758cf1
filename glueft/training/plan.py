"""Plans a run without training: rows, steps and batches, and an estimate of time and memory."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.plugin.attribution import attributed_built
from glueft.plugin.build import build
from glueft.runs.environment import peak_memory
from glueft.system.device_memory import device_memory, usable_memory
from glueft.system.quiet import captured_stderr, hush_libraries
from glueft.training.backend import keras_backend
from glueft.training.disk_space import disk_of_plan
from glueft.training.out_of_memory import no_memory_in, out_of_training, refuse_too_large
from glueft.training.progress import Progress
from glueft.training.session import Session, read_session
from glueft.training.step_memory import Fit
from glueft.training.warnings import inexact_reasons, resume_notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.recipe import Recipe

# Padded lengths of batches are counted in at most this many ranges, each a power of two wide.
LENGTH_RANGES = 8

# The learning rate is looked up at about this many steps to find its peak.
LOOKED_UP = 200


def plan_recipe(
    recipe: Recipe,
    *,
    output_dir: str | Path = "runs",
    probe: bool = True,
    progress: Progress | None = None,
    verbose: bool = False,
    begin: float | None = None,
) -> dict[str, Any]:
    """Return what a run of a recipe would do. No file is written.

    Keys that run.json has too mean the same: `task`, `seed`, `data`, `engine`, `num_train_steps`,
    `padding_waste`, `parameters`, `trainable_parameters`, `warnings`, `resume`. The others:

    - `recipe`: where it was read from; `checkpoint`: its name.
    - `epochs`, `batch_size`, `gradient_accumulation_steps`: as in the recipe.
    - `steps_per_epoch`, `warmup_steps`; `train_tokens`: of all epochs, without padding.
    - `evaluations`: of the primary split, within epochs and at their ends.
    - `learning_rate`: `first`, `peak` and `last`, and `peak_step`, from 1.
    - `disk`: `folder`, where the run folder would be made, `needed_bytes`, an estimate without the files of callbacks,
      `model_bytes` of them, `free_bytes`, None if the system does not tell, and `states_bytes`, what saved states take
      at most while the training goes on, if it takes longer than `training.checkpoint_minutes`.
    - `batches`: of the training. `shapes`: the number of different shapes (rows, padded length); `widths`: a list of
      ranges of padded lengths, each with `from`, `to` (inclusive) and `batches`.
    - `distillation`: the teacher, as in run.json without its logits; None without one. The time for these is
      `teacher` in the `seconds` of the estimate, a part of `setup`.
    - `estimate`: `seconds`, with the keys `setup`, `first_step`, `compile`, `train`, `evaluate` and `total` of run.json
      and `steps` and `validation` as parts of `train`; `peak_memory_bytes`, of this process after the probe (a run
      needs somewhat more), None if the system does not tell; `device`, None on a CPU but on JAX, with its `name` (None
      for a CPU), `limit_bytes`, what a step may take, `peak_memory_bytes`, the most that was in use there, and `step`,
      None but on JAX: what a step of the longest rows takes by the account of XLA's compiler, in `argument_bytes`,
      `output_bytes`, `temp_bytes`, `code_bytes` and `total_bytes`, for `rows` of `length` tokens; `basis`, a sentence
      on the source of the numbers; `probe`, with `train_steps`, `evaluation_batches` and `seconds`.

    Without a probe Keras is not imported, and `learning_rate`, `parameters`, `trainable_parameters` and `estimate` are
    None.

    Args:
        recipe: from `load_recipe`.
        output_dir: where the run folder would be made.
        probe: load the model and time a few steps.
        progress: what shows the phases; nothing if None.
        verbose: let the libraries' own log lines through.
        begin: `time.perf_counter()` at which the clock starts; now if None.

    Raises:
        GlueftError: the data or the checkpoint cannot be used, or the batches do not fit into memory.
    """
    progress = Progress() if progress is None else progress
    begin = time.perf_counter() if begin is None else begin
    if not verbose:
        hush_libraries()
    for note in resume_notes(recipe):
        progress.say(note)
    session = read_session(recipe, progress)
    for note in session.notes:
        progress.inform(note)
    if not probe:
        return describe(session, Path(output_dir)) | {"engine": session.describe_engine()}
    told = len(session.warnings)
    with progress.phase("model"), nullcontext() if verbose else captured_stderr():
        teaching, probed = probe_teacher(session)
        session.load()
        setup = time.perf_counter() - begin - probed + teaching
        plan = describe(session, Path(output_dir))
        model = session.describe_model()
        plan |= {key: model[key] for key in ("engine", "parameters", "trainable_parameters")}
        plan["learning_rate"] = learning_rates(recipe, plan["num_train_steps"], plan["warmup_steps"])
    progress.warn(*session.warnings[told:])
    with progress.phase("probe of a few steps"), nullcontext() if verbose else captured_stderr():
        plan["estimate"] = estimate(session, setup)
        if session.teacher is not None:
            plan["estimate"]["seconds"]["teacher"] = round(teaching, 3)
    return plan


def describe(session: Session, output_dir: Path) -> dict[str, Any]:
    """Return what is known without Keras."""
    recipe, batches = session.recipe, session.batches
    training, steps = recipe.training, batches.num_train_steps
    reasons = inexact_reasons(recipe)
    real, padding = batches.tokens(steps)
    return {
        "task": recipe.task.name,
        "recipe": recipe.path,
        "seed": training.seed,
        "checkpoint": session.checkpoint.name,
        **({"multi_label": True} if recipe.task.multi_label else {}),
        "data": session.describe_rows()["data"],
        "warnings": list(session.warnings),
        "distillation": None if session.teacher is None else session.teacher.as_record(recipe.task),
        "resume": {"exact": not reasons, "reasons": reasons},
        "disk": disk_of_plan(session, output_dir),
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "steps_per_epoch": batches.steps_per_epoch,
        "num_train_steps": steps,
        "evaluations": int(session.evaluated.sum()),
        "warmup_steps": recipe.schedule.warmup_steps(steps),
        "learning_rate": None,
        "batches": describe_shapes(batches.shapes()),
        "train_tokens": real,
        "padding_waste": round(padding / (real + padding), 5),
        "parameters": None,
        "trainable_parameters": None,
        "estimate": None,
    }


def describe_shapes(shapes: NDArray[np.int64]) -> dict[str, Any]:
    """Return `batches` of a plan; shapes (batches, 2): rows and padded length of each batch."""
    import numpy as np

    widths = shapes[:, 1]
    step = 1
    while (widths.max() - 1) // step - (widths.min() - 1) // step >= LENGTH_RANGES:
        step *= 2
    ranges, counts = np.unique((widths - 1) // step, return_counts=True)
    return {
        "shapes": len(np.unique(shapes, axis=0)),
        "widths": [
            {"from": place * step + 1, "to": (place + 1) * step, "batches": count}
            for place, count in zip(ranges.tolist(), counts.tolist(), strict=True)
        ],
    }


def learning_rates(recipe: Recipe, steps: int, warmup_steps: int) -> dict[str, Any]:
    """Return `learning_rate` of a plan."""
    import keras
    import numpy as np

    schedule = build(recipe.schedule, steps)
    looked_up = {*np.linspace(0, steps - 1, min(LOOKED_UP, steps)).astype(int).tolist(), min(warmup_steps, steps - 1)}
    # float32 has about seven digits; the schedule did not compute the others.
    rates = {step: float(f"{float(keras.ops.convert_to_numpy(schedule(step))):.6g}") for step in sorted(looked_up)}
    peak = max(rates, key=rates.__getitem__)
    return {"first": rates[0], "peak": rates[peak], "peak_step": peak + 1, "last": rates[steps - 1]}


def probe_teacher(session: Session) -> tuple[float, float]:
    """Have zeros in the place of a teacher's logits; return the seconds that these would take, and the probe took."""
    if session.teacher is None:
        return 0.0, 0.0
    import numpy as np

    from glueft.training.probe import probe_evaluation

    rows, task = session.rows["train"], session.task
    session.batches.teacher = np.zeros((len(rows), len(task.labels) or 1), np.float32)
    with session.teacher.loaded(task, session.jit_compile) as models:
        batches = session.teacher.batches(rows, models[0])
        begin = time.perf_counter()
        cost = probe_evaluation(models[0], batches)
        return cost.seconds + cost.compile_seconds, time.perf_counter() - begin


def estimate(session: Session, setup: float) -> dict[str, Any]:
    """Probe the model, which cannot be used afterwards, and return what a run would take."""
    import numpy as np

    from glueft.training.probe import probe_evaluation, probe_training

    begin = time.perf_counter()
    recipe, primary = session.recipe, session.primary_split
    fit = refuse_too_large(session)
    try:
        with attributed_built(*session.plugins_at_work):
            training = probe_training(session.model, session.batches)
    except Exception as error:
        said = no_memory_in(error)
        if said is None:
            raise
        raise out_of_training(recipe, session, said) from error
    evaluation = {name: probe_evaluation(session.model, batches) for name, batches in session.evaluation.items()}
    # The metrics' libraries are a part of a run's memory.
    session.score(primary, np.zeros((len(session.encoded[primary].labels), len(session.labels) or 1), np.float32))
    validation = evaluation[primary].seconds * int(session.evaluated.sum())
    evaluate = sum(cost.seconds for name, cost in evaluation.items() if name != primary)
    compiling = training.compile_seconds + evaluation[primary].compile_seconds
    train = training.seconds + compiling + validation
    steps, batches = training.steps, sum(cost.steps for cost in evaluation.values())
    seconds = {
        "setup": setup,
        "first_step": setup + training.first_seconds,
        "compile": compiling,
        "steps": training.seconds,
        "validation": validation,
        "train": train,
        "evaluate": evaluate,
        "total": setup + train + evaluate,
    }
    return {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_memory_bytes": peak_memory(),
        "device": on_device(fit),
        "basis": (
            f"{steps} training steps and {batches} evaluation batches, from the smallest to the largest, timed on this "
            "machine just now; callbacks and the writing of files are not in it, and a run's memory grows beyond it"
        ),
        "probe": {
            "train_steps": steps,
            "evaluation_batches": batches,
            "seconds": round(time.perf_counter() - begin, 3),
        },
    }


def on_device(fit: Fit | None) -> dict[str, Any] | None:
    """Return `device` of an estimate; called after the probe."""
    backend = keras_backend()
    memory = device_memory(backend)
    if memory is None and fit is None:
        return None
    return {
        "name": None if memory is None else memory.name,
        "limit_bytes": usable_memory(backend) if fit is None else fit.limit,
        "peak_memory_bytes": None if memory is None else memory.peak,
        "step": None if fit is None else fit.whole.as_dict(),
    }
