"""The page of a study, read as text: what it says of studies that are done, unfinished, large and full of markup."""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glueft.cli.main import command_line
from glueft.errors import StudyError
from glueft.page.html import relative_link
from glueft.studies.report import content
from glueft.studies.report.content import collect
from glueft.studies.report.write import report_place, write_run_reports, write_study_report
from glueft.studies.result import RecipeResult, StudyResult, StudyRun
from glueft.studies.result_file import read_result, write_result
from page_structure import Structure
from report_runs import make_table_run
from study_results import known_tasks, recipe_result, study_result, study_run

RATE, BATCH = "schedule.initial_learning_rate", "training.batch_size"
RATES = [{RATE: rate} for rate in (2e-5, 3e-5, 5e-5)]


def searched(task: str, settings: list[dict[str, Any]], seeds: int, base: float, **changes: Any) -> RecipeResult:
    """A recipe whose second setting is the best one and was chosen."""
    runs = []
    for place, setting in enumerate(settings):
        for seed in range(1, seeds + 1):
            score = base + 0.001 * seed - 0.01 * abs(place - 1)
            metrics = {name: score + 0.01 * number for number, name in enumerate(known_tasks()[task].metrics)}
            runs.append(
                study_run(
                    task,
                    seed,
                    *metrics.values(),
                    metrics=dict.fromkeys(known_tasks()[task].validation_splits, metrics),
                    name=f"{task}-seed{seed}-{place:08x}",
                    setting=setting,
                    stage="search",
                    seconds=90.0,
                    device="CPU" if seed == 1 else "NVIDIA H100",
                    threads=4,
                    validations=[(1, 10, score - 0.1), (2, 20, score)],
                )
            )
    chosen = settings[min(1, len(settings) - 1)]
    made: dict[str, Any] = {
        "settings": settings,
        "chosen": chosen,
        "reason": "the highest mean over its seeds",
        "chosen_run": next(run.name for run in runs if run.setting == chosen),
        "baseline": dict.fromkeys(known_tasks()[task].metrics, 0.5),
    }
    return recipe_result(task, runs, **made | changes)


def study(folder: Path, *recipes: RecipeResult, **changes: Any) -> StudyResult:
    made = {"folder": folder, "started": "2026-01-30T12:00:00+00:00", "seconds": 5400.0}
    return study_result(*recipes, **made | changes)


def page_of(result: StudyResult) -> str:
    return write_study_report(result).read_text("utf-8")


