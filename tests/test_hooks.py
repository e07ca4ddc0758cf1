"""Every hook is documented, with its arguments, and exercised by a test."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from documents import CHECKOUT
from glueft import hookspecs

HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("glueft_")}


def test_contributing_documents_every_hook_and_its_arguments() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(glueft_\w+)` \| (.*?) \|", text, flags=re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", arguments) for name, arguments in rows}
    assert documented == {name: list(inspect.signature(hook).parameters) for name, hook in HOOKS.items()}


def test_every_hook_shows_an_example() -> None:
    for name, hook in HOOKS.items():
        assert re.search(r": `.+`", inspect.getdoc(hook) or ""), name


def test_every_hook_is_exercised_by_a_test() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("*.py") if path != Path(__file__)
    )
    for name in HOOKS:
        assert re.search(rf"\bdef {name}\b", sources), f"no test implements {name}"
