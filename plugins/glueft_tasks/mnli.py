"""MNLI: does one sentence follow from another, contradict it, or neither?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import RUN_GLUE


class MNLI(glueft.Task):
    """Entailment, neutral or contradiction: pairs of sentences of ten genres (Multi-Genre NLI).

    Validation and test have two splits each: the matched one has the genres of the training rows, the mismatched one
    others. The matched one is the primary split; a run reports both. Source: Williams, Nangia and Bowman, 2018, "A
    Broad-Coverage Challenge Corpus for Sentence Understanding through Inference". GLUE's split has 392,702 train, 9,815
    and 9,832 validation, and 9,796 and 9,847 test pairs.
    """

    name = "mnli"
    inputs = ("premise", "hypothesis")
    labels = ("entailment", "neutral", "contradiction")
    metrics = ("accuracy",)
    validation_splits = ("validation_matched", "validation_mismatched")
    test_splits = ("test_matched", "test_mismatched")
    hub = glueft.HubDataset("nyu-mll/glue", "mnli", language="en")
    tsv = glueft.TSVLayout(
        "MNLI",
        # Found by name: dev files have four columns more than train.tsv, the labels of single annotators.
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"},
        files={
            "train": "train.tsv",
            "validation_matched": "dev_matched.tsv",
            "validation_mismatched": "dev_mismatched.tsv",
            "test_matched": "test_matched.tsv",
            "test_mismatched": "test_mismatched.tsv",
        },
        label_text=labels,
    )
    sample = "samples"
    sizes = {
        "train": 392_702,
        "validation_matched": 9815,
        "validation_mismatched": 9832,
        "test_matched": 9796,
        "test_mismatched": 9847,
    }
    # The training rows have a third of each label; "entailment" is the commonest in both validation splits.
    submission = glueft.Submission(
        "GLUE", {"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"}, majority="entailment"
    )
    published = (
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.8391}, RUN_GLUE, "validation_matched"),
        glueft.PublishedScore("bert-base-cased", {"accuracy": 0.8410}, RUN_GLUE, "validation_mismatched"),
    )
