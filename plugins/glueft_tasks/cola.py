"""CoLA: is a sentence acceptable English?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import DISTILLATION, RUN_GLUE


class CoLA(glueft.Task):
    """Acceptable English or not: single sentences from books on linguistics (Corpus of Linguistic Acceptability).

    Source: Warstadt, Singh and Bowman, 2019, "Neural Network Acceptability Judgments". GLUE's split has 8,551 train,
    1,043 validation and 1,063 test sentences; 69 % of the validation sentences are acceptable. That is why the metric
    is Matthews correlation: whoever says "acceptable" to all has 0.
    """

    name = "cola"
    inputs = ("sentence",)
    labels = ("unacceptable", "acceptable")
    metrics = ("matthews_correlation",)
    hub = glueft.HubDataset("nyu-mll/glue", "cola", language="en")
    tsv = glueft.TSVLayout(
        "CoLA",
        columns={"sentence": 3, "label": 1},  # source, label, the authors' mark, sentence
        header=False,
        files={
            "train": "train.tsv",
            "validation": "dev.tsv",
            "test": glueft.TSVFile("test.tsv", columns={"sentence": "sentence", "label": "label"}, header=True),
        },
    )
    sample = "samples"
    sizes = {"train": 8551, "validation": 1043, "test": 1063}
    # 6,023 of the 8,551 training sentences are acceptable.
    submission = glueft.Submission(
        "GLUE", {"test": "CoLA.tsv"}, majority="acceptable", label_text={"unacceptable": "0", "acceptable": "1"}
    )
    published = (
        glueft.PublishedScore("bert-base-cased", {"matthews_correlation": 0.5653}, RUN_GLUE),
        glueft.PublishedScore("bert-base-uncased", {"matthews_correlation": 0.563}, DISTILLATION),
        glueft.PublishedScore("distilbert-base-uncased", {"matthews_correlation": 0.513}, DISTILLATION),
    )
