"""The checks of a callback: it builds for a run, and goes on in a run that is resumed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.data.rows import Rows
from glueft.plugin.callback import keeps_state
from glueft.testing.built import require_built, through_files
from glueft.testing.check import Check, ContractBrokenError, NotCheckedError, Subject
from glueft.testing.offline import offline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from glueft.recipe import Recipe
    from glueft.training.session import Session


# Of the run in the check "resume". The first epoch is the best.
EPOCHS, STEPS = 3, 2
SCORES = (0.75, 0.5, 0.625)
# It is saved within the second epoch, after so many steps, and killed after some more, in the third.
SAVED, LOST = 3, 2


def checks(subject: Subject) -> list[Check]:
    modules = ("keras", "transformers")
    return [Check("builds", subject, builds, modules), Check("resume", subject, resume, modules)]


def builds(subject: Subject) -> str:
    """`build` returns a Keras callback for a run of MRPC's recipe, before its first step."""
    from glueft.recipe import load_recipe
    from glueft.runs.run import Run
    from glueft.training.model_in_training import ModelInTraining

    recipe = load_recipe("mrpc", sample=True)
    callback = subject.plugin
    callback.check(recipe.task)
    callback.claims()
    # A callback may have a process of its own that still writes into the folder.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = Run.of(recipe, Path(folder))
        run.attach(ModelInTraining(_session(recipe, Path(folder) / "bert")))
        built = callback.build(run.for_plugins)
    require_built("callback", built)
    return type(built).__name__


def resume(subject: Subject) -> str:
    """A run that is killed, and resumed with what `state` has returned, leaves what a run in one piece leaves."""
    import keras

    from glueft.recipe import load_recipe

    if not keeps_state(subject.plugin):
        raise NotCheckedError(
            "it has no `state`: a run with it can be resumed, but not exactly; let `state` return what it must know to "
            "go on and `restore` take that back, or let `state` return {} if there is nothing"
        )
    recipe = load_recipe("mrpc", [f"training.epochs={EPOCHS}", "training.batch_size=3"], sample=True)
    attempts: list[str] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, contextlib.chdir(name), offline(attempts):
        folder = Path(name)
        session = _session(recipe, folder / "bert")
        weights = [keras.ops.convert_to_numpy(variable).copy() for variable in session.model.trainable_variables]

        def part(name: str) -> _Part:
            return _Part(subject, session, weights, folder / name)

        # What differs between these two, such as a time, is left out of account.
        whole, again = (part(name).train(1, EPOCHS * STEPS).end() for name in ("whole", "again"))
        killed = part("killed").train(1, SAVED)
        saved = killed.save()
        killed.train(SAVED + 1, SAVED + LOST)
        left = part("killed").restore(saved).train(SAVED + 1, EPOCHS * STEPS).end()
    if attempts:
        raise NotCheckedError(f"it opens a connection ({', '.join(dict.fromkeys(attempts))}), which is refused here")
    compared = [what for what in whole if what in again and whole[what] == again[what]]
    differing = [what for what in compared if left.get(what) != whole[what]]
    if differing:
        raise ContractBrokenError(
            f"in a run that is saved after step {SAVED}, killed and resumed, {' and '.join(differing)} "
            f"{'differs' if len(differing) == 1 else 'differ'} from those of a run in one piece: let `state` return "
            "all that it must know to go on, and `restore` take back what was written after that"
        )
    return f"after a resume the same: {', '.join(compared)}"


