"""The base class of metrics, and the check of what a task names. Importing this module imports no framework."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from glueft.errors import PluginError
from glueft.plugin.base import Plugin
from glueft.plugin.suits import Suits, kinds_of, suits_breach
from glueft.plugin.wilson import wilson
from glueft.suggest import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Metric(Plugin):
    """One number that says how good predictions are.

    Most metrics set some of the attributes below and define `value`. A metric has no options: recipes only name it.

    Attributes:
        suits: "labels" for tasks with one label a row, "multi_label" for those with any number, "scores" for
            regression; or a tuple of them.
        most_labels: the most labels that a task may have; 2 for a metric of two-label tasks, None for no limit.
        of_positive_label: whether it is about the positive label of a two-label task. It is then shown with that label:
            "f1 of alarm".
        takes_probabilities: whether `value` gets the probability of each label, not the predicted label.
        higher_is_better: whether the greatest value is the best.
        bounds: the least and the greatest value; None where there is no bound.
        hub_name: its name in the metadata of model cards; None for `name`.
        always_shown: whether it is shown for every task that it suits, beside the task's own metrics.
        share_right: whether it is the share of rows whose label, or set of labels, is predicted right; "labels" or
            "multi_label" where only in such tasks. McNemar's test then applies to it.
        labels: the names of the task's labels in index order; () in regression.
        positive_label: the index of the task's positive label.
    """

    kind = "metric"
    suits: ClassVar[Suits] = "labels"
    most_labels: ClassVar[int | None] = None
    of_positive_label: ClassVar[bool] = False
    takes_probabilities: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 1.0)
    hub_name: ClassVar[str | None] = None
    always_shown: ClassVar[bool] = False
    share_right: ClassVar[bool | Literal["labels", "multi_label"]] = False

    def __init__(self, labels: Sequence[str] = (), positive_label: int = 1) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.positive_label = positive_label

    @classmethod
    def fits(cls, labels: int, multi_label: bool = False) -> bool:
        """Whether a task can have it.

        Args:
            labels: how many it has; 0 for a regression, and for a multi-label task that has yet to learn its labels.
            multi_label: whether a row may have any number of them.
        """
        kinds = kinds_of(cls.suits)
        if not (labels or multi_label):
            return "scores" in kinds
        most = 2 if cls.of_positive_label else cls.most_labels
        return ("multi_label" if multi_label else "labels") in kinds and (most is None or labels <= most)

    @classmethod
    def is_share_right(cls, *, multi_label: bool) -> bool:
        """Whether it is the share of rows that are predicted right, in a multi-label task or in another one."""
        kind = "multi_label" if multi_label else "labels"
        return kind in kinds_of(cls.suits) and cls.share_right in (True, kind)

    @classmethod
    def best(cls) -> float | None:
        """The best value that there is; None if it has no bound."""
        return cls.bounds[1 if cls.higher_is_better else 0]

    def value(self, predictions: NDArray[Any], references: NDArray[Any]) -> float:
        """Return the metric of some rows, at least one.

        Args:
            predictions: the index of the predicted label, int64 (rows,); of a multi-label task 0 and 1 for each label,
                int64 (rows, labels); with `takes_probabilities` the probability of each label, float64 (rows, labels);
                in regression the score, float64 (rows,).
            references: the index of the right label, int64 (rows,); of a multi-label task 0 and 1 for each label,
                int64 (rows, labels); in regression the score, float64 (rows,).

        Returns:
            A number; NaN where the metric is not defined, which counts as 0.
        """
        raise NotImplementedError

    def resampled(
        self, predictions: NDArray[Any], references: NDArray[Any], counts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the metric of each of many resamples of the same rows, for `glueft compare` and to tune a threshold.

        If not overridden, `value` is computed on the rows of each resample. That is slow where `value` is: 10,000
        resamples are usual. Many metrics have sums over the rows that give all resamples at once, by `counts @ ...`.

        Args:
            predictions: as for `value`.
            references: as for `value`.
            counts: how often each resample holds each row, (resamples, rows).

        Returns:
            (resamples,), with NaN where the metric is not defined.
        """
        import numpy as np

        values = np.empty(len(counts))
        for resample, drawn in enumerate(counts.astype(np.int64)):
            rows = np.repeat(np.arange(len(drawn)), drawn)
            values[resample] = self.value(predictions[rows], references[rows])
        return values

    def interval(self, predictions: NDArray[Any], references: NDArray[Any]) -> tuple[float, float] | None:
        """Return the 95 % interval of the value, low and high; None where the bootstrap of the rows is to give it.

        By default that of Wilson for a share of right rows, None for all others. A metric that is another share of
        independent rows has `share_interval` for it.

        Args:
            predictions, references: as for `value`.
        """
        if not self.is_share_right(multi_label=references.ndim == 2):
            return None
        import numpy as np

        rows = len(references)
        share = float(self.resampled(predictions, references, np.ones((1, rows)))[0])
        return self.share_interval(round(share * rows), rows)

    @staticmethod
    def share_interval(hits: float, rows: float) -> tuple[float, float]:
        """Return Wilson's 95 % interval of a share of independent rows; (0, 1) of no rows."""
        return wilson(hits, rows)


