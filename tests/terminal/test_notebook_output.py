"""What a notebook shows: one output of a cell, drawn anew, in which no text is obeyed as HTML."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glueft.inference.explanation import Explanation, Token, Word
from glueft.runs.record import Record
from glueft.studies.display.notebook import NotebookStudyProgress, study_progress_of
from glueft.studies.display.progress import StudyProgress
from glueft.system.console import PlainConsole, Table, for_notebook
from glueft.terminal.notebook import (
    Content,
    ExplainedRow,
    NotebookOutput,
    NotebookProgress,
    PredictionInNotebook,
    counted_rows,
    in_notebook,
    pause,
    progress_of,
)
from glueft.terminal.progress import PlainProgress
from glueft.training.observers import EpochReport, RunProgress, StepReport, Training
from glueft.training.step_times import StepTimes
from study_results import recipe_result, study_result, study_run

HOSTILE = "<script>alert(1)</script> \x1b[31m"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as the kernel of a notebook."""
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)


def test_elsewhere_a_run_is_shown_on_request() -> None:
    assert not in_notebook()
    own = RunProgress()
    assert progress_of(own) is own
    assert type(progress_of(None)) is type(progress_of(False)) is RunProgress
    assert isinstance(progress_of(True), PlainProgress)
    assert type(study_progress_of(None)) is StudyProgress
    assert type(study_progress_of(True)) is not StudyProgress


def test_in_a_notebook_it_is_shown_unless_told_otherwise(kernel: None) -> None:
    assert isinstance(progress_of(None), NotebookProgress)
    assert type(progress_of(False)) is RunProgress
    assert isinstance(study_progress_of(None), NotebookStudyProgress)
    assert not PlainConsole(io.StringIO()).is_jupyter, "it would display each table a second time"


def test_a_long_prediction_shows_how_far_it_is_and_nothing_afterwards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[dict[str, str]] = []
    seconds = iter([0.0, 0.1, 2.0, 2.1])
    monkeypatch.setattr("glueft.terminal.notebook.time.perf_counter", lambda: next(seconds))
    shown = PredictionInNotebook(NotebookOutput(drawn.append), 1000)
    shown.rows(50)
    assert not drawn, "a short one shows nothing"
    shown.rows(150)
    shown.rows(50)
    (content,) = drawn
    assert "200/1,000 100 rows/s, 0:08 left" in content["text/plain"]
    shown.end()
    assert drawn[-1]["text/plain"] == ""
    monkeypatch.undo()
    with counted_rows(None, 8) as count:
        assert count is None, "no notebook"
    with counted_rows(True, 8) as count:
        assert count is not None
        count(8)
    assert capsys.readouterr().out == ""


def test_the_words_of_an_explanation_are_in_colour_and_obeyed_as_nothing() -> None:
    words = [Word("<b>good</b>", 0, 0, 11, 0.75), Word("film", 0, 12, 16, -0.25)]
    tokens = [Token("[CLS]", 0.0, 0), Token("good", 0.75, 0), Token("film", -0.25, 0)]
    found = Explanation(("<b>good</b> film",), "positive", 0.5, 0.0, 0.0, 32, tokens, words, False)
    row = ExplainedRow({"label": "positive"}, found, ["sentence"], [HOSTILE])
    page = row._repr_html_()
    assert '<span style="color: #008000' in page and '<span style="color: #800000' in page
    assert "&lt;b&gt;good&lt;/b&gt;" in page and "<b>" not in page and "<script>" not in page
    assert repr(row) == "<explanation of positive: 0.0000 with blanks, 0.5000 with the words>"
    assert row.words.values.tolist() == [["<b>good</b>", 0.75, "sentence", 0, 11], ["film", -0.25, "sentence", 12, 16]]
    assert row.tokens["score"].tolist() == [0.0, 0.75, -0.25]
    assert row["explanation"] == found.as_record()


