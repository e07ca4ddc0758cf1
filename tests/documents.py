"""Reads the code blocks and links of the project's documents, so that tests can run and follow them."""

from __future__ import annotations

import os
import re
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    str(path.relative_to(CHECKOUT))
    for pattern in ("*.md", "docs/*.md", ".github/**/*.md")
    for path in CHECKOUT.glob(pattern)
)
# What users read. The commands of docs/plugins.md are run in the order of its text, by tests/plugin/test_tutorial.py.
PAGES = ["README.md", *(path for path in DOCUMENTS if path.startswith("docs/") and path != "docs/plugins.md")]


def commands_in(text: str) -> list[str]:
    """Return the shell commands of a document: indented lines and `sh` blocks that begin with a known program."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line[4:] for line in text.splitlines() if line.startswith("    ")]
    programs = ("glueft", "make", "pip", "python")
    commands = (line.removeprefix("$ ").split("  #")[0].strip() for line in lines)
    return [command for command in commands if command.split(" ")[0] in programs]


def links_in(document: str) -> list[tuple[str, str]]:
    """Return the links and pictures of a document that stay in the checkout: file, from its top, and anchor."""
    text = _prose((CHECKOUT / document).read_text(encoding="utf-8"))
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            found.append((os.path.normpath(Path(document).parent / path) if path else document, anchor))
    return found


def anchors_in(document: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = _prose((CHECKOUT / document).read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _prose(text: str) -> str:
    """A document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
