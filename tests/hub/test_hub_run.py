"""`glueft run` with rows and checkpoint from the hub: over HTTP, and again from the cache when the hub is away."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hub_fixtures import LABELS, Worker, worker
from hub_server import running_hub

ROWS = {
    "sentence1": ["The bridge was widened.", "It rained all day.", "Wheat fell by two per cent.", "They played well."],
    "sentence2": ["They widened the bridge.", "The sun shone.", "The price of wheat fell.", "The film was dull."],
    "label": [1, 0, 1, 0],
    "idx": [0, 1, 2, 3],
}


def run_mrpc(asked: Worker, checkpoint: str) -> dict[str, Any]:
    arguments = ["run", "mrpc", "--checkpoint", checkpoint, "--json", "--set", "training.epochs=1"]
    return asked("command", arguments=arguments)


@pytest.mark.slow  # two trainings in a process that imports the backend
def test_a_run_from_the_hub_and_again_without_it(tiny_bert: Path, tmp_path: Path) -> None:
    """In one process: that another one finds what is in the cache is seen in test_hub_offline.py."""
    with ExitStack() as ended:
        with running_hub() as hub:
            splits = {"train": ROWS, "validation": ROWS, "test": ROWS}
            revision = hub.add_dataset("nyu-mll/glue", "mrpc", splits, LABELS)
            commit = hub.add_model("tiny/bert", tiny_bert)
            asked = ended.enter_context(worker(hub, tmp_path / "home", tmp_path))
            online = run_mrpc(asked, "tiny/bert")
        assert online["code"] == 0, online["err"]
        record = json.loads(online["out"])
        assert record["data"]["revision"] == revision
        assert record["data"]["read_from"] == "hub"
        assert record["checkpoint"]["revision"] == commit
        assert record["num_train_steps"] == 1

        offline = run_mrpc(asked, "tiny/bert")
    assert offline["code"] == 0, offline["err"]
    again = json.loads(offline["out"])
    assert again["data"]["read_from"] == "cache"
    assert again["metrics"] == record["metrics"]
    assert again["checkpoint"] == record["checkpoint"]
    assert again["data"]["splits"] == record["data"]["splits"]


def test_without_hub_and_cache_it_says_what_works_offline(tmp_path: Path) -> None:
    with worker("http://127.0.0.1:9", tmp_path / "home", tmp_path) as asked:
        failed = run_mrpc(asked, "google-bert/bert-base-uncased")
    assert failed["code"] == 2
    assert failed["out"] == ""
    assert "Traceback" not in failed["err"]
    for way in ("--sample", "--data-dir", "--checkpoint"):
        assert way in failed["err"]
    assert not any((tmp_path / "runs").iterdir())
