"""Reads the code blocks of the project's documents, so that tests can run them."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent


def commands_in(document: str) -> list[str]:
    """Return the shell commands of a document: indented lines and `sh` blocks that begin with a known program."""
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line[4:] for line in text.splitlines() if line.startswith("    ")]
    programs = ("glueft", "make", "pip", "python")
    commands = (line.removeprefix("$ ").split("  #")[0].strip() for line in lines)
    return [command for command in commands if command.split(" ")[0] in programs]
