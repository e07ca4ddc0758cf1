"""The first-party tasks say what GLUE says, and nothing heavy is imported to say it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from glueft.plugin import Task
from glueft.registry import load_registry

ROOT = Path(__file__).parent.parent.parent
ALL = [plugin.cls for plugin in load_registry().all("task")]
# A task that reads its own files has no rows of the benchmark.
TASKS = [task for task in ALL if issubclass(task, Task) and not task.reads_own_files]


def test_mrpc() -> None:
    task = load_registry().find("task", "mrpc").cls
    assert issubclass(task, Task)
    assert (task.inputs, task.labels, task.metrics) == (
        ("sentence1", "sentence2"),
        ("not_equivalent", "equivalent"),
        ("accuracy", "f1"),
    )
    assert task.hub and (task.hub.path, task.hub.config) == ("nyu-mll/glue", "mrpc")
    assert task.tsv and task.tsv.folder == "MRPC"
    assert task.tsv.columns == {"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"}


def test_sst2() -> None:
    task = load_registry().find("task", "sst2").cls
    assert issubclass(task, Task)
    assert (task.inputs, task.labels, task.metrics) == (("sentence",), ("negative", "positive"), ("accuracy",))
    assert task.hub and (task.hub.path, task.hub.config) == ("nyu-mll/glue", "sst2")
    assert task.tsv and (task.tsv.folder, task.tsv.columns) == ("SST-2", {"sentence": "sentence", "label": "label"})


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_ships_its_sample_with_the_columns_of_its_layout(task: type[Task]) -> None:
    assert task.tsv and task.sample
    folder = Path(sys.modules[task.__module__].__file__ or "").parent / task.sample / task.tsv.folder
    for file in ("train.tsv", "dev.tsv"):
        header = (folder / file).read_text(encoding="utf-8").splitlines()[0].split("\t")
        assert set(task.tsv.columns.values()) <= set(header)


def test_importing_the_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys, glueft_tasks, glueft_optimizers, glueft_schedules, glueft.recipe, glueft.registry\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'datasets', 'transformers', 'evaluate', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["glueft_tasks", "glueft_optimizers", "glueft_schedules"])
def test_first_party_plugins_use_only_the_public_door(name: str) -> None:
    files = sorted((ROOT / "plugins" / name).glob("*.py"))
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "from glueft." not in text and "import glueft." not in text, file
