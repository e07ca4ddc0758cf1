"""The checks of a metric: its values for made-up predictions, those of its resamples, and its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from glueft.plugin.suits import Predicts, kinds_of
from glueft.testing.check import Check, ContractBrokenError, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.plugin.metric import Metric

ROWS = 60
RESAMPLES = 20


def checks(subject: Subject) -> list[Check]:
    imports = ("numpy", "evaluate", "sklearn")
    return [
        Check("value", subject, value, imports),
        Check("best value", subject, best_value, imports),
        Check("row order", subject, row_order, imports),
        Check("resampled", subject, resampled, imports),
        Check("interval", subject, interval, imports),
    ]


def value(subject: Subject) -> str:
    """The value of made-up predictions is a number within the metric's bounds."""
    said = []
    for metric, kind in _metrics(subject):
        low, high = metric.bounds
        values = [_value(metric, *made_up(metric, kind, seed)) for seed in range(5)]
        for found in values:
            if (low is not None and found < low - 1e-9) or (high is not None and found > high + 1e-9):
                raise ContractBrokenError(f"a value of {found:g} is outside of its `bounds` {metric.bounds}")
        said.append(", ".join(f"{found:.3f}" for found in values))
    return "; ".join(said)


def best_value(subject: Subject) -> str:
    """No predictions are better than the right ones; their value is the best bound, if there is one."""
    said = []
    for metric, kind in _metrics(subject):
        predictions, references = made_up(metric, kind, 0)
        best = _value(metric, right(metric, references), references)
        other = _value(metric, predictions, references)
        if best < other if metric.higher_is_better else best > other:
            raise ContractBrokenError(
                f"right predictions have the value {best:g} and partly wrong ones {other:g}: is `higher_is_better` "
                "right?"
            )
        bound = metric.best()
        if bound is not None and abs(best - bound) > 1e-6:
            raise ContractBrokenError(f"right predictions have the value {best:g}, and its best value is {bound:g}")
        said.append(f"{best:g} for right predictions, {other:.3f} for partly wrong ones")
    return "; ".join(said)


def row_order(subject: Subject) -> str:
    """The order of the rows does not change the value."""
    import numpy as np

    said = []
    for metric, kind in _metrics(subject):
        predictions, references = made_up(metric, kind, 0)
        first = _value(metric, predictions, references)
        order = np.random.default_rng(1).permutation(ROWS)
        second = _value(metric, predictions[order], references[order])
        if not math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-9):
            raise ContractBrokenError(f"the value is {first:g}, and {second:g} for the same rows in another order")
        said.append(f"{first:.3f} in any order")
    return "; ".join(said)


def resampled(subject: Subject) -> str:
    """`resampled` has the values of `value` on the rows of each resample."""
    import numpy as np

    for metric, kind in _metrics(subject):
        predictions, references = made_up(metric, kind, 0)
        draws = np.random.default_rng(2)
        counts = np.stack([np.bincount(draws.integers(ROWS, size=ROWS), minlength=ROWS) for _ in range(RESAMPLES)])
        found = metric.resampled(predictions, references, counts.astype(np.float64))
        if np.shape(found) != (RESAMPLES,):
            shape = np.shape(found)
            raise ContractBrokenError(f"`resampled` must return one value per resample, and its shape is {shape}")
        for one, drawn in zip(found, counts, strict=True):
            rows = np.repeat(np.arange(ROWS), drawn)
            wanted = _value(metric, predictions[rows], references[rows])
            if not math.isclose(float(np.nan_to_num(one)), wanted, rel_tol=1e-6, abs_tol=1e-6):
                raise ContractBrokenError(f"`resampled` gives {one:g} where `value` gives {wanted:g} for the same rows")
    return f"{RESAMPLES} resamples"


def interval(subject: Subject) -> str:
    """An interval of the metric's own holds its value, and is within its bounds."""
    said = []
    for metric, kind in _metrics(subject):
        predictions, references = made_up(metric, kind, 0)
        found = metric.interval(predictions, references)
        if found is None:
            said.append("that of the bootstrap")
            continue
        low, high = map(float, found)
        least, most = metric.bounds
        if not low - 1e-9 <= (value := _value(metric, predictions, references)) <= high + 1e-9:
            raise ContractBrokenError(f"`interval` gives {low:g} to {high:g}, and the value is {value:g}")
        if (least is not None and low < least - 1e-9) or (most is not None and high > most + 1e-9):
            raise ContractBrokenError(f"`interval` gives {low:g} to {high:g}, beyond its `bounds` {metric.bounds}")
        said.append(f"{low:.3f} to {high:.3f}")
    return "; ".join(said)


def made_up(metric: Metric, kind: Predicts, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return predictions, two thirds of them right, and references, in the form that the metric takes."""
    import numpy as np

    draws = np.random.default_rng(seed)
    if kind == "scores":
        references = draws.normal(size=ROWS).astype(np.float32).astype(np.float64)
        return references + draws.normal(size=ROWS).astype(np.float32) / 2, references
    size = (ROWS, len(metric.labels))
    if kind == "multi_label":
        sets = (draws.random(size) < 0.4).astype(np.int64)
        chances = 1 / (1 + np.exp(-draws.normal(size=size) - 1.5 * (2 * sets - 1)))
        return (chances if metric.takes_probabilities else (chances >= 0.5).astype(np.int64)), sets
    indices = np.arange(ROWS) % len(metric.labels)
    draws.shuffle(indices)
    logits = draws.normal(size=size) + 1.5 * right_shares(metric, indices)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return (shares if metric.takes_probabilities else shares.argmax(axis=1)), indices


def right(metric: Metric, references: NDArray[Any]) -> NDArray[Any]:
    """Return predictions that are right in every row."""
    return right_shares(metric, references) if metric.takes_probabilities else references.copy()


def right_shares(metric: Metric, references: NDArray[Any]) -> NDArray[np.float64]:
    """Return a probability of 1 for the right labels of each row, (rows, labels)."""
    import numpy as np

    if references.ndim == 2:
        return references.astype(np.float64)
    shares: NDArray[np.float64] = np.eye(len(metric.labels))[references]
    return shares


def _metrics(subject: Subject) -> Iterator[tuple[Metric, Predicts]]:
    """The metric for each kind of task that it suits, with three labels where it can have them, else two."""
    cls: type[Metric] = subject.cls  # type: ignore[assignment]
    for kind in kinds_of(cls.suits):
        labels = next(labels for labels in (3, 2, 0) if cls.fits(labels, kind == "multi_label"))
        yield cls([f"label {number}" for number in range(labels)]), kind


def _value(metric: Metric, predictions: Any, references: Any) -> float:
    from glueft.metrics import value_of

    return value_of(metric, predictions, references)
