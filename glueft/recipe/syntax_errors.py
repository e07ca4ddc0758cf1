"""Explains why a text is not TOML, with the line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glueft.recipe.problems import dotted, quoted_key
from glueft.recipe.toml_lines import Places, locate
from glueft.text import quoted


@dataclass(frozen=True)
class Fault:
    """Why a text is not TOML.

    Attributes:
        line: from 1.
        reason: the message without the faulty text.
        message, expected, received, fix: as in every GlueftError.
    """

    line: int
    reason: str
    message: str
    expected: str
    received: str
    fix: str


def fault(text: str, error: Exception) -> Fault:
    """Explain an error of `tomllib` about a text."""
    if isinstance(error, RecursionError):
        # Not by `locate`: its memory grows with the square of the depth.
        lines = text.split("\n")
        deepest = max(range(len(lines)), key=lambda number: sum(map(lines[number].count, "[{.")))
        return _fault(deepest + 1, "its lists or tables are nested too deeply", "", "a recipe needs no nesting")
    places = locate(text)
    said = str(error)
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", said)
    # At the end of the document the parser is past the fault, which is in the last statement.
    line = int(match[1]) if match and match[1] else places.last
    said = said[: match.start()] if match else said
    lines = text.split("\n")
    content = lines[line - 1].strip() if line <= len(lines) else ""
    if "Exceeds the limit" in said:
        line = _longest_number(lines) or line
        return _fault(line, "this number has thousands of digits", "", "write a smaller number")
    if places.repeats and re.search("twice|overwrite|mutate", said):
        return _repeated(places)
    for pattern, message, fix in EXPLANATIONS:
        if re.search(pattern, said):
            if pattern in ("Invalid value", "Expected newline"):
                message, fix = _value(content) or (message, fix)
            if "=" in pattern and ":" in content and "=" not in content:
                fix = f"write = in place of the colon: {content.replace(':', ' =', 1)}"
            return _fault(line, message, content, fix)
    return _fault(line, said[:1].lower() + said[1:], content, "see https://toml.io for how TOML is written")


# A pattern of tomllib's message, what it means, and the fix.
EXPLANATIONS = [
    ("twice|overwrite|mutate", "this name is already in use for something else", "give each table and key once"),
    ("Invalid value", "this value is not TOML", 'put text in quotes, as in plugin = "adam"'),
    ("Unterminated string|Expected \"'|Illegal character '.n'", "a text is not closed", "add the closing quote"),
    ("Unclosed array", "a list is not closed", "add the closing ]"),
    ("Unclosed inline table", "an inline table is not closed", "add the closing }, on the same line"),
    (
        "Expected '=' after a key",
        "a key needs = and a value",
        "write KEY = VALUE, one to a line; comments begin with #",
    ),
    ("Expected newline", "there is more text after the value", "write one KEY = VALUE to a line; text goes in quotes"),
    ("Expected '\\]", "a table's header is not closed", "write the table's name in brackets, as in [training]"),
    (
        "Unescaped|Invalid hex|not a Unicode scalar",
        "a backslash begins no valid escape in this text",
        "write the text in single quotes, or each backslash twice",
    ),
    ("Illegal character", "this line holds a control character", "remove the character"),
    (
        "Invalid statement|Invalid initial character",
        "this is neither a table's header nor KEY = VALUE",
        "write [table] or KEY = VALUE; comments begin with #",
    ),
]


def _fault(line: int, message: str, content: str, fix: str) -> Fault:
    shown = quoted(content, 70) if content else "nothing"
    whole = f"{message}: {shown}" if content else message
    return Fault(line, message, whole, "TOML, as in batch_size = 8", shown, fix)


def _repeated(places: Places) -> Fault:
    path, first, again = places.repeats[0]
    fix = f"keep one of the two lines, {first} or {again}" if first != again else f"keep one of the two in line {again}"
    reason = f"{dotted(path)} is given twice, first in line {first}"
    return Fault(again, reason, reason, "each table and key once", dotted(path), fix)


def _value(content: str) -> tuple[str, str] | None:
    """Explain an invalid value by its line."""
    key, _, value = (part.strip() for part in content.partition("="))
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", key):
        return None
    value = re.sub(r"\s*#.*", "", value)
    if not value:
        return f"there is no value after {key} =", f'write a value behind it, as in {key} = 8 or {key} = "name"'
    if value.lower() in ("true", "false"):
        return "true and false are written in lower case", f"write {key} = {value.lower()}"
    if value.lower() in ("none", "null", "nil"):
        return "TOML has no null value", f"remove the line; {quoted_key(key)} then has its default"
    if re.fullmatch(r"[+-]?\.\d[\d_]*([eE][+-]?\d+)?|[+-]?\d[\d_]*\.([eE][+-]?\d+)?|[+-]?0\d+(\.\d+)?", value):
        try:
            number = float(value)
            return (
                "a number is written differently",
                f"write {key} = {int(number) if number.is_integer() and '.' not in value else number}",
            )
        except (ValueError, OverflowError):
            return None
    if re.fullmatch(r"[^\s\d+\"'\[\]{},-][^\s\"'\[\]{},]*( [^\s\"'\[\]{},]+)*", value):
        return "text must be in quotes", f'write {key} = "{value}"'
    return None


def _longest_number(lines: list[str]) -> int | None:
    return next((number for number, line in enumerate(lines, 1) if re.search(r"\d{4000}", line.replace("_", ""))), None)
