"""Draws recipes/mrpc.svg, what a terminal shows at the end of `glueft run recipes/mrpc.toml --sample`, and its report.

    make picture

The run is real; only the cursor movements of the progress bar are played out here, as a terminal would. docs/report.png
is the top of its report in a Chromium, which must be on the path.
"""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

from rich.console import Console
from rich.text import Text

from documents import CHECKOUT
from glueft.cli.run import next_commands
from glueft.launch import run_recipe
from glueft.recipe import load_recipe
from glueft.report.write import write_report
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
    target = CHECKOUT / "recipes" / "mrpc.svg"
    target.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
    photograph(write_report(result.folder).path, CHECKOUT / "docs" / "report.png")


def photograph(page: Path, target: Path) -> None:
    """Take a picture of the top of a page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": 1100, "height": 1050})
        window.goto(page.resolve().as_uri())
        window.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main()
