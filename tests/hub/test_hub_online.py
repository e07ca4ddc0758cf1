"""A hub that answers: data sets and checkpoints through the real clients, and each of its refusals."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_fixtures import LABELS, MRPC, TEST, TRAIN, VALIDATION, Worker, numbered, worker
from hub_server import HubServer, running_hub
from tiny_checkpoint import make_tiny_bert


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with running_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def asked(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A process for the tests of this file, in a folder with traps."""
    folder = tmp_path_factory.mktemp("cwd")
    # `datasets` would read this folder in place of the hub's data set.
    (folder / "nyu-mll" / "glue").mkdir(parents=True)
    with worker(hub, tmp_path_factory.mktemp("home"), folder) as process:
        yield process


@pytest.fixture(autouse=True)
def no_failure(hub: HubServer) -> Iterator[None]:
    yield
    hub.failure = None


def lists(columns: dict[str, list[object]]) -> list[list[object]]:
    return [columns[name] for name in ("sentence1", "sentence2", "label")]


def test_a_data_set_and_its_revisions(hub: HubServer, asked: Worker) -> None:
    old = hub.add_dataset("nyu-mll/glue", "mrpc", MRPC | {"train": numbered(VALIDATION)}, LABELS, tag="v1")
    new = hub.add_dataset("nyu-mll/glue", "mrpc", MRPC, LABELS)
    answer = asked("rows")
    assert answer["splits"] == {"train": lists(TRAIN), "validation": lists(VALIDATION), "test": lists(TEST)}
    assert answer["provenance"] == {
        "source": "hub",
        "dataset": "nyu-mll/glue",
        "config": "mrpc",
        "revision": new,
        "read_from": "hub",
    }
    for revision in ("v1", old):
        answer = asked("rows", revision=revision)
        assert answer["provenance"]["revision"] == old
        assert answer["splits"]["train"] == lists(VALIDATION)
    # Nobody but this hub was asked, and a commit that is in the cache is not asked for.
    assert asked("rows", revision=old)["connections"] == 0
    error = asked.refused("rows", revision="v2")
    assert error["error"] == "HubError"
    assert error["message"] == 'the data set "nyu-mll/glue" has no revision "v2"'
    assert error["received"].startswith("HTTP 404: ")


def test_a_data_set_that_moved_on_is_read_anew(hub: HubServer, asked: Worker) -> None:
    first = hub.add_dataset("new/glue", "mrpc", MRPC, LABELS)
    assert asked("rows", hub=["new/glue", "mrpc"])["provenance"]["revision"] == first
    second = hub.add_dataset("new/glue", "mrpc", MRPC | {"train": numbered(VALIDATION)}, LABELS)
    answer = asked("rows", hub=["new/glue", "mrpc"])
    assert answer["provenance"]["revision"] == second
    assert answer["splits"]["train"] == lists(VALIDATION)


def test_the_only_configuration_needs_no_name(hub: HubServer, asked: Worker) -> None:
    sha = hub.add_dataset("one/config", "default", MRPC, LABELS)
    assert asked("rows", hub=["one/config"])["provenance"]["revision"] == sha
    assert asked("rows", hub=["one/config"], revision=sha)["connections"] == 0


def test_the_hubs_columns_may_have_other_names(hub: HubServer, asked: Worker) -> None:
    renamed = {
        split: {"first": r["sentence1"], "second": r["sentence2"], "gold": r["label"]} for split, r in MRPC.items()
    }
    features = {split: {**rows, "label": rows["gold"]} for split, rows in renamed.items()}
    hub.add_dataset("other/names", "mrpc", features, LABELS)
    columns = {"sentence1": "first", "sentence2": "second"}
    answer = asked("rows", hub=["other/names", "mrpc", columns])
    assert answer["splits"]["train"] == lists(TRAIN)
    error = asked.refused("rows", hub=["other/names", "mrpc", {"sentence1": "first"}])
    assert error["error"] == "DataError"
    assert error["message"] == 'the train split of the task "mrpc" has no column "sentence2"'


def test_labels_in_another_order(hub: HubServer, asked: Worker) -> None:
    hub.add_dataset("swapped/glue", "mrpc", MRPC, LABELS[::-1])
    error = asked.refused("rows", hub=["swapped/glue", "mrpc"])
    assert error["error"] == "DataError"
    assert "in another order" in error["message"]
    assert (error["expected"], error["received"]) == (
        '"not_equivalent", "equivalent"',
        '"equivalent", "not_equivalent"',
    )


