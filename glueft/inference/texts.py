"""Texts from Python, in rows, and the answers to all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glueft.errors import DataError
from glueft.inference.line_rows import GivenTexts
from glueft.runs.answers import Answers
from glueft.tables.problems import Problems
from glueft.text import counted, short_repr

if TYPE_CHECKING:
    from glueft.inference.rows import Chunk
    from glueft.inference.text_columns import TextChoice
    from glueft.training.text_model import TextModel

Texts = str | Iterable[str] | Iterable[Sequence[str]]


def rows_of(texts: Texts, pairs: str | Iterable[str] | None, choice: TextChoice) -> GivenTexts:
    """Return texts as rows.

    Args:
        texts: a text a row, or one text; where the model reads pairs, the first texts, or both of each row.
        pairs: the second texts.
        choice: what the model reads.

    Raises:
        DataError: they are not as many as the model reads.
    """
    first, second = _listed(texts), None if pairs is None else _listed(pairs)
    if len(choice.inputs) == 1:
        if second is not None:
            raise _not_as_read(choice, "two texts a row", "leave `pairs` out")
        several = next((row for row in first if isinstance(row, list | tuple)), None)
        if several is not None:
            raise _not_as_read(choice, f"a row of {short_repr(several)}", "give a list of texts")
        return GivenTexts([[text] for text in first], choice, "the texts")
    if second is None:
        for row in first:
            if not isinstance(row, list | tuple) or len(row) != 2:
                one = isinstance(row, str)
                received = "one text a row" if one else f"a row of {short_repr(row)}"
                raise _not_as_read(choice, received, "give the second texts as `pairs`" if one else "correct the row")
        return GivenTexts([[*map(_plain, row)] for row in first], choice, "the texts")
    if len(first) != len(second):
        received = f"{counted(len(first), 'first text')}, and {counted(len(second), 'second text')}"
        raise _not_as_read(choice, received, "give both texts of each row")
    return GivenTexts([[one, two] for one, two in zip(first, second, strict=True)], choice, "the texts")


def _listed(texts: Any) -> list[Any]:
    if isinstance(texts, str):
        return [str(texts)]
    if getattr(texts, "shape", None) == ():  # of NumPy, a single value
        return _listed(texts.item())
    is_table = isinstance(texts, Mapping) or hasattr(texts, "columns")  # its names would be taken for texts
    if is_table or isinstance(texts, bytes) or not hasattr(texts, "__iter__"):
        raise DataError(
            "these are no texts",
            expected='a text, or a list of texts: ["A text.", "Another."]',
            received="a table" if is_table else short_repr(texts),
            fix='name its column: run.predict(frame["sentence"]); of pairs two: run.predict(frame["one"], frame["two"])'
            if is_table
            else "give texts",
        )
    return [*map(_plain, texts)]


def _plain(text: Any) -> Any:
    """NumPy's texts are Python's too, but the tokenizer wants them plain; Arrow's are not; and nothing is None."""
    if isinstance(text, str):
        return str(text)
    if hasattr(text, "as_py"):  # Arrow
        return text.as_py()
    if hasattr(text, "tolist") and getattr(text, "shape", None):  # a row of an array
        return text.tolist()
    return None if type(text).__name__ in ("NAType", "NaTType") or text != text else text


def _not_as_read(choice: TextChoice, received: str, fix: str) -> DataError:
    pair = len(choice.inputs) == 2
    example = 'run.predict(["A text."], ["Its other."])' if pair else 'run.predict(["A text.", "Another."])'
    return DataError(
        f"this model reads {'two texts at once' if pair else 'one text at a time'}",
        expected=f"{' and '.join(choice.inputs)} of each row: {example}",
        received=received,
        fix=fix,
    )


def checked(rows: GivenTexts) -> list[Chunk]:
    """Return rows in chunks that fit in memory.

    Raises:
        DataError: a row has no text.
    """
    bad, chunks = Problems(), []
    for chunk in rows.chunks():
        for row in chunk.bad:
            bad.add(row.problem)
        chunks += [chunk] if len(chunk) else []
    if bad:
        raise bad.error(rows.name, rows.unit, what="texts that cannot be predicted")
    return chunks


def answer_all(model: TextModel, chunks: Sequence[Chunk]) -> Answers:
    """Predict the rows of all chunks, in their order.

    Raises:
        TrainingError: a logit is not a finite number.
    """
    import numpy as np

    count = sum(map(len, chunks))
    found = [model.answer(chunk.texts, rows_in_all=count) for chunk in chunks]
    if not found:
        return Answers.of(np.empty((0, len(model.labels) or 1), np.float32), model.labels, 0, model.rule)
    labels: list[Any] = [label for answers in found for label in answers.labels]
    probabilities = np.concatenate([answers.probabilities for answers in found])
    return Answers(labels, probabilities, sum(answers.truncated for answers in found))
