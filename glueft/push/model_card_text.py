"""The text of a model card, below its metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from glueft.hub.checkpoint_files import WEIGHTS
from glueft.metrics import metric_title
from glueft.push.markdown import code, escaped, number, table
from glueft.runs.public_record import is_local

if TYPE_CHECKING:
    from glueft.push.model_card import CardSource


def body(source: CardSource) -> str:
    """Return the card's text."""
    record = source.record
    checkpoint = record["checkpoint"]
    at = f" at revision {code(checkpoint['revision'])}" if checkpoint.get("revision") else ""
    if is_local(str(checkpoint.get("name"))):
        weights = checkpoint.get("sha256", {}).get(WEIGHTS)
        at = " (a folder of whoever trained it" + (f"; SHA-256 of its weights: {code(weights)})" if weights else ")")
    kind = "is a regression: one score" if not source.labels else "gives one of " + ", ".join(map(code, source.labels))
    stage = ""
    if source.epoch:
        stage = (
            f"\n\n**The training is not over: this is the model after epoch {source.epoch[0]} of {source.epoch[1]}.**"
        )
    parts = [
        f"# {escaped(source.repository.partition('/')[2])}",
        f"{code(checkpoint.get('name'))}{at}, fine-tuned on the task {code(record['task'])} with glueft "
        f"{escaped(record['versions'].get('glueft', ''))}. It {kind}." + stage,
        escaped(source.description) if source.description else "",
        "## Data\n\n" + data_text(record),
        "## Metrics\n\n" + metrics_text(record),
        "## How to use it\n\n" + usage(source),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits(source)),
        "## Training\n\n" + training_text(source),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def data_text(record: Mapping[str, Any]) -> str:
    """Return where the rows came from, and a table of the splits with their fingerprints."""
    data = record["data"]
    places = {
        "hub": f"The data set {code(data.get('dataset'))} on the hub"
        + (f", configuration {code(data['config'])}" if data.get("config") else "")
        + (f", revision {code(data['revision'])}" if data.get("revision") else ""),
        "sample": "The small sample that ships with the task, not the whole data set",
        "folder": "The task's files in the benchmark's own layout",
        "files": "Files of whoever trained it",
    }
    rows = [
        (code(name), f"{split['rows']:,}", f"{split.get('official_rows', split['rows']):,}", code(split["sha256"]))
        for name, split in data["splits"].items()
    ]
    notes = "".join(f"\n\n{escaped(note)}." for note in data.get("notes", []))
    splits = table(("split", "rows", "official rows", "SHA-256 of the rows"), rows)
    return f"{places.get(data['source'], 'Rows that the task reads itself')}.{notes}\n\n{splits}"


def metrics_text(record: Mapping[str, Any]) -> str:
    """Return a table of the metrics by split, beside what always giving the same answer reaches."""
    judged = record["data"]["validation_split"]
    baseline = record.get("baseline", {})
    labels = record.get("metric_labels", {})
    by_split = record.get("metrics_by_split") or {judged: record["metrics"]}
    others = record.get("other_metrics_by_split") or {judged: record.get("other_metrics", {})}
    rows = [
        (
            code(split),
            escaped(metric_title(name, labels)),
            number(value),
            number(baseline.get(name)) if split == judged else "",
        )
        for split, metrics in by_split.items()
        for name, value in (metrics | others.get(split, {})).items()
    ]
    text = table(("split", "metric", "value", "always the same answer"), rows)
    if "epochs" in record and len(record["epochs"]) > 1:
        names = list(record["epochs"][0]["metrics"])
        epochs = [
            [str(epoch["epoch"])]
            + [number(value) for value in (epoch["loss"], epoch["validation_loss"])]
            + [number(epoch["metrics"][name]) for name in names]
            for epoch in record["epochs"]
        ]
        shown = [escaped(metric_title(name, labels)) for name in names]
        text += "\n\n" + table(("epoch", "training loss", "validation loss", *shown), epochs)
    return text


