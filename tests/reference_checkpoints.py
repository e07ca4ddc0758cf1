"""The tiny checkpoints of tests/reference, as PyTorch transformers made them, and ways to rewrite their files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import safetensors
import safetensors.numpy
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

REFERENCE = Path(__file__).parent / "reference"
CASES = sorted(path.parent.name for path in REFERENCE.glob("*/reference.npz"))
FAMILIES = [
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "distilbert",
    "albert",
    "electra",
    "modernbert",
    "deberta-v2",
    "mpnet",
    "eurobert",
    "nomic_bert",
]
# The others are RoBERTa in all that they compute: test_exactness.py sees that they declare no more than names.
OWN_LAYERS = [family for family in FAMILIES if family not in ("xlm-roberta", "camembert")]


def reference(case: str) -> tuple[dict[str, Any], Any, Any]:
    """The inputs of a case and what PyTorch made of them: hidden states and logits."""
    with numpy.load(REFERENCE / case / "reference.npz") as arrays:
        inputs = {key: arrays[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
        return inputs, arrays["hidden_states"], arrays["logits"]


def read_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def labels_of(folder: Path) -> tuple[str, ...]:
    """The label names of a checkpoint; none for a regression."""
    names = read_config(folder)["id2label"]
    return tuple(names[str(index)] for index in range(len(names))) if len(names) > 1 else ()


def edit_config(folder: Path, **changes: Any) -> None:
    """Set keys of a config.json; None takes a key away."""
    config = {**read_config(folder), **changes}
    config = {key: value for key, value in config.items() if not (key in changes and value is None)}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def read_tensors(folder: Path) -> dict[str, Any]:
    """The tensors of a reference file, bfloat16 made float32, without glueft's own reader."""
    stored = safetensors.deserialize((folder / "model.safetensors").read_bytes())
    kinds = {"BF16": numpy.uint16, "F32": numpy.float32}
    tensors = {}
    for name, entry in stored:
        values = numpy.frombuffer(bytes(entry["data"]), kinds[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            values = (values.astype(numpy.uint32) << 16).view(numpy.float32)
        tensors[name] = values
    return tensors


def copy_checkpoint(
    case: str, folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]] = lambda tensors: tensors
) -> Path:
    """Copy a case, its weights as float32 and after `change`, with a tokenizer."""
    folder.mkdir(parents=True)
    shutil.copy(REFERENCE / case / "config.json", folder)
    tensors = change(read_tensors(REFERENCE / case))
    safetensors.numpy.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    make_tokenizer(read_config(folder)).save_pretrained(folder)
    return folder


def make_tokenizer(config: dict[str, Any]) -> PreTrainedTokenizerFast:
    """A word-level tokenizer with as many ids as the checkpoint has embeddings: w4, w5, ... and the special tokens."""
    padding = config["pad_token_id"]
    special = {"[PAD]": padding, **dict(zip(("[CLS]", "[SEP]", "[UNK]"), {0, 1, 2, 3} - {padding}, strict=True))}
    words = {f"w{index}": index for index in range(4, config["vocab_size"])}
    tokenizer = Tokenizer(models.WordLevel({**special, **words}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    second = 1 if config.get("type_vocab_size", 1) > 1 else 0
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair=f"[CLS]:0 $A:0 [SEP]:0 $B:{second} [SEP]:{second}",
        special_tokens=[(name, special[name]) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=config["max_position_embeddings"],
    )


def edit_tokenizer(folder: Path, file: str = "tokenizer_config.json", **changes: Any) -> None:
    """Set keys of tokenizer_config.json, or of another JSON file of the tokenizer."""
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps({**content, **changes}), encoding="utf-8")


def copy_with_python_tokenizer(kind: str, folder: Path, **settings: Any) -> Path:
    """Copy a case with a tokenizer that transformers has in Python alone: "Bertweet", "Phobert" or "BertJapanese"."""
    copy_checkpoint("bert" if kind == "BertJapanese" else "roberta", folder)
    (folder / "tokenizer.json").unlink()
    if kind == "BertJapanese":
        (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdeghi"]) + "\n")
    else:
        (folder / "vocab.txt").write_text("a 9\nb 9\nc 9\nd 9\ne 9\na@@ 9\nb@@ 9\nab 9\nba@@ 9\n")
        (folder / "bpe.codes").write_text("a b</w> 5\nb a 4\n")
    settings = {"tokenizer_class": f"{kind}Tokenizer", "model_max_length": 40, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
