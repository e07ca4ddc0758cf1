"""MRPC: are two sentences from the news paraphrases of each other?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import COURSE, RUN_GLUE


class MRPC(glueft.Task):
    """Paraphrase or not: pairs of news sentences (Microsoft Research Paraphrase Corpus).

    Source: Dolan and Brockett, 2005, "Automatically Constructing a Corpus of Sentential Paraphrases". GLUE's split has
    3,668 train, 408 validation and 1,725 test pairs; 68 % of the validation pairs are equivalent.
    """

    name = "mrpc"
    inputs = ("sentence1", "sentence2")
    labels = ("not_equivalent", "equivalent")
    metrics = ("accuracy", "f1")
    hub = glueft.HubDataset("nyu-mll/glue", "mrpc", language="en")
    tsv = glueft.TSVLayout("MRPC", columns={"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"})
    sample = "samples"
    sizes = {"train": 3668, "validation": 408, "test": 1725}
    # 2,474 of the 3,668 training pairs are equivalent.
    submission = glueft.Submission(
        "GLUE", {"test": "MRPC.tsv"}, majority="equivalent", label_text={"not_equivalent": "0", "equivalent": "1"}
    )
    published = (
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.8407, "f1": 0.8885}, RUN_GLUE),
        glueft.PublishedScore("bert-base-uncased", {"accuracy": 0.8578, "f1": 0.8997}, COURSE),
    )
