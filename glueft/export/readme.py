"""The README.md of an export: what the folder holds, and code that calls it. Its words are in readme.md.jinja."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from glueft.export.format import Format
from glueft.export.tokenizer_call import TokenizerCall
from glueft.metrics import metric_title
from glueft.system.templates import fill
from glueft.text import score_text

TEXTS = ("The council voted to widen the old bridge.", "A dull and needlessly long film.")
SECOND_TEXTS = ("The old bridge will be made wider.", "Nobody minded how long it was.")


def readme(form: Format, record: Mapping[str, Any], call: TokenizerCall) -> str:
    """Return the text.

    Args:
        form: the export's format.
        record: the content of export.json.
        call: how the code makes the model's inputs; the check has run the same.
    """
    values = {
        "form": form,
        "record": record,
        "call": call,
        "snippet": form.snippet(),
        "texts": TEXTS,
        "second_texts": SECOND_TEXTS,
    }
    filters = {
        # Names of others are written as JSON, in which nothing is Markdown or code.
        "json": lambda value: json.dumps(value, ensure_ascii=False),
        "in_column": "{:<13}".format,
        "metric_title": lambda name: metric_title(name, record["metric_labels"]),
        "score": score_text,
    }
    return fill("glueft.export", "readme.md.jinja", values, filters)
