"""Precision, recall and F1 of each label, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glueft.metrics.per_label import label_scores
from glueft.page.parts import DataTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of more labels those with the most rows are listed.
MOST_LABELS = 200


def label_table(
    predicted: NDArray[Any], true: NDArray[Any], labels: Sequence[str], thresholds: Sequence[float] = ()
) -> DataTable:
    """Return the scores of each label, and their means; arguments as for `label_scores`.

    Args:
        predicted, true, labels: there.
        thresholds: from which on a row has each label; none where it has the most probable one.
    """
    found = label_scores(predicted, true, labels)
    order = sorted(range(len(found)), key=lambda index: -found[index].support)[:MOST_LABELS]
    rows = []
    for index in sorted(order):
        score = found[index]
        numbers = (score.precision, score.recall, score.f1)
        cells = [score.label, *map("{:.3f}".format, numbers), f"{score.support:,}", f"{score.predicted:,}"]
        rows.append((*cells, *([f"{thresholds[index]:.3g}"] if thresholds else [])))
    of = [each for each in found if each.support or each.predicted]
    means = [sum(values) / max(len(of), 1) for values in zip(*((s.precision, s.recall, s.f1) for s in of), strict=True)]
    totals = (f"{sum(s.support for s in found):,}", f"{sum(s.predicted for s in found):,}")
    name = f"mean of all {len(found):,} labels, of which these {len(rows)} have the most rows"
    name = name if len(rows) < len(found) else "mean of the labels"
    rows.append((name, *map("{:.3f}".format, means), *totals, *([""] if thresholds else [])))
    columns = ("label", "precision", "recall", "F1", "rows with it", "predicted with it")
    return DataTable((*columns, *(("threshold",) if thresholds else ())), rows)
