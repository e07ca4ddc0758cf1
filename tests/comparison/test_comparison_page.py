"""The page of a comparison, read as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compared_rows import label_rows, score_rows
from glueft.comparison.compare import compare
from glueft.comparison.report.rows import agreement, disagreements
from glueft.comparison.report.write import page_place, write_page
from glueft.comparison.rows import ComparedRows
from glueft.errors import ComparisonError
from glueft.page.texts import SplitTexts
from page_structure import Structure
from run_folders import change_record, make_run

GIVEN, FIRST, OTHER = (column.tolist() for column in label_rows(60, seed=12))


def trained(folder: Path, *, step: int, metrics: dict[str, float], epochs: int = 2) -> None:
    """Leave the history of a training whose epochs have so many steps."""
    entries: list[dict[str, object]] = []
    for epoch in range(1, epochs + 1):
        end = step * epoch
        entries.append({"kind": "step", "step": end - 1, "loss": 1 / epoch, "learning_rate": 1e-5})
        values = {name: value + epoch / 100 for name, value in metrics.items()}
        entry = {"kind": "epoch", "epoch": epoch, "step": end, "loss": 1 / epoch, "validation_loss": 0.5 + epoch / 10}
        entries.append(entry | {"metrics": values, "seconds": 1.0})
    (folder / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def page_of(paths: list[Path], folder: Path) -> str:
    place = page_place(folder / "page.html", force=True)
    write_page(compare(paths, resamples=200), place)
    return place.read_text("utf-8")


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    watching = ['callbacks=[{plugin="csv"}]', "training.batch_size=16"]
    runs = [
        make_run(tmp_path / "one", GIVEN, FIRST),
        make_run(tmp_path / "two", GIVEN, OTHER, seed=43, overrides=watching),
    ]
    for run, step in zip(runs, (8, 4), strict=True):
        trained(run, step=step, metrics={"accuracy": 0.6, "f1": 0.7})
    return runs


@pytest.mark.usefixtures("undrawn")
def test_curves_differences_rows_and_settings(pair: list[Path], tmp_path: Path) -> None:
    (pair[1] / "report.html").write_text("its own page")
    page = page_of(pair, tmp_path)
    assert "<h1>mrpc: 2 runs compared</h1>" in page and "On 60 rows of the validation split" in page
    for title in ("Differences", "Training loss", "Validation loss", "Validation: accuracy", "Validation: f1"):
        assert f"{title}</h3>" in page
    # Steps of batches of unlike size are drawn over epochs: both end with the second.
    losses = page.partition("Training loss: the numbers")[2].partition("</table>")[0]
    assert '<tr><th scope="row">2.00</th><td>0.7500</td><td>0.7500</td></tr>' in losses
    assert "B: no difference in accuracy that 60 rows can show." in page
    assert re.search(r"<dt>accuracy</dt><dd class=\"value\">[+-]0\.\d{4}</dd><dd>A 0\.\d{4}, B 0\.\d{4}</dd>", page)
    changed, _, idle = page.partition("What differs too, and changes no result")
    assert "training.batch_size" in changed and "training.seed" in changed and "callbacks: 0.plugin" not in changed
    assert '<th scope="row">callbacks: 0.plugin</th><td class="word">it only watches</td>' in idle
    assert '<a href="one">one</a>' in page and '<a href="two/report.html">two</a>' in page
    differing = sum(a != b for a, b in zip(FIRST, OTHER, strict=True))
    assert f"The runs disagree on {differing} of 60 rows." in page and page.count("<li data-groups=") == differing
    structure = Structure(page)
    assert len(structure.ids) == len(set(structure.ids)) and set(structure.references) <= set(structure.ids)
    assert not re.search(r"(?<!w3\.org/)https?://(?!www\.w3\.org)", page)


@pytest.mark.usefixtures("undrawn")
def test_a_row_says_who_is_right(tmp_path: Path) -> None:
    given, said = [0, 1, 1, 0], ([0, 1, 0, 1], [1, 1, 1, 1], [0, 1, 1, 0])
    page = page_of([make_run(tmp_path / str(n), given, labels) for n, labels in enumerate(said)], tmp_path)
    rows = [json.loads(found) for found in re.findall(r"<li data-groups='([^']*)'>", page)]
    no, yes = "not_equivalent", "equivalent"
    # Row 1 is the same for all; on the others A, B and C are right as their letters say.
    assert rows == [
        ["A and C", [no], [no], [yes], [no]],
        ["B and C", [yes], [no], [yes], [yes]],
        ["C", [no], [yes], [yes], [no]],
    ]
    assert "<td>2</td>" not in page.partition("Right and wrong on the same rows")[0]
    table = page.partition("Right and wrong on the same rows</span>")[2].partition("</table>")[0]
    # B and A: row 1 both, row 0 A alone, row 2 B alone, row 3 neither, and both say the same.
    assert '<th scope="row">B</th><td>1</td><td>1</td><td>1</td><td>1</td><td>1</td>' in table
    assert '<th scope="row">C</th><td>2</td><td>0</td><td>2</td><td>0</td><td>0</td>' in table
    assert "Their texts are not shown: the rows that are there now are not those of the run" in page


def test_rows_of_any_number_of_labels_are_right_if_all_of_them_are() -> None:
    sets = [np.array(of) for of in ([[1, 0], [1, 1], [0, 0]], [[1, 0], [1, 0], [0, 0]], [[0, 0], [1, 1], [0, 0]])]
    shares = tuple(np.where(of == 1, 0.9, 0.1) for of in sets[1:])
    rows = ComparedRows("validation", ("a", "b"), (), sets[0], tuple(sets[1:]), shares)
    found = disagreements(["A", "B"], rows, SplitTexts())
    assert [(row.number, row.groups) for row in found.rows] == [
        (0, ("A", ["a"], ["a"], ["none of the labels"])),
        (1, ("B", ["a", "b"], ["a"], ["a", "b"])),
    ]
    assert [answer.value for answer in found.rows[0].answers] == ["a", "a", "none"]
    assert [asked.choices for asked in found.filters] == [
        ["A", "B"],
        ["a", "b"],
        ["a"],
        ["a", "b", "none of the labels"],  # it can be asked for like any label
    ]
    named = disagreements(["A", "B"], replace(rows, labels=("none of the labels", "b")), SplitTexts())
    assert named.filters[-1].choices == ["none of the labels", "b", "(none of the labels)"]
    table = agreement(["A", "B"], rows)
    assert table is not None and table.rows == [("B", "1", "1", "1", "0", "0")]


@pytest.mark.usefixtures("undrawn")
def test_scores_the_farthest_apart_come_first(tmp_path: Path) -> None:
    given, *said = (column.tolist() for column in score_rows(40, seed=1))
    page = page_of([make_run(tmp_path / str(n), given, one, task="stsb") for n, one in enumerate(said)], tmp_path)
    apart = [float(found) for found in re.findall(r"([\d.]+) apart, [AB] is nearest", page)]
    assert len(apart) == 40 and apart == sorted(apart, reverse=True)
    assert apart[0] == pytest.approx(max(abs(a - b) for a, b in zip(*said, strict=True)), abs=0.006)
    assert "Right and wrong on the same rows" not in page and "Nearest to the true score" in page


@pytest.mark.usefixtures("undrawn")
def test_the_same_run_twice_and_a_broken_history(tmp_path: Path) -> None:
    run = make_run(tmp_path / "one", GIVEN, FIRST)
    page = page_of([run, run], tmp_path)
    assert "The runs disagree on 0 of 60 rows." in page and "Nothing that is recorded and can change" in page
    assert 'id="training"' not in page and "Differences</h3>" not in page
    (run / "history.jsonl").write_text("{")
    place = page_place(tmp_path / "other.html")
    notes = write_page(compare([run, run], resamples=50), place)
    assert [note.partition(":")[0] for note in notes[:2]] == ["A has no learning curves", "B has no learning curves"]


@pytest.mark.usefixtures("undrawn")
def test_a_collapsed_run_is_named_at_the_top(pair: list[Path], tmp_path: Path) -> None:
    collapse = {"kind": "one label", "step": 9, "epoch": 1, "metric": "accuracy", "value": 0.5, "last_step": 9}
    change_record(pair[1], collapse=collapse | {"sign": "one <b>answer", "result": True})
    head = page_of(pair, tmp_path).partition("<nav")[0]
    assert "B: one &lt;b&gt;answer; a run that has collapsed is no result." in head


def test_a_page_that_is_there_is_not_overwritten(pair: list[Path], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(ComparisonError, match="exists already"):
        page_place(tmp_path / "page.html")
    with pytest.raises(ComparisonError) as caught:
        page_place(tmp_path)
    assert caught.value.fix == f"name a file in it: --html {tmp_path / 'comparison.html'}"
