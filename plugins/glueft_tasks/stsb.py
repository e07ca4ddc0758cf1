"""STS-B: how much do two sentences mean the same, from 0 to 5?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import RUN_GLUE


class STSB(glueft.Task):
    """How alike in meaning, from 0 to 5: pairs of sentences from captions, news and forums (STS Benchmark).

    A regression: the model gives one number, trained on the mean squared error. Source: Cer et al., 2017, "SemEval-2017
    Task 1". GLUE's split has 5,749 train, 1,500 validation and 1,379 test pairs.
    """

    name = "stsb"
    inputs = ("sentence1", "sentence2")
    metrics = ("pearson", "spearmanr")
    hub = glueft.HubDataset("nyu-mll/glue", "stsb", language="en")
    tsv = glueft.TSVLayout("STS-B", columns={"sentence1": "sentence1", "sentence2": "sentence2", "label": "score"})
    sample = "samples"
    sizes = {"train": 5749, "validation": 1500, "test": 1379}
    score_range = (0.0, 5.0)
    # The mean of the training scores.
    submission = glueft.Submission("GLUE", {"test": "STS-B.tsv"}, majority=2.701, score_range=score_range)
    published = (glueft.PublishedScore("bert-base-cased", {"pearson": 0.8864, "spearmanr": 0.8848}, RUN_GLUE),)
