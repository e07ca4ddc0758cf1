"""AX: GLUE's diagnostic set, which probes a model that was trained on MNLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glueft
from glueft_tasks.mnli import MNLI

if TYPE_CHECKING:
    import datasets


class AX(glueft.Task):
    """GLUE's diagnostic set: sentence pairs that each probe one thing, for a model trained on MNLI.

    It has no training rows. A run trains on MNLI's and is evaluated on MNLI's matched validation rows; the 1,104 pairs
    of the set are the split `diagnostic`, which `data.predict` names. GLUE keeps their labels to itself: the hub's copy
    and diagnostic.tsv have none. The authors' diagnostic-full.tsv has them, and with it the split gets its metric.

    Source: Wang et al., 2019, "GLUE: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding".
    """

    name = "ax"
    inputs = MNLI.inputs
    labels = MNLI.labels
    metrics = ("matthews_correlation",)
    validation_splits = ("validation_matched",)
    test_splits = ("diagnostic",)
    hub = glueft.HubDataset("nyu-mll/glue", "ax", language="en", splits={"diagnostic": "test"})
    tsv = glueft.TSVLayout(
        "diagnostic",
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "label"},
        files={
            "diagnostic": (
                glueft.TSVFile(
                    "diagnostic-full.tsv",
                    columns={"premise": "Premise", "hypothesis": "Hypothesis", "label": "Label"},
                ),
                "diagnostic.tsv",
            )
        },
        label_text=labels,
    )
    sample = "samples"
    sizes = {"train": 392_702, "validation_matched": 9815, "diagnostic": 1104}
    # 42 % of the pairs (the paper on GLUE, section 4).
    submission = glueft.Submission(
        "GLUE", {"diagnostic": "AX.tsv"}, majority="entailment", predicted_by="mnli", average="not counted"
    )

    def load(self, source: Any) -> datasets.DatasetDict:
        """Read MNLI's rows to train on, and the diagnostic rows beside them."""
        splits = source.read(MNLI())
        trained_on = source.provenance
        splits.update(source.read(self))
        source.provenance = source.provenance | {"trained_on": trained_on}
        return splits
