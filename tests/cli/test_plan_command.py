"""`glueft plan` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glueft.cli.main import command_line

FAST = ["--set", "training.epochs=1", "--set", "data.limit_train=32", "--set", "data.limit_validation=16"]
Captured = pytest.CaptureFixture[str]


def test_json_is_one_object_on_stdout_and_progress_goes_to_stderr(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["plan", "mrpc", "--sample", "--checkpoint", str(tiny_bert), "--json", *FAST]
    assert command_line(arguments, begin=time.perf_counter() - 1000) == 0
    told = capsys.readouterr()
    plan = json.loads(told.out)
    assert told.out.count("\n") == 1
    assert set(plan) == {
        "task", "recipe", "seed", "checkpoint", "data", "epochs", "batch_size", "gradient_accumulation_steps",
        "steps_per_epoch", "num_train_steps", "evaluations", "warmup_steps", "learning_rate", "batches",
        "train_tokens", "padding_waste", "engine", "parameters", "trainable_parameters", "estimate", "warnings", "disk",
        "resume", "distillation",
    }  # fmt: skip
    assert plan["num_train_steps"] == 4
    assert plan["resume"] == {"exact": True, "reasons": []}
    # The clock begins where the command line says: with the process.
    assert plan["estimate"]["seconds"]["setup"] > 1000
    assert plan["estimate"]["seconds"]["train"] < 1000
    assert "probe of a few steps" in told.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_probe_keras_stays_out(tiny_bert: Path, tmp_path: Path) -> None:
    arguments = ["plan", "sst2", "--sample", "--checkpoint", str(tiny_bert), "--no-probe", *FAST]
    code = (
        "import sys; from glueft.cli.main import command_line\n"
        f"code = command_line({arguments!r})\n"
        "print('HEAVY', sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)), code)"
    )
    # The backend is known all the same: JAX compiles every width, and so there are few.
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "HEAVY [] 0"
    assert done.stderr == ""
    assert any(line.startswith("backend         jax: KERAS_BACKEND says so") for line in lines)
    assert any(line.startswith("shapes          1 ") for line in lines)
    assert "estimate" not in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sample", "--set", "training.epoch=1"], "training.epoch (--set training.epoch=1)"),
        (["--data-dir", "nowhere"], "nowhere does not hold the task's files"),
        (["--sample", "--checkpoint", "./nowhere"], "there is no such checkpoint folder"),
        (["--sample", "--set", 'data.predict=["test"]'], "data.predict names the test split"),
        (["--smaple"], "No such option: --smaple"),
    ],
)
def test_what_the_user_can_fix_ends_with_2(
    arguments: list[str],
    words: str,
    tiny_bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = [] if "--checkpoint" in arguments else ["--checkpoint", str(tiny_bert)]
    assert command_line(["plan", "mrpc", *checkpoint, *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_that_does_not_fit_the_run(tiny_bert: Path, capsys: Captured) -> None:
    arguments = ["--sample", "--checkpoint", str(tiny_bert), "--no-probe", *FAST]
    changes = ["--set", "schedule.plugin=linear", "--set", "schedule.warmup_steps=5"]
    assert command_line(["plan", "mrpc", *arguments, *changes]) == 2
    assert "at most 4 warm-up steps" in capsys.readouterr().err


def test_a_planted_leak_is_told_dropped_or_refused(tiny_bert: Path, tmp_path: Path, capsys: Captured) -> None:
    rows = {"train": ["good", "bad", "fine", "poor", "well"], "dev": ["very good", "Poor "]}
    for name, texts in rows.items():
        lines = [f"{text},{'ab'[place % 2]}" for place, text in enumerate(texts)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    files = f'train="{tmp_path}/train.csv", validation="{tmp_path}/dev.csv"'
    table = f'task={{plugin="table", {files}, text="text", label="label"}}'
    arguments = ["plan", "table", "--checkpoint", str(tiny_bert), "--no-probe", "--set", table]
    assert command_line([*arguments, "--json"]) == 0
    told = capsys.readouterr()
    plan = json.loads(told.out)
    assert plan["data"]["leaks"] == {"validation": {"rows": 1, "exact": 0, "first": [1]}}
    warning = "1 of the 2 validation rows (50.0%) has the text of a training row (0 exactly, 1 but for case and white"
    assert any(line.startswith(warning) for line in plan["warnings"]) and warning in told.err
    assert command_line([*arguments, "--set", "data.leaks=drop"]) == 0
    told = capsys.readouterr()
    assert "1 train row dropped (data.leaks): 1 of the 2 validation rows" in told.out
    assert "found in train" in told.out
    labels = told.out.partition("rows of each label\n")[2].splitlines()
    assert [line.split() for line in labels[:4]] == [
        ["label", "train", "validation"],
        ["a", "3", "(75.0", "%)", "1", "(50.0", "%)"],
        ["b", "1", "(25.0", "%)", "1", "(50.0", "%)"],
        ["majority", "a", "a"],
    ]
    assert command_line([*arguments, "--set", "data.leaks=error"]) == 2
    assert "stand among the training rows" in capsys.readouterr().err
