"""The page of a report in a real browser, without a network: no error, no request, filters that work, no overflow."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glueft.report.write import write_report
from page_structure import overlapping
from report_runs import change_record, make_table_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Rows whose texts and labels would do harm, or make the page too wide, if they were taken for markup.
SCRIPT = "<script>document.title = 'taken over'; fetch('https://example.com')</script>"
IMAGE = '"><img src=https://example.com/a.png onerror="document.title=1">'
LABELS = ("<b>bold</b>", "=1+1", "$x$ & \"quotes\" 'too' ".ljust(80, "w"))
ROWS = [
    (SCRIPT, "</script></style><h1>big</h1>", LABELS[0]),
    (IMAGE, "{{ 7 * 7 }} {% raw %}", LABELS[1]),
    ("word" * 300, "\u202eright to left\u202c \u0007 bell", LABELS[2]),
    *((f"plain text {number}", f"Second {number % 7}", LABELS[number % 3]) for number in range(60)),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    run = make_table_run(folder, ROWS, LABELS, [(LABELS.index(label) + 1) % 3 for *_, label in ROWS])
    return write_report(run).path


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report in a window of a phone's width; at the end nothing has gone wrong and nothing was asked for."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.on("request", lambda request: told.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    yield page
    context.close()
    assert told == []


def shown(page: Page) -> list[str]:
    rows = page.locator("ol.rows > li:visible")
    return [text.split("\n")[0] for text in rows.all_inner_texts()]


def test_markup_in_the_data_is_shown_and_not_run(page: Page) -> None:
    first = page.locator("ol.rows > li").first
    assert SCRIPT in first.inner_text() and "</script></style><h1>big</h1>" in first.inner_text()
    assert page.title().startswith("table: tiny")
    assert page.locator("h1").count() == 1 and page.locator("main img, main script").count() == 0
    texts = page.locator("ol.rows").inner_text()
    assert IMAGE in texts and "{{ 7 * 7 }} {% raw %}" in texts and "\u2407 bell" in texts
    assert page.get_by_role("combobox", name="True label").locator("option").all_inner_texts() == ["all", *LABELS]
    assert LABELS[2][:14] in page.locator("#split-1 svg").first.text_content()


def test_the_policy_forbids_scripts_and_requests(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.com/x.png\">')")
    page.evaluate("const s = document.createElement('script'); s.text = 'window.ran = 1'; document.body.append(s)")
    assert page.evaluate("fetch('https://example.com').then(() => 'sent', () => 'refused')") == "refused"
    assert page.evaluate("window.ran") is None
    page.close()


def test_mistakes_are_filtered_by_label_and_by_words(page: Page) -> None:
    status = page.locator("[data-count]")
    assert status.inner_text() == "63 rows, the first 20 are shown" and len(shown(page)) == 20
    page.get_by_role("button", name="Show 20 more").click()
    assert len(shown(page)) == 40
    page.get_by_role("combobox", name="True label").select_option(LABELS[1])
    assert status.inner_text() == "21 of 63 listed rows match, the first 20 are shown"
    page.get_by_role("searchbox", name="Words in the text").fill("second PLAIN 13")
    assert status.inner_text() == "1 of 63 listed rows match"
    assert "plain text 13" in page.locator("ol.rows > li:visible").inner_text()
    page.get_by_role("combobox", name="True label").select_option("all")
    page.get_by_role("combobox", name="Predicted label").select_option(LABELS[0])
    assert status.inner_text() == "0 of 63 listed rows match" and shown(page) == []
    page.get_by_role("searchbox", name="Words in the text").fill("")
    assert status.inner_text() == "21 of 63 listed rows match, the first 20 are shown"
    # On paper a caption is no larger than the text.
    page.emulate_media(media="print")
    size = "one => parseFloat(getComputedStyle(one).fontSize)"
    assert page.locator("figcaption").first.evaluate(size) < page.locator("body").evaluate(size)


def test_a_cell_of_the_matrix_leads_to_its_rows(page: Page, report: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    # Without the script to all of them.
    links = re.findall(r"<a [^>]*data-asks=[^>]*>", report.read_text("utf-8"))
    assert links and all('href="#split-1-rows"' in link for link in links)
    # 63 rows, each of a third of the labels and taken for the next one.
    assert page.locator("[data-count]").inner_text().startswith("63 rows")
    # One stop of the keyboard a cell, though its number has two lines.
    assert page.locator("#split-1-confusion-heading ~ * svg a:not([tabindex])").count() == 3
    page.locator("#split-1 svg a[aria-label^='21, 100 %: true =1+1, predicted $x$']").click()
    sync_api.expect(page.get_by_role("combobox", name="True label")).to_have_value(LABELS[1])
    assert page.locator("[data-count]").inner_text() == "21 of 63 listed rows match, the first 20 are shown"
    assert page.get_by_role("combobox", name="Predicted label").input_value() == LABELS[2]
    # Back to an address that asks for nothing all rows are there.
    page.go_back()
    sync_api.expect(page.get_by_role("combobox", name="True label")).to_have_value("")
    assert page.locator("[data-count]").inner_text().startswith("63 rows")


def test_the_address_holds_what_is_asked_of_every_list(browser: Browser) -> None:
    """On a page of two lists and a choice of curves, without the rest of a report."""
    lists = "".join(
        f'<section id="{key}" data-rows><div class="filters" hidden><select name="true"><option value="">all</option>'
        f'<option value="a&b">a</option></select><p data-count></p><button data-clear></button></div>'
        f"<ol class='rows'><li data-groups='[\"a&amp;b\"]'></li>"
        "<li data-groups='[\"c\"]'></li></ol><button data-more></button></section>"
        for key in ("one", "two")
    )
    curves = '<section id="of" data-choose><div class="filters" hidden><select name="label"><option>x</option>'
    curves += '<option>y</option></select></div><svg><g data-choice="0"/><g data-choice="1" hidden="hidden"/></svg>'
    page = browser.new_page()
    script = (importlib.resources.files("glueft.page") / "rows.js").read_text("utf-8")
    body = f"<!doctype html>{lists}{curves}</section><script>{script}</script>"
    page.route("https://page/", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto("https://page/")
    page.locator("#one select").select_option("a&b")
    page.locator("#of select").select_option("y")
    assert page.url == "https://page/#of&label=y&one.true=a%26b"
    page.locator("#two select").select_option("a&b")
    page.reload()
    assert page.locator("select").evaluate_all("all => all.map((one) => one.value)") == ["a&b", "a&b", "y"]
    assert page.locator("[data-choice]").evaluate_all("all => all.map((one) => one.hasAttribute('hidden'))") == [
        True,
        False,
    ]
    assert page.locator("[data-count]").all_inner_texts() == ["1 of 2 listed rows match"] * 2
    page.close()


def test_an_address_that_asks_for_what_is_not_listed_says_so(page: Page) -> None:
    page.goto(f"{page.url}#split-1-rows&true=gone+%26+lost&words=PLAIN+13")
    told = page.locator("[data-count]").inner_text()
    assert told == "1 of 63 listed rows match; no listed row has what the address asks for: gone & lost"
    page.get_by_role("searchbox", name="Words in the text").fill("text_pair")  # the name of a column
    assert page.locator("[data-count]").inner_text() == "0 of 63 listed rows match"


def test_a_table_that_is_wider_than_a_phone_says_that_it_scrolls(page: Page) -> None:
    def hint(of: str) -> str:
        return str(page.locator(of).first.evaluate("one => getComputedStyle(one, '::before').maxHeight"))

    wide = ".scroll[aria-label='validation: label by label']"
    assert page.locator(wide).evaluate("one => one.scrollWidth > one.clientWidth")
    assert hint(wide) == "24px"
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator(wide).evaluate("one => one.scrollWidth === one.clientWidth")
    assert hint(wide) == "0px"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_text_of_a_plot_lies_on_another(browser: Browser, tmp_path: Path) -> None:
    """Also where three labels are long, and where a metric is a zero with the noise of its last digit."""
    labels = ("a_long_label_of_a", "b_long_label_of_b", "c_long_label_of_c")
    run = make_table_run(tmp_path, [("text", "text", label) for label in labels], labels, [0, 1, 2])
    history = run / "history.jsonl"
    history.write_text(history.read_text().replace('"accuracy": 1.0', '"accuracy": -1e-17'))
    change_record(run, baseline={"accuracy": 0.0})
    page = browser.new_page()
    page.goto(write_report(run).path.as_uri())
    assert overlapping(page) == []
    page.close()


def test_dark_mode_and_print_have_colours_of_their_own(page: Page) -> None:
    def colours() -> tuple[str, str]:
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return paper, page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")

    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert light[0] == "rgb(255, 255, 255)" and light[0] != dark[0] and light[1] != dark[1]
    page.emulate_media(color_scheme="dark", media="print")
    assert colours() == light
    assert not page.locator("nav").is_visible() and not page.locator("select").first.is_visible()


def test_a_screen_reader_finds_its_way(page: Page) -> None:
    assert [page.get_by_role(role).count() for role in ("banner", "main", "contentinfo", "navigation")] == [1] * 4  # type: ignore[arg-type]
    for figure in page.locator("figure:has(svg)").all():
        drawing = figure.locator("svg")
        # Within an image nothing is there for a screen reader, and a matrix has links.
        assert drawing.get_attribute("role") == ("group" if drawing.locator("a").count() else "img")
        snapshot = drawing.aria_snapshot()
        assert "chart" in snapshot or "istogram" in snapshot or "atrix" in snapshot, snapshot
        assert len(figure.locator("figcaption").inner_text()) > 20
        assert figure.locator("details table caption").count() == 1
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("table:not(:has(th[scope]))").count() == 0
    unnamed = "all => all.filter((one) => !one.labels.length).length"
    assert page.locator("select, input").evaluate_all(unnamed) == 0


def test_without_javascript_every_row_is_there(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("ol.rows > li:visible").count() == 63
    assert not page.locator(".filters").is_visible()
    context.close()
