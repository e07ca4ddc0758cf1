"""The page of a study in a real browser, without a network: nothing runs, nothing is asked for, nothing overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from glueft.studies.report.write import write_study_report
from page_structure import overlapping
from study_results import recipe_result, study_result, study_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = "<script>document.title = 'taken over'; fetch('https://example.com')</script>"
IMAGE = '"><img src=https://example.com/a.png onerror="document.title=1">'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with names that would do harm, long ones, close numbers, and hyperparameters of each kind."""
    folder = tmp_path_factory.mktemp("study")
    settings: list[dict[str, Any]] = [
        {
            "a.rate": 10.0 ** -(place / 2),
            "b.plugin": f"{IMAGE}{place % 7}",
            "c.flag": place % 2 == 0,
            "d": 1e-5 * 1.1**place,
        }
        for place in range(14)
    ]
    settings[0]["b.plugin"] = "word" * 60
    recipes = []
    for name in ("rte", SCRIPT):
        runs = [
            study_run(
                "rte",
                seed,
                0.5 + place / 1000,
                name=f"{name}{place}-{seed}",
                setting=setting,
                stage="search",
                collapsed=place == 3,
                folder=folder / "runs" / f"{place}",
                validations=[(epoch, epoch, 0.5 + place / 1000) for epoch in range(1, 13)],
            )
            for place, setting in enumerate(settings)
            for seed in (1, 2)
        ]
        chosen = {"settings": settings, "chosen": settings[13], "reason": IMAGE, "chosen_run": runs[-1].name}
        recipes.append(recipe_result(name, runs, task="rte", title=name, baseline={"accuracy": 0.4999}, **chosen))
    (folder / "study.toml").write_text(f"# {SCRIPT}{'x' * 300}")
    return write_study_report(study_result(*recipes, name=SCRIPT, checkpoint="w" * 200, folder=folder))


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The page in a window of a phone's width; at the end nothing has gone wrong and nothing was asked for."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: told.append(request.url) if request.url != report.as_uri() else None)
    page.goto(report.as_uri())
    yield page
    context.close()
    assert told == []


def test_markup_is_shown_and_not_run(page: Page) -> None:
    assert page.title().startswith(SCRIPT) and SCRIPT in page.locator("h1").inner_text()
    assert page.locator("h1").count() == 1 and page.locator("body script, main img").count() == 0
    assert page.evaluate("document.querySelectorAll('script').length") == 0
    assert IMAGE in page.locator("#recipe-1").inner_text()


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_wider_than_the_window_and_no_text_lies_on_another(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("details").evaluate_all("all => all.forEach((one) => (one.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert overlapping(page) == []


def test_a_screen_reader_finds_its_way(page: Page) -> None:
    assert [page.get_by_role(role).count() for role in ("banner", "main", "contentinfo", "navigation")] == [1] * 4  # type: ignore[arg-type]
    for figure in page.locator("figure:has(svg)").all():
        assert "chart" in figure.get_by_role("img").aria_snapshot()
        assert len(figure.locator("figcaption").inner_text()) > 20
        assert figure.locator("details table caption").count() == 1
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("table:not(:has(th[scope]))").count() == 0
