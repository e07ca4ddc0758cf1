"""An export, read back: its consumer must give the logits that glueft gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.export.format import INPUT_NAMES, Format, Package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier

# How far two logits may lie apart. Float32 sums of another order differ by some 1e-6; a wrong activation by 1e-3.
TOLERANCE = 1e-4

TEXTS = (
    ("The river rose overnight, and by morning the lower road was under water.", "Water covered the lower road."),
    ("It rained.", "Nobody could remember a drier summer; even the wells near the old mill had given out."),
    ("No.", "Why not?"),
)


@dataclass(frozen=True)
class Check:
    """What came of reading an export back.

    Attributes:
        consumer: the package that read it.
        version: its version.
        rows: how many were compared.
        largest_difference: between two logits.
        missing: the format's own consumer, where it is not installed and another package has read it.
    """

    consumer: str
    version: str
    rows: int
    largest_difference: float
    missing: str | None


def check_export(form: Format, folder: Path, model: Classifier, tokenizer: Any, max_length: int) -> Check:
    """Compare the logits of what was written with the model's own.

    Raises:
        ExportError: they differ, or the consumer cannot open it.
    """
    import keras
    import numpy as np

    (first, _), *_ = readers = form.readers()
    consumer, open_folder = next((package, open_folder) for package, open_folder in readers if package.installed)
    batches = check_batches(model, tokenizer, max_length)
    expected = [keras.ops.convert_to_numpy(model(batch)) for batch in batches]
    try:
        read = open_folder(folder)
        found = [read(batch) for batch in batches]
    except Exception as error:  # whatever a consumer raises: an export that it cannot open is of no use
        raise _wrong(form, consumer, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    largest = 0.0
    for given, wanted in zip(found, expected, strict=True):
        if given.shape != wanted.shape:
            raise _wrong(form, consumer, f"logits of the shape {given.shape}, not {wanted.shape}")
        difference = np.abs(given - wanted).max()
        # A difference that is no number is none that is small enough.
        if not difference <= TOLERANCE:
            raise _wrong(form, consumer, f"logits that differ by {difference:.2g}")
        largest = max(largest, float(difference))
    missing = None if consumer == first else first.module
    return Check(consumer.module, consumer.version, sum(map(len, expected)), largest, missing)


def check_batches(model: Classifier, tokenizer: Any, max_length: int) -> list[dict[str, NDArray[np.int32]]]:
    """Make batches of several sizes and lengths, padded and not: a few texts, and rows of random tokens."""
    import numpy as np

    config = model.config
    tokens = tokenizer(
        [first for first, _ in TEXTS],
        [second for _, second in TEXTS],
        truncation=True,
        max_length=max_length,
        padding=True,
        return_token_type_ids=True,
    )
    batches = [{name: np.array(tokens[name], np.int32) for name in INPUT_NAMES}]
    random = np.random.default_rng(0)
    words = np.setdiff1d(np.arange(config.vocab_size), [tokenizer.pad_token_id])
    for rows, length in ((1, 2), (4, min(19, max_length)), (2, max_length)):
        ids = random.choice(words, (rows, length))
        mask = np.ones((rows, length), np.int32)
        for row in range(1, rows):  # the first row has no padding
            mask[row, random.integers(1, length + 1) :] = 0
        ids[mask == 0] = tokenizer.pad_token_id
        types = random.integers(0, max(config.type_vocab_size, 1), (rows, length))
        batches.append(dict(zip(INPUT_NAMES, (part.astype(np.int32) for part in (ids, mask, types)), strict=True)))
    return batches


def _wrong(form: Format, consumer: Package, received: str) -> ExportError:
    return ExportError(
        f"the export was read back and is not what it should be, so it was not kept (format {form.name})",
        expected=f"the model's own logits, to {TOLERANCE:g}, from {consumer.module} {consumer.version}",
        received=received,
        mend="export in another format, and report this with the versions of the two packages",
    )
