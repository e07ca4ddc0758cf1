"""The check of a callback: it builds for a run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.data.rows import Rows
from glueft.testing.built import require_built
from glueft.testing.check import Check, Subject

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.training.session import Session


def checks(subject: Subject) -> list[Check]:
    return [Check("builds", subject, builds, ("keras", "transformers"))]


def builds(subject: Subject) -> str:
    """`build` returns a Keras callback for a run of MRPC's recipe, before its first step."""
    from glueft.recipe import load_recipe
    from glueft.runs.run import Run
    from glueft.training.model_in_training import ModelInTraining

    recipe = load_recipe("mrpc", sample=True)
    callback = subject.plugin
    callback.check(recipe.task)
    callback.claims()
    with tempfile.TemporaryDirectory() as folder:
        run = Run.of(recipe, Path(folder))
        run.attach(ModelInTraining(_session(recipe, Path(folder) / "bert")))
        built = callback.build(run.for_plugins)
    require_built("callback", built)
    return type(built).__name__


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
