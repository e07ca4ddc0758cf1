"""The lines of a README's code that tokenize texts. The check of an export runs the same lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TokenizerCall:
    """How an export's tokenizer is called to give what glueft's own reading of texts gives.

    Attributes:
        max_length: the longest row in tokens; longer ones are cut, on the side that the tokenizer's files name.
        pair: whether a row is two texts.
        options: further arguments, each with a comma before it.
        zero_token_types: add token types of zeros: the model takes some, and the tokenizer gives none.
    """

    max_length: int
    pair: bool
    options: str = ""
    zero_token_types: bool = False

    @classmethod
    def to(
        cls, tokenizer: Any, *, max_length: int, pair: bool, token_types: bool, model_defaults: bool
    ) -> TokenizerCall:
        """Return the call of a tokenizer for a model.

        Args:
            tokenizer: of transformers.
            max_length, pair: as in the class.
            token_types: whether the model takes token types.
            model_defaults: whether the model replaces missing ones by zeros.
        """
        given = tokenizer.model_input_names
        options = "" if "attention_mask" in given else ", return_attention_mask=True"
        if not token_types:
            options += ", return_token_type_ids=False"
        # A tokenizer asked for what is not among its inputs would give segments that glueft has not trained with.
        zeros = token_types and "token_type_ids" not in given and not model_defaults
        return cls(max_length, pair, options, zeros)

    @property
    def imports(self) -> str:
        """The import that the lines need, if any."""
        return "import numpy as np\n" if self.zero_token_types else ""

    def code(self, tensors: str) -> str:
        """Return the lines that turn `texts`, and in a pair `second_texts`, into `inputs`.

        Args:
            tensors: of `return_tensors`.
        """
        given = "texts, second_texts" if self.pair else "texts"
        lines = (
            f"inputs = tokenizer(\n    {given}, truncation=True, max_length={self.max_length}, padding=True, "
            f'return_tensors="{tensors}"{self.options}\n)'
        )
        if self.zero_token_types:
            lines += '\ninputs["token_type_ids"] = np.zeros_like(inputs["input_ids"])'
        return lines

    def inputs(self, tokenizer: Any, texts: Sequence[Sequence[str]]) -> Mapping[str, Any]:
        """Run the lines for NumPy arrays.

        Args:
            tokenizer: read from the export.
            texts: the column of texts, or the two of a pair.
        """
        names = dict(zip(("texts", "second_texts"), map(list, texts), strict=False))
        found: dict[str, Any] = {"tokenizer": tokenizer, **names}
        exec(self.imports + self.code("np"), found)
        return dict(found["inputs"])
