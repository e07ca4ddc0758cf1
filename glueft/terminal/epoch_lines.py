"""The lines of a training's evaluations, in columns that fit a width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len

from glueft.metrics import lower_is_better, metric_title
from glueft.text import duration, epoch_text, printable_line, score_text
from glueft.training.observers import MidEpochReport

# The mark of the best evaluation so far, and shorter ones for narrow terminals.
BEST, *_SHORTER = "best so far", "best", "*"
# The narrowest column of a number, and the gap between two columns.
_NUMBER, _GAP = 7, "  "


class EpochLines:
    """Writes a line an evaluation; the first comes with a header.

    Where they do not fit, the names of the columns are broken, then the last metrics are left out: the tables at the
    end have them all.

    Args:
        epochs: how many there are to be.
        width: in columns of the terminal.
        labels: for each metric of one label, the label.
        within: whether there are evaluations within epochs.
        before: the evaluations of a run that is resumed.
    """

    def __init__(
        self,
        epochs: int,
        width: int,
        labels: Mapping[str, str],
        *,
        within: bool = False,
        before: Sequence[MidEpochReport] = (),
    ) -> None:
        self.epochs, self.width, self.labels = epochs, width, labels
        self.within = within
        longest = f"{epochs - 1}.333" if within else f"{epochs}"
        self.label_width = max(len(f"epoch {number}/{epochs}") for number in (epochs, longest))
        self.columns: list[list[str]] = []  # the lines of each column's name
        self.best: float | None = None
        self.mark = BEST
        for report in before:
            self._is_best(report)

    def header(self, report: MidEpochReport) -> list[str]:
        """Return the lines above the first evaluation's; none above the others'."""
        if self.columns:
            return []
        self.columns = self._fitting([metric_title(name, self.labels) for name in report.metrics])
        height = max(map(len, self.columns))
        lines = []
        for number in range(height):
            cells = (([""] * (height - len(column)) + column)[number] for column in self.columns)
            lines.append(self._joined("", cells))
        return lines

    def line(self, report: MidEpochReport) -> tuple[str, str]:
        """Return the line of an evaluation, and its mark: `best so far`, or nothing."""
        numbers = [report.loss, report.validation_loss, *report.metrics.values()][: len(self.columns) - 1]
        seconds = f"{report.seconds:.1f} s" if report.seconds < 120 else duration(report.seconds)
        label = f"epoch {epoch_text(report.epoch)}/{self.epochs}"
        best = self._is_best(report) and (self.epochs > 1 or self.within)
        return self._joined(label, [*map(score_text, numbers), seconds]), self.mark if best else ""

    def _is_best(self, report: MidEpochReport) -> bool:
        """Whether an evaluation is better than all before by the primary metric, which is the first."""
        name, value = next(iter(report.metrics.items()))
        sign = -1 if lower_is_better(name) else 1
        if self.best is not None and not sign * value > sign * self.best:
            return False
        self.best = value
        return True

    def _fitting(self, titles: Sequence[str]) -> list[list[str]]:
        whole = [[printable_line(title)] for title in ("loss", "validation loss", *titles, "time")]
        if self._width(whole) <= self.width:
            return whole
        broken = [_broken(column[0]) for column in whole]
        while self._width(broken) > self.width and len(broken) > 4:  # loss, validation loss, the primary metric, time
            del broken[-2]
        for self.mark in (BEST, *_SHORTER):
            if self._width(broken) <= self.width:
                break
        return broken

    def _width(self, columns: Sequence[Sequence[str]]) -> int:
        return self.label_width + sum(len(_GAP) + _wide(column) for column in columns) + len(_GAP) + len(self.mark)

    def _joined(self, label: str, cells: Iterable[str]) -> str:
        padded = [label.ljust(self.label_width)]
        for column, cell in zip(self.columns, cells, strict=True):
            padded.append(" " * (_wide(column) - cell_len(cell)) + cell)
        return _GAP.join(padded).rstrip()


def _wide(lines: Sequence[str]) -> int:
    return max(_NUMBER, *map(cell_len, lines))


def _broken(title: str) -> list[str]:
    """A title in lines as short as its words allow; a long name breaks after its underscores too."""
    pieces = [piece for piece in re.split(r"(?<=_)|(?<= )", title) if piece]
    widest = max(_NUMBER, *(cell_len(piece.rstrip()) for piece in pieces))
    lines = [""]
    for piece in pieces:
        if cell_len((lines[-1] + piece).rstrip()) <= widest:
            lines[-1] += piece
        else:
            lines.append(piece)
    return [line.rstrip() for line in lines if line]
