"""What is checked of a callback: it builds for a run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from glueft.data.rows import Rows
from glueft.testing.check import require_built
from glueft.testing.subject import Subject


def builds(subject: Subject) -> str:
    """`build` returns a Keras callback for a run of MRPC's recipe, before its first step."""
    from glueft.recipe import load_recipe
    from glueft.run_folder import Run
    from glueft.testing.learning import tiny_classifier
    from glueft.testing.tiny_bert import WORDS

    recipe = load_recipe("mrpc", sample=True)
    callback = subject.plugin
    callback.check(recipe.task)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(recipe, Path(folder))
        run.num_train_steps = 10
        run.model = tiny_classifier(Path(folder) / "bert", _rows(WORDS))[0]
        built = callback.build(run)
    require_built("callback", built)
    return type(built).__name__


def _rows(texts: tuple[str, ...]) -> Rows:
    import numpy as np

    labels = np.arange(len(texts), dtype=np.int32) % 2
    return Rows("train", (list(texts),), labels, ("no", "yes"))
