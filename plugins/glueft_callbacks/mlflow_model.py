"""A finished run as a model of MLflow's flavor `python_function`: `mlflow.pyfunc.load_model`, `mlflow models serve`.

MLflow imports this module where such a model is loaded.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glueft

if TYPE_CHECKING:
    import pandas

# What predictions need of a run folder.
FILES = ("model", "recipe.toml", "run.json")


def write_model(run: glueft.Run, folder: Path) -> None:
    """Write the model into a folder that does not exist: MLmodel, the requirements, and the run under `data/`."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    needed = folder.with_name(f"{folder.name}-data") / "run"
    needed.mkdir(parents=True)
    try:
        for name in FILES:
            copy = shutil.copytree if (run.folder / name).is_dir() else shutil.copyfile
            copy(run.folder / name, needed / name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow recommends an example, to guess the signature by
            mlflow.pyfunc.save_model(
                folder,
                loader_module=__name__,
                data_path=str(needed),
                pip_requirements=[f"glueft=={glueft.__version__}"],
                signature=ModelSignature(inputs=Schema([ColSpec("string", name) for name in run.task.inputs])),
            )
    finally:
        shutil.rmtree(needed.parent, ignore_errors=True)


def _load_pyfunc(path: str) -> Predictor:
    """Return the model; MLflow calls this with the folder of the run's files."""
    return Predictor(glueft.load_run(path))


class Predictor:
    """The model of a run, as MLflow calls it."""

    def __init__(self, run: glueft.Result) -> None:
        self.run = run

    def predict(self, model_input: pandas.DataFrame, params: Mapping[str, Any] | None = None) -> pandas.DataFrame:
        """Return the answers to rows, `label` and the probabilities or `score`, without their texts.

        Args:
            model_input: a column for each of the task's texts, in their order; MLflow sees to that.
            params: of MLflow; there are none.
        """
        texts = [model_input[name].tolist() for name in model_input.columns]
        return self.run.predict(*texts).iloc[:, len(texts) :]
