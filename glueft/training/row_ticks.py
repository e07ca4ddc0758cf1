"""Tells of each predict step as it ends. Importing this module imports Keras."""

from __future__ import annotations

from collections.abc import Callable

from glueft.training.step_times import StepTimes


class RowTicks(StepTimes):
    """Step times that keep none, however many steps there are: each is told by the number of its rows."""

    def __init__(self, on_rows: Callable[[int], None]) -> None:
        super().__init__(by_shape=False)
        self.on_rows = on_rows

    def add(self, kind: str, shape: tuple[int, int], seconds: float) -> None:
        """Tell of a step."""
        self.on_rows(shape[0])
