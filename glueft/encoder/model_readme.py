"""The README.md of a saved model: what the folder holds, and how it is opened."""

from __future__ import annotations

import json
from collections.abc import Sequence

from glueft.encoder.config import in_transformers
from glueft.hub.checkpoint_files import DECISION
from glueft.metrics.decision import DecisionRule
from glueft.version import __version__

_PIPELINE = """\
With transformers and PyTorch, in this folder:

```python
from transformers import pipeline

model = pipeline("text-classification", model="."{all_labels})
cut = {{"truncation": True, "max_length": {max_length}}}
print(model("A text.", **cut))
print(model({{"text": "A first text.", "text_pair": "Its second text."}}, **cut))  # if trained on pairs
```
"""
_GLUEFT = """\
With glueft, whose run this is (`glueft predict RUN` where it still lies in the run's folder):

```sh
glueft predict . "A text."
```
"""


def model_readme(
    family: str, labels: Sequence[str], lengths: tuple[int, int], rule: DecisionRule, *, multi_label: bool
) -> str:
    """Return the text.

    Args:
        family: of the encoder.
        labels: in the order of the head; () in regression.
        lengths: tokens of the longest row in training, and of the longest one that it can read.
        rule: how labels are decided.
        multi_label: whether a row has any number of labels.
    """
    # As JSON, in which the names of others are no Markdown.
    names = ", ".join(json.dumps(label, ensure_ascii=False) for label in labels)
    kind = "any number of its labels" if multi_label else "one of its labels"
    max_length, longest = lengths
    title = f"A text classifier, which gives a text {kind}" if labels else "A model that gives a text a score"
    parts = [
        f"# {title}\n",
        f"Written by glueft {__version__} in Hugging Face's layout: config.json, model.safetensors, a tokenizer.\n",
        f"    encoder      {family}\n"
        f"    labels       {names or 'none: the one logit is the score'}\n"
        f"    longest row  {max_length} tokens in training, special tokens counted; it can read {longest}\n",
    ]
    if not rule.is_plain:
        parts.append(
            f"Labels are decided so: {rule.text(labels)}. glueft reads this from {DECISION}. transformers does not: "
            "its pipeline takes the logits as they are.\n"
        )
    elif multi_label:
        parts.append("Each label is decided by itself: it is given from a probability of 0.5 on.\n")
    # It gives the most probable label alone where it is not told otherwise.
    pipeline = _PIPELINE.format(all_labels=", top_k=None" if multi_label else "", max_length=max_length)
    parts += [pipeline] if in_transformers(family) else []
    return "\n".join([*parts, _GLUEFT])
