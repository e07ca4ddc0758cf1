"""Run folders in which anything may be wrong: every reader takes them, or refuses them in a sentence."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glueft.comparison.compare import compare, compare_runs
from glueft.comparison.report.write import write_page
from glueft.encoder.checkpoint_finder import find_checkpoint
from glueft.errors import GlueftError
from glueft.push.content import content_of, source_of
from glueft.report.write import write_report
from glueft.runs.history import last_step
from glueft.runs.run import Run
from glueft.runs.run_list import list_runs
from glueft.terminal.comparison_tables import tables
from glueft.terminal.progress import PlainProgress
from glueft.terminal.run_list_table import notes, run_table
from glueft.testing.tiny_bert import make_tiny_bert
from report_runs import make_table_run

VALUES: list[Any] = [
    None, True, 0, -1, 10**30, 1e308, float("nan"), float("inf"), "", "a\n\x1b[31m[/]", "9" * 5000, "\ud800",
    [], {}, [None], {"": None}, {"a": {"b": []}}, ["x"], [1, 2, 3],
]  # fmt: skip
ROWS = [(f"text {number}", f"other {number}", "ab"[number % 2]) for number in range(6)]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    run = make_table_run(folder, ROWS, ["a", "b"], [0, 1, 1, 1, 0, 0])
    shutil.rmtree(run / "model")
    make_tiny_bert(run / "model")
    config = json.loads((run / "model" / "config.json").read_text())
    config |= {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}
    (run / "model" / "config.json").write_text(json.dumps(config))
    record = json.loads((run / "run.json").read_text()) | {
        "versions": {"glueft": "0.1.0"}, "host": {"name": "x", "cpus": 2},
        "plugins": {"optimizer": "adam", "files": []},
        "examples_per_second": 1.5, "tokens_per_second": 9.0, "padding_waste": 0.1, "peak_memory_bytes": 10,
        "published": [{"model": "m", "metrics": {"accuracy": 0.9}, "source": "s", "split": None}],
        "metrics_by_split": {"validation": {"accuracy": 0.5}}, "warnings": ["a warning"],
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(record))
    return run


def readers(run: Path, good: Path) -> Iterator[Callable[[], object]]:
    def listed() -> None:
        progress, found = PlainProgress(io.StringIO()), list_runs(run.parent)
        assert len(found) == 2 and found[1].status == "done"  # the other run is listed whatever this one is
        progress.tables(run_table(found))
        for note in notes(found):
            progress.say(note)

    def compared() -> None:
        found = compare_runs([run, good], resamples=10)
        PlainProgress(io.StringIO()).tables(*tables(found))

    def pushed() -> None:
        content_of(source_of(Run.open(run)), "alice/x", None).sizes()

    def predicted() -> None:
        opened = Run.open(run)
        assert opened.sections and opened.labels and opened.task_description
        find_checkpoint(str(opened.model_folder))

    yield from (listed, compared, pushed, predicted)


def refuse_or_take(read: Callable[[], object]) -> None:
    try:
        read()
    except GlueftError as error:
        assert all((error.message, error.expected or "problem" in error.message, str(error).encode()))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def changed(value: Any, path: tuple[Any, ...], random_: random.Random) -> Any:
    """A copy with another value at a place, or without it."""
    value = copy.deepcopy(value)
    if not path:
        return random_.choice(VALUES)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if random_.random() < 0.25:
        del inner[path[-1]]
    else:
        inner[path[-1]] = random_.choice(VALUES)
    return value


@pytest.fixture
def run(good: Path, tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    shutil.copytree(good, tmp_path / "runs" / "b")
    return shutil.copytree(good, tmp_path / "runs" / "a")


@pytest.mark.parametrize("name", ["run.json", "model/config.json", "model/tokenizer_config.json"])
def test_any_value_may_be_another(run: Path, good: Path, name: str) -> None:
    random_ = random.Random(22)
    value = json.loads((run / name).read_text())
    paths = [*places(value)]
    for path in random_.sample(paths, min(len(paths), 40)):
        (run / name).write_text(json.dumps(changed(value, path, random_)))
        for read in readers(run, good):
            refuse_or_take(read)


@pytest.mark.usefixtures("undrawn")
def test_no_page_ends_in_a_traceback(run: Path, good: Path) -> None:
    def pages() -> Iterator[Callable[[], object]]:
        yield lambda: write_report(run, run / "page.html", force=True)
        yield lambda: write_page(compare([run, good], resamples=10), run / "page.html")

    random_ = random.Random(22)
    record = json.loads((run / "run.json").read_text())
    # Once: an accuracy that is no share, no longest row, and half of the speed.
    altered = [record | {"metrics": {"accuracy": 1e30}}, record | {"data": record["data"] | {"max_length": None}}]
    altered += [record | {"tokens_per_second": None}]
    altered += [changed(record, path, random_) for path in random_.sample([*places(record)], 8)]
    for other in altered:
        (run / "run.json").write_text(json.dumps(other))
        for page in pages():
            refuse_or_take(page)
    (run / "run.json").write_text(json.dumps(record))
    lines = (run / "history.jsonl").read_text().splitlines()
    for number, line in enumerate(lines):
        for path in places(json.loads(line)):
            entry = json.dumps(changed(json.loads(line), path, random_))
            (run / "history.jsonl").write_text("\n".join([*lines[:number], entry, *lines[number + 1 :]]) + "\n")
            refuse_or_take(Run.open(run).history)
    (run / "history.jsonl").write_text('{"kind": {}, "step": 4}\n')
    assert last_step(run / "history.jsonl") == 0


@pytest.mark.parametrize(
    "name", ["run.json", "history.jsonl", "recipe.toml", "predictions/validation.tsv", "model/config.json"]
)
def test_files_that_are_cut_off_damaged_or_none(run: Path, good: Path, name: str) -> None:
    content = (run / name).read_bytes()
    half = len(content) // 2
    between = content[:half] + b"\xff\0\x1b" + content[half:]
    for damaged in (b"", content[:half], between, content * 2, b"[" * 10_000, None, "/dev/zero", run / name):
        (run / name).unlink()
        if isinstance(damaged, bytes):
            (run / name).write_bytes(damaged)
        elif damaged is None:
            os.mkfifo(run / name)
        else:
            (run / name).symlink_to(damaged)
        for read in readers(run, good):
            refuse_or_take(read)
        refuse_or_take(lambda: Run.open(run).predictions("validation"))
        refuse_or_take(lambda: Run.open(run).history())


def test_any_key_of_the_record_may_be_missing_where_it_is_pushed(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    for key in (*record, *(f"data.{name}" for name in record["data"]), "data.splits.validation.sha256"):
        without = copy.deepcopy(record)
        *tables_, last = key.split(".")
        inner = without
        for name in tables_:
            inner = inner[name]
        del inner[last]
        (run / "run.json").write_text(json.dumps(without))
        refuse_or_take(lambda: content_of(source_of(Run.open(run)), "alice/x", None))


# What came into run.json later, from the newest to the oldest: earlier records have none of it.
LATER = [
    ["format", "metric_facts", "checkpoint.family"],
    ["task_description", "plugins.packages", "other_metrics", "other_metrics_by_split", "metric_labels"],
    ["warnings", "hub", "model", "process", "published", "baseline", "metrics_by_split", "data.notes", "plugins.files"],
    ["data.validation_split"],
]


@pytest.mark.parametrize("age", range(1, len(LATER) + 1))
def test_records_of_earlier_formats_serve_every_reader(run: Path, good: Path, age: int) -> None:
    record = json.loads((run / "run.json").read_text())
    for key in (key for keys in LATER[:age] for key in keys):
        table, _, last = key.rpartition(".")
        (record[table] if table else record).pop(last, None)
    (run / "run.json").write_text(json.dumps(record))
    for read in readers(run, good):
        read()
    opened = Run.open(run)
    assert opened.splits() == ("validation",) and len(opened.predictions("validation").ids) == len(ROWS)
    if age == len(LATER):
        assert write_report(run, run / "page.html").path.exists()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("value", ["{}", '"[/]"', "nan", "true"])
def test_a_recipe_that_cannot_be_used_is_reported_all_the_same(run: Path, value: str) -> None:
    recipe = run / "recipe.toml"
    lines = recipe.read_text().splitlines()
    changed_lines = [f"epochs = {value}" if line.startswith("epochs") else line for line in lines]
    assert changed_lines != lines
    recipe.write_text("\n".join(changed_lines))
    written = write_report(run, force=True)
    assert "The task table, trained with adam" in written.path.read_text("utf-8")
