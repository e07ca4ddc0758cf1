"""The metrics of the GLUE benchmark take their value from the classes in `evaluate_classes.py`."""

from __future__ import annotations

from typing import Any, ClassVar

import glueft


class GlueValue(glueft.Metric):
    """A metric whose value is that of an `evaluate.Metric`.

    Attributes:
        glue_name: the name of that one; None for `name`.
    """

    glue_name: ClassVar[str | None] = None

    def value(self, predictions: Any, references: Any) -> float:
        from glueft_metrics.evaluate_classes import value_of

        label = {"positive_label": self.positive_label} if self.of_positive_label else {}
        return value_of(self.glue_name or self.name, predictions, references, **label)
