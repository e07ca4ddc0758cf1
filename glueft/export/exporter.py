"""Exports a saved classifier: written beside its place, read back and compared, and only then put in it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.encoder.checkpoint_finder import refuse_leaving_links
from glueft.encoder.decision_file import write_decision
from glueft.export.check import check_export
from glueft.export.format import INPUT_NAMES, Format
from glueft.export.place import DESCRIPTION, export_folder, refuse_taken
from glueft.export.readme import readme
from glueft.export.tokenizer_call import TokenizerCall
from glueft.files import expanded
from glueft.plugin.origin import origin_of
from glueft.system import interruption

if TYPE_CHECKING:
    from glueft.inference.predictor import SavedModel


def export(saved: SavedModel, folder: Path, form: Format, *, force: bool = False) -> dict[str, Any]:
    """Write a saved classifier in a format, with its tokenizer, a README.md and an export.json.

    Args:
        saved: from `load_saved_model`. The export is in float32, whatever the precision of the run.
        folder: where to; it must not exist yet, or be empty. It appears whole or not at all.
        form: from `find_format`.
        force: replace an earlier export.

    Returns:
        The content of export.json, with the `folder` and the size of its `files` in bytes.

    Raises:
        CheckpointError: a link in the model's folder leads out of it.
        ExportError: the format cannot be written here, there is something in the place, or what was written does not
            give the logits of the model when its consumer reads it back.
    """
    from glueft.export.plain_model import plain_copy

    folder = expanded(folder).resolve()
    form.refuse_if_unwritable()
    refuse_taken(folder, force=force, source=saved.run.folder if saved.run else saved.checkpoint.folder)
    refuse_leaving_links(saved.checkpoint.folder)
    model = plain_copy(saved.classifier)
    with export_folder(folder) as unfinished:
        form.write(model, saved.tokenizer, unfinished)
        write_decision(unfinished, saved.rule, saved.labels)
        interruption.check()
        call = TokenizerCall.to(
            saved.tokenizer,
            max_length=saved.max_length,
            pair=bool(saved.pair),
            token_types=form.takes_all_inputs or model.config.type_vocab_size > 0,
            model_defaults=not form.takes_all_inputs,
        )
        check = check_export(form, unfinished, model, saved, call)
        record = describe(saved, form) | {"check": asdict(check)}
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (unfinished / DESCRIPTION).write_text(text, encoding="utf-8")
        (unfinished / "README.md").write_text(readme(form, record, call), encoding="utf-8")
        interruption.check()
    return {**record, "folder": str(folder), "files": file_sizes(folder)}


def describe(saved: SavedModel, form: Format) -> dict[str, Any]:
    """Return what export.json says of a model, without the check."""
    from glueft.runs.public_record import public_record
    from glueft.version import __version__

    family = saved.classifier.family
    # An export is made to be given away: no path of a plugin file.
    brought = origin_of(family)
    record = public_record(saved.run.record) if saved.run else None
    return {
        "format": form.name,
        "glueft": __version__,
        "model_file": form.model_file,
        "architecture": family.architecture,
        "family": {"name": family.name} | {key: brought[key] for key in ("package", "version") if key in brought},
        "task": record.task if record else None,
        "checkpoint": record.checkpoint.name if record else None,
        "labels": list(saved.labels),
        "multi_label": saved.rule.multi_label,
        "max_length": saved.max_length,
        "decision": None if saved.rule.is_plain else asdict(saved.rule) | {"text": saved.rule.text(saved.labels)},
        "windows": None if saved.windowing is None else asdict(saved.windowing),
        "inputs": list(INPUT_NAMES),
        "outputs": ["logits"],
        "metrics": record.metrics if record else None,
        "metric_labels": record.metric_labels if record else {},
        "metrics_of": record.primary_split if record else None,
    }


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file below a folder, by its path inside."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
