"""Compares what a training has come to with a run: logits, metrics and the files of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.hub.checkpoint_files import SHARD, WEIGHTS
from glueft.reproduce.original import Original
from glueft.reproduce.stages import Comparison, Unequal, unequal_numbers
from glueft.text import counted
from glueft.training.fingerprints import logits_fingerprint
from glueft.training.observers import RunProgress, Training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compare_results(
    comparison: Comparison, original: Original, training: Training, folder: Path, progress: RunProgress
) -> None:
    """Predict, score and save as a run does, and add the last stages.

    Args:
        comparison: gets them.
        original: the run.
        training: at its end.
        folder: where the model is written.
        progress: shows the phases.
    """
    from glueft.encoder.checkpoint import save_classifier
    from glueft.encoder.checkpoint_finder import fingerprints
    from glueft.training.outcome import outcome_of

    session = training.session
    with progress.phase("predictions"):
        outcome = outcome_of(training)
    compare_logits(comparison, original, outcome.logits, session.labels)
    shown = {split: metrics | outcome.others[split] for split, metrics in outcome.metrics.items()}
    compare_metrics(comparison, original, shown)
    with progress.phase("model files"):
        save_classifier(session.model, folder / "model", session.tokenizer)
        files = fingerprints(folder / "model")
    compare_model(comparison, original, files)


def compare_logits(
    comparison: Comparison, original: Original, logits: Mapping[str, NDArray[np.float32]], labels: Sequence[str]
) -> None:
    """Compare by fingerprints where the run has them, else by its predictions, which have all digits."""
    from glueft.inference.evaluation_comparison import compare_predictions

    unequal, compared = [], []
    for split, values in logits.items():
        run, now = original.record.fingerprints.logits.get(split), logits_fingerprint(values)
        own = None if run == now else original.predictions(split)
        if run is None and own is None:
            continue
        compared.append(split)
        if own is not None:
            changed, apart = compare_predictions(own, values, list(labels))
            if run is not None or apart:
                note = f"probabilities up to {apart:.2g} apart, {counted(changed, 'row')} with another label"
                note = note if labels else f"scores up to {apart:.2g} apart"
                unequal.append(Unequal(f"logits of {split}", run, now, apart, note))
        elif run != now:
            unequal.append(Unequal(f"logits of {split}", run, now))
    comparison.add("logits", unequal, compared=", ".join(compared), status=None if compared else "unknown")


def compare_metrics(comparison: Comparison, original: Original, now: Mapping[str, Mapping[str, float]]) -> None:
    """Compare the metrics that the run has, by split; earlier runs recorded fewer."""
    run = original.record.shown_metrics()
    unequal = []
    for split, metrics in run.items():
        both = {name: value for name, value in now.get(split, {}).items() if name in metrics}
        unequal += unequal_numbers(f"{{}} of {split}", metrics, both)
    names = ", ".join(run.get(original.record.primary_split, {}))
    comparison.add("metrics", unequal, compared=names, status=None if names else "unknown")


def compare_model(comparison: Comparison, original: Original, files: Mapping[str, str]) -> None:
    """Compare the weights by SHA-256 of their files; files without numbers are named where they differ."""
    saved = original.record.model.sha256
    different = [name for name in {**saved, **files} if saved.get(name) != files.get(name)]
    weights = [name for name in different if name == WEIGHTS or SHARD.fullmatch(name)]
    others = [name for name in different if name not in weights]
    compared = counted(len(files), "file") + (f"; of other text: {', '.join(others)}" if others and saved else "")
    unequal = [Unequal(name, saved.get(name), files.get(name)) for name in weights]
    comparison.add("model", unequal if saved else [], compared=compared, status=None if saved else "unknown")
