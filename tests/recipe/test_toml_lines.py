"""The line of every key, in every way in which TOML can write it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glueft.recipe.toml_lines import Path, locate

DOCUMENT = '''\
# a comment with a = 1 and [brackets]
top = 1

[plain]            # a header
key = "a # in a text = no comment"
'quoted key' = 2
"es\\"caped".inner = 3
dotted . inner = 4

[plain.sub]
key = 5
[over.two.levels]
key = 6

[[many]]
name = """
[not.a.header]
key = 7 ""\\""
"""
after = 8
[[many]]
list = [
  1, # one
  { inline = 2, other.deep = 3 },
  [4, """x
y""", 5],
]
last = \'\'\'it's'\'\'\'
[many.below]
key = 9
[[many.nested]]
key = 10
[[many.nested]]
key = 11
'''

LINES: dict[Path, int] = {
    ("top",): 2,
    ("plain",): 4,
    ("plain", "key"): 5,
    ("plain", "quoted key"): 6,
    ("plain", 'es"caped', "inner"): 7,
    ("plain", "dotted"): 8,
    ("plain", "dotted", "inner"): 8,
    ("plain", "sub"): 10,
    ("plain", "sub", "key"): 11,
    ("over",): 12,
    ("over", "two", "levels"): 12,
    ("over", "two", "levels", "key"): 13,
    ("many",): 15,
    ("many", 0): 15,
    ("many", 0, "name"): 16,
    ("many", 0, "after"): 20,
    ("many", 1): 21,
    ("many", 1, "list"): 22,
    ("many", 1, "list", 0): 23,
    ("many", 1, "list", 1): 24,
    ("many", 1, "list", 1, "inline"): 24,
    ("many", 1, "list", 1, "other", "deep"): 24,
    ("many", 1, "list", 2, 1): 25,
    ("many", 1, "list", 2, 2): 26,
    ("many", 1, "last"): 28,
    ("many", 1, "below"): 29,
    ("many", 1, "below", "key"): 30,
    ("many", 1, "nested"): 31,
    ("many", 1, "nested", 0, "key"): 32,
    ("many", 1, "nested", 1): 33,
    ("many", 1, "nested", 1, "key"): 34,
}


def paths(value: Any, path: Path = ()) -> list[Path]:
    """The path of everything in a parsed document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for part, inner in inside:
        found += paths(inner, (*path, part))
    return found


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_each_line(line_end: str) -> None:
    text = DOCUMENT.replace("\n", line_end)
    places = locate(text)
    assert {path: places.lines.get(path) for path in LINES} == LINES
    assert set(paths(tomllib.loads(text))) == set(places.lines)
    assert places.repeats == []


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("a = 1\nb = 2\na = 3", [(("a",), 1, 3)]),
        ("[a]\nb = 1\n[a]", [(("a",), 1, 3)]),
        ("[a]\nb = 1\nb.c = 2\nb = 3", [(("a", "b"), 2, 4)]),
        ("a = {b = 1, b = 2}", [(("a", "b"), 1, 1)]),
        ("[[a]]\nb = 1\n[[a]]\nb = 2", []),
        ("[a.b]\n[a]", []),
    ],
)
def test_repeats(text: str, repeats: list[tuple[Path, int, int]]) -> None:
    assert locate(text).repeats == repeats


@pytest.mark.parametrize(
    ("text", "last"),
    [("a = 1\nb = [1,\n2\n", 2), ("a = 1\n\n[b\nc = 1", 3), ("", 1), ("a = 1\n# x\n=\n", 3), ("a = 'x\nb = 1", 1)],
)
def test_it_stops_where_the_text_is_no_toml(text: str, last: int) -> None:
    assert locate(text).last == last


KEYS = st.text(max_size=5)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=9), st.dates()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(document=st.dictionaries(KEYS, VALUES, max_size=6))
def test_nothing_is_missed_and_nothing_made_up(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # tomlkit writes some texts that are no TOML
        return
    places = locate(text)
    assert set(places.lines) == set(paths(parsed))
    # Each key stands in the line where it is said to stand.
    lines = text.split("\n")
    for path, line in places.lines.items():
        if isinstance(path[-1], str) and path[-1].isascii() and path[-1].isalnum():
            assert path[-1] in lines[line - 1]