def test_a_run_goes_on_in_one_output() -> None:
    drawn: list[dict[str, str]] = []
    progress = NotebookProgress(NotebookOutput(drawn.append))
    with progress.phase("rows of mrpc"):
        assert drawn[-1]["text/plain"] == "rows of mrpc ...\n"
    progress.say(HOSTILE)
    session: Any = SimpleNamespace(
        batches=SimpleNamespace(epochs=2, num_train_steps=20),
        metric_labels={"f1": "equivalent"},
        evaluated=np.ones(2, bool),
    )
    training = Training(session, [], StepTimes(by_shape=False))
    progress.begin(training)
    assert "epoch 1/2" in drawn[-1]["text/plain"] and " 0/20 " in drawn[-1]["text/plain"]
    training.step = 10
    progress.step(StepReport(step=10, loss=0.69, examples=80, seconds=2.0, rate=lambda step: 4.9e-5))
    assert " 10/20 " in drawn[-1]["text/plain"] and "loss 0.6900" in drawn[-1]["text/plain"]
    metrics = {"accuracy": 0.8, "f1": 0.87}
    training.epochs.append(
        EpochReport(epoch=1, step=10, loss=0.55, validation_loss=0.45, metrics=metrics, seconds=61.0)
    )
    progress.epoch(training.epochs[0])
    for part in ("f1 of equivalent", "0.8700", "epoch 2/2"):
        assert part in drawn[-1]["text/plain"]
    progress.end(None)
    assert "epoch 2/2" not in drawn[-1]["text/plain"], "no bar stays"
    progress.finished(RECORD)
    page = drawn[-1]["text/html"]
    assert page.startswith("<pre ") and page.endswith("</pre>")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31m" in page
    for part in ("accuracy", "0.8578", "0.6838", "runs/mrpc-1"):
        assert part in page


def test_a_long_run_is_drawn_more_and_more_rarely() -> None:
    assert [pause(seconds) for seconds in (0, 20, 600, 36_000)] == [0.5, 0.5, 6, 30]


def test_a_run_tells_how_it_goes_on_in_python() -> None:
    drawn: list[dict[str, str]] = []
    NotebookProgress(NotebookOutput(drawn.append)).say("interrupted; to go on: glueft resume runs/a-1")
    assert 'glueft.resume("runs/a-1")' in drawn[-1]["text/plain"]


def test_a_study_goes_on_in_one_output() -> None:
    drawn: list[dict[str, str]] = []
    progress = NotebookStudyProgress(NotebookOutput(drawn.append))
    waiting = study_result(recipe_result("rte", [study_run("rte", 1, state="waiting", folder=None)]))
    progress.begin(waiting)
    progress.say(HOSTILE)
    progress.end(study_result(recipe_result("rte", [study_run("rte", 1, 0.6)])))
    page = drawn[-1]["text/html"]
    assert "&lt;script&gt;" in page and "1 run: 1 done" in page and "0.6000" in page


def test_content_is_a_dict_that_shows_itself_as_tables() -> None:
    def draw(content: dict[str, Any]) -> list[Any]:
        table = Table(title=content["text"])
        table.add_column("key")
        table.add_row(content["text"])
        return [content["text"], table]

    content = Content({"text": HOSTILE}, f"plan of {HOSTILE}", draw)
    assert content == {"text": HOSTILE}
    assert repr(content) == "<plan of <script>alert(1)</script> \\x1b[31m>"
    assert content._repr_html_().count("&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31m") == 3
    assert str(content).count("<script>alert(1)</script> \\x1b[31m") == 3


def test_tables_stand_apart() -> None:
    table = Table(box=None)
    table.add_column("key")
    lines = [line.strip() for line in for_notebook("one", "two", table, "three")["text/plain"].splitlines()]
    assert lines == ["one", "two", "", "key", "", "three"]


RECORD = Record.model_validate(
    {
        "status": "done",
        "task": "mrpc",
        "seed": 42,
        "started": "2026-01-02T03:04:05+00:00",
        "data": {"validation_split": "validation", "splits": {"validation": {"rows": 408}}},
        "metrics": {"accuracy": 0.8578, "f1": 0.8999},
        "baseline": {"accuracy": 0.6838, "f1": 0.8122},
        "run_dir": "/somewhere/runs/mrpc-1",
    }
)
