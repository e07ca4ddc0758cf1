"""Checkpoints in Hugging Face layout: loaded into a Keras classifier, and saved from one. Keras is imported then."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.encoder.checkpoint_finder import Checkpoint, check_max_length, find_checkpoint, longest_of, longest_row
from glueft.encoder.decision_file import write_decision
from glueft.encoder.input_file import InputRule, write_input_rule
from glueft.encoder.labels import head_rows, problem_type
from glueft.encoder.model_readme import model_readme
from glueft.encoder.new_parts import reinitialised
from glueft.encoder.sample_encoder import SAMPLE_CHECKPOINT
from glueft.encoder.tensor_files import read_headers, without_wrappers
from glueft.encoder.tensors import name_in_file, output_tensor
from glueft.encoder.tokenizer import load_tokenizer, save_tokenizer
from glueft.errors import CheckpointError, RunFolderError
from glueft.files import whole_folder, writing
from glueft.hub.checkpoint_files import CONFIG, ORIGIN_KEYS, README, WEIGHTS
from glueft.metrics.decision import PLAIN, DecisionRule

if TYPE_CHECKING:
    from glueft.encoder.classifier import Classifier
    from glueft.encoder.tensor_files import StoredTensor

__all__ = [
    "SAMPLE_CHECKPOINT",
    "Checkpoint",
    "LoadReport",
    "Loaded",
    "check_max_length",
    "find_checkpoint",
    "has_head",
    "load_classifier",
    "load_tokenizer",
    "longest_row",
    "refuse_headless",
    "save_classifier",
    "save_config_and_tokenizer",
]


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors of a checkpoint.

    Attributes:
        head: "checkpoint" or "new".
        new: names of the model's tensors that were initialised.
        left_over: names of the file's tensors that are not used, such as a language model's head.
    """

    head: str
    new: tuple[str, ...]
    left_over: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """A classifier with its weights, and where they came from."""

    model: Classifier
    report: LoadReport


def load_classifier(
    checkpoint: Checkpoint,
    *,
    labels: tuple[str, ...],
    regression: bool = False,
    multi_label: bool = False,
    seed: int,
    new_head: bool = False,
    reinit_layers: int = 0,
) -> Loaded:
    """Build the classifier of a checkpoint and set its weights.

    A head in the checkpoint is used if its labels are the task's, by name and in any order, and it is of the same kind
    of task. Without one, or with
    `new_head`, the head is new: kernels normal(0, initializer_range), biases zero. A pooler (BERT, ALBERT) belongs to
    the encoder and is kept; it is new only where the checkpoint has none.

    Args:
        checkpoint: from `find_checkpoint`.
        labels: the task's label names, in its order; empty for regression.
        regression: whether there are no labels.
        multi_label: whether a row has any number of the labels.
        seed: of a new head and of the dropout masks.
        new_head: start a new head whatever the checkpoint has.
        reinit_layers: how many of the last layers start anew, with the pooler.

    Raises:
        CheckpointError: tensors are missing or have other shapes; the head is incomplete or has other labels.
    """
    from glueft.encoder.classifier import Classifier
    from glueft.encoder.weights import check_table, read_weights, tensor_table

    if regression == bool(labels):
        raise ValueError("labels are needed for classification, and only there")
    family = checkpoint.family
    model = Classifier(checkpoint.config, labels, multi_label=multi_label, seed=seed, family=family)
    table = tensor_table(model)
    check_table(model, table)
    stored = read_headers(checkpoint.folder)
    there = without_wrappers(stored)
    names = {name: name_in_file(slot.tensor, there, family.prefix) for name, slot in table.items()}
    found = {name: source for name, source in names.items() if source is not None}
    order = None
    new = reinitialised((slot.tensor for slot in table.values()), reinit_layers, len(model.encoder.blocks))
    in_head = {name for name, slot in table.items() if slot.tensor.role in ("head", "output")}
    if new_head or in_head.isdisjoint(found):
        found = {name: source for name, source in found.items() if name not in in_head | new}
    else:
        missing = [name for name in table if name not in found]
        if missing:
            raise CheckpointError(
                f"{checkpoint.name}: its classification head is incomplete",
                expected="a whole head of a sequence classifier, or none",
                received="no " + ", ".join(missing),
                fix="set new_head = true in [model] to start a new head on this encoder",
            )
        rows = stored[found[output_tensor(family, model.config).name]].shape[0]
        order = head_rows(checkpoint.config, rows, labels, family, multi_label=multi_label)
    read_weights(table, stored, found, order=order, seed=seed, initializer_range=model.config.initializer_range)
    report = LoadReport(
        head="new" if order is None else "checkpoint",
        new=tuple(name for name in table if name not in found),
        left_over=tuple(sorted(stored.keys() - set(found.values()))),
    )
    return Loaded(model, report)


