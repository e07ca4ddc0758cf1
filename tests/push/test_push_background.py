"""Runs that push themselves: what arrives when, and that a hub in trouble costs them nothing.

Most are slow: each is a training in a process that has the backend to import first.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_push import ALICE, FILES, TEXTS, XET, files_of

from glueft.push.background import BackgroundPush
from glueft.recipe import load_recipe
from glueft.runs.record import Hub, Push, Record
from glueft.runs.run import Run
from glueft.terminal.result_tables import hub_line
from hub_fixtures import Worker, worker
from hub_server import HubServer, running_hub
from hub_uploads import Account


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.accounts = {ALICE: Account("alice")}
        yield hub


@pytest.fixture(scope="module")
def one_process(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """For all runs, as importing the backend takes longer than they."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_ETAG_TIMEOUT": "2"}
    with worker(hub, tmp_path_factory.mktemp("home"), **XET, **quiet) as process:
        process("do_not_wait")
        yield process


@pytest.fixture
def trained(hub: HubServer, one_process: Worker) -> Iterator[Worker]:
    """Where runs are trained, as Alice."""
    one_process("set_environment", HF_TOKEN=ALICE)
    yield one_process
    hub.failure = None


def run(trained: Worker, folder: Path, checkpoint: object, *overrides: str, **options: Any) -> dict[str, Any]:
    changes = [f'model.checkpoint="{checkpoint}"', "data.limit_validation=16", *overrides]
    answer = trained("train", folder=str(folder), overrides=changes, **options)
    assert "error" not in answer, answer
    assert answer["record"]["status"] == "done"
    written = Path(answer["folder"], "run.json").read_text()
    assert json.loads(written) == answer["record"]
    # Nothing is left of what was on its way, and the token is nowhere.
    assert not [path for path in Path(answer["folder"]).iterdir() if path.name.startswith(".")]
    assert ALICE not in written + "".join(answer["said"])
    return answer


@pytest.mark.slow
def test_after_each_epoch_and_loaded_again(hub: HubServer, trained: Worker, tiny_bert: Path, tmp_path: Path) -> None:
    answer = run(
        trained, tmp_path, tiny_bert, "hub.push=alice/each", "hub.when=epoch", "hub.private=true", "training.epochs=3"
    )
    repository = hub.repositories["models", "alice/each"]
    record = answer["record"]["hub"]
    assert (record["repository"], record["revision"], record["when"]) == ("alice/each", "main", "epoch")
    assert [push["epoch"] for push in record["pushes"]][-1] is None
    done = [push for push in record["pushes"] if push["status"] == "done"]
    # An epoch of two steps may be over before the push of the one before it.
    assert all(push["status"] in ("done", "skipped") for push in record["pushes"])
    assert [push["commit"] for push in done] == list(repository.commits)[1:]
    assert len(done) >= 2 and done[-1]["epoch"] is None and repository.private
    assert set(files_of(hub, "alice/each")) == FILES | TEXTS | {".gitattributes"}
    first = repository.commits[done[0]["commit"]]
    epoch = done[0]["epoch"]
    assert f"this is the model after epoch {epoch} of 3" in first["README.md"].decode()
    assert json.loads(first["run.json"])["status"] == "running"
    assert json.loads(first["run.json"])["metrics"] == answer["record"]["epochs"][epoch - 1]["metrics"]
    last = files_of(hub, "alice/each")
    assert json.loads(last["run.json"])["metrics"] == answer["record"]["metrics"]
    assert last["model.safetensors"] == Path(answer["folder"], "model", "model.safetensors").read_bytes()
    assert first["model.safetensors"] != last["model.safetensors"]
    assert sum("hub: pushed to" in line for line in answer["said"]) == len(done)
    # Both where to push and the machine's own paths are nobody else's business.
    assert b"[hub]" not in last["recipe.toml"] and str(tiny_bert).encode() not in last["recipe.toml"]

    again = run(trained, tmp_path, "alice/each", "training.epochs=1")
    assert again["record"]["checkpoint"]["revision"] == done[-1]["commit"]
    assert again["record"]["checkpoint"]["head"] == "checkpoint"
    assert "hub" not in again["record"]


def test_a_push_that_is_cut_off_is_of_its_epoch(tmp_path: Path) -> None:
    run = Run.of(load_recipe("mrpc", ["hub.push=alice/x", "hub.when=epoch"], sample=True), tmp_path)
    pushes, going_on = BackgroundPush(run, None), threading.Event()
    source: Any = SimpleNamespace(epoch=(2, 3), folder=tmp_path / ".push.1" / "model")
    pushes._start(lambda source: going_on.wait(), source)
    pushes.stop()
    going_on.set()
    assert pushes.idle.wait(10)
    assert run.record.hub is not None
    assert [(push.epoch, push.status) for push in run.record.hub.pushes] == [(2, "interrupted")]


@pytest.mark.slow
def test_without_a_token_the_run_is_done_and_says_what_to_do(
    hub: HubServer, trained: Worker, tiny_bert: Path, tmp_path: Path
) -> None:
    trained("set_environment", HF_TOKEN="")
    answer = run(trained, tmp_path, tiny_bert, "hub.push=alice/lost", "training.epochs=1")
    (push,) = answer["record"]["hub"]["pushes"]
    assert push["status"] == "failed"
    assert push["reason"] == '"alice/lost" was not pushed: the hub takes nothing without a token'
    warnings = [line for line in answer["said"] if line.startswith("warning: ") and "hub" in line]
    # Once when the training begins, and once when it is over.
    assert len(warnings) == 2 and "; the run goes on (" in warnings[0] and "hf auth login" in warnings[1]
    assert ("models", "alice/lost") not in hub.repositories
    trained("set_environment", HF_TOKEN=ALICE)
    assert trained("push", run=answer["folder"], name="alice/lost")["status"] == "done"