class _Part:
    """One process's part of a run with the callback: Keras's calls with made-up numbers that depend on the step alone.

    Args:
        subject: the callback; a new one is made.
        session: its model gets the weights.
        weights: those of the beginning.
        folder: of the run.
    """

    def __init__(self, subject: Subject, session: Session, weights: Sequence[NDArray[Any]], folder: Path) -> None:
        from glueft.runs.run import Run
        from glueft.training.model_in_training import ModelInTraining

        folder.mkdir(exist_ok=True)
        self.model: Any = session.model
        self.model.stop_training = False
        self.weights = weights
        self._set_weights(0)
        self.run = Run.of(session.recipe, folder)
        self.own_keys = {*self.run.record}
        self.run.attach(ModelInTraining(session))
        self.plugin = replace(subject).plugin
        self.built: Any = self.plugin.build(self.run.for_plugins)
        self.built.set_params({"epochs": EPOCHS, "steps": STEPS, "verbose": 0})
        self.built.set_model(self.model)
        self.built.on_train_begin()
        self.step = 0

    def train(self, first: int, last: int) -> _Part:
        """Make the calls of some steps, unless the callback has stopped the training."""
        import numpy as np

        for step in range(first, last + 1):
            if self.model.stop_training:
                break
            self.step = step
            epoch, batch = divmod(step - 1, STEPS)
            if batch == 0:
                self.built.on_epoch_begin(epoch)
            self.built.on_train_batch_begin(batch)
            self._set_weights(step)
            self.built.on_train_batch_end(batch, {"loss": 1 / (1 + step)})
            if batch == STEPS - 1:
                score = SCORES[epoch]
                self.run.validation_logits = np.full((len(self.run.validation_rows), 2), score, np.float32)
                logs = {"loss": 1 / step, "val_loss": 1 - score, "val_accuracy": score, "val_f1": score}
                self.built.on_epoch_end(epoch, logs)
        return self

    def save(self) -> dict[str, Any]:
        """What is kept of a run in a file: of the callback, of run.json, and of the history its length."""
        history = self._history
        return {
            "callback": through_files(self.plugin.state()),
            "record": self._added(),
            "history": history.stat().st_size if history.exists() else None,
        }

    def restore(self, saved: dict[str, Any]) -> _Part:
        """Go on from there."""
        self.run.record.update(saved["record"])
        if saved["history"] is not None:
            os.truncate(self._history, saved["history"])
        else:
            self._history.unlink(missing_ok=True)
        self.built.on_epoch_begin(SAVED // STEPS)
        self.plugin.restore(saved["callback"])
        return self

    def end(self) -> dict[str, Any]:
        """End the training; return what is left, by what it is."""
        import keras

        self.built.on_train_end()
        weights = [keras.ops.convert_to_numpy(variable).tobytes() for variable in self.model.trainable_variables]
        folder = self.run.folder
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {f"the file {path.relative_to(folder)}": path.read_bytes() for path in paths}
        record = {f'run.record["{key}"]': value for key, value in self._added().items()}
        return {"the last step": self.step, "the weights": weights, **record, **files}

    def _set_weights(self, step: int) -> None:
        """Set those after a step."""
        for variable, weights in zip(self.model.trainable_variables, self.weights, strict=True):
            variable.assign(weights * (1 + step / 100))

    @property
    def _history(self) -> Path:
        return self.run.folder / "history.jsonl"

    def _added(self) -> dict[str, Any]:
        """What the callback has put into run.json."""
        record: dict[str, Any] = json.loads(json.dumps(self.run.record.as_dict()))
        return {key: value for key, value in record.items() if key not in self.own_keys}


def _session(recipe: Recipe, folder: Path) -> Session:
    """A tiny BERT on a few pairs of texts: `build` may ask the run for predictions, rows and tokenizer."""
    import numpy as np

    from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
    from glueft.testing.learning import tiny_classifier
    from glueft.testing.tiny_bert import WORDS
    from glueft.training.session import Session

    labels = np.arange(len(WORDS), dtype=np.int32) % 2
    rows = Rows("validation", (list(WORDS), list(WORDS)), labels, tuple(recipe.task.labels))
    model, encoded = tiny_classifier(folder, rows)
    checkpoint = find_checkpoint(str(folder))
    splits, tokens = {"train": rows, "validation": rows}, {"train": encoded, "validation": encoded}
    session = Session(recipe, checkpoint, load_tokenizer(checkpoint), splits, tokens)
    session.model = model
    return session
