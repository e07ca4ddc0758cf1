"""Draws recipes/mrpc.svg: what a terminal shows at the end of `glueft run recipes/mrpc.toml --sample`.

    make picture

The run is real; only the cursor movements of the progress bar are played out here, as a terminal would.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from glueft.cli.run import next_commands
from glueft.launch import run_recipe
from glueft.recipe import load_recipe
from glueft.system.console import PlainConsole
from glueft.terminal.progress import RichProgress

COMMAND = "glueft run recipes/mrpc.toml --sample"
WIDTH = 100


def final_screen(stream: str) -> list[str]:
    """Play out carriage returns, cursor-up and erase-line; return the lines that are left, colours kept."""
    lines, row = [""], 0
    for part in re.split(r"(\n|\r|\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh])", stream):
        if part == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\x1b[1A":
            row -= 1
        elif part in ("\r", "\x1b[2K"):
            lines[row] = ""
        elif not part.startswith("\x1b[?"):
            lines[row] += part
    return lines


def main() -> None:
    """Run, and draw."""
    stream = io.StringIO()
    console = PlainConsole(stream, force_terminal=True, width=WIDTH, color_system="truecolor")
    progress = RichProgress(console)
    result = run_recipe(load_recipe("mrpc", sample=True), progress=progress)
    for line in next_commands(result, reported=False):
        progress.inform(line)
    # The reader's own path would stand here; the table keeps its width.
    here = re.escape(f"{result.folder.resolve().parent.parent}/")
    shown = re.sub(rf"{here}(\S+)", lambda found: found[1].ljust(len(found[0])), stream.getvalue())
    picture = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    picture.print(Text(f"$ {COMMAND}"))
    for line in final_screen(shown):
        picture.print(Text.from_ansi(line))
    svg = picture.export_svg(title="glueft")
    # The picture must not fetch a font from anywhere.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
    target = Path(__file__).parent.parent / "recipes" / "mrpc.svg"
    target.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