def usage(source: CardSource) -> str:
    """Return how to load the model with transformers, and how to go on with glueft."""
    name, record = source.repository, source.record
    revision = f', revision="{source.branch}"' if source.branch else ""
    texts = '"The first text.", "The second text."' if source.pair else '"The text."'
    answer = (
        "probabilities = model(**inputs).logits.softmax(-1)[0]\n"
        "    print({label: float(probabilities[index]) for index, label in model.config.id2label.items()})"
        if source.labels
        else "print(float(model(**inputs).logits[0, 0]))"
    )
    length = record["data"].get("max_length", 128)
    own_files = record["data"]["source"] == "files"
    measure = "" if own_files or source.branch else f"glueft evaluate --task {record['task']} --checkpoint {name}\n"
    again = f" --set 'model.revision=\"{source.branch}\"'" if source.branch else ""
    return f"""With transformers and PyTorch:

```python
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}"{revision})
model = AutoModelForSequenceClassification.from_pretrained("{name}"{revision}).eval()
inputs = tokenizer({texts}, truncation=True, max_length={length}, return_tensors="pt")
with torch.no_grad():
    {answer}
```

With glueft and Keras, to measure it again or to train it further; `recipe.toml` is a file of this repository:

```sh
{measure}glueft run recipe.toml --checkpoint {name}{again}
```"""


def limits(source: CardSource) -> Iterable[str]:
    """Return what the numbers do not say, a sentence each."""
    record, data = source.record, source.record["data"]
    judged = data["splits"].get(data["validation_split"], {})
    yield (
        f"The metrics are of {judged.get('rows', 0):,} {escaped(data['validation_split'])} rows, of one training with "
        f"seed {record['seed']}; other seeds and rows give other numbers."
    )
    if data["source"] == "sample" or any("official_rows" in split for split in data["splits"].values()):
        yield "It has not seen all rows of the task, so its scores do not compare with those of others."
    for text in record.get("warnings", []):
        yield f"A warning from before the training: {escaped(text)}."
    length = data.get("max_length")
    cut = sum(split.get("truncated_rows", 0) for split in data["splits"].values())
    yield (
        f"It reads at most {length} tokens and cuts what is longer"
        + (f", as {cut:,} rows of its data" if cut else "")
        + "."
    )
    if source.labels:
        yield (
            "It knows no other labels than those it was trained on and always gives one of them; nobody has measured "
            "how far its probabilities can be trusted."
        )
    yield "Nothing has been measured on texts of other kinds and languages, nor for unfair bias."
    yield "No licence is stated here; those of the checkpoint that it began with, and of its data, apply."


def training_text(source: CardSource) -> str:
    """Return how it was trained: time, engine, versions, and the whole recipe."""
    record = source.record
    engine, host, seconds = record.get("engine", {}), record.get("host", {}), record.get("seconds", {})
    steps = record["epochs"][-1]["step"] if record.get("epochs") else 0
    facts = [
        ("parameters", f"{record.get('parameters', 0):,}, {record.get('trainable_parameters', 0):,} of them trained"),
        ("steps", f"{steps:,} of {record.get('num_train_steps', steps):,}"),
        ("engine", f"Keras on {engine.get('backend')}, {engine.get('precision')}"),
        ("machine", f"{host.get('system')}, {host.get('cpus')} CPUs, Python {host.get('python')}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())),
    ]
    if "train" in seconds:
        facts.insert(2, ("time", f"{seconds['train']:,.0f} s of training"))
    hidden = ", ".join(map(code, source.left_out))
    left_out = f"\n\nShortened or left out, being of the trainer's machine alone: {hidden}." if hidden else ""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source.recipe)), default=0))
    return (
        table(("", ""), [(name, escaped(value)) for name, value in facts])
        + left_out
        + f"\n\nThe whole recipe, `recipe.toml`; `run.json` has every number:\n\n{fence}toml\n{source.recipe}{fence}"
    )
