"""The formats by name: a new one is a file beside this one, and a row here."""

from __future__ import annotations

from glueft.errors import ExportError
from glueft.export.format import Format
from glueft.export.keras_file import KerasFile
from glueft.export.onnx_file import OnnxFile
from glueft.export.tensorflow_folder import TensorFlowFolder
from glueft.export.transformers_folder import TransformersFolder

FORMATS: dict[str, Format] = {
    form.name: form for form in (TransformersFolder(), KerasFile(), TensorFlowFolder(), OnnxFile())
}


def in_words() -> str:
    """Return the formats as `--help` lists them."""
    *first, last = (f"{form.name} ({form.read_by})" if form.read_by else form.name for form in FORMATS.values())
    return f"{', '.join(first)} or {last}"


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        ExportError: there is no such format.
    """
    if name in FORMATS:
        return FORMATS[name]
    from glueft.suggest import did_you_mean

    raise ExportError(
        f'there is no format called "{name}"',
        expected=f"one of {', '.join(FORMATS)}",
        received=f'"{name}"',
        fix=did_you_mean(name, FORMATS).strip() or f"choose one: --format {next(iter(FORMATS))}",
    )
