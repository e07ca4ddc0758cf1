"""A few rows of every GLUE task in the layout of the files that GLUE offers: names, headers and all their columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MNLI_TEXTS = "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
MNLI_TRAIN = f"{MNLI_TEXTS} sentence1 sentence2 label1 gold_label"
MNLI_DEV = f"{MNLI_TEXTS} sentence1 sentence2 label1 label2 label3 label4 label5 gold_label"
PARSES = "1 1e fiction (a) (b) (ROOT-a) (ROOT-b)"
STSB = "index genre filename year old_index source1 source2 sentence1 sentence2"
PHENOMENA = ("Lexical Semantics", "Predicate-Argument Structure", "Logic", "Knowledge")
DIAGNOSTIC_FULL = (*PHENOMENA, "Domain", "Premise", "Hypothesis", "Label")


def words(text: str, *more: str) -> tuple[str, ...]:
    return (*text.split(), *more)


# Task -> file -> header (None: none) and rows. `A "quote` and the like must come through as they are.
FILES: dict[str, dict[str, tuple[Sequence[str] | None, list[Sequence[str]]]]] = {
    "cola": {
        "CoLA/train.tsv": (None, [("gj04", "1", "", 'A "quote.'), ("cj99", "0", "*", "Quote a.")]),
        "CoLA/dev.tsv": (None, [("gj04", "0", "??", "Dog the barks.")]),
        "CoLA/test.tsv": (words("index sentence"), [("0", "Hidden one."), ("1", "Hidden two.")]),
    },
    "sst2": {
        "SST-2/train.tsv": (words("sentence label"), [('a "quote ', "1"), ("dull ", "0")]),
        "SST-2/dev.tsv": (words("sentence label"), [("dog the barks .", "0")]),
        "SST-2/test.tsv": (words("index sentence"), [("0", "hidden one"), ("1", "hidden two")]),
    },
    "mrpc": {
        "MRPC/train.tsv": (
            ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
            [("1", "7", "8", 'A "quote.', "One quote."), ("0", "7", "8", "Quote a.", "None.")],
        ),
        "MRPC/dev.tsv": (
            ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
            [("0", "7", "8", "Dog the barks.", "It rains.")],
        ),
        "MRPC/test.tsv": (
            ("index", "#1 ID", "#2 ID", "#1 String", "#2 String"),
            [("0", "7", "8", "Hidden one.", "x"), ("1", "7", "8", "Hidden two.", "y")],
        ),
    },
    "stsb": {
        "STS-B/train.tsv": (
            words(STSB, "score"),
            [
                (*words("0 main-captions MSRvid 2012test 1 none none"), 'A "quote.', "One quote.", "5.000"),
                (*words("1 main-captions MSRvid 2012test 4 none none"), "Quote a.", "None.", "3.8"),
            ],
        ),
        "STS-B/dev.tsv": (
            words(STSB, "score"),
            [(*words("0 main-news headlines 2016 9 none none"), "Dog the barks.", "It rains.", "0.25")],
        ),
        "STS-B/test.tsv": (
            words(STSB),
            [
                (*words("0 main-forums deft-forum 2014 2 none none"), "Hidden one.", "x"),
                (*words("1 main-forums deft-forum 2014 3 none none"), "Hidden two.", "y"),
            ],
        ),
    },
    "qqp": {
        "QQP/train.tsv": (
            words("id qid1 qid2 question1 question2 is_duplicate"),
            [("133273", "213221", "213222", 'A "quote?', "One quote?", "1"), ("402555", "5", "6", "Quote a?", "", "0")],
        ),
        "QQP/dev.tsv": (
            words("id qid1 qid2 question1 question2 is_duplicate"),
            [("201359", "3", "4", "Does the dog bark?", "Does it rain?", "0")],
        ),
        "QQP/test.tsv": (words("id question1 question2"), [("0", "Hidden one?", "x"), ("1", "Hidden two?", "y")]),
    },
    "mnli": {
        "MNLI/train.tsv": (
            words(MNLI_TRAIN),
            [
                ("0", *words(PARSES), 'A "quote.', "One quote.", "neutral", "neutral"),
                ("1", *words(PARSES), "Quote a.", "None.", "entailment", "entailment"),
                ("2", *words(PARSES), "Nobody.", "Somebody.", "contradiction", "contradiction"),
            ],
        ),
        "MNLI/dev_matched.tsv": (
            words(MNLI_DEV),
            [("0", *words(PARSES), "Dog.", "It rains.", "neutral", "neutral", "contradiction", "-", "-", "neutral")],
        ),
        "MNLI/dev_mismatched.tsv": (
            words(MNLI_DEV),
            [
                ("0", *words(PARSES), "Cat.", "Cats.", *["entailment"] * 6),
                ("1", *words(PARSES), "x", "y", *["neutral"] * 6),
            ],
        ),
        "MNLI/test_matched.tsv": (
            words(MNLI_TEXTS, "sentence1", "sentence2"),
            [("0", *words(PARSES), "Hidden one.", "x"), ("1", *words(PARSES), "Hidden two.", "y")],
        ),
        "MNLI/test_mismatched.tsv": (
            words(MNLI_TEXTS, "sentence1", "sentence2"),
            [("0", *words(PARSES), "Hidden three.", "x")],
        ),
    },
    "qnli": {
        "QNLI/train.tsv": (
            words("index question sentence label"),
            [("0", 'A "quote?', "One quote.", "entailment"), ("1", "Quote a?", "None.", "not_entailment")],
        ),
        "QNLI/dev.tsv": (
            words("index question sentence label"),
            [("0", "Does the dog bark?", "It rains.", "not_entailment")],
        ),
        "QNLI/test.tsv": (words("index question sentence"), [("0", "Hidden one?", "x"), ("1", "Hidden two?", "y")]),
    },
    "rte": {
        "RTE/train.tsv": (
            words("index sentence1 sentence2 label"),
            [("0", 'A "quote.', "One quote.", "not_entailment"), ("1", "Quote a.", "None.", "entailment")],
        ),
        "RTE/dev.tsv": (
            words("index sentence1 sentence2 label"),
            [("0", "Dog the barks.", "It rains.", "entailment")],
        ),
        "RTE/test.tsv": (words("index sentence1 sentence2"), [("0", "Hidden one.", "x"), ("1", "Hidden two.", "y")]),
    },
    "wnli": {
        "WNLI/train.tsv": (
            words("index sentence1 sentence2 label"),
            [("0", 'A "quote.', "One quote.", "1"), ("1", "Quote a.", "None.", "0")],
        ),
        "WNLI/dev.tsv": (words("index sentence1 sentence2 label"), [("0", "Dog the barks.", "It rains.", "0")]),
        "WNLI/test.tsv": (words("index sentence1 sentence2"), [("0", "Hidden one.", "x"), ("1", "Hidden two.", "y")]),
    },
    "ax": {
        "diagnostic/diagnostic.tsv": (
            words("index sentence1 sentence2"),
            [("0", "It rains.", "It does not rain."), ("1", "It rains.", "It pours.")],
        ),
    },
}


def write_file(path: Path, header: Sequence[str] | None, rows: list[Sequence[str]]) -> None:
    """Write one file; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(fields) for fields in ([header] if header else []) + [*rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_glue(folder: Path, *tasks: str) -> Path:
    """Write the files of tasks, all of them if none is named, below `folder`; return it."""
    for task in tasks or FILES:
        for name, (header, rows) in FILES[task].items():
            write_file(folder / name, header, rows)
    return folder
