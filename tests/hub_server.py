"""A hub on the loopback: enough of its HTTP API for the real clients to load data sets and checkpoints from it.

What `huggingface_hub` 2.4, `datasets` 5.2 and `transformers` 5.23 ask for, as logged from them:

    GET  /api/{models,datasets}/<repo>[/revision/<revision>]     commit and list of files
    GET  /api/{models,datasets}/<repo>/tree/<revision>[/<path>]  entries with their sizes and object numbers
    POST /api/{models,datasets}/<repo>/paths-info/<revision>     the same of given paths
    HEAD, GET /[datasets/]<repo>/resolve/<revision>/<path>       a file; its commit and ETag in the headers
    GET  /api/agent-harnesses                                    answered with 404, as an older hub would

What those ask for who upload stands in hub_uploads.py.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hub_uploads import Account, Storage, Uploads, git_object
from ports import keep_port

Configurations = Mapping[str, tuple[Mapping[str, Mapping[str, Sequence[Any]]], Sequence[str]]]


@dataclass
class Repository:
    """A repository with its commits, oldest first; the newest is the branch `main` unless `branches` says otherwise."""

    kind: str
    name: str
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def resolve(self, revision: str) -> str | None:
        revision = self.branches.get(revision, self.tags.get(revision, revision))
        if revision == "main":
            return list(self.commits)[-1]
        return revision if revision in self.commits else None


class HubServer(ThreadingHTTPServer):
    """The server, its repositories, its log, and the ways in which it can fail.

    Attributes:
        url: what HF_ENDPOINT is set to.
        requests: method and path of each request, in order.
        connections: how many were opened.
        failure: None, or "error" (each answer is a 500), "hang" (no answer at all), "resolve" (a 500 for each file),
            "tree" (a 500 for each list of files), "nonsense" (each answer is a page of HTML), "echo" (a 403 that says
            what the request's headers said), or a status code. With
            a part of an address behind a colon, only requests to such addresses fail: "hang:/commit/",
            "cut:/xorbs/" (the connection is closed), "403:/repos/create".
        accounts: who may write, by token.
        storage: of large files that were uploaded.
        bodies: of each request that had one, and its headers.
    """

    daemon_threads = True
    # Else leaving the block waits for requests that hang on purpose.
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[str] = []
        self.connections = 0
        self.open_connections: set[socket.socket] = set()
        self.failure: str | int | None = None
        self.released = threading.Event()
        self.accounts: dict[str, Account] = {}
        self.storage = Storage()
        self.bodies: list[bytes] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        self.open_connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open_connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close it, and keep its port: who asks again is refused, not answered by the hub of another test's process.

        Connections that a client keeps open for its next request are cut: their threads would go on answering it.
        """
        super().server_close()
        for connection in list(self.open_connections):
            with suppress(OSError):  # its thread was faster
                connection.shutdown(socket.SHUT_RDWR)
        keep_port(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up close the connection in the middle: nothing to report."""

    def add_files(self, kind: str, name: str, files: Mapping[str, bytes], tag: str | None = None) -> str:
        """Commit files to a repository, made if it is new, and return the commit."""
        repository = self.repositories.setdefault((kind, name), Repository(kind, name))
        sha = self.add_commit(repository, "main" if repository.branches else None, files)
        if tag:
            repository.tags[tag] = sha
        return sha

    def add_commit(self, repository: Repository, branch: str | None, files: Mapping[str, bytes]) -> str:
        """Add a commit with these files and no others, move the branch to it, and return it."""
        content = b"".join(path.encode() + data for path, data in sorted(files.items()))
        number = f"{repository.kind} {repository.name} {len(repository.commits)}"
        sha = hashlib.sha1(number.encode() + content).hexdigest()
        repository.commits[sha] = dict(files)
        if branch:
            repository.branches[branch] = sha
        return sha

    def add_model(self, name: str, folder: Path, **options: Any) -> str:
        """Commit a folder as a checkpoint, sub-folders included, and return the commit."""
        files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        return self.add_files("models", name, files, **options)

    def add_dataset(
        self,
        name: str,
        config: str,
        splits: Mapping[str, Mapping[str, Sequence[Any]]],
        labels: Sequence[str],
        **options: Any,
    ) -> str:
        """Commit a data set as `nyu-mll/glue` is: parquet files, and a card that lists them and names the labels.

        Args:
            name: `owner/name`.
            config: the one configuration.
            splits: for each split the columns; `label` and `idx` are whole numbers, the others text.
            labels: the names of the labels; none for a label that is a score.
            **options: of `add_files`.
        """
        return self.add_configurations(name, {config: (splits, labels)}, **options)

    def add_configurations(self, name: str, configurations: Configurations, **options: Any) -> str:
        """Commit a data set with several configurations: of each, the splits and the labels of `add_dataset`."""
        files = {
            f"{config}/{split}-00000-of-00001.parquet": parquet(columns)
            for config, (splits, _) in configurations.items()
            for split, columns in splits.items()
        }
        files["README.md"] = card(configurations).encode()
        return self.add_files("datasets", name, files, **options)


def parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), buffer)
    return buffer.getvalue()


def card(configurations: Configurations) -> str:
    """A README.md with the metadata from which `datasets` takes the files, the columns and the labels' names."""
    metadata = {
        "dataset_info": [about(config, *splits_and_labels) for config, splits_and_labels in configurations.items()],
        "configs": [
            {"config_name": config, "data_files": [{"split": split, "path": f"{config}/{split}-*"} for split in splits]}
            for config, (splits, _) in configurations.items()
        ],
    }
    # JSON is YAML too.
    return f"---\n{json.dumps(metadata, indent=1)}\n---\n# {' '.join(configurations)}\n"


def about(config: str, splits: Mapping[str, Mapping[str, Sequence[Any]]], labels: Sequence[str]) -> dict[str, Any]:
    names = {"class_label": {"names": {str(index): label for index, label in enumerate(labels)}}}
    dtypes = {"label": names if labels else "float32", "idx": "int32"}
    columns = list(next(iter(splits.values())))
    return {
        "config_name": config,
        "features": [{"name": column, "dtype": dtypes.get(column, "string")} for column in columns],
        "splits": [
            {"name": split, "num_examples": len(rows[columns[0]]), "num_bytes": 1} for split, rows in splits.items()
        ],
        "download_size": 1,
        "dataset_size": 1,
    }


@contextmanager
def running_hub() -> Iterator[HubServer]:
    """A server that answers while the block runs."""
    with HubServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()


class _Handler(Uploads, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise the body of an answer waits 40 ms for the client to acknowledge the head.
    disable_nagle_algorithm = True
    server: HubServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The log is `server.requests`."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _failure(self, path: str) -> str | int | None:
        """How this request is to fail."""
        kind, colon, part = str(self.server.failure).partition(":")
        if not colon:
            return self.server.failure
        if part not in path:
            return None
        return int(kind) if kind.isdigit() else kind

    def _answer(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        if body:
            self.server.bodies.append(body)
        failure = self._failure(path)
        if failure == "hang":
            self.server.released.wait(120)
            self.close_connection = True
        elif failure == "cut":
            self.close_connection = True
        elif failure == "error" or f"/{failure}/" in path:
            self._refuse(500, "InternalError", "something broke")
        elif failure == "nonsense":
            self._send(200, b"<html>Log in to this network first</html>", {"Content-Type": "text/html"})
        elif failure == "echo":
            said = f"{self.headers.get('Authorization')} at {self.headers.get('Host')}"
            self._refuse(403, "", f"refused {said} ({base64.b64decode(said.split()[1] + '==')!r})")
        elif isinstance(failure, int):
            self._refuse(failure, "", "refused")
        elif not (self.upload(path, body) or self._api(path, body) or self._file(path)):
            self._refuse(404, "", "no such page")

    def _api(self, path: str, body: bytes) -> bool:
        match = re.fullmatch(r"/api/(models|datasets)/(.+?)(?:/(revision|tree|paths-info)/(.+))?", path)
        repository = self.server.repositories.get((match[1], match[2])) if match else None
        if match is None:
            return False
        if repository is None or (repository.private and self.account() is None):
            # As the hub does: whether there is a private one is nobody's business.
            self._refuse(401, "RepoNotFound", "Repository not found")
            return True
        what = match[3] or "revision"
        revision, _, folder = (match[4] or "main").partition("/") if what == "tree" else (match[4] or "main", "", "")
        sha = repository.resolve(revision)
        if sha is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return True
        files = repository.commits[sha]
        if what == "revision":
            siblings = [{"rfilename": name} for name in files]
            self._json(
                {
                    "id": repository.name,
                    "sha": sha,
                    "private": repository.private,
                    "gated": "manual" if repository.gated else False,
                    "siblings": siblings,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                }
            )
        elif what == "tree":
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() in ("true", "1")
            entries = _entries(files, folder, recursive)
            if folder and not entries:
                self._refuse(404, "EntryNotFound", f"{folder} does not exist")
            else:
                self._json(entries)
        else:
            if (self.headers.get("Content-Type") or "").startswith("application/json"):
                paths = json.loads(body)["paths"]
            else:
                paths = parse_qs(body.decode())["paths"]
            self._json([entry for entry in _entries(files, "", True) if entry["path"] in paths])
        return True

    def _file(self, path: str) -> bool:
        match = re.fullmatch(r"/(datasets/)?(.+?)/resolve/([^/]+)/(.+)", path)
        if match is None:
            return False
        repository = self.server.repositories.get(("datasets" if match[1] else "models", match[2]))
        if repository is None or (repository.private and self.account() is None):
            self._refuse(401, "RepoNotFound", "Repository not found")
            return True
        sha = repository.resolve(match[3])
        if sha is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {match[3]}")
        elif repository.gated:
            self._refuse(401, "GatedRepo", "Access to this repository is restricted", {"X-Repo-Commit": sha})
        elif match[4] not in repository.commits[sha]:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": sha})
        else:
            self._send_file(repository.commits[sha][match[4]], sha)
        return True

    def _send_file(self, data: bytes, sha: str) -> None:
        headers = {"X-Repo-Commit": sha, "ETag": f'"{git_object(data)}"', "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            self._send(200, data, headers)
            return
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._send(206, data[first : last + 1], headers)

    def _json(self, answer: Any, status: int = 200) -> None:
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **(headers or {})}
        self._send(status, json.dumps({"error": message}).encode(), {"Content-Type": "application/json", **headers})

    def _send(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _entries(files: Mapping[str, bytes], folder: str, recursive: bool) -> list[dict[str, Any]]:
    """What the hub says of the files and folders below `folder`."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, data in files.items():
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        for depth in range(1, len(parts)):
            above = prefix + "/".join(parts[:depth])
            entries.setdefault(
                above, {"type": "directory", "path": above, "oid": git_object(above.encode()), "size": 0}
            )
        entries[path] = {"type": "file", "path": path, "oid": git_object(data), "size": len(data)}
    return [entry for path, entry in entries.items() if recursive or "/" not in path[len(prefix) :]]
