"""RTE: does one sentence follow from another?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import DISTILLATION, RUN_GLUE


class RTE(glueft.Task):
    """Entailment or not: a passage from the news or an encyclopedia and a sentence (Recognizing Textual Entailment).

    Source: the challenges RTE1, 2, 3 and 5 (Dagan et al., 2006; Bar Haim et al., 2006; Giampiccolo et al., 2007;
    Bentivogli et al., 2009). GLUE's split has 2,490 train, 277 validation and 3,000 test pairs. With so few rows,
    scores differ by several points from seed to seed.
    """

    name = "rte"
    inputs = ("sentence1", "sentence2")
    labels = ("entailment", "not_entailment")
    metrics = ("accuracy",)
    hub = glueft.HubDataset("nyu-mll/glue", "rte", language="en")
    tsv = glueft.TSVLayout(
        "RTE", columns={"sentence1": "sentence1", "sentence2": "sentence2", "label": "label"}, label_text=labels
    )
    sample = "samples"
    sizes = {"train": 2490, "validation": 277, "test": 3000}
    # Half of the training rows have either label; 146 of the 277 validation pairs have this one.
    submission = glueft.Submission("GLUE", {"test": "RTE.tsv"}, majority="entailment")
    published = (
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.6570}, RUN_GLUE),
        glueft.PublishedScore("bert-base-uncased", {"accuracy": 0.693}, DISTILLATION),
        glueft.PublishedScore("distilbert-base-uncased", {"accuracy": 0.599}, DISTILLATION),
    )
