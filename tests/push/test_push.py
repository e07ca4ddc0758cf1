"""Pushes through the real client to the hub on the loopback: what arrives, what loads again, and each refusal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hub_fixtures import Worker, worker
from hub_server import HubServer, Repository, running_hub
from hub_uploads import Account

ALICE = "hf_alicesOwnSecret"
BOB = "hf_bobMayOnlyRead"
# Chunks come uncompressed, and what is cut off is not tried again for minutes.
XET = {"HF_XET_DATA_XORB_COMPRESSION_POLICY": "none", "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1"}
FILES = {"config.json", "glueft_input.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
TEXTS = {"README.md", "recipe.toml", "run.json"}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.accounts = {ALICE: Account("alice", organizations=("acme",)), BOB: Account("bob", role="read")}
        yield hub


@pytest.fixture(scope="module")
def asked(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with worker(hub, tmp_path_factory.mktemp("home"), **XET) as process:
        process("do_not_wait")
        yield process


@pytest.fixture(autouse=True)
def as_alice(hub: HubServer, asked: Worker) -> Iterator[None]:
    asked("set_environment", HF_TOKEN=ALICE)
    yield
    hub.failure = None


def files_of(hub: HubServer, name: str, revision: str = "main") -> dict[str, bytes]:
    repository: Repository = hub.repositories["models", name]
    return repository.commits[repository.resolve(revision) or ""]


def test_what_is_pushed_loads_again(hub: HubServer, asked: Worker, finished_run: Path) -> None:
    answer = asked("push", run=str(finished_run), name="alice/mrpc")
    assert "error" not in answer, answer
    pushed = files_of(hub, "alice/mrpc")
    assert set(pushed) == FILES | TEXTS | {".gitattributes"}
    assert hub.repositories["models", "alice/mrpc"].messages == ["glueft: mrpc, the finished run"]
    assert (answer["status"], answer["created"], answer["private"]) == ("done", True, False)
    assert answer["url"] == f"{hub.url}/alice/mrpc"
    assert answer["commit"] == hub.repositories["models", "alice/mrpc"].resolve("main")
    assert answer["files"] == {name: len(content) for name, content in pushed.items() if name != ".gitattributes"}
    assert answer["bytes"] == sum(answer["files"].values())
    for name in FILES:
        assert pushed[name] == (finished_run / "model" / name).read_bytes()
    loaded = asked("classifier", name="alice/mrpc")
    assert (loaded["model_type"], loaded["revision"]) == ("bert", answer["commit"])
    assert loaded["tokens"] == loaded["theirs"]
    # And nothing is committed again that has not changed.
    again = asked("push", run=str(finished_run), name="alice/mrpc")
    assert (again["commit"], again["created"]) == (answer["commit"], False)
    assert len(hub.repositories["models", "alice/mrpc"].commits) == 2


def test_the_metrics_are_in_the_form_of_the_hub(hub: HubServer, asked: Worker, finished_run: Path) -> None:
    asked("push", run=str(finished_run), name="acme/card")
    card = files_of(hub, "acme/card")["README.md"].decode()
    record = json.loads((finished_run / "run.json").read_text())
    metadata = yaml.safe_load(card.split("---\n")[1])
    (index,) = metadata["model-index"]
    (result,) = index["results"]
    assert index["name"] == "card"
    assert result["task"]["type"] == metadata["pipeline_tag"] == "text-classification"
    # The sample is not the benchmark, and must not stand in its lists.
    assert result["dataset"]["type"] == "mrpc-sample" and "datasets" not in metadata
    assert {metric["type"]: metric["value"] for metric in result["metrics"]} == record["metrics"]
    assert {"glueft", "mrpc"} <= set(metadata["tags"])


def test_files_go_the_older_way_where_xet_is_off(hub: HubServer, finished_run: Path, tmp_path: Path) -> None:
    with worker(hub, tmp_path, HF_HUB_DISABLE_XET="1", HF_TOKEN=ALICE) as asked:
        assert asked("push", run=str(finished_run), name="alice/older")["status"] == "done"
    weights = (finished_run / "model" / "model.safetensors").read_bytes()
    assert files_of(hub, "alice/older")["model.safetensors"] == weights
    assert any(request.startswith("POST /alice/older.git/info/lfs/") for request in hub.requests)


def test_a_token_file_and_the_models_folder(hub: HubServer, finished_run: Path, tmp_path: Path) -> None:
    """`hf auth login` keeps the token in the hub's own folder, which the environment's goes before."""
    (tmp_path / "token").write_text(ALICE)
    with worker(hub, tmp_path, HF_HUB_DISABLE_IMPLICIT_TOKEN="1", **XET) as asked:
        assert asked("push", run=str(finished_run / "model"), name="alice/by-file")["status"] == "done"
        asked("set_environment", HF_TOKEN="hf_unknown")
        error = asked.refused("push", run=str(finished_run), name="alice/by-file")
    assert error["message"] == '"alice/by-file" was not pushed: the hub does not know the token'
    assert error["received"].endswith("the token is what HF_TOKEN is set to")


def test_private_repositories(hub: HubServer, asked: Worker, finished_run: Path) -> None:
    answer = asked("push", run=str(finished_run), name="alice/secret", private=True)
    assert answer["private"] and hub.repositories["models", "alice/secret"].private
    assert asked("push", run=str(finished_run), name="alice/secret", private=True)["private"]
    # Without the option it stays what it is.
    assert asked("push", run=str(finished_run), name="alice/secret")["private"]
    assert asked("checkpoint", name="alice/secret")["revision"] == answer["commit"]
    asked("push", run=str(finished_run), name="alice/open")
    before = files_of(hub, "alice/open")
    error = asked.refused("push", run=str(finished_run), name="alice/open", private=True)
    assert error["message"] == '"alice/open" exists already, and is public'
    assert files_of(hub, "alice/open") is before


def test_a_push_from_python_is_noted_in_the_record(
    hub: HubServer, asked: Worker, finished_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    pushed = asked("push_from_python", run=str(run), name="alice/from-python")
    assert "error" not in pushed, pushed
    assert pushed["url"] == f"{hub.url}/alice/from-python"
    assert pushed["commit"] == pushed["recorded"] == hub.repositories["models", "alice/from-python"].resolve("main")
    assert json.loads((run / "run.json").read_text())["hub"]["repository"] == "alice/from-python"


def test_branches(hub: HubServer, asked: Worker, finished_run: Path) -> None:
    answer = asked("push", run=str(finished_run), name="alice/tried", revision="trial/2")
    repository = hub.repositories["models", "alice/tried"]
    assert answer["revision"] == "trial/2" and answer["commit"] == repository.resolve("trial/2")
    assert set(files_of(hub, "alice/tried")) == {".gitattributes"}
    assert 'revision="trial/2"' in files_of(hub, "alice/tried", "trial/2")["README.md"].decode()
    assert asked("checkpoint", name="alice/tried", revision="trial/2")["revision"] == answer["commit"]
    repository.tags["v1"] = answer["commit"]
    error = asked.refused("push", run=str(finished_run), name="alice/tried", revision="v1")
    assert error["message"] == '"v1" is no branch of "alice/tried" that can be pushed to'
    error = asked.refused("push", run=str(finished_run), name="alice/tried", revision=answer["commit"])
    assert "must be a branch; a commit stays as it is" in error["message"]


def test_the_work_of_others_is_not_replaced(hub: HubServer, asked: Worker, finished_run: Path) -> None:
    theirs = {"config.json": b"{}", "vocab.txt": b"word", "pytorch_model.bin": b"pickle", "notes.md": b"mine"}
    hub.add_files("models", "alice/older-work", theirs)
    error = asked.refused("push", run=str(finished_run), name="alice/older-work")
    assert error["message"] == '"alice/older-work" holds files that glueft has not pushed'
    assert error["received"] == ", ".join(theirs)
    assert "--force" in error["fix"]
    assert files_of(hub, "alice/older-work") == theirs
    answer = asked("push", run=str(finished_run), name="alice/older-work", force=True)
    # What another checkpoint's loader would take for a part of this one is gone, and nothing else.
    assert set(answer["removed"]) == {"vocab.txt", "pytorch_model.bin"}
    assert set(files_of(hub, "alice/older-work")) == FILES | TEXTS | {"notes.md"}
    assert asked("push", run=str(finished_run), name="alice/older-work")["removed"] == []


def refuse(hub: HubServer, asked: Worker, run: Path, name: str, **options: object) -> dict[str, str]:
    """The error of a push that leaves nothing on the hub."""
    before = {key: dict(repository.commits) for key, repository in hub.repositories.items()}
    error = asked.refused("push", run=str(run), name=name, **options)
    assert error["error"] == "HubError"
    for key, repository in hub.repositories.items():
        # A repository may have been made by then, empty as the hub makes them.
        assert before.get(key, repository.commits) == repository.commits
        if key not in before:
            assert list(repository.commits.values()) == [{".gitattributes": b"*.safetensors filter=lfs\n"}]
    assert ALICE not in json.dumps(error)
    return error


@pytest.mark.parametrize(
    ("token", "message", "fix"),
    [
        ("", '"alice/x" was not pushed: the hub takes nothing without a token', "hf auth login"),
        ("hf_unknown", '"alice/x" was not pushed: the hub does not know the token', "hf auth login"),
        (BOB, 'you may not write to "alice/x"', "push to your own account (glueft push RUN bob/x)"),
        ("two words", '"alice/x" was not pushed: what HF_TOKEN is set to is no token', "copy it again"),
        ("hf_\u20ac", '"alice/x" was not pushed: what HF_TOKEN is set to is no token', "copy it again"),
    ],
)
def test_tokens(hub: HubServer, asked: Worker, finished_run: Path, token: str, message: str, fix: str) -> None:
    asked("set_environment", HF_TOKEN=token)
    error = refuse(hub, asked, finished_run, "alice/x")
    assert error["message"] == message and fix in error["fix"]
    assert not token or token not in json.dumps(error, ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("alice", '"alice" is no name of a repository on the hub: it must be USER/NAME'),
        ("alice/a--b", '"alice/a--b" is no name of a repository on the hub: it must not hold'),
        ("google/bert", 'you may not write to "google/bert"'),
        ("alice/reserved", 'the hub refuses the name "alice/reserved"'),
        ("alice/rows", '"alice/rows" exists on the hub, and is no model repository'),
    ],
)
def test_names(hub: HubServer, asked: Worker, finished_run: Path, name: str, message: str) -> None:
    hub.add_files("datasets", "alice/rows", {"rows.csv": b"1"})
    error = refuse(hub, asked, finished_run, name)
    assert error["message"].startswith(message)


@pytest.mark.parametrize(
    ("failure", "message", "received"),
    [
        ("error", '"alice/y" was not pushed: the hub cannot be asked', "HTTP 500: "),
        ("nonsense", '"alice/y" was not pushed: the hub cannot be asked', "an answer that is not the hub's"),
        ("cut", '"alice/y" was not pushed: the hub cannot be asked', "RemoteProtocolError: "),
        ("403:/preupload/", 'you may not write to "alice/y"', "HTTP 403: "),
        ("413:/preupload/", 'the hub did not take the push to "alice/y"', "HTTP 413: "),
        ("412:/commit/", 'the hub did not take the push to "alice/y"', "HTTP 412: "),
        ("cut:/preupload/", 'the upload to "alice/y" was interrupted', "RemoteProtocolError: "),
        ("500:/commit/", 'the upload to "alice/y" was interrupted', "HTTP 500: "),
    ],
)
def test_a_hub_in_trouble(
    hub: HubServer, asked: Worker, finished_run: Path, failure: str, message: str, received: str
) -> None:
    hub.failure = failure
    error = refuse(hub, asked, finished_run, "alice/y")
    assert error["message"] == message
    assert received in error["received"]
    assert "glueft push RUN alice/y" in error["fix"] or "403" in failure
    if "/" in failure:
        assert ("nothing of it is visible" in error["received"]) or "403" in failure


@pytest.mark.slow
def test_large_files_that_are_cut_off(hub: HubServer, finished_run: Path, tmp_path: Path) -> None:
    """By a client that does not know yet that the hub has these weights."""
    hub.failure = "cut:/xorbs/"
    with worker(hub, tmp_path, HF_TOKEN=ALICE, **XET) as asked:
        error = refuse(hub, asked, finished_run, "alice/z")
        assert error["message"] == 'the upload to "alice/z" was interrupted'
        assert "nothing of it is visible on the hub" in error["received"]
        hub.failure = None
        assert asked("push", run=str(finished_run), name="alice/z")["status"] == "done"


def test_after_an_interruption_it_can_be_repeated(hub: HubServer, asked: Worker, finished_run: Path) -> None:
    hub.failure = "cut:/commit/"
    refuse(hub, asked, finished_run, "alice/again")
    hub.failure = None
    assert asked("push", run=str(finished_run), name="alice/again")["status"] == "done"
    assert set(files_of(hub, "alice/again")) > FILES


@pytest.mark.slow
def test_a_hub_that_is_away(hub: HubServer, finished_run: Path, tmp_path: Path) -> None:
    with worker(hub, tmp_path, HF_HUB_OFFLINE="1", HF_TOKEN=ALICE) as asked:
        error = asked.refused("push", run=str(finished_run), name="alice/x")
        assert error["received"] == "HF_HUB_OFFLINE=1 is set: no connection is opened"
        assert error["fix"].endswith("unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE")
        assert asked("count")["total"] == 0
    with worker("http://127.0.0.1:9", tmp_path, HF_TOKEN=ALICE) as asked:
        error = asked.refused("push", run=str(finished_run), name="alice/x")
        assert error["message"] == '"alice/x" was not pushed: the hub cannot be asked'
        assert error["expected"] == "an answer from http://127.0.0.1:9"
    hub.failure = "hang"
    with worker(hub, tmp_path, HF_TOKEN=ALICE, HF_HUB_ETAG_TIMEOUT="1") as asked:
        error = asked.refused("push", run=str(finished_run), name="alice/x")
        assert error["received"] == "TimeoutError: no answer within 1 s"


def test_run_folders_that_cannot_be_pushed(asked: Worker, finished_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    weights = run / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert asked.refused("push", run=str(run), name="alice/x")["error"] == "CheckpointError"
    (run / "recipe.toml").unlink()
    assert asked.refused("push", run=str(tmp_path), name="alice/x")["error"] == "RunFolderError"


@pytest.mark.parametrize("name", ["merges.txt", "chat_template.jinja", "additional_chat_templates"])
def test_no_link_out_of_the_model_is_followed(asked: Worker, finished_run: Path, tmp_path: Path, name: str) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    private = tmp_path / "diary"
    private.mkdir() if name == "additional_chat_templates" else private.write_text("private")
    (run / "model" / name).symlink_to(private)
    error = asked.refused("push", run=str(run), name="alice/linked")
    assert error["message"] == f"{run / 'model' / name}: it is a symbolic link out of its folder, and is not given away"
    assert error["received"] == f"a link to {private}"


def test_no_host_no_path_and_no_stray_file_is_pushed(
    hub: HubServer, asked: Worker, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    record["host"]["name"] = "annas-laptop"
    record["data"]["folder"] = "/home/anna/rows"
    record["error"] = "something in /home/anna/glueft"
    record["plugins"]["files"] = [{"path": "/home/anna/my_task.py", "sha256": "0"}]
    record["checkpoint"]["name"] = "/home/anna/bert"
    record["a key of later"] = "annas-laptop"
    (run / "run.json").write_text(json.dumps(record))
    config = json.loads((run / "model" / "config.json").read_text()) | {"_name_or_path": "/home/anna/bert"}
    (run / "model" / "config.json").write_text(json.dumps(config))
    (run / "model" / "diary.txt").write_text("private")
    recipe = (run / "recipe.toml").read_text().replace('source = "sample"', 'source = "folder"\nfolder = "/home/anna"')
    callback = '\n[[callbacks]]\nplugin = "mlflow"\ntracking_uri = "http://annas-server:5000"\n'
    (run / "recipe.toml").write_text(recipe + callback)
    assert asked("push", run=str(run), name="alice/private-things")["status"] == "done"
    pushed = files_of(hub, "alice/private-things")
    assert set(pushed) == FILES | TEXTS | {".gitattributes"}
    for name, content in pushed.items():
        for private in (b"anna", b"/home", str(tmp_path).encode(), str(finished_run).encode(), b"diary"):
            assert private not in content, name
    shown = json.loads(pushed["run.json"])
    assert shown["plugins"]["files"] == [{"name": "my_task.py", "sha256": "0"}]
    assert shown["checkpoint"]["name"] == "./bert"
    assert shown["metrics"] == record["metrics"]
    assert b'folder = "./folder"' in pushed["recipe.toml"] and b"(left out)" in pushed["recipe.toml"]
    assert b"`callbacks.tracking_uri`, `data.folder`" in pushed["README.md"]


def test_the_token_is_in_no_request_but_the_header(hub: HubServer, asked: Worker) -> None:
    assert hub.bodies and not [body for body in hub.bodies if ALICE.encode() in body]