def save_classifier(
    model: Classifier, folder: Path, tokenizer: Any, rule: DecisionRule = PLAIN, *, cut: InputRule | None = None
) -> None:
    """Write a classifier as a checkpoint folder that transformers' AutoModelForSequenceClassification opens.

    config.json keeps the other keys of the checkpoint that it came from. The weights are float32. The folder appears
    whole or not at all.

    Args:
        model: from `load_classifier`.
        folder: must not exist, or be empty.
        tokenizer: the one that the classifier was trained with.
        rule: how labels are decided from its logits.
        cut: how rows were cut in training; None for the longest that the encoder reads.

    Raises:
        CheckpointError: there is something in the folder's place.
        RunFolderError: it cannot be written, because the disk is full for example.
    """
    from glueft.encoder.tensor_files import write_tensors
    from glueft.encoder.weights import exported_weights, tensor_table

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(
            f"{folder}: there is something in the place of the new checkpoint",
            expected="a folder that does not exist yet or is empty",
            received="a folder with files in it" if folder.is_dir() else "a file",
            fix="choose another folder, or move that one away",
        )
    table = tensor_table(model)
    shapes = {name: slot.tensor.shape for name, slot in table.items()}
    needed = sum(4 * math.prod(shape) for shape in shapes.values())
    with writing(folder, RunFolderError, needed=needed), whole_folder(folder) as unfinished:
        write_tensors(unfinished / WEIGHTS, shapes, exported_weights(table))
        save_config_and_tokenizer(model, unfinished, tokenizer)
        write_decision(unfinished, rule, model.labels)
        longest = longest_of(model.config.max_positions, tokenizer)
        if cut is not None:
            write_input_rule(unfinished, cut)
        lengths = (longest if cut is None else cut.max_length, longest)
        text = model_readme(model.family.name, model.labels, lengths, rule, multi_label=model.multi_label)
        (unfinished / README).write_text(text, encoding="utf-8")


def save_config_and_tokenizer(model: Classifier, folder: Path, tokenizer: Any) -> None:
    """Write all of a checkpoint except its weights into a folder that exists."""
    config = json.dumps(saved_config(model), indent=2, sort_keys=True) + "\n"
    (folder / CONFIG).write_text(config, encoding="utf-8")
    save_tokenizer(tokenizer, folder, longest_of(model.config.max_positions, tokenizer))


def saved_config(model: Classifier) -> dict[str, Any]:
    """The keys of the checkpoint's config.json, with the head and labels that the classifier has now."""
    config = {key: value for key, value in model.checkpoint_config.items() if key not in ORIGIN_KEYS}
    config["architectures"] = [model.family.architecture]
    names = model.labels or ("score",)
    config["id2label"] = {str(index): name for index, name in enumerate(names)}
    config["label2id"] = {name: index for index, name in enumerate(names)}
    config["problem_type"] = problem_type(model.labels, multi_label=model.multi_label)
    # transformers counts id2label; the old head's number could contradict it.
    config.pop("num_labels", None)
    # Code that is not in the folder, and that transformers does without.
    config.pop("auto_map", None)
    # transformers loads the weights in the type that is named here.
    config.pop("torch_dtype", None)
    config["dtype"] = "float32"
    return config


def has_head(checkpoint: Checkpoint) -> bool:
    return _output_in(checkpoint, read_headers(checkpoint.folder)) is not None


def refuse_headless(checkpoint: Checkpoint) -> int:
    """Return the number of outputs of a checkpoint's classification head; CheckpointError if it has none."""
    stored = read_headers(checkpoint.folder)
    name = _output_in(checkpoint, stored)
    if name is None:
        wanted = output_tensor(checkpoint.family, checkpoint.encoder_config).name
        raise CheckpointError(
            f"{checkpoint.name}: there is no classification head in the weights",
            expected=f"the tensor {wanted}, as a fine-tuned classifier has it",
            received=f"{len(stored)} tensors, and none of that name",
            fix="fine-tune the encoder first: glueft run RECIPE --checkpoint CHECKPOINT",
        )
    return int(stored[name].shape[0])


def _output_in(checkpoint: Checkpoint, stored: Mapping[str, StoredTensor]) -> str | None:
    """The name in the weights of the head's last tensor; None if there is no head."""
    family = checkpoint.family
    return name_in_file(output_tensor(family, checkpoint.encoder_config), without_wrappers(stored), family.prefix)
