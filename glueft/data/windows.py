"""Long texts in windows: a row goes through the model in several pieces, and its logits are pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.checkpoint_finder import Checkpoint

Pool = Literal["mean", "max", "first"]


@dataclass(frozen=True)
class Windowing:
    """How a text that is longer than a row may be is cut into windows.

    Attributes:
        stride: the tokens that a window shares with its neighbour.
        pool: what the logits of a row are: of each the mean over its windows, the largest, or those of the window that
            alone is left where texts are cut.
    """

    stride: int
    pool: Pool


def cut_of_folder(checkpoint: Checkpoint, tokenizer: Any) -> tuple[int, Windowing | None]:
    """Return how rows are cut for a checkpoint that is no run's: its longest row in tokens, and windows if it has them.

    As glueft_input.json in its folder says, else to the longest row that it can read.

    Raises:
        CheckpointError: the file cannot be read.
    """
    from glueft.encoder.checkpoint_finder import longest_row
    from glueft.encoder.input_file import read_input_rule

    cut, longest = read_input_rule(checkpoint.folder), longest_row(checkpoint, tokenizer)
    if cut is None:
        return longest, None
    windows = cut.windows
    return min(cut.max_length, longest), Windowing(windows.stride, windows.pool) if windows else None


@dataclass(frozen=True)
class WindowsOfRows:
    """Which windows belong to which row.

    Attributes:
        first: the first window of each row, (rows,), ascending from 0. The windows of a row follow one another.
        windows: of all rows.
        pool: as in `Windowing`.
    """

    first: NDArray[np.int64]
    windows: int
    pool: Pool

    @property
    def counts(self) -> NDArray[np.int64]:
        """The windows of each row, (rows,)."""
        import numpy as np

        return np.diff(self.first, append=self.windows)

    def rows_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each window, in the shape of `windows`."""
        import numpy as np

        rows: NDArray[np.int64] = np.searchsorted(self.first, windows, side="right") - 1
        return rows

    def pooled(self, results: NDArray[Any]) -> NDArray[Any]:
        """Return results by row, (rows, ...), of those by window, (windows, ...), of the same type."""
        import numpy as np

        if self.pool == "first":
            return results[self.first]
        if self.pool == "max":
            largest: NDArray[Any] = np.maximum.reduceat(results, self.first, axis=0)
            return largest
        sums = np.add.reduceat(results, self.first, axis=0, dtype=np.float64)
        means: NDArray[Any] = sums / self.counts.reshape(-1, *[1] * (results.ndim - 1))
        return means.astype(results.dtype)
