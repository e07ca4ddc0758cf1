"""The structure of a page of HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Structure(HTMLParser):
    """The ids, references and headings of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "xlink:href") and (value or "").startswith("#"):
                # What follows is what a list of rows is to show.
                self.references.append((value or "")[1:].partition("&")[0])
            elif name in ("aria-labelledby", "aria-describedby"):
                self.references += (value or "").split()
            else:
                self.references += re.findall(r"url\(#([^)]*)\)", value or "")


def overlapping(page: Page) -> Any:
    """The texts of plots in an open page that lie on others of the same plot.

    Slanted texts are left out: their boxes overlap where they do not.
    """
    overlaps = """all => {
        const texts = all.map((one) => [one.textContent, one.ownerSVGElement, one.getBoundingClientRect()]);
        return texts.flatMap(([text, plot, box], index) => texts.slice(index + 1)
            .filter(([, other, its]) => plot === other
                && Math.min(box.right, its.right) - Math.max(box.left, its.left) > 1
                && Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top) > 1)
            .map(([other]) => `${text} / ${other}`));
    }"""
    return page.locator('svg text:not([transform*="rotate(-35"])').evaluate_all(overlaps)
