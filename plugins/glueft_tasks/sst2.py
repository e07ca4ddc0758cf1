"""SST-2: is a sentence of a film review positive or negative?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import DISTILLATION, RUN_GLUE


class SST2(glueft.Task):
    """Positive or negative: single sentences from film reviews (Stanford Sentiment Treebank).

    Source: Socher et al., 2013, "Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank". GLUE's
    split has 67,349 train, 872 validation and 1,821 test sentences; 51 % of the validation sentences are positive.
    """

    name = "sst2"
    inputs = ("sentence",)
    labels = ("negative", "positive")
    metrics = ("accuracy",)
    hub = glueft.HubDataset("nyu-mll/glue", "sst2", language="en")
    tsv = glueft.TSVLayout("SST-2", columns={"sentence": "sentence", "label": "label"})
    sample = "samples"
    sizes = {"train": 67_349, "validation": 872, "test": 1821}
    # 37,569 of the 67,349 training sentences are positive.
    submission = glueft.Submission(
        "GLUE", {"test": "SST-2.tsv"}, majority="positive", label_text={"negative": "0", "positive": "1"}
    )
    published = (
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.9232}, RUN_GLUE),
        glueft.PublishedScore("bert-base-uncased", {"accuracy": 0.927}, DISTILLATION),
        glueft.PublishedScore("distilbert-base-uncased", {"accuracy": 0.913}, DISTILLATION),
    )