def check_metric_names(
    task_name: str, names: Sequence[str], known: Mapping[str, type[Metric]], *, labels: int, multi_label: bool = False
) -> None:
    """Check the metrics that a task names.

    Args:
        task_name: for the message.
        names: metrics.
        known: the metrics that there are, by name.
        labels, multi_label: as in `Metric.fits`.

    Raises:
        PluginError: there is no such metric, or it does not suit the task.
    """
    for name in names:
        if name not in known:
            raise PluginError(
                f"task {task_name!r} names a metric that glueft does not have",
                expected=f"one of {', '.join(known)}",
                received=repr(name),
                fix=did_you_mean(name, known).strip() or "correct the task's `metrics`",
            )
        if not known[name].fits(labels, multi_label):
            kind = f"a task with {labels} labels" if labels else "a regression task"
            kind = "a multi-label task" if multi_label else kind
            suiting = [other for other, metric in known.items() if metric.fits(labels, multi_label)]
            raise PluginError(
                f'the metric "{name}" of task "{task_name}" does not suit {kind}',
                expected=f"one of {', '.join(suiting)}",
                received=repr(name),
                fix=f"metrics that suit it are {', '.join(suiting)}" if suiting else "correct the task's `labels`",
            )


def metric_breach(metric: type[Metric] | Metric) -> str | None:
    """How a metric's class breaks the contract beyond that of every plugin; None if it keeps it."""
    cls = metric if isinstance(metric, type) else type(metric)
    where = f"class {cls.__name__}"
    if metric.name == "loss":
        return f'{where} needs another `name`: "loss" is that of the loss'
    try:
        inspect.signature(cls).bind((), 1)
    except TypeError:
        return f"the `__init__` of {where} must take `labels` and `positive_label`, as that of glueft.Metric does"
    if metric.Options.model_fields:
        return f"{where} has options, and a recipe only names metrics: write a class for each setting"
    reason = suits_breach(where, metric.suits)
    if reason:
        return reason
    kinds = kinds_of(metric.suits)
    of_labels = [key for key in ("of_positive_label", "takes_probabilities", "share_right") if getattr(metric, key)]
    if "scores" in kinds and of_labels:
        return f"{where} sets `{of_labels[0]}`, which is for metrics of labels, and it suits scores"
    if metric.share_right not in (True, False, *kinds):
        return f"{where} needs as `share_right` True, False or one kind that it suits, and has {metric.share_right!r}"
    flags = ("of_positive_label", "takes_probabilities", "higher_is_better", "always_shown")
    for key in flags:
        if not isinstance(getattr(metric, key), bool):
            return f"{where} needs as `{key}` True or False, and has {getattr(metric, key)!r}"
    if metric.of_positive_label and "multi_label" in kinds:
        return f"{where} sets `of_positive_label`, and a multi-label task has no positive label"
    hub_name = "accuracy" if metric.hub_name is None else metric.hub_name
    if not (isinstance(hub_name, str) and hub_name.strip() and hub_name.isprintable()):
        return f"{where} needs as `hub_name` a name on one line, or None, and has {metric.hub_name!r}"
    if metric.most_labels is not None and not (isinstance(metric.most_labels, int) and metric.most_labels >= 2):
        return f"{where} needs as `most_labels` a whole number from 2, or None, and has {metric.most_labels!r}"
    if not _are_bounds(metric.bounds):
        return f"{where} needs as `bounds` its least and greatest value, None for no bound, and has {metric.bounds!r}"
    return None


def _are_bounds(bounds: Any) -> bool:
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        return False
    known = [bound for bound in bounds if bound is not None]
    numbers = all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in known)
    return numbers and all(map(math.isfinite, known)) and known == sorted(set(known))
