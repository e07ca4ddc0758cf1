"""QQP: do two questions ask the same?"""

from __future__ import annotations

import glueft
from glueft_tasks.published import RUN_GLUE


class QQP(glueft.Task):
    """Duplicate or not: pairs of questions from a question-and-answer site (Quora Question Pairs).

    Source: Iyer, Dandekar and Csernai, 2017, "First Quora Dataset Release: Question Pairs". GLUE's split has 363,846
    train, 40,430 validation and 390,965 test pairs, as the hub counts them.

    Two training rows have an empty question. The lines of GLUE's own train.tsv are some more than the rows: line ends
    within questions have broken a few rows, which the hub's copy leaves out, and so does glueft (both are seen in
    huggingface/datasets issue 277, by the gaps between the rows' numbers).
    """

    name = "qqp"
    inputs = ("question1", "question2")
    labels = ("not_duplicate", "duplicate")
    metrics = ("accuracy", "f1")
    hub = glueft.HubDataset("nyu-mll/glue", "qqp", language="en")
    tsv = glueft.TSVLayout(
        "QQP",
        columns={"question1": "question1", "question2": "question2", "label": "is_duplicate"},
        short_rows={"train": 50, "validation": 5, "test": 5},
    )
    sample = "samples"
    empty_text = True
    sizes = {"train": 363_846, "validation": 40_430, "test": 390_965}
    # 63 % of the pairs are not duplicates (the paper on GLUE, section 3.2).
    submission = glueft.Submission(
        "GLUE", {"test": "QQP.tsv"}, majority="not_duplicate", label_text={"not_duplicate": "0", "duplicate": "1"}
    )
    published = (glueft.PublishedScore("bert-base-cased", {"accuracy": 0.9071, "f1": 0.8749}, RUN_GLUE),)