def test_refusals_of_data_sets(hub: HubServer, asked: Worker) -> None:
    hub.add_dataset("two/glue", "mrpc", MRPC, LABELS)
    hub.add_dataset("gated/glue", "mrpc", MRPC, LABELS)
    hub.repositories["datasets", "gated/glue"].gated = True
    error = asked.refused("rows", hub=["no/such", "mrpc"])
    assert error["message"] == 'there is no data set "no/such" on the hub, or it is private'
    assert f"{hub.url}/datasets/no/such" in error["expected"]
    error = asked.refused("rows", hub=["two/glue", "mprc"])
    assert error["message"] == 'the data set "two/glue" could not be read from the hub'
    assert "mprc" in error["received"] and "mrpc" in error["received"]
    error = asked.refused("rows", hub=["gated/glue", "mrpc"])
    assert error["message"] == 'the data set "gated/glue" is gated: its owners ask for your consent first'
    assert "hf auth login" in error["fix"]
    error = asked.refused("rows", hub=["not/a/name", "mrpc"])
    assert error["message"] == '"not/a/name" is no name of a data set on the hub'


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("error", 'the data set "nyu-mll/other" is not at hand'),
        ("nonsense", 'the data set "nyu-mll/other" could not be read from the hub'),
        (401, 'there is no data set "nyu-mll/other" on the hub, or it is private'),
        (403, 'the hub does not let you read the data set "nyu-mll/other"'),
        (404, "there is no data set"),
        (429, 'the data set "nyu-mll/other" could not be read from the hub'),
    ],
)
def test_answers_of_a_hub_in_trouble(hub: HubServer, asked: Worker, failure: str | int, message: str) -> None:
    hub.failure = failure
    error = asked.refused("rows", hub=["nyu-mll/other", "mrpc"])
    assert error["error"] == "HubError"
    assert error["message"].startswith(message), error


@pytest.mark.slow
def test_what_a_hub_says_of_a_password_or_token_is_masked(hub: HubServer, tmp_path: Path) -> None:
    address = hub.url.replace("://", "://alice:correct-horse@")
    header = base64.b64encode(b"alice:correct-horse").decode()
    for token in ({}, {"HF_TOKEN": "hf_of_alice"}):
        with worker(address, tmp_path, HF_HUB_ETAG_TIMEOUT="1", **token) as asked:
            hub.failure = "echo"
            answers = [asked.refused("rows", hub=["a/b", "mrpc"]), asked.refused("checkpoint", name="a/b")]
            hub.failure = "hang"
            for error in map(json.dumps, [*answers, asked.refused("checkpoint", name="a/b")]):
                assert not any(secret in error for secret in ("correct-horse", "hf_of_alice", header))
                assert "(password)" in error or "(token)" in error


