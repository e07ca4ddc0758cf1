"""QNLI: does a sentence answer a question?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import DISTILLATION, RUN_GLUE


class QNLI(glueft.Task):
    """Answered or not: a question and a sentence from an encyclopedia (Question-answering NLI, made from SQuAD).

    "entailment" says that the sentence holds the answer. Source: Rajpurkar et al., 2016, "SQuAD: 100,000+ Questions for
    Machine Comprehension of Text", made into pairs by the authors of GLUE. GLUE's split (its second version) has
    104,743 train, 5,463 validation and 5,463 test pairs, about half of them "entailment".
    """

    name = "qnli"
    inputs = ("question", "sentence")
    labels = ("entailment", "not_entailment")
    metrics = ("accuracy",)
    hub = glueft.HubDataset("nyu-mll/glue", "qnli", language="en")
    tsv = glueft.TSVLayout(
        "QNLI", columns={"question": "question", "sentence": "sentence", "label": "label"}, label_text=labels
    )
    sample = "samples"
    sizes = {"train": 104_743, "validation": 5463, "test": 5463}
    # Half of the rows have either label; 2,761 of the 5,463 validation pairs have this one.
    submission = glueft.Submission("GLUE", {"test": "QNLI.tsv"}, majority="not_entailment")
    published = (
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.9066}, RUN_GLUE),
        glueft.PublishedScore("bert-base-uncased", {"accuracy": 0.918}, DISTILLATION),
        glueft.PublishedScore("distilbert-base-uncased", {"accuracy": 0.892}, DISTILLATION),
    )
