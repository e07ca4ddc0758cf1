"""A hub that cannot be asked: found out within seconds, and what the local cache holds is used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from hub_fixtures import LABELS, MRPC, SOON, VALIDATION, Worker, numbered, worker
from hub_server import HubServer, running_hub
from tiny_checkpoint import make_tiny_bert


@dataclass
class Cached:
    """A local cache, the hub that it was filled from, and the commits in it."""

    hub: HubServer
    home: Path
    old: str
    new: str
    model: str


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    folder = make_tiny_bert(tmp_path_factory.mktemp("model") / "bert")
    home = tmp_path_factory.mktemp("home")
    with running_hub() as hub:
        old = hub.add_dataset("nyu-mll/glue", "mrpc", MRPC | {"train": numbered(VALIDATION)}, LABELS, tag="v1")
        new = hub.add_dataset("nyu-mll/glue", "mrpc", MRPC, LABELS)
        model = hub.add_model("tiny/bert", folder)
        with worker(hub, home) as asked:
            asked("rows")
            asked("checkpoint", name="tiny/bert")
            # Read last, and yet not what the branch main stands for.
            asked("rows", revision="v1")
        # Known to the hub, not to the cache.
        hub.add_dataset("other/glue", "mrpc", MRPC, LABELS)
        yield Cached(hub, home, old, new, model)


def check_what_the_cache_holds(asked: Worker, cached: Cached) -> None:
    for revision, commit in [(None, cached.new), ("main", cached.new), ("v1", cached.old), (cached.old, cached.old)]:
        answer = asked("rows", revision=revision)
        assert (answer["provenance"]["revision"], answer["provenance"]["read_from"]) == (commit, "cache")
        assert len(answer["splits"]["train"][0]) == (3 if commit == cached.new else 1)
    for revision in (None, "main", cached.model):
        answer = asked("checkpoint", name="tiny/bert", revision=revision)
        assert answer["revision"] == cached.model
        assert {"config.json", "model.safetensors"} <= set(answer["files"])


def check_what_it_lacks(asked: Worker, reason: str) -> None:
    for error in (asked.refused("rows", hub=["other/glue", "mrpc"]), asked.refused("checkpoint", name="tiny/other")):
        assert error["error"] == "HubError"
        assert "is not at hand: the hub cannot be asked, and its local cache does not hold it" in error["message"]
        assert reason in error["received"]
        assert error["expected"].startswith("an answer from http://")
        assert error["fix"].startswith("these work offline: --sample (")
        assert all(way in error["fix"] for way in ("--data-dir", "--checkpoint"))
    error = asked.refused("rows", revision="v9")
    assert "at revision v9" in error["message"]
    assert "the cache of `datasets` has only" in error["received"]
    assert "at revision v9" in asked.refused("checkpoint", name="tiny/bert", revision="v9")["message"]
    assert "no name" in asked.refused("rows", hub=["not/a/name", "mrpc"])["message"]
    assert "no name" in asked.refused("checkpoint", name="not/a/name")["message"]


def test_offline_mode_opens_no_connection(cached: Cached) -> None:
    before = cached.hub.connections
    with worker(cached.hub, cached.home, HF_HUB_OFFLINE="1") as asked:
        check_what_the_cache_holds(asked, cached)
        check_what_it_lacks(asked, "HF_HUB_OFFLINE=1 is set")
        assert asked("classifier", name="tiny/bert")["model_type"] == "bert"
        told = asked("reach")
        assert (told["is_reachable"], told["answer"]) == (None, "HF_HUB_OFFLINE=1 is set: no connection is opened")
        assert asked("count")["total"] == 0
    assert cached.hub.connections == before


def test_the_other_name_of_offline_mode(cached: Cached) -> None:
    with worker(cached.hub, cached.home, TRANSFORMERS_OFFLINE="1") as asked:
        assert asked("checkpoint", name="tiny/bert")["revision"] == cached.model
        for _ in range(2):
            error = asked.refused("checkpoint", name="tiny/other")
            assert error["received"].startswith("TRANSFORMERS_OFFLINE=1 is set: no connection is opened; nothing of it")
        assert asked("count")["total"] == 0


def test_offline_mode_set_after_the_import(cached: Cached) -> None:
    with worker(cached.hub, cached.home) as asked:
        assert asked("offline")["datasets"] is False
        asked("set_environment", HF_HUB_OFFLINE="yes")
        assert asked("rows")["provenance"]["revision"] == cached.new
        assert asked("offline")["datasets"] is True
        assert asked("count")["total"] == 0


def test_the_offline_mode_of_datasets_alone(cached: Cached) -> None:
    with worker(cached.hub, cached.home, HF_DATASETS_OFFLINE="1") as asked:
        answer = asked("rows")
        assert (answer["provenance"]["revision"], answer["connections"]) == (cached.new, 0)
        assert asked("checkpoint", name="tiny/bert")["connections"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("imported", [False, True])
def test_a_hub_that_never_answers(cached: Cached, imported: bool) -> None:
    cached.hub.failure = "hang"
    try:
        with worker(cached.hub, cached.home, HF_HUB_ETAG_TIMEOUT="1") as asked:
            if imported:
                asked("offline")
            first = asked("rows")
            assert first["provenance"]["revision"] == cached.new
            assert first["seconds"] < SOON
            # Found out once: from here on the clients are in offline mode.
            before = asked("count")["total"]
            assert asked("offline")["huggingface_hub"] is asked("offline")["datasets"] is True
            check_what_the_cache_holds(asked, cached)
            check_what_it_lacks(asked, "no answer within 1 s (asked once; a new process asks again)")
            assert asked("classifier", name="tiny/bert")["model_type"] == "bert"
            assert asked("count")["total"] == before
    finally:
        cached.hub.failure = None


def test_whether_it_can_be_reached(tmp_path: Path) -> None:
    """As `glueft env` asks."""
    with (
        running_hub() as hub,
        worker(hub, tmp_path, HF_HUB_ETAG_TIMEOUT="1", HF_TOKEN="hf_0123456789abcdefgh") as asked,
    ):
        told = asked("reach")
        # The front page of a mirror may be missing.
        assert [told[key] for key in ("endpoint", "is_reachable", "answer")] == [hub.url, True, "HTTP 404"]
        assert told["token"] == "what HF_TOKEN is set to"
        for failure, answer in (("error", "HTTP 500"), (407, "HTTP 407"), ("cut", ": "), ("hang", "Timeout")):
            hub.failure = failure
            told = asked("reach")
            assert told["is_reachable"] is False and answer in told["answer"], told


def test_no_hub_at_all(cached: Cached, tmp_path: Path) -> None:
    with running_hub() as gone:
        url = gone.url
    with worker(url, cached.home) as asked:
        check_what_it_lacks(asked, f"{url} is out of reach: ")
        check_what_the_cache_holds(asked, cached)
    with worker(url, tmp_path) as asked:
        error = asked.refused("checkpoint", name="tiny/bert")
        assert "nothing of it in" in error["received"]
        assert "nothing of it in the cache of `datasets`" in asked.refused("rows")["received"]


def test_a_name_server_that_never_answers(cached: Cached) -> None:
    with worker("http://hub.invalid", cached.home, HF_HUB_ETAG_TIMEOUT="1") as asked:
        asked("silence_name_server")
        answer = asked("checkpoint", name="tiny/bert")
        assert answer["revision"] == cached.model
        assert answer["seconds"] < SOON


def test_a_proxy_that_is_not_there(cached: Cached) -> None:
    with running_hub() as gone:
        url = gone.url
    with worker("http://hub.invalid", cached.home, HTTP_PROXY=url) as asked:
        assert asked("checkpoint", name="tiny/bert")["revision"] == cached.model
    with worker("http://hub.invalid", cached.home, HTTP_PROXY="nonsense") as asked:
        error = asked.refused("checkpoint", name="tiny/other")
        assert error["error"] == "HubError"


def copy(cached: Cached, folder: Path) -> Path:
    """The cache once more, to be damaged."""
    return shutil.copytree(cached.home, folder / "home", symlinks=True)


def remove(folder: Path, pattern: str) -> Path:
    (found,) = folder.rglob(pattern)
    found.unlink()
    return found


def test_a_cache_that_is_not_whole(cached: Cached, tmp_path: Path) -> None:
    home = copy(cached, tmp_path)
    remove(home / "hub" / "models--tiny--bert" / "snapshots", "model.safetensors")
    arrow = remove(home / "datasets" / "nyu-mll___glue" / "mrpc" / "0.0.0" / cached.new, "glue-train.arrow")
    arrow.write_bytes(b"damaged")
    with worker(cached.hub, home, HF_HUB_OFFLINE="1") as asked:
        error = asked.refused("checkpoint", name="tiny/bert")
        assert "all but model.safetensors in" in error["received"]
        error = asked.refused("rows")
        assert error["message"] == f"the cached data set in {arrow.parent} is damaged"
        assert "delete that folder" in error["fix"]
    with worker(cached.hub, home) as asked:
        assert "model.safetensors" in asked("checkpoint", name="tiny/bert")["files"]


def test_a_cache_filled_by_other_tools(cached: Cached, tmp_path: Path) -> None:
    home = copy(cached, tmp_path)
    # Single files, and no list of all; a data set, and nothing about its branches.
    shutil.rmtree(home / "hub" / "models--tiny--bert" / "trees")
    shutil.rmtree(home / "hub" / "datasets--nyu-mll--glue")
    with worker(cached.hub, home, HF_HUB_OFFLINE="1") as asked:
        assert asked("checkpoint", name="tiny/bert")["revision"] == cached.model
        answer = asked("rows")
        assert answer["provenance"]["revision"] == cached.old, "the newest in the cache"
        remove(home / "hub" / "models--tiny--bert" / "snapshots", "model.safetensors")
        error = asked.refused("checkpoint", name="tiny/bert")
        assert "only config.json, tokenizer.json, tokenizer_config.json in" in error["received"]


def test_a_list_of_files_that_cannot_be_had(cached: Cached, tmp_path: Path) -> None:
    home = copy(cached, tmp_path)
    shutil.rmtree(home / "hub" / "models--tiny--bert" / "trees")
    remove(home / "hub" / "models--tiny--bert" / "snapshots", "tokenizer.json")
    cached.hub.failure = "tree"
    try:
        with worker(cached.hub, home) as asked:
            asked("do_not_wait")
            error = asked.refused("checkpoint", name="tiny/bert")
            # Half a checkpoint is none. Without the list some clients hand out what they have, others the hub's answer.
            received = error["received"]
            cut_short = "the download was cut short" in received and "without tokenizer.json" in received
            assert cut_short or "HTTP 500" in received
    finally:
        cached.hub.failure = None


def test_a_hub_that_has_ended_answers_no_kept_connection() -> None:
    """What the tests of this file rest on: clients keep their connections open for some seconds."""
    with running_hub() as hub:
        client = HTTPConnection(*hub.server_address[:2], timeout=20)
        client.request("GET", "/api/models/nobody/nothing")
        assert client.getresponse().read()
        client.auto_open = 0
    with closing(client), pytest.raises((ConnectionError, HTTPException)):
        client.request("GET", "/api/models/nobody/nothing")
        client.getresponse()
