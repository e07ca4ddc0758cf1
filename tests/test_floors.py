"""The rooms of `glueft/` lie on floors, imports go down only, and no modules import each other in a circle.

Imports of types count too, and so do those inside functions.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "glueft"

# From the ground up. A module that lies in `glueft/` itself is a room of its own; rooms of one floor import each other
# no more than those above.
FLOORS = (
    ("text", "version"),
    ("errors",),
    ("suggest", "system"),
    ("files",),
    ("plugin",),
    ("hub", "metrics", "processes"),
    ("encoder", "tables"),
    ("data",),
    ("recipe",),
    ("runs",),
    ("training",),
    ("inference", "page"),
    ("comparison", "environment", "export", "push", "report", "reproduce", "serve", "submit", "terminal", "testing"),
    ("result",),
    ("launch", "studies"),
    ("cli",),
    ("__main__", "glueft"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MOST_MODULES_AT_THE_TOP = 7


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = modules()


def imported(name: str) -> Iterator[str]:
    """The modules of the package that a module imports, anywhere in its text."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "glueft")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "glueft":
            assert node.module is not None
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in MODULES else node.module


@functools.cache
def imports() -> dict[str, list[str]]:
    """What each module imports; parsed once, and not while the tests are collected."""
    return {name: sorted({*imported(name)} - {name}) for name in MODULES}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_every_room_has_a_floor_and_every_floor_is_lived_on() -> None:
    assert {room_of(name) for name in MODULES} == FLOOR.keys()


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_imports_go_down(room: str) -> None:
    upward = [
        f"{name} imports {target}"
        for name, targets in imports().items()
        if room_of(name) == room
        for target in targets
        if room_of(target) != room and FLOOR[room_of(target)] >= FLOOR[room]
    ]
    assert upward == []


def test_few_modules_lie_at_the_top() -> None:
    assert len([*PACKAGE.glob("[!_]*.py")]) <= MOST_MODULES_AT_THE_TOP


def cycles() -> list[set[str]]:
    """The groups of modules that import each other in a circle, by Tarjan's algorithm."""
    found: list[set[str]] = []
    stack: list[str] = []
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in imports()[name]:
            if target not in order:
                visit(target)
            if target in stack:
                lowest[name] = min(lowest[name], lowest[target])
        if lowest[name] == order[name]:
            group = set(stack[stack.index(name) :])
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(group)

    for name in imports():
        if name not in order:
            visit(name)
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert cycles() == []
