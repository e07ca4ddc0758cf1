"""The page of a comparison in a real browser: hostile rows, filters and their address, phones, no request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glueft.comparison.compare import compare
from glueft.comparison.report.write import page_place, write_page
from page_structure import overlapping
from report_runs import make_table_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = "<script>document.title = 'taken over'; fetch('https://example.com')</script>"
LABELS = ("<b>bold</b>", 'a&b=c#d  "two spaces', "long ".ljust(80, "w"))
ROWS = [(SCRIPT, "</script></style><h1>big</h1>", LABELS[0])]
ROWS += [(f"plain text {number}", f"Second {number % 7}", LABELS[number % 3]) for number in range(1, 60)]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    runs = []
    for number in range(2):
        (folder / str(number)).mkdir()
        # The second run is wrong on every other row, the first on row 1 alone.
        right = [LABELS.index(label) for *_, label in ROWS]
        predicted = [(label + (row % 2 if number else row == 1)) % 3 for row, label in enumerate(right)]
        runs.append(make_table_run(folder / str(number), ROWS, LABELS, predicted))
    place = page_place(folder / "comparison.html")
    assert write_page(compare(runs, resamples=100), place) == []
    return place


@pytest.fixture
def page(browser: Browser, comparison: Path) -> Iterator[Page]:
    """The page in a window of a phone's width; at the end nothing has gone wrong and nothing was asked for."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(comparison.as_uri())
    yield page
    context.close()
    assert told == []


def test_rows_are_filtered_the_address_says_how_and_all_fits_a_phone(page: Page, comparison: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    status = page.locator("[data-count]")
    # Of the 30 odd rows one has the same wrong label in both.
    assert status.inner_text() == "29 rows, the first 20 are shown"
    page.get_by_role("combobox", name="True label").select_option(LABELS[1])
    page.get_by_role("searchbox", name="Words in the text").fill("plain 13")
    assert status.inner_text() == "1 of 29 listed rows match"
    address = page.url
    assert address == f"{comparison.as_uri()}#rows&true=a%26b%3Dc%23d++%22two+spaces&words=plain+13"
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("[data-count]").inner_text() == "1 of 29 listed rows match"
    assert page.get_by_role("combobox", name="True label").input_value() == LABELS[1]
    page.get_by_role("button", name="All rows").click()
    assert page.locator("[data-count]").inner_text() == "29 rows, the first 20 are shown"
    assert page.url.endswith("#rows")
    page.evaluate("location.hash = '#rows&true=nothing&right=A'")
    sync_api.expect(page.locator("[name=right]")).to_have_value("A")
    told = "29 rows, the first 20 are shown; no listed row has what the address asks for: nothing"
    assert page.locator("[data-count]").inner_text() == told
    assert page.title() == "table: 2 runs compared" and page.locator("main img, main script, h1").count() == 1
    assert "<b>bold</b>" in page.locator("ol.rows").inner_text()
    assert overlapping(page) == []
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
