"""The README.md of an export: what the folder holds, and code that calls it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from glueft.export.format import Format
from glueft.export.tokenizer_call import OPEN, TokenizerCall
from glueft.metrics import metric_title
from glueft.text import score_text

TEXTS = ("The council voted to widen the old bridge.", "A dull and needlessly long film.")
SECOND_TEXTS = ("The old bridge will be made wider.", "Nobody minded how long it was.")


def write_readme(form: Format, record: Mapping[str, Any], call: TokenizerCall) -> str:
    """Return the text.

    Args:
        form: the export's format.
        record: export.json.
        call: how the code makes the model's inputs, as the check has done.
    """
    task = f"the task {record['task']}" if record["task"] else "one text or two"
    check = record["check"]
    lines = [
        f"# {'A text classifier' if record['labels'] else 'A model that scores texts'}, for {task}",
        "",
        f"{form.holds}. Written by `glueft export` (glueft {record['glueft']}).",
        "",
        *_facts(record),
        "",
        f"When it was written, {check['consumer']} {check['version']} gave the same logits as glueft for "
        f"{check['rows']} rows of several lengths, padded and not; the largest difference was "
        f"{check['largest_difference']:.1g}.",
        "",
        "## How to call it",
        "",
        f"In this folder, after `pip install {form.called_with}`:",
        "",
        "```python",
        snippet(form, record["labels"], call),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _facts(record: Mapping[str, Any]) -> list[str]:
    """The indented block that says what goes in and comes out. Names come as JSON, in which nothing is Markdown."""
    inputs = ", ".join(record["inputs"])
    facts = {
        "architecture": record["architecture"],
        "trained from": json.dumps(record["checkpoint"], ensure_ascii=False) if record["checkpoint"] else None,
        "inputs": f"{inputs}: whole numbers, (rows, tokens); any number of either",
        "longest row": f"{record['max_length']} tokens, special tokens counted",
        "output": f"logits, (rows, {len(record['labels']) or 1}), float32",
        "labels": None if record["labels"] else "none: the one logit is the score",
    }
    lines = [f"    {name:<13} {value}" for name, value in facts.items() if value is not None]
    lines += [
        f"    {f'label {index}':<13} {json.dumps(label, ensure_ascii=False)}"
        for index, label in enumerate(record["labels"])
    ]
    for name, value in (record["metrics"] or {}).items():
        shown = metric_title(name, record["metric_labels"])
        lines.append(f"    {shown:<13} {score_text(value)} ({record['metrics_of']})")
    return lines


def snippet(form: Format, labels: Sequence[str], call: TokenizerCall) -> str:
    """Return code that prints the prediction for two rows; it runs in the export's folder."""
    own = form.snippet()
    lines = [call.imports + own.imports, "", OPEN, own.load]
    if labels:
        lines.append(f"labels = {json.dumps(list(labels), ensure_ascii=False)}")
    lines.append(f"texts = {json.dumps(list(TEXTS))}")
    if call.pair:
        lines.append(f"second_texts = {json.dumps(list(SECOND_TEXTS))}")
    lines += [
        call.code(own.tensors),
        own.call,
        "for text, scores in zip(texts, logits):",
        "    print(text, labels[scores.argmax()], scores)" if labels else "    print(text, scores[0])",
    ]
    return "\n".join(lines)
