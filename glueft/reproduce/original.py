"""What is trained again: a run folder, or the receipt of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.encoder.checkpoint_finder import fingerprints
from glueft.errors import CheckpointError
from glueft.recipe import load_recipe
from glueft.recipe.file import parse_text
from glueft.reproduce.receipt import Receipt, is_receipt, load_receipt_recipe, read_receipt
from glueft.runs.predictions import Predictions, read_predictions
from glueft.runs.run import Run

if TYPE_CHECKING:
    from glueft.recipe import Recipe
    from glueft.runs.record import Record


@dataclass(frozen=True)
class Original:
    """A finished run.

    Attributes:
        name: the folder or file, as the user has named it.
        record: run.json, or what a receipt has of it.
        history: the lines of history.jsonl.
        run: None of a receipt.
        receipt: None of a run folder.
    """

    name: str
    record: Record
    history: list[dict[str, Any]]
    run: Run | None = None
    receipt: Receipt | None = None

    @classmethod
    def open(cls, path: str) -> Original:
        """Open a run folder or a receipt.

        Raises:
            RunFolderError: it is neither, or the run is not done.
        """
        if is_receipt(path):
            receipt, record = read_receipt(Path(path))
            return cls(path, record, receipt.history, receipt=receipt)
        run = Run.open(path)
        return cls(path, run.record, run.history(), run)

    def written_recipe(self) -> dict[str, Any]:
        """Return the tables of recipe.toml as they were written."""
        if self.receipt is not None:
            return parse_text(self.name, self.receipt.recipe)
        assert self.run is not None
        return self.run.recipe_settings()

    def load_recipe(
        self,
        overrides: Sequence[str] = (),
        *,
        data_dir: str | None = None,
        checkpoint: str | None = None,
        plugins: Sequence[str] = (),
        trust: bool = False,
    ) -> Recipe:
        """Load the recipe, without the callbacks that only watch.

        What came from the hub is read at the commit of then, unless another place is named.

        Args:
            overrides, data_dir, checkpoint, plugins, trust: as in `glueft.recipe.load_recipe`.

        Raises:
            RunFolderError: a receipt does not name local files of the run, and nothing is named in their place.
            RecipeError: the recipe cannot be used.
        """
        overrides = [*self._pinned(overrides, data_dir, checkpoint), *overrides]
        if self.receipt is not None:
            return load_receipt_recipe(
                Path(self.name),
                self.receipt,
                self.record,
                overrides,
                data_dir=data_dir,
                checkpoint=checkpoint,
                plugins=plugins,
            )
        assert self.run is not None
        return load_recipe(
            self.run.folder / "recipe.toml",
            overrides,
            data_dir=data_dir,
            checkpoint=checkpoint,
            plugins=plugins,
            trust=trust,
            watchers=False,
        )

    def _pinned(self, overrides: Sequence[str], data_dir: str | None, checkpoint: str | None) -> Iterator[str]:
        """Yield the `--set` arguments for the commits that the run has read, where the same places are read now."""
        named = {override.partition("=")[0].strip() for override in overrides}
        data = self.record.data
        if data.source == "hub" and data.revision and data_dir is None and not named & {"data.source", "data.revision"}:
            yield f"data.revision={json.dumps(data.revision)}"
        revision = self.record.checkpoint.revision
        if revision and checkpoint is None and not named & {"model.checkpoint", "model.revision"}:
            yield f"model.revision={json.dumps(revision)}"
        teacher = self.record.distillation
        if teacher is not None and teacher.revision and not named & {"distill.teacher", "distill.revision"}:
            yield f"distill.revision={json.dumps(teacher.revision)}"

    def predictions(self, split: str, labels: Sequence[str]) -> Predictions | None:
        """Return the predictions of a split; None where there are none, as in a receipt.

        Raises:
            RunFolderError: the file is broken, or about other labels.
        """
        if self.run is None or split not in self.run.splits():
            return None
        described = self.record.data.splits.get(split)
        rows = described.rows if described else None
        path = self.run.predictions_file(split)
        return read_predictions(path, labels, rows, multi_label=self.record.multi_label)

    def model_files(self) -> dict[str, str]:
        """Return the SHA-256 of each file in the run's model folder as it is now; of none where the model is gone."""
        if self.run is None:
            return {}
        try:
            return fingerprints(self.run.folder / "model")
        except (CheckpointError, OSError):
            return {}
