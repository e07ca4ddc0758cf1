"""The body of a request to `/predict`: JSON, read into rows of texts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from glueft.inference.text_columns import TextChoice, Texts
from glueft.serve.limits import LONGEST_TEXT, Limits
from glueft.serve.refusals import RefusedError
from glueft.suggest import did_you_mean
from glueft.tables.cells import CellError
from glueft.text import counted, short_repr

KEYS = ("text", "text_pair", "texts")
TEXTS = '{"text": "A text."} or {"texts": ["A text.", "Another."]}'
PAIRS = '{"text": "A text.", "text_pair": "Its second."} or {"texts": [["A text.", "Its second."]]}'
# By whether the model reads pairs.
EXAMPLES = {
    False: TEXTS,
    True: PAIRS,
    None: TEXTS.replace(" or ", ", ") + ' or {"texts": [["A text.", "Its second."]]}',
}


def read_rows(body: bytes, choice: TextChoice, limits: Limits, *, pairs: bool | None) -> list[Texts]:
    """Return the texts of each row.

    Args:
        body: a JSON object with `text`, or `text` and `text_pair`, or `texts`, a list of texts or of pairs.
        choice: the texts of a row; of a classifier that tells no task, those of a pair.
        limits: of the service.
        pairs: whether the model reads pairs; None where it does not tell.

    Raises:
        RefusedError: the body is no such thing, or too much.
    """
    try:
        return _rows(body, choice, limits, pairs)
    except RefusedError as error:
        error.fix = error.fix or f"send {EXAMPLES[pairs]}"
        raise


def _rows(body: bytes, choice: TextChoice, limits: Limits, pairs: bool | None) -> list[Texts]:
    found = _object(body)
    rows = _listed(found)
    if len(rows) > limits.rows:
        raise RefusedError(
            413,
            "too many rows in one request",
            expected=f"at most {counted(limits.rows, 'row')} (--max-rows)",
            received=counted(len(rows), "row"),
            fix="share them out among several requests",
        )
    if not rows:
        raise _wrong("there is nothing to predict", "a text or more", "an empty list")
    names = (f"texts[{number}]" if "texts" in found else "text" for number in range(len(rows)))
    read = [_row(row, name, choice, pairs) for row, name in zip(rows, names, strict=True)]
    if len({*map(len, read)}) > 1:
        raise _wrong("texts and pairs are mixed", "texts alone, or pairs alone", "both")
    return read


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RefusedError(
            400,
            "the body is not JSON",
            expected="a JSON object, in UTF-8",
            received=f"{counted(len(body), 'byte')}: {reason}",
        ) from None
    if not isinstance(found, dict):
        raise _wrong("the body is no JSON object", "an object", short_repr(found))
    unknown = [key for key in found if key not in KEYS]
    if unknown:
        hint = did_you_mean(unknown[0], KEYS)
        raise _wrong(f"the key {short_repr(unknown[0])} is not known", "text, text_pair or texts", "another key", hint)
    if ("text" in found) == ("texts" in found) or ("texts" in found and "text_pair" in found):
        received = " and ".join(found) or "an empty object"
        raise _wrong("the body does not say what to predict", "text (with text_pair for a pair), or texts", received)
    return found


def _listed(found: dict[str, Any]) -> list[Any]:
    if "texts" not in found:
        return [[found["text"], found["text_pair"]] if "text_pair" in found else found["text"]]
    if not isinstance(found["texts"], list):
        raise _wrong("texts is no list", "a list of texts, or of pairs", short_repr(found["texts"]))
    return found["texts"]


def _row(row: Any, where: str, choice: TextChoice, pairs: bool | None) -> Texts:
    given = row if isinstance(row, list) else [row]
    if len(given) not in ({None: (1, 2), True: (2,), False: (1,)}[pairs]):
        names = " and ".join(choice.inputs)
        expected = f"two texts ({names}): a list of two" if pairs else "one text, or a pair" if pairs is None else names
        received = "one text" if len(given) == 1 else f"{len(given)} texts"
        raise _wrong(f"{where} is not what this model reads", expected, received)
    inputs = choice.inputs[: len(given)]
    try:
        texts = replace(choice, inputs=inputs).reader(inputs)(dict(zip(inputs, given, strict=True)))
    except CellError as error:
        problem = error.at(0)
        raise _wrong(f"{where}: {problem.message}", problem.expected, problem.received, problem.fix) from None
    longest = max(map(len, texts))
    if longest > LONGEST_TEXT:
        received = counted(longest, "character")
        raise _wrong(f"{where} is too long", f"at most {LONGEST_TEXT:,} characters", received, "cut the text")
    return texts


def _wrong(message: str, expected: str, received: str, fix: str = "") -> RefusedError:
    return RefusedError(422, message, expected=expected, received=received, fix=fix)
