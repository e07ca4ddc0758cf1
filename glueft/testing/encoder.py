"""The checks of an encoder family, on a small encoder of it with random weights."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import CheckpointError
from glueft.testing.check import Check, ContractBrokenError, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier

# By the names that transformers gives to these settings in all families; a family's `aliases` lead to its own.
SMALL = {
    "vocab_size": 60,
    "embedding_size": 16,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
LABELS = ("no", "yes")
STEPS = 20


def checks(subject: Subject) -> list[Check]:
    imports = ("keras", "transformers")
    return [
        Check("config", subject, config, imports),
        Check("tensors", subject, tensors, imports),
        Check("logits", subject, logits, imports),
        Check("trains", subject, trains, imports),
        Check("is saved", subject, is_saved, imports),
    ]


def config(subject: Subject) -> str:
    """The defaults are a config.json that the family reads."""
    from glueft.encoder.config import read_config

    found = read_config(dict(subject.plugin.defaults), family=subject.plugin)
    small = read_config(small_config(subject), family=subject.plugin)
    return f"hidden size {found.hidden_size}, {found.num_layers} layers; checked with {small.hidden_size}"


def tensors(subject: Subject) -> str:
    """Every variable of the encoder and its head has its tensors in the family's table."""
    from glueft.encoder.weights import check_table, tensor_table

    model = classifier(subject)
    table = tensor_table(model)
    check_table(model, table)
    return f"{len(table)} tensors"


def logits(subject: Subject) -> str:
    """The logits are finite numbers that depend on the words and not on the padding."""
    import numpy as np

    model = classifier(subject)
    found = _logits(model, batch())
    if found.shape != (3, len(LABELS)) or not np.isfinite(found).all():
        raise ContractBrokenError(
            f"three rows must give finite logits of shape (3, 2), and give {found.tolist()}; the weights are random"
        )
    padded = {name: np.pad(values, ((0, 0), (0, 5))) for name, values in batch().items()}
    if not np.allclose(_logits(model, padded), found, atol=1e-4):
        raise ContractBrokenError("more padding behind the rows changes the logits; use `attention_mask`")
    other = batch()
    other["input_ids"][:, 1] += 1
    if (_logits(model, other) == found).all():
        raise ContractBrokenError("another second token does not change the logits")
    return "finite, whatever the padding"


def trains(subject: Subject) -> str:
    """A few steps lower the loss of three rows, and change the encoder's weights."""
    import keras
    import numpy as np

    from glueft.training.loss import loss_of
    from glueft.training.model import compile_model

    model = classifier(subject)
    compile_model(model, keras.optimizers.Adam(1e-3), loss_of(LABELS), jit_compile=False)
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in model.encoder.trainable_variables]
    losses = model.fit(batch(), np.array([0, 1, 0]), epochs=STEPS, verbose=0).history["loss"]
    if not losses[-1] < losses[0]:
        raise ContractBrokenError(f"{STEPS} steps do not lower the loss: {losses[0]:.3f} to {losses[-1]:.3f}")
    changed = zip(before, model.encoder.trainable_variables, strict=True)
    same = [variable.path for values, variable in changed if (values == keras.ops.convert_to_numpy(variable)).all()]
    if len(same) == len(before):
        raise ContractBrokenError("no weight of the encoder changes in training")
    return f"loss {losses[0]:.3f} to {losses[-1]:.3f} in {STEPS} steps"


def is_saved(subject: Subject) -> str:
    """A saved checkpoint loads again, with the same logits to the last bit."""
    from glueft.encoder.checkpoint import load_classifier, save_classifier
    from glueft.encoder.checkpoint_finder import Checkpoint

    model = classifier(subject)
    with tiny_tokenizer() as tokenizer, tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        save_classifier(model, folder, tokenizer)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        checkpoint = Checkpoint("saved", folder, None, config, subject.plugin, {})
        loaded = load_classifier(checkpoint, labels=LABELS, seed=0)
    if loaded.report.new or loaded.report.left_over:
        raise ContractBrokenError(
            f"the saved checkpoint lacks {', '.join(loaded.report.new) or 'nothing'} and has "
            f"{', '.join(loaded.report.left_over) or 'nothing'} beyond what is read"
        )
    if (_logits(loaded.model, batch()) != _logits(model, batch())).any():
        raise ContractBrokenError("the saved checkpoint gives other logits after loading")
    return "the same logits after saving and loading"


def small_config(subject: Subject) -> dict[str, Any]:
    """Return a config.json of a small encoder; of the defaults where the family has other settings than `SMALL`."""
    from glueft.encoder.config import read_config

    family = subject.plugin
    known = {key: value for key, value in SMALL.items() if family.aliases.get(key, key) in family.defaults}
    small = {"model_type": family.name, **known}
    try:
        read_config(small, family=family)
    except CheckpointError:
        return {"model_type": family.name}
    return small


def classifier(subject: Subject) -> Classifier:
    """Return a small classifier of two labels with random weights."""
    import keras
    import numpy as np

    from glueft.encoder.classifier import Classifier
    from glueft.encoder.weights import tensor_table

    keras.utils.set_random_seed(0)
    model = Classifier(small_config(subject), LABELS, family=subject.plugin)
    draws = np.random.default_rng(0)
    for slot in tensor_table(model).values():
        variable = slot.variable
        middle = 1.0 if slot.tensor.initial == "ones" else 0.0
        variable.assign(draws.normal(middle, 0.1, variable.shape).astype(np.float32))
    return model


def batch() -> dict[str, NDArray[np.int32]]:
    """Return three rows of seven tokens; one has padding."""
    import numpy as np

    ids = np.random.default_rng(1).integers(5, 50, (3, 7)).astype(np.int32)
    mask = np.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _logits(model: Classifier, inputs: dict[str, Any]) -> NDArray[np.float32]:
    import keras

    found: NDArray[np.float32] = keras.ops.convert_to_numpy(model(inputs))
    return found


@contextmanager
def tiny_tokenizer() -> Iterator[Any]:
    """Give a tokenizer to save beside the weights."""
    from glueft.encoder.checkpoint import find_checkpoint, load_tokenizer
    from glueft.testing.tiny_bert import make_tiny_bert

    with tempfile.TemporaryDirectory() as folder:
        yield load_tokenizer(find_checkpoint(str(make_tiny_bert(Path(folder) / "bert"))))
