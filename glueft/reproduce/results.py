"""Compares what a training has come to with a run: logits, metrics and the files of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glueft.hub.checkpoint_files import SHARD, WEIGHTS
from glueft.metrics.decision import PLAIN, DecisionRule
from glueft.reproduce.original import Original
from glueft.reproduce.stages import Comparison, Unequal, unequal_numbers
from glueft.text import counted
from glueft.training.fingerprints import logits_fingerprint
from glueft.training.observers import RunProgress, Training

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.runs.predictions import Predictions

# Probabilities of the same logits are closer: NumPy's exp differs in the last digit between processors.
_ROUNDING = 1e-12


def compare_results(
    comparison: Comparison,
    original: Original,
    predictions: Mapping[str, Predictions | None],
    training: Training,
    folder: Path,
    progress: RunProgress,
) -> None:
    """Predict, score and save as a run does, and add the last stages.

    Args:
        comparison: gets them.
        original: the run.
        predictions: of the run, by split.
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
    compare_logits(comparison, original, predictions, outcome.logits, session.labels, session.rule)
    shown = {split: metrics | outcome.others[split] for split, metrics in outcome.metrics.items()}
    compare_metrics(comparison, original, shown)
    with progress.phase("model files"):
        save_classifier(session.model, folder / "model", session.tokenizer, session.rule, cut=session.recipe.data.cut)
        files = fingerprints(folder / "model")
    compare_model(comparison, original, files)


def compare_logits(
    comparison: Comparison,
    original: Original,
    predictions: Mapping[str, Predictions | None],
    logits: Mapping[str, NDArray[np.float32]],
    labels: Sequence[str],
    rule: DecisionRule = PLAIN,
) -> None:
    """Compare with the fingerprints and the predictions of the run, which have all digits."""
    from glueft.inference.evaluation_comparison import compare_predictions

    unequal, compared = [], []
    for split, values in logits.items():
        run, now, own = original.record.fingerprints.logits.get(split), logits_fingerprint(values), predictions[split]
        if run is None and own is None:
            continue
        compared.append(split)
        changed, apart, note = 0, None, ""
        if own is not None:
            changed, apart = compare_predictions(own, values, list(labels), rule)
            note = f"probabilities up to {apart:.2g} apart, {counted(changed, 'row')} with another label"
            note = note if labels else f"scores up to {apart:.2g} apart"
        if run not in (None, now) or (run is None and apart):
            unequal.append(Unequal(f"logits of {split}", run, now, apart, note))
        elif changed or (apart or 0) > _ROUNDING:
            file = f"predictions/{split}.tsv"
            unequal.append(Unequal(file, "other numbers", "those that it recorded", apart, note, why=_changed(file)))
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
    """Compare the weights by SHA-256 of their files; files without numbers are named where they differ.

    A run that has not recorded them is compared by the files that lie in its folder.
    """
    here = original.model_files()
    saved = original.record.model.sha256 or here
    different = [name for name in {**saved, **files} if saved.get(name) != files.get(name)]
    weights = [name for name in different if _is_weights(name)]
    others = [name for name in different if name not in weights]
    compared = counted(len(files), "file") + (f"; of other text: {', '.join(others)}" if others and saved else "")
    unequal = [Unequal(name, saved.get(name), files.get(name)) for name in weights]
    unequal += [
        Unequal(name, here[name], files.get(name), why=_changed(f"model/{name}"))
        for name in here
        if _is_weights(name) and name not in weights and here[name] != files.get(name)
    ]
    comparison.add("model", unequal if saved else [], compared=compared, status=None if saved else "unknown")


def _is_weights(name: str) -> bool:
    return name == WEIGHTS or SHARD.fullmatch(name) is not None


def _changed(file: str) -> str:
    return f"{file} of the run folder was changed after the run"
