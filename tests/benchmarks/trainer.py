"""The peer of `gpu.py`: the Hugging Face Trainer on PyTorch, as most people fine-tune a GLUE task; prints a JSON line.

    python tests/benchmarks/trainer.py --data-dir GLUE --checkpoint FOLDER [--cuda] [--bf16] [--torch-compile]

Batches are grouped by length, which is the Trainer's fastest setting. Needs torch, transformers 5, accelerate and
scikit-learn, and neither glueft nor datasets.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

# task -> folder, text columns, label column
LAYOUTS = {"mrpc": ("MRPC", (3, 4), 0), "sst2": ("SST-2", (0,), 1)}


def read(data_dir: str, task: str, split: str, limit: int | None, tokenizer: Any, max_length: int) -> list[Any]:
    """Return the rows of a split as the Trainer takes them."""
    folder, text_columns, label_column = LAYOUTS[task]
    lines = Path(data_dir, folder, f"{split}.tsv").read_text(encoding="utf-8").split("\n")[1:]
    rows = [line.split("\t") for line in lines if line][:limit]
    texts = [[row[column] for row in rows] for column in text_columns]
    encoded = tokenizer(*texts, truncation=True, max_length=max_length)
    labels = [int(row[label_column]) for row in rows]
    return [
        {name: values[number] for name, values in encoded.items()} | {"label": label}
        for number, label in enumerate(labels)
    ]


class Epochs(TrainerCallback):  # type: ignore[misc]
    """Times each epoch with its evaluation, at whose end the device has no work left."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch_begin(self, *arguments: Any, **named: Any) -> None:
        self.begin = time.perf_counter()

    def on_evaluate(self, *arguments: Any, **named: Any) -> None:
        self.seconds.append(round(time.perf_counter() - self.begin, 3))


def main() -> None:
    """Train, evaluate, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", choices=[*LAYOUTS], default="mrpc")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--limit", type=int, help="training rows")
    parser.add_argument("--attention", choices=["eager", "sdpa", "flash_attention_2"])
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--torch-compile", action="store_true")
    options = parser.parse_args()
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    rows = [
        read(options.data_dir, options.task, split, limit, tokenizer, 128)
        for split, limit in (("train", options.limit), ("dev", None))
    ]
    attention = {"attn_implementation": options.attention} if options.attention else {}
    model = AutoModelForSequenceClassification.from_pretrained(options.checkpoint, num_labels=2, **attention)
    known = {field.name for field in dataclasses.fields(TrainingArguments)}  # They differ within transformers 5.
    grouped = {"train_sampling_strategy": "group_by_length"} if "train_sampling_strategy" in known else None
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=64,
        learning_rate=5e-5,
        weight_decay=0.0,
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="epoch",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not options.cuda,
        bf16=options.bf16,
        torch_compile=options.torch_compile,
        seed=options.seed,
        **(grouped or {"group_by_length": True}),
    )
    epochs = Epochs()
    trainer = Trainer(
        model,
        arguments,
        train_dataset=rows[0],
        eval_dataset=rows[1],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=score,
        callbacks=[epochs],
    )
    begin = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - begin
    last = [entry for entry in trainer.state.log_history if "eval_loss" in entry][-1]
    print(
        json.dumps(
            {
                "train": round(seconds, 3),
                "epochs": epochs.seconds,
                "metrics": {name: last[f"eval_{name}"] for name in ("accuracy", "f1")},
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "peak_device_memory_bytes": torch.cuda.max_memory_allocated() if options.cuda else None,
            }
        )
    )


def score(prediction: Any) -> dict[str, float]:
    """Return accuracy and F1."""
    given, truth = np.argmax(prediction.predictions, axis=1), prediction.label_ids
    return {"accuracy": float(accuracy_score(truth, given)), "f1": float(f1_score(truth, given))}


if __name__ == "__main__":
    main()
