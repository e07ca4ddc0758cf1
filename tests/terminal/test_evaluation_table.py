"""The tables of `evaluate`."""

from __future__ import annotations

import io
import re
from typing import Any

from glueft.system.console import PlainConsole
from glueft.terminal.evaluation_table import evaluation_tables

SCORES = {"precision": 0.5, "recall": 0.25, "f1": 0.3333, "support": 12, "predicted": 6}
RESULT: dict[str, Any] = {
    "task": "notes",
    "split": "validation",
    "labels": ["food", "guide"],
    "metrics_by_split": {"validation": {"macro_f1": 0.5}},
    "other_metrics_by_split": {"validation": {}},
    "metric_labels": {},
    "intervals": {"validation": {}},
    "label_scores": {"validation": {"food": SCORES, "guide": SCORES}},
    "confusion": {},
    "comparison": None,
    "decision": {"thresholds": (0.25, 0.75), "text": "tuned", "plain_metrics_by_split": {}},
    "data": {"source": "sample", "splits": {"validation": {"rows": 24}}},
    "warnings": [],
    "seconds": {"setup": 1.0, "evaluate": 1.0, "total": 2.0},
    "engine": {"precision": "float32"},
    "run_dir": "/runs/notes-1",
}


def test_thresholds_of_a_saved_model_stand_beside_their_labels() -> None:
    for decision, last in ((RESULT["decision"], {"food": "0.2500", "guide": "0.7500"}), (None, {"food": "12"})):
        console = PlainConsole(io.StringIO(), width=80, record=True)
        console.print(*evaluation_tables(RESULT | {"decision": decision}))
        text = console.export_text()
        for label, cell in last.items():
            assert re.search(rf"^{label} .* {re.escape(cell)} *$", text, re.M)
