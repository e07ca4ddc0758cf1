"""What a format of an export is: how it is written, and how its own consumer reads it back.

Importing this module and those of the formats is cheap: Keras and the consumers are imported when they are used.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.errors import ExportError
from glueft.training.engine_choice import AUTO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from glueft.encoder.classifier import Classifier

    Inputs = Mapping[str, NDArray[np.int32]]
    Reader = Callable[[Inputs], NDArray[np.float32]]
    Readers = tuple[tuple["Package", Callable[[Path], Reader]], ...]

# The inputs of an exported model, in the order of its signature where it has one; each is (batch, length).
INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True)
class Package:
    """A package that something needs: its module, and the name for `pip install`."""

    module: str
    install: str

    @property
    def installed(self) -> bool:
        """Whether it can be imported. It is not imported."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.module)


class Format(ABC):
    """One format of an export.

    Attributes:
        name: of `--format`.
        read_by: the program or kind of file that it is known by, beside its name in `--help`.
        holds: what a folder of it holds, for its README.
        model_file: the file with the weights.
        writer: the package that writes it, if glueft can be installed without it.
        backend: the one of Keras with which it is written, or AUTO.
        called_with: the packages of the README's code, for `pip install`.
        takes_all_inputs: whether the model takes each of `INPUT_NAMES`, even those that its family ignores.
        needs_family: whether the README's code needs the package that brought the encoder's family.
    """

    name: str
    read_by: str = ""
    holds: str
    model_file: str
    writer: Package | None = None
    backend: str = AUTO
    called_with: str
    takes_all_inputs: bool = True
    needs_family: bool = False

    def refuse_if_unwritable(self) -> None:
        """Raise ExportError if the format cannot be written here, before anything is loaded."""
        if self.writer is not None and not self.writer.installed:
            raise ExportError(
                f"the format {self.name} needs the package {self.writer.module}, which is not installed",
                expected=f"an installed {self.writer.module}",
                received="none in this Python environment",
                fix=f"install it: pip install '{self.writer.install}'",
            )

    @abstractmethod
    def write(self, model: Classifier, tokenizer: Any, folder: Path) -> None:
        """Write the model, config.json and the tokenizer's files.

        Args:
            model: in float32, with plain weights: from `plain_model.plain_copy`.
            tokenizer: the one it was trained with.
            folder: empty.
        """

    @abstractmethod
    def readers(self) -> Readers:
        """Return functions that open a folder of the format; each gives one from a batch's inputs to its logits.

        The format's own consumer comes first. If it need not be installed, the reader of a package that is follows.
        """

    @abstractmethod
    def snippet(self) -> Snippet:
        """Return the format's own lines of the README's code."""


@dataclass(frozen=True)
class Snippet:
    """The lines of a README's code that depend on the format.

    Attributes:
        imports: the imports, in order.
        load: opens the model.
        tensors: the `return_tensors` of the tokenizer.
        call: turns `inputs` into `logits`, a NumPy array.
    """

    imports: str
    load: str
    tensors: str
    call: str
