"""Which of a task's rows are used: limits, a part that is held out, a few of each label, and what becomes of leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from glueft.data.folds import FoldDraw
from glueft.data.held_out import HELD_OUT, HeldOutDraw
from glueft.data.limited_draw import FewShotDraw

OnLeaks = Literal["warn", "drop", "error"]


@dataclass(frozen=True)
class Selection:
    """The rows that a run uses of its task's.

    Attributes:
        limit_train: the most rows of the training split; the first ones are kept.
        limit_validation: likewise for each validation split.
        draw_seed: draw the rows of a limit by label, with this seed, instead of keeping the first ones.
        held_out: the part of the training rows, after their limit, that becomes the split "held_out"; or the fold.
        leaks: what to do with training rows whose texts stand in another split, after the limits.
        few_shot: the draw of as many of each label from the training rows that the others leave.
    """

    limit_train: int | None = None
    limit_validation: int | None = None
    draw_seed: int | None = None
    held_out: HeldOutDraw | FoldDraw | None = None
    leaks: OnLeaks = "warn"
    few_shot: FewShotDraw | None = None

    def limit(self, split: str, validation_splits: Sequence[str]) -> int | None:
        """Return the most rows of a split; None for all."""
        if split in ("train", HELD_OUT):
            return self.limit_train
        return self.limit_validation if split in validation_splits else None

    def divides(self, split: str) -> bool:
        """Whether a split is one of the two parts of the training rows."""
        return self.held_out is not None and split in ("train", HELD_OUT)

    @property
    def group(self) -> str | None:
        """The column whose rows stay together where they are equal; None for the texts."""
        return self.held_out.group if isinstance(self.held_out, FoldDraw) else None

    def needs_others(self, split: str) -> bool:
        """Whether the rows of a split depend on those of others."""
        return split == "train" and self.leaks == "drop"


ALL_ROWS = Selection()
