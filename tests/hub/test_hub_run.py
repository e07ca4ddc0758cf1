"""`glueft run` with rows and checkpoint from the hub: over HTTP, and again from the cache when the hub is away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from hub_fixtures import LABELS
from hub_server import running_hub

ROWS = {
    "sentence1": ["The bridge was widened.", "It rained all day.", "Wheat fell by two per cent.", "They played well."],
    "sentence2": ["They widened the bridge.", "The sun shone.", "The price of wheat fell.", "The film was dull."],
    "label": [1, 0, 1, 0],
    "idx": [0, 1, 2, 3],
}


def run_mrpc(folder: Path, endpoint: str, checkpoint: str) -> subprocess.CompletedProcess[str]:
    foreign = re.compile(r"HF_|HUGGING|TRANSFORMERS_|.*PROXY$", re.IGNORECASE)
    environment = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home")}
    arguments = ["run", "mrpc", "--checkpoint", checkpoint, "--json", "--set", "training.epochs=1"]
    command = [sys.executable, "-m", "glueft.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_a_run_from_the_hub_and_again_without_it(tiny_bert: Path, tmp_path: Path) -> None:
    with running_hub() as hub:
        revision = hub.add_dataset("nyu-mll/glue", "mrpc", {"train": ROWS, "validation": ROWS, "test": ROWS}, LABELS)
        commit = hub.add_model("tiny/bert", tiny_bert)
        url = hub.url
        online = run_mrpc(tmp_path, url, "tiny/bert")
    assert online.returncode == 0, online.stderr
    record = json.loads(online.stdout)
    assert record["data"]["revision"] == revision
    assert record["data"]["read_from"] == "hub"
    assert record["checkpoint"]["revision"] == commit
    assert record["num_train_steps"] == 1

    offline = run_mrpc(tmp_path, url, "tiny/bert")
    assert offline.returncode == 0, offline.stderr
    again = json.loads(offline.stdout)
    assert again["data"]["read_from"] == "cache"
    assert again["metrics"] == record["metrics"]
    assert again["checkpoint"] == record["checkpoint"]
    assert again["data"]["splits"] == record["data"]["splits"]


def test_without_hub_and_cache_it_says_what_works_offline(tmp_path: Path) -> None:
    failed = run_mrpc(tmp_path, "http://127.0.0.1:9", "google-bert/bert-base-uncased")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "Traceback" not in failed.stderr
    for way in ("--sample", "--data-dir", "--checkpoint"):
        assert way in failed.stderr
    assert not any((tmp_path / "runs").iterdir())
