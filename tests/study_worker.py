"""What a study starts in place of `glueft run`: it leaves a real run folder and trains nothing.

    python study_worker.py run RECIPE --output-dir DIR [--resume] ...

Its score is the learning rate times 1000 plus a hundredth of the seed, and its loss what is missing of 1. A line of the
file `orders` beside the study's folder, "NAME ORDER", changes what the run of that name does: "fail" (each time),
"fail-once", "refuse" (exit 2 before there is a folder), "die-once" (SIGKILL after a step), "die-once-for-good" (and it
refuses to be resumed), "collapse", "slow" (a minute after the first epoch).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from glueft.errors import TrainingError
from glueft.recipe import load_recipe
from glueft.runs.record import Collapse
from glueft.runs.run import Run
from glueft.runs.run_list import unfinished_run
from glueft.system.interruption import check, held, own_process, say_last, take

EPOCHS = 3


def main() -> int:
    own_process()
    recipe_file, place = Path(sys.argv[2]), Path(sys.argv[sys.argv.index("--output-dir") + 1])
    Path(sys.argv[sys.argv.index("--token-cache") + 1]).mkdir(exist_ok=True)
    name, study = recipe_file.stem, place.parent.parent
    orders = study.parent / "orders"
    order = dict(line.split() for line in orders.read_text().splitlines()).get(name) if orders.exists() else None
    with (study.parent / "starts").open("a") as starts:
        starts.write(f"{name} {'resume' if '--resume' in sys.argv else 'run'}\n")
    if order == "refuse" or (order == "die-once-for-good" and "--resume" in sys.argv):
        print(f"{recipe_file}: there is no such folder\n  expected: rows", file=sys.stderr)
        return 2
    recipe = load_recipe(str(recipe_file))
    before = unfinished_run(recipe, place) if "--resume" in sys.argv else None
    with held():
        run = Run.create(recipe, place) if before is None else Run.reopen(before)
        if before is not None:
            run.record.epochs = []
            run.go_on(run.record, 0, 0.0)
    first = before is None and len([*place.glob("*/run.json")]) == 1
    rate = recipe.tables()["schedule"]["initial_learning_rate"]
    score = 1000 * rate + recipe.training.seed / 100
    split = "held_out" if recipe.data.held_out else recipe.task.validation_splits[0]
    metrics = dict.fromkeys(recipe.task.metrics, score)
    record = run.record
    record.update(
        num_train_steps=EPOCHS,
        data={"validation_split": split, "splits": {split: {"rows": 4}}},
        metrics=metrics,
        baseline=dict.fromkeys(metrics, 0.1 if recipe.data.held_out else 0.5),
        checkpoint={"name": recipe.model.checkpoint, "sha256": checkpoint_hashes(recipe.model.checkpoint)},
        engine={"backend": "tensorflow", "precision": "float32", "jit_compile": False},
        model={"sha256": {"model.safetensors": name}},
    )
    run.write_record()
    try:
        for epoch in range(1, EPOCHS + 1):
            until = time.monotonic() + (30.0 if order == "slow" and epoch > 1 else 0.02)
            while time.monotonic() < until:
                check()
                time.sleep(0.005)
            values = {"epoch": epoch, "step": epoch, "loss": 1.0, "validation_loss": 1 - score, "seconds": 0.1}
            record.epochs.append(type(record).model_fields["epochs"].annotation.__args__[0](**values, metrics=metrics))
            run.log(kind="epoch", **values, metrics=metrics)
            if order in ("die-once", "die-once-for-good") and first:
                os.kill(os.getpid(), signal.SIGKILL)
        if order == "fail" or (order == "fail-once" and first):
            raise TrainingError("the loss is not a number", expected="a number", received="nan", fix="a lower rate")
        if order == "collapse":
            record.collapse = Collapse(
                kind="one label", sign="all rows got the same answer", step=1, epoch=1, metric="accuracy", value=score,
                evaluations=1, last_step=3, result=True,
            )  # fmt: skip
        (run.folder / "model").mkdir()
        (run.folder / "model" / "model.safetensors").write_text(name)
        run.close({"total": 1.0})
    except (TrainingError, KeyboardInterrupt) as error:
        take()
        if not isinstance(error, TrainingError):
            (run.folder / "checkpoints" / "step-1").mkdir(parents=True, exist_ok=True)
        run.close({"total": 0.5}, error)
        if isinstance(error, TrainingError):
            print(error, file=sys.stderr)
            return 2
        return 143
    return 0


def checkpoint_hashes(checkpoint: str) -> dict[str, str]:
    """Of a run's model, what stands in for its hash: the text in it. Of a folder none, as its files have others."""
    if Path(checkpoint).is_dir():
        return {}
    file = Path(checkpoint.removeprefix("run:"), "model", "model.safetensors")
    return {"model.safetensors": file.read_text() if checkpoint.startswith("run:") else "of the checkpoint"}


def run() -> int:
    """Return the exit code."""
    try:
        return main()
    except KeyboardInterrupt:  # before the run has begun to train
        say_last()
        return 143


if __name__ == "__main__":
    sys.exit(run())
