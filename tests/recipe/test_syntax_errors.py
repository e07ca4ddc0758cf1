"""Texts that are not TOML: where, and why in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from glueft.recipe import RecipeError, load_recipe

FAULTS = [
    ("epochs =", 3, "there is no value after epochs =", 'epochs = 8 or epochs = "name"'),
    ("epochs = # none", 3, "there is no value after epochs =", "write a value behind it"),
    ("epochs = True", 3, "true and false are written in lower case", "write epochs = true"),
    ("epochs = None", 3, "TOML has no null value", "remove the line; epochs then has its default"),
    ("plugin = adam", 3, "text must be in quotes", 'write plugin = "adam"'),
    ("checkpoint = google/bert base", 3, "text must be in quotes", 'write checkpoint = "google/bert base"'),
    ("rate = .5", 3, "a number is written differently", "write rate = 0.5"),
    ("rate = 5.", 3, "a number is written differently", "write rate = 5.0"),
    ("epochs = 08", 3, "a number is written differently", "write epochs = 8"),
    ("epochs = 3 4", 3, "there is more text after the value", "one KEY = VALUE to a line"),
    ("epochs = 3x", 3, "there is more text after the value", "text goes in quotes"),
    ("epochs: 3", 3, "a key needs = and a value", "write = in place of the colon: epochs = 3"),
    ("epochs 3", 3, "a key needs = and a value", "write KEY = VALUE"),
    ("epochs", 3, "a key needs = and a value", "write KEY = VALUE"),
    ("= 3", 3, "neither a table's header nor KEY = VALUE", "write [table] or KEY = VALUE"),
    ("// a comment", 3, "neither a table's header nor KEY = VALUE", "comments begin with #"),
    ("a..b = 3", 3, "neither a table's header nor KEY = VALUE", "write [table] or KEY = VALUE"),
    ('plugin = "adam', 3, "a text is not closed", "add the closing quote"),
    ('plugin = "adam\nseed = 3', 3, "a text is not closed", "add the closing quote"),
    ("plugin = 'adam\nseed = 3", 3, "a text is not closed", "add the closing quote"),
    ('plugin = """adam\nseed = 3', 3, "a text is not closed", "add the closing quote"),
    ("predict = [1,\n2\n\n", 3, "a list is not closed", "add the closing ]"),
    ("a = {b = 1", 3, "an inline table is not closed", "add the closing }, on the same line"),
    ("[training", 3, "a table's header is not closed", "as in [training]"),
    ("[[callbacks]", 3, "a table's header is not closed", "as in [training]"),
    ('folder = "C:\\data"', 3, "a backslash begins no valid escape", "in single quotes, or each backslash twice"),
    ('folder = "a\x01b"', 3, "this line holds a control character", "remove the character"),
    ("seed = 1", 3, "seed is given twice, first in line 2", "keep one of the two lines, 2 or 3"),
    ("[task]\n[task]", 4, "task is given twice, first in line 3", "keep one of the two lines, 3 or 4"),
    ("seed.x = 1", 3, "this name is already in use for something else", "give each table and key once"),
    ("[seed]", 3, "seed is given twice, first in line 2", "keep one of the two lines, 2 or 3"),
    ("a = " + "9" * 5000, 3, "this number has thousands of digits", "write a smaller number"),
    ("a = " + "[" * 5000, 3, "nested too deeply", "a recipe needs no nesting"),
    ("a = " + "[" * 50 + "]" * 50, 3, "nested too deeply", "a recipe needs no nesting"),
    ("a = 2026-02-31", 3, "invalid date or datetime", "https://toml.io"),
]


@pytest.mark.parametrize(("text", "line", "message", "fix"), FAULTS, ids=[repr(fault[0][:24]) for fault in FAULTS])
def test_a_fault_is_told_in_plain_words(tmp_path: Path, text: str, line: int, message: str, fix: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(f"# a recipe\nseed = 0\n{text}\n", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    (problem,) = caught.value.problems
    assert problem.line == line
    assert problem.message.startswith("not TOML: ")
    assert message in problem.message
    assert fix in problem.fix
    assert problem.place == f"the file (line {line})"
    assert problem.expected and problem.received
    # The text itself is shown, on one line and not at any length.
    assert len(problem.message) < 200 and "\n" not in problem.message
