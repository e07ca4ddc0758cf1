"""What the service has done, in the text format of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import bisect
import threading
from collections import defaultdict
from collections.abc import Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

COUNTERS = {
    "glueft_requests_total": "Requests that were answered, by status.",
    "glueft_rows_total": "Rows that were predicted.",
    "glueft_truncated_rows_total": "Rows of them that were longer than the model reads, and cut.",
    "glueft_dropped_rows_total": "Rows that were not predicted, as their client had gone.",
}
HISTOGRAMS: dict[str, tuple[str, Sequence[float]]] = {
    "glueft_request_seconds": ("Time from a request's headers to its answer.", _SECONDS),
    "glueft_predict_seconds": ("Time of one call of the model.", _SECONDS),
    "glueft_predict_rows": ("Rows of one call of the model.", _ROWS),
}
GAUGES = {"glueft_waiting_rows": "Rows that wait for the model."}


class Metrics:
    """Counters and histograms; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], float] = defaultdict(float)
        self._buckets = {name: [0] * (len(bounds) + 1) for name, (_, bounds) in HISTOGRAMS.items()}
        self._sums = dict.fromkeys(HISTOGRAMS, 0.0)

    def add(self, name: str, amount: float = 1, labels: str = "") -> None:
        """Add to a counter; `labels` as the format has them, such as `{status="200"}`."""
        with self._lock:
            self._counts[name, labels] += amount

    def observe(self, name: str, value: float) -> None:
        """Add a value to a histogram."""
        with self._lock:
            self._buckets[name][bisect.bisect_left(HISTOGRAMS[name][1], value)] += 1
            self._sums[name] += value

    def text(self, **gauges: float) -> str:
        """Return all of them; `gauges` by their names without `glueft_`."""
        lines: list[str] = []
        with self._lock:
            for name, help_text in COUNTERS.items():
                found = {labels: count for (of, labels), count in self._counts.items() if of == name} or {"": 0}
                lines += _head(name, "counter", help_text)
                lines += [f"{name}{labels} {count:.12g}" for labels, count in sorted(found.items())]
            for name, (help_text, bounds) in HISTOGRAMS.items():
                lines += _head(name, "histogram", help_text)
                total = 0
                for bound, count in zip([*map(str, bounds), "+Inf"], self._buckets[name], strict=True):
                    total += count
                    lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
                lines += [f"{name}_sum {self._sums[name]:.12g}", f"{name}_count {total}"]
        for name, help_text in GAUGES.items():
            lines += [*_head(name, "gauge", help_text), f"{name} {gauges[name.removeprefix('glueft_')]:.12g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