def test_a_server_error_leaves_the_cache(hub: HubServer, asked: Worker) -> None:
    sha = hub.add_dataset("cached/glue", "mrpc", MRPC, LABELS)
    asked("rows", hub=["cached/glue", "mrpc"])
    hub.failure = "error"
    answer = asked("rows", hub=["cached/glue", "mrpc"])
    assert (answer["provenance"]["revision"], answer["provenance"]["read_from"]) == (sha, "cache")
    error = asked.refused("rows", hub=["uncached/glue", "mrpc"])
    assert "answered with server error 500" in error["received"]
    hub.failure = None
    assert asked("offline") | {"seconds": 0} == {
        "huggingface_hub": False,
        "datasets": False,
        "seconds": 0,
        "connections": 0,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with all that a repository of the hub may hold beside it."""
    folder = make_tiny_bert(tmp_path_factory.mktemp("model") / "bert")
    for name in ("pytorch_model.bin", "tf_model.h5", "model.fp16.safetensors", "onnx/model.onnx", "onnx/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not wanted")
    return folder


def test_a_checkpoint(hub: HubServer, asked: Worker, folder: Path) -> None:
    first = hub.add_model("tiny/bert", folder, tag="v1")
    hub.requests.clear()
    answer = asked("checkpoint", name="tiny/bert")
    assert answer["revision"] == first
    assert set(answer["files"]) == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert all((folder / name).stat().st_size == size for name, size in answer["files"].items())
    assert not [line for line in hub.requests if "not wanted" in line or ".bin" in line or "onnx" in line]
    assert Path(answer["folder"], "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    second = hub.add_model("tiny/bert", folder)
    assert asked("checkpoint", name="tiny/bert")["revision"] == second
    assert asked("checkpoint", name="tiny/bert", revision="v1")["revision"] == first
    answer = asked("checkpoint", name="tiny/bert", revision=first)
    assert (answer["revision"], answer["connections"]) == (first, 0)
    error = asked.refused("checkpoint", name="tiny/bert", revision="v3")
    assert error["message"] == 'the checkpoint "tiny/bert" has no revision "v3"'


def test_glueft_and_transformers_read_the_same_checkpoint(hub: HubServer, asked: Worker, folder: Path) -> None:
    sha = hub.add_model("tiny/shared", folder)
    answer = asked("classifier", name="tiny/shared")
    assert answer["revision"] == sha
    assert answer["model_type"] == "bert"
    assert answer["tokens"] == answer["theirs"]


def test_shards_and_their_index(hub: HubServer, asked: Worker) -> None:
    shards = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    wanted = ["config.json", "vocab.txt", "model.safetensors.index.json", *shards]
    files = dict.fromkeys([*wanted, "model.fp16-00001-of-00002.safetensors", "pytorch_model.bin"], b"{}")
    hub.add_files("models", "tiny/sharded", files)
    assert set(asked("checkpoint", name="tiny/sharded")["files"]) == set(wanted)


def test_weights_as_pickles_only(hub: HubServer, asked: Worker) -> None:
    hub.add_files("models", "tiny/pickled", {"config.json": b"{}", "pytorch_model.bin": b"pickle", "a/b.bin": b""})
    hub.requests.clear()
    error = asked.refused("checkpoint", name="tiny/pickled")
    assert error["error"] == "CheckpointError"
    assert error["message"] == '"tiny/pickled" holds its weights only in a format that glueft does not read'
    assert error["received"] == "pytorch_model.bin"
    assert not [line for line in hub.requests if "/resolve/" in line]


def test_safetensors_only_in_a_pull_request(hub: HubServer, asked: Worker, folder: Path) -> None:
    sha = hub.add_model("tiny/converted", folder, tag="refs/pr/1")
    hub.add_files("models", "tiny/converted", {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    error = asked.refused("checkpoint", name="tiny/converted")
    assert "set model.revision to it, such as refs/pr/2" in error["fix"]
    assert asked("checkpoint", name="tiny/converted", revision="refs/pr/1")["revision"] == sha


def test_repositories_that_are_no_checkpoints(hub: HubServer, asked: Worker) -> None:
    hub.add_files("models", "tiny/adapter", {"config.json": b"{}", "adapter_model.safetensors": b""})
    error = asked.refused("checkpoint", name="tiny/adapter")
    assert (error["error"], error["message"]) == ("CheckpointError", '"tiny/adapter" holds no weights')
    assert error["received"] == "adapter_model.safetensors, config.json"
    hub.add_files("models", "tiny/bare", {f"{number}.txt": b"" for number in range(20)})
    error = asked.refused("checkpoint", name="tiny/bare")
    assert (error["error"], error["message"]) == ("CheckpointError", '"tiny/bare" holds no config.json')
    assert error["received"].endswith("and 8 more")


def test_refusals_of_checkpoints(hub: HubServer, asked: Worker, folder: Path) -> None:
    hub.add_model("gated/bert", folder)
    hub.repositories["models", "gated/bert"].gated = True
    error = asked.refused("checkpoint", name="no/such")
    assert error["message"] == 'there is no checkpoint "no/such" on the hub, or it is private'
    error = asked.refused("checkpoint", name="gated/bert")
    assert error["message"].startswith('the checkpoint "gated/bert" is gated')
    error = asked.refused("checkpoint", name="../bert")
    assert error["message"] == '"../bert" is no name of a checkpoint on the hub'
    assert "package:module/path" in error["fix"]


def test_the_clients_settings_are_left_as_they_were(asked: Worker) -> None:
    answer = asked("bars")
    assert (answer["disabled"], answer["counts"]) == ([False, False], True)
    assert max(answer["levels"]) < 50


def test_a_proxy_is_asked_as_the_client_would(hub: HubServer, tmp_path: Path) -> None:
    hub.add_files("models", "tiny/proxied", {"config.json": b"{}", "model.safetensors": b"{}"})
    with worker("http://hub.invalid", tmp_path, HTTP_PROXY=hub.url) as asked:
        assert set(asked("checkpoint", name="tiny/proxied")["files"]) == {"config.json", "model.safetensors"}


def test_files_that_cannot_be_read(hub: HubServer, asked: Worker) -> None:
    # The last test: the client tries again, for some 20 s a file, since most such errors pass.
    asked("do_not_wait")
    hub.add_dataset("broken/glue", "mrpc", MRPC, LABELS)
    hub.add_files("models", "broken/bert", {"config.json": b"{}", "model.safetensors": b"{}"})
    hub.failure = "resolve"
    error = asked.refused("rows", hub=["broken/glue", "mrpc"])
    assert error["message"] == 'the data set "broken/glue" could not be read from the hub'
    assert error["received"].startswith("HTTP 500: ")
    assert "--data-dir" in error["fix"]
    error = asked.refused("checkpoint", name="broken/bert")
    assert error["message"] == 'the checkpoint "broken/bert" could not be read from the hub'
    assert error["received"].startswith("HTTP 500: ")
    # Nothing half-read is taken for whole.
    hub.failure = None
    assert set(asked("checkpoint", name="broken/bert")["files"]) == {"config.json", "model.safetensors"}
    assert asked("rows", hub=["broken/glue", "mrpc"])["splits"]["test"] == lists(TEST)
