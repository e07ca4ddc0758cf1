"""Reads an export back: its consumer must give the same logits as glueft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.export.format import INPUT_NAMES, Format, Package

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier
    from glueft.export.tokenizer_call import TokenizerCall
    from glueft.inference.predictor import SavedModel

# Largest difference between two logits. Float32 sums of another order differ by some 1e-6; a wrong activation by 1e-3.
TOLERANCE = 1e-4

TEXTS = (
    ("The river rose overnight, and by morning the lower road was under water.", "Water covered the lower road."),
    ("It rained.", "Nobody could remember a drier summer; even the wells near the old mill had given out."),
    ("No.", "Why not?"),
)


@dataclass(frozen=True)
class Check:
    """The result of reading an export back.

    Attributes:
        consumer: the package that read it.
        version: its version.
        rows: how many were compared.
        largest_difference: between two logits.
        missing: the format's own consumer, if it is not installed and another package has read the export.
    """

    consumer: str
    version: str
    rows: int
    largest_difference: float
    missing: str | None


def check_export(form: Format, folder: Path, model: Classifier, saved: SavedModel, call: TokenizerCall) -> Check:
    """Compare the logits of an export with those of the model.

    Texts are tokenized by the lines that the README shows and the tokenizer that was written, and for the model as
    glueft does it; rows of random tokens go to both as they are.

    Args:
        form: the export's format.
        folder: the export.
        model: what was written, from `plain_copy`.
        saved: what it was made from.
        call: of the README.

    Raises:
        ExportError: they differ, or the consumer cannot open it.
    """
    import keras
    import numpy as np

    (first, _), *_ = readers = form.readers()
    consumer, open_folder = next((package, open_folder) for package, open_folder in readers if package.installed)
    columns = check_texts(saved.tokenizer, saved.max_length, pair=call.pair)
    random = random_batches(model, saved.tokenizer.pad_token_id, saved.max_length)
    own = [read_by_glueft(saved, texts) for texts in columns]
    expected = [keras.ops.convert_to_numpy(model(batch)) for batch in (*own, *random)]
    try:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        given = [*(call.inputs(tokenizer, texts) for texts in columns), *random]
        read = open_folder(folder)
        found = [read(batch) for batch in given]
    except Exception as error:  # whatever a consumer raises, it cannot open the export
        raise _wrong(form, consumer, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    largest = 0.0
    for ours, wanted in zip(found, expected, strict=True):
        if ours.shape != wanted.shape:
            raise _wrong(form, consumer, f"logits of the shape {ours.shape}, not {wanted.shape}")
        difference = np.abs(ours - wanted).max()
        # NaN is not small enough.
        if not difference <= TOLERANCE:
            raise _wrong(form, consumer, f"logits that differ by {difference:.2g}")
        largest = max(largest, float(difference))
    missing = None if consumer == first else first.module
    return Check(consumer.module, consumer.version, sum(map(len, expected)), largest, missing)


def check_texts(tokenizer: Any, max_length: int, *, pair: bool) -> list[list[list[str]]]:
    """Return texts for two batches, by column: a few of several lengths, and one row of random words that is cut."""
    import numpy as np

    short = [[texts[column] for texts in TEXTS] for column in range(1 + pair)]
    words = sorted(tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens)) or ["a"]
    random = np.random.default_rng(0)
    long = [[" ".join(words[place] for place in random.integers(len(words), size=max_length))] for _ in short]
    return [short, long]


def read_by_glueft(saved: SavedModel, texts: Sequence[list[str]]) -> dict[str, NDArray[np.int32]]:
    """Return rows as one batch, tokenized as in training."""
    import numpy as np

    from glueft.data.batches import collate
    from glueft.data.rows import Rows

    count = len(texts[0])
    cutting = replace(saved, windowing=None)  # An export cuts long texts.
    encoded = cutting.encode(Rows("check", tuple(texts), np.full(count, -1, np.int32), saved.labels))
    return dict(collate(encoded, np.arange(count)))


def random_batches(model: Classifier, pad_id: int, max_length: int) -> list[dict[str, NDArray[np.int32]]]:
    """Return batches of random tokens, of several sizes and lengths, padded and not."""
    import numpy as np

    config = model.config
    batches = []
    random = np.random.default_rng(0)
    words = np.setdiff1d(np.arange(config.vocab_size), [pad_id])
    for rows, length in ((1, 2), (4, min(19, max_length)), (2, max_length)):
        ids = random.choice(words, (rows, length))
        mask = np.ones((rows, length), np.int32)
        for row in range(1, rows):  # the first row has no padding
            mask[row, random.integers(1, length + 1) :] = 0
        ids[mask == 0] = pad_id
        types = random.integers(0, max(config.type_vocab_size, 1), (rows, length))
        batches.append(dict(zip(INPUT_NAMES, (part.astype(np.int32) for part in (ids, mask, types)), strict=True)))
    return batches


def _wrong(form: Format, consumer: Package, received: str) -> ExportError:
    return ExportError(
        f"the export was read back and is not what it should be, so it was not kept (format {form.name})",
        expected=f"the model's own logits, to {TOLERANCE:g}, from {consumer.module} {consumer.version}",
        received=received,
        fix="export in another format, and report this with the versions of the two packages",
    )
