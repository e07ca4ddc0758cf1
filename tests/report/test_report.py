"""The page of a report, read as text: what it says of runs of every kind, and what it does without."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from glueft.errors import RunFolderError
from glueft.page.curves import Curves
from glueft.page.plot import style
from glueft.report.results import results
from glueft.report.training_plots import loss_plot
from glueft.report.write import write_report
from glueft.runs.checkpoints import checkpoint_folder
from glueft.runs.record import Record
from glueft.system.process_identity import process_identity
from page_structure import Structure
from report_runs import change_record, make_table_run

ROWS = [("good day", "hello", "yes"), ("bad day", "again", "no"), ("fine day", "so", "yes"), ("rain", "sun", "no")]


def page_of(run: Path, **options: object) -> str:
    return write_report(run, run.parent / "page.html", force=True, **options).path.read_text("utf-8")  # type: ignore[arg-type]


@pytest.fixture
def table_run(tmp_path: Path) -> Path:
    return make_table_run(tmp_path, ROWS, ("no", "yes"), [1, 1, 0, 0])


def test_a_real_run(finished_run: Path, tmp_path: Path) -> None:
    written = write_report(finished_run / "model", tmp_path / "page.html")
    record = json.loads((finished_run / "run.json").read_text())
    assert (written.status, written.texts, written.notes) == ("done", {"validation": True}, [])
    page = written.path.read_text("utf-8")
    for metric, value in record["metrics"].items():
        shown = "f1 of equivalent" if metric == "f1" else metric
        assert f'<dt>{shown}</dt><dd class="value">{value:.4f}</dd>' in page
        assert f"<td>{record['baseline'][metric]:.4f}</td>" in page
    assert (finished_run / "recipe.toml").read_text() in html.unescape(page)
    assert "Published scores are left out" in page and "bert-base-cased" not in page
    for title in ("Loss", "Validation metrics", "Learning rate", "Confusion matrix", "Confidence", "Calibration"):
        assert f"{title}</h3>" in page
    for title in ("Token lengths", "Seconds by phase"):
        assert f"{title}</h3>" in page
    assert "the sample that ships with the task" in page and "data-texts" in page
    structure = Structure(page)
    assert len(structure.ids) == len(set(structure.ids)), "an id occurs twice"
    assert set(structure.references) <= set(structure.ids), "a reference leads nowhere"
    assert "#0000" not in page, "a colour was not turned into one of the page's"
    addresses = set(re.findall(r"https?://[^\"' ]+", page)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert page.startswith("<!doctype html>") and addresses == set()


def test_a_regression(finished_regression_run: Path) -> None:
    written = write_report(finished_regression_run)
    assert written.path == finished_regression_run / "report.html"
    page = written.path.read_text("utf-8")
    written.path.unlink()
    assert "Predicted against true score</h3>" in page and "Confusion" not in page
    assert "Rows, the farthest from the true score first" in page and "too low" in page


def test_several_splits_and_a_table_of_many_labels(tmp_path: Path) -> None:
    labels = [f"kind {number}" for number in range(30)]
    rows = [(f"text {number}", "more", labels[number]) for number in range(30)]
    run = make_table_run(tmp_path, rows, labels, [(number + 1) % 30 for number in range(30)])
    record = json.loads((run / "run.json").read_text())
    described = record["data"]["splits"]
    change_record(
        run,
        data=record["data"] | {"splits": described | {"test": described["validation"]}},
        metrics_by_split={"validation": {"accuracy": 0.0}, "test": {"accuracy": 0.25}},
        published=[{"model": "other", "metrics": {"accuracy": 0.75}, "source": "a book", "split": "test"}],
    )
    shutil.copy(run / "predictions" / "validation.tsv", run / "predictions" / "test.tsv")
    page = page_of(run)
    assert '<h2 id="split-1-heading">Predictions: validation</h2>' in page
    assert '<h2 id="split-2-heading">Predictions: test</h2>' in page
    assert "Precision and recall</h3>" not in page and "validation: label by label" in page
    assert "30 labels are too many to draw" in page and "kind 3 taken for kind 4" in page
    assert '<th scope="row">accuracy (test)</th><td>0.2500</td><td>–</td><td>0.7500</td>' in page  # noqa: RUF001
    assert "Published: other in a book." in page
    assert len(Structure(page).ids) == len(set(Structure(page).ids))


@pytest.mark.usefixtures("undrawn")
def test_rows_without_labels(tmp_path: Path) -> None:
    page = page_of(make_table_run(tmp_path, ROWS, ("no", "yes"), [1, 1, 0, 0], unlabelled=True))
    assert "4 rows, without labels." in page and "Confidence</h3>" in page
    assert "Confusion" not in page and "calibration error" not in page and "data-rows" not in page.split("<script>")[0]


@pytest.mark.usefixtures("undrawn")
def test_rows_that_stand_in_train_too(tmp_path: Path) -> None:
    run = make_table_run(tmp_path, ROWS, ("no", "yes"), [1, 1, 0, 0])
    splits = {"train": {"rows": 8, "sha256": "b", "dropped": 3}, "validation": {"rows": 4, "sha256": "a"}}
    leaks = {"validation": {"rows": 2, "exact": 1, "first": [0, 3]}}
    data = json.loads((run / "run.json").read_text())["data"]
    change_record(run, data=data | {"source": "files", "splits": splits, "leaks": leaks})
    page = page_of(run)
    assert "4 rows; 2 of them found in train (1 exactly); SHA-256 a" in page
    assert "8 rows, 3 rows dropped (data.leaks); SHA-256 b" in page


@pytest.mark.usefixtures("undrawn")
def test_a_label_does_not_turn_the_sentence_that_names_it(tmp_path: Path) -> None:
    labels = ("\u202eon", "yes\u2066")
    rows = [(first, second, {"no": labels[0], "yes": labels[1]}[label]) for first, second, label in ROWS]
    page = page_of(make_table_run(tmp_path, rows, labels, [1, 1, 0, 0]))
    assert "\ufffdon taken for yes\ufffd" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.partition('id="recipe"')[0])


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_mistakes(tmp_path: Path) -> None:
    page = page_of(make_table_run(tmp_path, ROWS, ("no", "yes"), [1, 0, 1, 0]))
    assert "a difference that 4 rows cannot tell from none" in page
    assert "None of 4 rows is wrong. Listed are all 4 right, the least sure first." in page
    assert "4 of 4 rows are on the diagonal, where the prediction is right. A cell leads" in page
    assert "The commonest mistake" not in page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: None, None),
        (lambda data: data.write_text(data.read_text().replace("bad day", "bad days")), "their SHA-256 differs"),
        (lambda data: data.unlink(), "the rows cannot be read"),
        (lambda data: data.write_bytes(b"\x00\xff\x00"), "the rows cannot be read"),
    ],
)
def test_texts_are_shown_of_the_very_rows_only(
    table_run: Path, spoil: Callable[[Path], None], reason: str | None
) -> None:
    spoil(table_run.parent / "rows.csv")
    written = write_report(table_run)
    page = written.path.read_text("utf-8")
    assert '<span class="row">row 1</span>' in page, "the rows themselves are listed in any case"
    assert written.texts == {"validation": reason is None}
    if reason is None:
        assert "bad day" in page and "Their texts are not shown" not in page
        return
    assert "bad day" not in page and f"Their texts are not shown: the rows {reason.removeprefix('the rows ')}" in (
        page.replace("the rows that are there now are not those of the run: their", "the rows their")
    )
    assert reason in written.notes[0]


@pytest.mark.usefixtures("undrawn")
def test_intervals_and_baselines_of_every_split(table_run: Path) -> None:
    record = json.loads((table_run / "run.json").read_text())
    splits = record["data"]["splits"]
    change_record(
        table_run,
        data=record["data"] | {"splits": splits | {"test": splits["validation"]}},
        metrics_by_split={"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.25}},
        baseline_by_split={"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.75}},
    )
    # Of a run from before there were intervals: those of a share have a formula.
    assert "95 % interval 0.1500 to 0.8500 (Wilson, 4 rows)" in page_of(table_run)
    change_record(table_run, intervals={"validation": {"accuracy": [0.125, 0.875]}})
    page = page_of(table_run)
    assert "<dd>95 % interval 0.1250 to 0.8750</dd>" in page and "Wilson, 4 rows" not in page
    assert "<dd>the same as always the same answer</dd>" in page
    dash = "\N{EN DASH}"
    assert "accuracy (validation)</th><td>0.5000</td><td>0.1250 to 0.8750</td><td>0.5000</td>" in page
    assert f"accuracy (test)</th><td>0.2500</td><td>{dash}</td><td>0.7500</td>" in page


@pytest.mark.usefixtures("undrawn")
def test_a_model_at_chance_is_not_called_as_sure_as_it_should_be(tmp_path: Path) -> None:
    rows = [(f"text {number}", "more", "yes" if number % 2 else "no") for number in range(40)]
    page = page_of(make_table_run(tmp_path, rows, ("no", "yes"), [number // 20 for number in range(40)]))
    assert "not clearly more than always the commonest answer of these rows would be (50.0 %)" in page
    assert "sure as it should be" not in page and "sure than it should be" not in page


@pytest.mark.usefixtures("undrawn")
def test_two_labels_have_curves_over_thresholds_and_any_a_table(tmp_path: Path) -> None:
    rows = [(f"text {number}", "word " * (number + 1), "ab"[number % 2]) for number in range(30)]
    page = page_of(make_table_run(tmp_path, rows, ("a", "b"), [number // 15 for number in range(30)]))
    for title in ("Precision and recall", "Threshold", "By label", "By length"):
        assert f"{title}</h3>" in page
    assert "validation: label by label" in page and "A row gets b from the threshold on, 0.5 in this run." in page
    change_record(
        tmp_path / "run", decision={"temperature": 1.0, "threshold": 0.25, "label": "a", "tuned": ["threshold"]}
    )
    page = page_of(tmp_path / "run")
    assert "A row gets a from the threshold on, 0.25 in this run." in page
    assert "During the training labels were decided plainly; the result is at the tuned threshold." in page


def test_a_metric_is_better_or_worse_than_always_the_same_answer() -> None:
    split = {"rows": 9, "sha256": "0" * 64}
    values: dict[str, object] = {
        "status": "done", "task": "mine", "seed": 1, "started": "2026-01-31T12:00:00+00:00", "run_dir": "/mine",
        "metrics": {"accuracy": 0.7, "pearson": -0.25, "mae": 1.5},
        "baseline": {"accuracy": 0.675, "pearson": 0.0, "mae": 2.0},
        "intervals": {"validation": {"accuracy": [0.65, 0.75], "pearson": [-0.5, 0.0], "mae": [1.0, 1.75]}},
        "data": {"validation_split": "validation", "splits": {"validation": split}},
    }  # fmt: skip
    record = Record.model_validate(values)
    than = "than always the same answer"
    assert [tile.notes[0] for tile in results(record).tiles] == [
        f"0.0250 better {than}, whose 0.6750 lies in the interval",
        f"0.2500 worse {than}, whose 0.0000 lies in the interval",
        f"0.5000 better {than}",
    ]


def test_the_loss_axis_fits_the_data() -> None:
    """A first point far above all others does not flatten them, and a loss that stays high does not begin at 0."""
    with style():
        plot = loss_plot(Curves(loss=[(1, 500.0), *((step, 5 + step / 100) for step in range(2, 101))]))
    assert "1 point lies above the drawing." in plot.caption
    assert "training, each point" in plot.svg and "mean of 10 points" in plot.svg
    ticks = [float(text) for text in re.findall(r">(\d+(?:\.\d+)?)</text>", plot.svg)]
    # Steps from 0 to 100, losses from 5; the smoothed line is high for ten points, and drawn but for two of them.
    assert 100 in ticks and 0 in ticks and max(ticks) < 200


@pytest.mark.usefixtures("undrawn")
def test_rows_from_another_folder(finished_run: Path, tmp_path: Path) -> None:
    from glueft_tasks import mrpc

    samples = Path(mrpc.__file__).parent / "samples"
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('source = "sample"', 'source = "folder"\nfolder = "/nowhere/at/all"'))
    assert write_report(run).texts == {"validation": False}
    assert write_report(run, data_dir=samples, force=True).texts == {"validation": True}


@pytest.mark.usefixtures("undrawn")
def test_a_hub_run_reads_the_cache_and_opens_no_connection(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('source = "sample"', 'source = "hub"'))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    written = write_report(run)
    assert written.texts == {"validation": False} and "nyu-mll/glue" in written.notes[0]


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_failed_in_mid_training(table_run: Path) -> None:
    shutil.rmtree(table_run / "model")
    shutil.rmtree(table_run / "predictions")
    change_record(
        table_run, status="failed", metrics={}, seconds={"setup": 1.0, "total": 2.0}, error="loss is NaN\n  <b>"
    )
    page = page_of(table_run)
    assert "The run came to step 4 of 4 and failed: loss is NaN\n  &lt;b&gt;" in page
    assert "There is no result" in page and "Loss</h3>" in page and "Confusion" not in page


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_was_killed_before_its_first_step(table_run: Path) -> None:
    for name in ("model", "predictions"):
        shutil.rmtree(table_run / name)
    (table_run / "history.jsonl").unlink()
    gone = dict.fromkeys(("data", "checkpoint", "engine", "baseline", "published", "parameters", "num_train_steps"))
    change_record(table_run, status="running", metrics={}, epochs=[], seconds={}, **gone)
    page = page_of(table_run)
    assert "still running, or it was killed. It has come to no step" in page and "Loss</h3>" not in page
    if "start_ticks" in process_identity():
        change_record(table_run, process=process_identity() | {"start_ticks": 1})
        page = page_of(table_run)
        assert "The run has died: its process is gone, killed or out of memory. It came to no step" in page


@pytest.mark.usefixtures("undrawn")
def test_a_broken_line_of_an_interrupted_run_is_a_note(table_run: Path) -> None:
    change_record(table_run, status="interrupted")
    with (table_run / "history.jsonl").open("a") as history:
        history.write('{"kind": "st')
    written = write_report(table_run)
    assert "line 5 cannot be read" in written.notes[0]
    page = written.path.read_text("utf-8")
    assert "The run was interrupted; it came to step 4 of 4." in page and "is saved" not in page
    checkpoint_folder(table_run, 3).mkdir(parents=True)
    page = page_of(table_run)
    assert "it came to step 4 of 4. Step 3 is saved: glueft resume goes on from there." in page


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "history.jsonl").unlink(), "history.jsonl: it cannot be read"),
        (lambda run: (run / "recipe.toml").unlink(), "recipe.toml: it cannot be read"),
        (lambda run: shutil.rmtree(run / "predictions"), "validation.tsv: there is no such file"),
        (lambda run: (run / "predictions" / "validation.tsv").write_text("id\tlabel"), "it is cut off"),
        (lambda run: (run / "run.json").write_text("{"), "run.json: it is cut off"),
    ],
)
def test_a_broken_folder_of_a_finished_run_is_refused(
    table_run: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(table_run)
    with pytest.raises(RunFolderError) as caught:
        write_report(table_run)
    assert message in caught.value.message
    assert not list(table_run.glob("*report*")), "nothing is left behind"


@pytest.mark.usefixtures("undrawn")
def test_what_a_record_does_not_have_is_left_out_and_the_machine_that_computed(table_run: Path) -> None:
    machine = {"processor": "Abacus 9", "intra_op_threads": 2, "device": "CPU"}
    change_record(table_run, fingerprints={"machine": machine})
    page = page_of(table_run)
    assert '<th scope="row">parameters</th>' in page and "Abacus 9, 2 threads, computed on CPU" in page
    unknown = {"machine": machine | {"intra_op_threads": None}}
    change_record(table_run, parameters=None, num_train_steps=None, host=None, fingerprints=unknown)
    page = write_report(table_run, force=True).path.read_text("utf-8")
    assert '<th scope="row">parameters</th>' not in page and '<th scope="row">checkpoint</th>' in page
    assert "Abacus" not in page


@pytest.mark.usefixtures("undrawn")
def test_the_most_memory_of_the_process_and_of_a_gpu(table_run: Path) -> None:
    change_record(table_run, peak_memory_bytes=2**30)
    assert "The process held at most 1.0 GiB of memory.</p>" in page_of(table_run)
    change_record(table_run, peak_device_memory_bytes=3 * 2**30)
    assert "The process held at most 1.0 GiB of memory, and 3.0 GiB of a GPU's.</p>" in page_of(table_run)


def test_what_is_there_is_not_overwritten(table_run: Path, tmp_path: Path) -> None:
    path = write_report(table_run).path
    before = path.read_bytes()
    with pytest.raises(RunFolderError, match="exists already"):
        write_report(table_run)
    assert write_report(table_run, force=True).path.read_bytes() == before, "the same run gives the same page"
    for output, message in ((tmp_path, "is a folder"), (tmp_path / "none" / "page.html", "there is no folder")):
        with pytest.raises(RunFolderError, match=message):
            write_report(table_run, output)
