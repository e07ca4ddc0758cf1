"""Writes the hook reference of docs/plugins.md from the docstrings of `glueft.plugin.hookspecs`; examples stay.

python tests/hook_reference.py          (make tables)
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

from documents import CHECKOUT
from glueft.plugin import hookspecs

DOCUMENT = CHECKOUT / "docs" / "plugins.md"
BEGIN = "<!-- hooks: written by `python tests/hook_reference.py` from glueft/plugin/hookspecs.py -->"
END = "<!-- end of hooks -->"

HOOKS: dict[str, Callable[..., Any]] = {
    name: function for name, function in vars(hookspecs).items() if name.startswith("glueft_")
}


def arguments(hook: str) -> list[str]:
    """The names of a hook's arguments."""
    return list(inspect.signature(HOOKS[hook]).parameters)


def parts(hook: str) -> dict[str, str]:
    """A hook's docstring: `text`, its sections `Args` and `Returns`, those that it has, and the `Example`."""
    pieces = re.split(r"^(Args|Returns):\n", inspect.getdoc(HOOKS[hook]) or "", flags=re.MULTILINE)
    sections = {name: textwrap.dedent(body).strip() for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}
    return {"text": pieces[0].strip(), "Example": example(hook)} | sections


def example(hook: str) -> str:
    """The module below the heading of a hook in docs/plugins.md, which is written by hand."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n### `{hook}(")[2].partition("\n### ")[0]
    found = re.search(r"^```python\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def reference() -> str:
    """The hook reference, from BEGIN to END."""
    lines = [BEGIN]
    for hook in HOOKS:
        said = parts(hook)
        lines += ["", f"### `{hook}({', '.join(arguments(hook))})`", "", said["text"], ""]
        for name, text in described(said.get("Args", "")).items():
            lines.append(f"- `{name}`: {text}")
        returned = one_line(said.get("Returns", "Nothing."))
        lines += [f"- returns {returned[0].lower()}{returned[1:]}", ""]
        lines += ["```python", said["Example"], "```"]
    return "\n".join([*lines, "", END])


def described(text: str) -> dict[str, str]:
    """What an `Args` section says of each argument."""
    entries = re.split(r"^(\w+): ", text, flags=re.MULTILINE)
    return {name: one_line(words) for name, words in zip(entries[1::2], entries[2::2], strict=True)}


def one_line(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def main() -> None:
    """Put the reference in its place in docs/plugins.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    DOCUMENT.write_text(before + reference() + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
