"""WNLI: is a pronoun of a sentence resolved as a second sentence has it?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import DISTILLATION, RUN_GLUE


class WNLI(glueft.Task):
    """Follows or not: a sentence with a pronoun, and the same with a name put in its place (Winograd NLI).

    Source: Levesque, Davis and Morgenstern, 2011, "The Winograd Schema Challenge", made into pairs by the authors of
    GLUE. GLUE's split has 635 train, 71 validation and 146 test pairs. Pairs of train and validation share sentences
    and have opposite labels, so memorised rows mislead: few models do better than always "not_entailment",
    0.563 on validation.
    """

    name = "wnli"
    inputs = ("sentence1", "sentence2")
    labels = ("not_entailment", "entailment")
    metrics = ("accuracy",)
    hub = glueft.HubDataset("nyu-mll/glue", "wnli", language="en")
    tsv = glueft.TSVLayout("WNLI", columns={"sentence1": "sentence1", "sentence2": "sentence2", "label": "label"})
    sample = "samples"
    sizes = {"train": 635, "validation": 71, "test": 146}
    # 65 % of the test pairs (the paper on GLUE, section 3.3); the training rows have half of each label.
    submission = glueft.Submission(
        "GLUE",
        {"test": "WNLI.tsv"},
        majority="not_entailment",
        label_text={"not_entailment": "0", "entailment": "1"},
        average="optional",
    )
    published = (
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.5634}, RUN_GLUE),
        glueft.PublishedScore("bert-base-uncased", {"accuracy": 0.535}, DISTILLATION),
        glueft.PublishedScore("distilbert-base-uncased", {"accuracy": 0.563}, DISTILLATION),
    )