@pytest.mark.slow
def test_a_silent_hub_costs_the_training_nothing(
    hub: HubServer, trained: Worker, tiny_bert: Path, tmp_path: Path
) -> None:
    hub.failure = "hang"
    answer = run(trained, tmp_path, tiny_bert, "hub.push=alice/none", "hub.when=epoch", "training.epochs=4")
    pushes = answer["record"]["hub"]["pushes"]
    assert [(push["epoch"], push["status"]) for push in pushes] == [
        (1, "skipped"),
        (2, "skipped"),
        (3, "skipped"),
        (None, "failed"),
    ]
    assert pushes[-1]["received"] == "TimeoutError: no answer within 2 s"
    assert f"glueft push {answer['folder']} alice/none" in answer["said"][-1]
    assert ("models", "alice/none") not in hub.repositories


@pytest.mark.slow
def test_the_wait_at_the_end_is_bounded_and_nothing_comes_later(
    hub: HubServer, trained: Worker, tiny_bert: Path, tmp_path: Path
) -> None:
    hub.failure = "hang:/preupload/"
    answer = run(trained, tmp_path, tiny_bert, "hub.push=alice/late", "training.epochs=1", seconds_at_the_end=1.5)
    (push,) = answer["record"]["hub"]["pushes"]
    assert push["status"] == "unfinished" and "was given up" in push["reason"]
    # On a busy machine the push has not come as far as the repository by then.
    late = hub.repositories.get(("models", "alice/late"))
    assert late is None or len(late.commits) == 1  # the empty one
    assert answer["said"][-1].endswith(f"to repeat it: glueft push {answer['folder']} alice/late")


def test_the_last_table_says_what_became_of_it() -> None:
    hub = Hub(repository="alice/x", pushes=[Push(status="failed")])
    record = Record.model_construct(run_dir="/runs/x", hub=hub)
    assert hub_line(record) == "failed; to repeat it: glueft push /runs/x alice/x"
    hub.private, hub.revision = True, "trial"
    assert hub_line(record) == "failed; to repeat it: glueft push /runs/x alice/x --private --revision trial"
    hub.pushes.append(Push(status="done", url="http://hub/x", commit="0123456789"))
    assert hub_line(record) == "http://hub/x (commit 0123456)"


HOOK = """
import glueft

@glueft.hookimpl
def glueft_run_finished(run):
    (push,) = run.record["hub"]["pushes"]
    run.say(f"the hook hears: {run.record['status']}, 1 push {push['status']}")
"""


@pytest.mark.slow  # a process of its own, which must import the backend: a signal would end the one of the others
def test_ctrl_c_in_the_wait_at_the_end(hub: HubServer, tiny_bert: Path, tmp_path: Path) -> None:
    hub.failure = "hang:/xorbs/"
    hub.requests.clear()
    arguments = ["--sample", "--checkpoint", str(tiny_bert), "--set", "hub.push=alice/stopped"]
    arguments += ["--set", "training.epochs=1", "--set", "data.limit_train=16", "--set", "data.limit_validation=16"]
    (tmp_path / "hook.py").write_text(HOOK)
    arguments += ["--plugin", "hook.py"]
    foreign = re.compile(r"HF_|HUGGING|TRANSFORMERS_|.*PROXY$", re.IGNORECASE)
    inherited = {name: value for name, value in os.environ.items() if not foreign.match(name)}
    with subprocess.Popen(
        [sys.executable, "-m", "glueft.cli.main", "run", "mrpc", *arguments],
        cwd=tmp_path,
        env=inherited | XET | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": ALICE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        while not any("/xorbs/" in request for request in hub.requests) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and out.endswith("interrupted\n"), out
    record = json.loads(next((tmp_path / "runs").glob("*/run.json")).read_text())
    # The run itself was done.
    assert record["status"] == "done" and record["metrics"]
    assert record["hub"]["pushes"] == [
        {"epoch": None, "status": "interrupted", "reason": "nobody wanted to wait for it"}
    ]
    assert "the hook hears: done, 1 push interrupted" in out


@pytest.mark.slow
def test_a_refusal_of_the_hub(hub: HubServer, trained: Worker, tiny_bert: Path, tmp_path: Path) -> None:
    hub.add_files("models", "alice/theirs", {"config.json": b"{}"})
    answer = run(trained, tmp_path, tiny_bert, "hub.push=alice/theirs", "hub.when=epoch", "training.epochs=2")
    reasons = {push["reason"] for push in answer["record"]["hub"]["pushes"] if push["epoch"] is None}
    assert reasons == {'"alice/theirs" holds files that glueft has not pushed'}
    assert files_of(hub, "alice/theirs") == {"config.json": b"{}"}
    assert "--force" in answer["said"][-1]


@pytest.mark.slow
def test_an_error_in_the_push_itself_does_not_reach_the_run(
    hub: HubServer, trained: Worker, tiny_bert: Path, tmp_path: Path
) -> None:
    trained("break_pushes")
    answer = run(trained, tmp_path, tiny_bert, "hub.push=alice/broken", "training.epochs=1")
    (push,) = answer["record"]["hub"]["pushes"]
    assert push["status"] == "failed" and "ZeroDivisionError: in the card, with (token)" in push["reason"]