def sections(page: str) -> dict[str, str]:
    """The text of each section of a page by its id, without markup."""
    found = re.findall(r'<section id="([^"]+)".*?>(.*?)</section>', page, re.DOTALL)
    return {name: " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split()) for name, text in found}


def test_a_finished_study(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('[study]\nname = "glue"\n')
    rte = searched("rte", RATES, 2, 0.66, starts_from="mnli")
    runs = [*rte.runs]
    runs[2] = replace(runs[2], collapsed=True)
    runs[5] = replace(runs[5], state="failed", score=None, metrics={}, error="TrainingError: no longer a number\nmore")
    rte = replace(rte, runs=runs)
    result = study(
        tmp_path,
        searched("mnli", RATES, 2, 0.84),
        rte,
        left_out=[(str(tmp_path / "runs" / "old"), "the study as it is now does not ask for it")],
        versions={"keras": "3.15.0"},
        host={"name": "box", "cpus": 2, "system": "Linux 6.1", "python": "3.12.3"},
    )
    page = page_of(result)
    part = sections(page)
    assert [*part] == ["result", "recipe-1", "recipe-2", "time", "facts", "file"]
    assert "12 runs: 11 done, 1 failed" in page
    assert f"1 run failed: {runs[5].name}: TrainingError: no longer a number" in page
    assert "average of these 2 tasks" in part["result"] and "Expected best of k runs" in part["result"]
    assert "MNLI mismatched" in part["result"] and "Runs by task" in part["result"]
    assert "runs/old: the study as it is now does not ask for it" in part["result"]
    assert "Chosen: initial_learning_rate=3e-05 . The highest mean over its seeds." in part["recipe-2"]
    assert "It begins with the encoder of the chosen run of mnli." in part["recipe-2"]
    assert f"The run that stands for it: {rte.chosen_run}." in part["recipe-2"]
    for title in ("Runs", "Learning curves", "Runs by setting", "Score against initial_learning_rate"):
        assert page.count(f"{title}</h3>") == 2
    assert "1, chosen initial_learning_rate=3e-05 2 0.6615 0.6610 0.6620" in part["recipe-2"]
    assert "After epoch 2 the mean of 2 runs is 0.6615, from 0.6610 to 0.6620." in part["recipe-2"]
    assert "The mean is highest at 3e-05: 0.6615, 2 runs." in part["recipe-2"]
    assert "collapsed 1 0.6610" in part["recipe-2"] and "a cross a collapsed run" in part["recipe-2"]
    assert "task runs mean of a run hours core-hours hours of NVIDIA H100" in part["time"]
    assert "RTE 6 1 min 30 s 0.150 0.300 0.075" in part["time"]
    assert "1.50 hours 0.60 core-hours 0.15 hours of NVIDIA H100" in part["result"]
    assert "box, 2 CPUs, Linux 6.1" in part["facts"] and "Python 3.12.3, keras 3.15.0" in part["facts"]
    assert '[study]\nname = "glue"' in html.unescape(page)
    structure = Structure(page)
    assert len(structure.ids) == len(set(structure.ids)), "an id occurs twice"
    assert set(structure.references) <= set(structure.ids), "a reference leads nowhere"
    assert "#0000" not in page, "a colour was not turned into one of the page's"
    assert "script" not in structure.tags and "img" not in structure.tags
    addresses = set(re.findall(r"https?://[^\"' ]+", page))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.mark.usefixtures("undrawn")
def test_one_recipe_on_a_few_seeds(tmp_path: Path) -> None:
    part = sections(page_of(study(tmp_path, searched("mrpc", [{}], 3, 0.85))))
    assert [*part] == ["result", "recipe-1", "time", "facts"]
    assert "Runs by task" not in part["result"] and "average" not in part["result"]
    assert "Chosen:" not in part["recipe-1"] and "rank" not in part["recipe-1"]
    assert "3 runs of the chosen setting, a point each." in part["recipe-1"] and "accuracy" in part["recipe-1"]


def test_hyperparameters_of_any_kind_are_drawn(tmp_path: Path) -> None:
    kinds: list[Any] = [[1, 2], {"plugin": "<x>"}, True, "name", float("inf"), 3, 0.5, 1e-300]
    settings = [{"a.b": value, "a.c": 10.0**place, "a.d": -place} for place, value in enumerate(kinds)]
    page = page_of(study(tmp_path, searched("mrpc", settings, 1, 0.8)))
    assert page.count("Score against b</h3>") == page.count("Score against d</h3>") == 1
    assert (
        '<th scope="row">{&#39;plugin&#39;: &#39;&lt;x&gt;&#39;}</th>' in page and '<th scope="row">[1, 2]</th>' in page
    )
    assert "The best run has [1, 2]" not in page and "The best run has {&#39;plugin" in page
    settings = [{"a.b": value} for value in (float("inf"), float("nan"), 1e308)]
    assert "Score against b</h3>" in page_of(study(tmp_path, searched("mrpc", settings, 1, 0.8)))


@pytest.mark.usefixtures("undrawn")
def test_a_study_that_is_not_finished(tmp_path: Path) -> None:
    recipe = searched("mrpc", RATES, 2, 0.85, chosen=None, chosen_run=None, reason="")
    nothing = {"score": None, "metrics": {}, "validations": [], "seconds": None, "folder": None}
    runs = [
        replace(run, **nothing, state=state)
        for run, state in zip(recipe.runs, ("running", *["waiting"] * 5), strict=True)
    ]
    page = page_of(study(tmp_path, replace(recipe, runs=[*recipe.runs[:3], *runs[3:]]), finished=None))
    part = sections(page)
    assert '<span class="status unfinished">unfinished</span>' in page
    assert "The study is not finished: 3 of 6 runs waited or ran when this was written. What follows is" in page
    assert "There is no result yet." in part["result"] and "Chosen" not in part["recipe-1"]
    assert "Score against" in part["recipe-1"]
    part = sections(page_of(study(tmp_path, replace(recipe, runs=runs), finished=None, seconds=0.0)))
    assert "Score against" not in part["recipe-1"] and "time" not in part
    assert sections(page_of(study(tmp_path, finished=None)))["result"].count("no result yet") == 1


MARKUP = "</script></style><h1>&{{ 7 * 7 }}\u202e$x$ \x1b[31m"


def test_foreign_text_is_text(tmp_path: Path) -> None:
    settings = [{MARKUP: MARKUP}, {MARKUP: "b"}]
    runs = [
        study_run(
            "mrpc", 1, 0.8, 0.8, name=f"{MARKUP}{number}", setting=setting, folder=tmp_path / "a b" / "#x?" / MARKUP
        )
        for number, setting in enumerate(settings)
    ]
    runs.append(replace(runs[0], name="failed", state="failed", error=MARKUP, metrics={}, score=None))
    recipe = recipe_result(
        "mrpc", runs, title=MARKUP, settings=settings, chosen=settings[0], reason=MARKUP, starts_from=MARKUP
    )
    (tmp_path / "study.toml").write_text(MARKUP)
    result = study(
        tmp_path,
        replace(recipe, metric_labels={"f1": MARKUP}, row_notes=[MARKUP]),
        replace(recipe, name=MARKUP),
        name=MARKUP,
        checkpoint=MARKUP,
        left_out=[(MARKUP, MARKUP)],
        versions={MARKUP: MARKUP},
        host={"name": MARKUP, "python": MARKUP},
    )
    page = page_of(result)
    tags = Structure(page).tags
    assert tags.count("h1") == 1 and tags.count("style") == 1 and "script" not in tags
    assert "49" not in page.replace("&{{ 7 * 7 }}", "") or "{{ 7 * 7 }}" in page
    assert "\u202e" not in page and "\x1b" not in page
    assert 'href="a%20b/%23x%3F/%3C/script%3E' in page


@pytest.mark.usefixtures("undrawn")
def test_each_run_leads_to_its_report_or_else_to_its_folder(tmp_path: Path) -> None:
    recipe = searched("mrpc", [{}], 3, 0.85)
    places = [tmp_path / "runs" / run.name / "attempt" for run in recipe.runs]
    places[0].mkdir(parents=True)
    (places[0] / "report.html").write_text("")
    runs = [replace(run, folder=place) for run, place in zip(recipe.runs, [*places[:2], None], strict=True)]
    page = page_of(study(tmp_path, replace(recipe, runs=runs)))
    links = re.findall(r'<a href="([^#"][^"]*)">', page)
    assert links == [f"runs/{runs[0].name}/attempt/report.html", f"runs/{runs[1].name}/attempt"]
    elsewhere = tmp_path / "other" / "page.html"
    assert relative_link(places[0], elsewhere).startswith("../runs/")
    assert relative_link(tmp_path / "other" / "a:b", elsewhere) == "./a%3Ab"


def test_a_thousand_runs_take_seconds_and_a_bounded_page(tmp_path: Path) -> None:
    settings: list[dict[str, Any]] = [{RATE: 1e-5 * 1.02**number, BATCH: 8 * (1 + number % 3)} for number in range(500)]
    recipe = searched("mrpc", settings, 2, 0.8)
    begin = time.process_time()
    page = page_of(study(tmp_path, recipe))
    assert time.process_time() - begin < 8
    assert len(page) < 1_000_000 and "mathdefault" not in page
    part = sections(page)["recipe-1"]
    assert "100 of 500 settings are shown." in part and "100 of 1,000 runs are shown. All are in table.csv." in part
    assert "the 12 best of 500" in part


@pytest.mark.usefixtures("undrawn")
def test_many_recipes_are_not_all_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_DRAWN", 1)
    recipes = [replace(searched("mrpc", [{}], 1, 0.8), name=f"r{number}") for number in range(4)]
    page = page_of(study(tmp_path, *recipes))
    assert page.count("Runs</h3>") == 1 and page.count("A name leads to") == 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study with a real run that has no report."""
    attempt = make_table_run(tmp_path, [("a", "b", "yes"), ("c", "d", "no")], ("no", "yes"), [1, 0])
    place = tmp_path / "study" / "runs" / "mrpc-seed1-00000000"
    place.mkdir(parents=True)
    shutil.move(attempt, place / "mrpc-20260131-120000-a1b2c3")
    recipe = searched("mrpc", [{}], 2, 0.85)
    runs: list[StudyRun] = [replace(run, folder=None) for run in recipe.runs]
    runs[0] = replace(runs[0], folder=place / "mrpc-20260131-120000-a1b2c3")
    runs[1] = replace(runs[1], folder=tmp_path / "gone")
    write_result(study(tmp_path / "study", replace(recipe, runs=runs)))
    return tmp_path / "study"


@pytest.mark.usefixtures("undrawn")
def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert command_line(["report", "study"]) == 0
    assert re.fullmatch(r"report written: study/report.html \(\d+ KiB\)\n", capsys.readouterr().out)
    assert command_line(["report", "study"]) == 2
    assert "report.html exists already" in capsys.readouterr().err
    assert command_line(["report", "study", "--output", "page.html", "--runs", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    written = folder / "runs" / "mrpc-seed1-00000000" / "mrpc-20260131-120000-a1b2c3" / "report.html"
    assert told["runs"] == [str(written)] and written.is_file()
    assert told["status"] == "done" and told["report"] == str(folder.parent / "page.html")
    assert len(told["notes"]) == 1 and "mrpc-seed2-00000000: no report: " in told["notes"][0]
    page = Path("page.html").read_text()
    assert 'href="study/runs/mrpc-seed1-00000000/mrpc-20260131-120000-a1b2c3/report.html"' in page
    assert write_run_reports(read_result(folder))[0] == [], "a report that is there is not written again"
    assert command_line(["report", "study", "--force", "--runs"]) == 0
    assert "note: mrpc-seed2-00000000: no report" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_done_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["report", str(folder), "--data-dir", "x"]) == 2
    assert "are for the reports of runs" in capsys.readouterr().err
    assert command_line(["report", str(folder / "runs"), "--runs"]) == 2
    assert "is not the folder of a study" in capsys.readouterr().err
    (folder / "study.json").write_text("{}")
    assert command_line(["report", str(folder)]) == 2
    assert "study.json cannot be read" in capsys.readouterr().err
    assert not (folder / "report.html").exists()
    with pytest.raises(StudyError, match="is a folder"):
        report_place(study(folder), folder)


@pytest.mark.usefixtures("undrawn")
def test_each_plot_tells_the_rows_of_its_runs(tmp_path: Path) -> None:
    """Where held-out rows choose, the runs of the table have learning curves of the validation rows."""
    setting = {"training.epochs": 2}
    runs = [study_run("rte", 1, 0.6, setting=each, stage="search") for each in ({"training.epochs": 1}, setting)]
    runs.append(study_run("rte", 1, 0.7, setting=setting, name="final", validations=[(1, 10, 0.6), (2, 20, 0.7)]))
    recipe = recipe_result("rte", runs, settings=[run.setting for run in runs[:2]], chosen=setting, on="held_out")
    plots = collect(study_result(recipe, folder=tmp_path), tmp_path / "report.html").recipes[0].plots
    of = {plot.title: plot.shape for plot in plots}
    assert "accuracy on validation" in of["Learning curves"] and "accuracy on held-out rows" in of["Runs by setting"]
