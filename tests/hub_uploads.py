"""What the loopback hub answers to those who upload, and the storage behind it.

What `huggingface_hub` 2.4 and `hf_xet` 1.8 ask for, as logged from them:

    GET  /api/whoami-v2                                    the account of the token
    POST /api/repos/create                                 409 where there is one of that name
    POST /api/validate-yaml                                of a README.md
    GET  /api/models/<repo>/refs                           branches and tags
    POST /api/models/<repo>/branch/<branch>
    POST /api/models/<repo>/preupload/<branch>             which files go to the storage of large files
    POST /api/models/<repo>/commit/<branch>                lines of JSON: a header, files, large files, deletions
    GET  /api/models/<repo>/xet-write-token/<branch>       where the storage is (xet, the client's choice)
    GET  /v1/chunks/..., POST /v1/xorb-grants/...          404: nothing is there already, and no such grants
    POST /v1/xorbs/default/<hash>, POST /v1/shards         chunks, and which of them make which file
    POST /<repo>.git/info/lfs/objects/batch, PUT /lfs/...  the same with HF_HUB_DISABLE_XET=1

The formats of xorbs and shards: the Xet protocol specification, https://huggingface.co/docs/xet. Chunks must come
uncompressed (HF_XET_DATA_XORB_COMPRESSION_POLICY=none).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from hub_server import Repository

# The hub keeps such files, and whatever is large, out of git.
LARGE = (".safetensors", ".bin", ".model", ".h5")
ENTRY = 48  # bytes of every entry of a shard
BOOKMARK = b"\xff" * 32


@dataclass
class Account:
    """Whose a token is, and what it may."""

    name: str
    role: str = "write"
    organizations: tuple[str, ...] = ()


@dataclass
class Storage:
    """The large files, by SHA-256; and the xorbs that they come in, by their own hash."""

    files: dict[str, bytes] = field(default_factory=dict)
    xorbs: dict[str, list[bytes]] = field(default_factory=dict)

    def add_shard(self, shard: bytes) -> None:
        """Put the files together that a shard describes."""
        at = ENTRY  # behind the shard's header
        while shard[at : at + 32] != BOOKMARK:
            flags, count = (int.from_bytes(shard[at + 32 + 4 * i : at + 36 + 4 * i], "little") for i in (0, 1))
            entries = [shard[at + ENTRY * (1 + i) : at + ENTRY * (2 + i)] for i in range(count)]
            content = b"".join(b"".join(self._chunks(entry)) for entry in entries)
            # Behind the segments: their verification (bit 31), then the file's SHA-256 (bit 30).
            at += ENTRY * (1 + count * (2 if flags >> 31 & 1 else 1))
            assert flags >> 30 & 1
            digest = in_words(shard[at : at + 32])
            assert hashlib.sha256(content).hexdigest() == digest
            self.files[digest] = content
            at += ENTRY

    def _chunks(self, segment: bytes) -> list[bytes]:
        begin, end = (int.from_bytes(segment[place : place + 4], "little") for place in (40, 44))
        return self.xorbs[in_words(segment[:32])][begin:end]


def in_words(digest: bytes) -> str:
    """A hash as hexadecimal text: the client writes it as four little-endian numbers."""
    return b"".join(digest[at : at + 8][::-1] for at in range(0, 32, 8)).hex()


def chunks_of(xorb: bytes) -> Iterator[bytes]:
    """The chunks of a xorb, each behind 8 bytes: version, packed size, how it is packed, size."""
    at = 0
    while at < len(xorb) and xorb[at] == 0:
        size = int.from_bytes(xorb[at + 1 : at + 4], "little")
        assert xorb[at + 4] == 0, "the chunk is compressed"
        yield xorb[at + 8 : at + 8 + size]
        at += 8 + size


class Uploads:
    """The half of the request handler that writes."""

    server: Any
    headers: Any
    command: str

    def _json(self, answer: Any, status: int = 200) -> None:
        raise NotImplementedError

    def _refuse(self, status: int, code: str, message: str) -> None:
        raise NotImplementedError

    def account(self) -> Account | None:
        """Whose token came with the request."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        account: Account | None = self.server.accounts.get(token)
        return account

    def upload(self, path: str, body: bytes) -> bool:
        """Answer a request that writes, or say that it is none."""
        if path.startswith(("/v1/", "/lfs/")):
            return self._storage(path, body)
        if path == "/api/validate-yaml":
            self._json({"warnings": [], "errors": []})
            return True
        writes = re.fullmatch(
            r"/(?:api/models/)?([^/]+/[^/]+?)(?:/(branch|preupload|commit|xet-write-token)/(.+)|/(refs)|\.git/info/lfs/.+)",
            path,
        )
        if not writes and path not in ("/api/whoami-v2", "/api/repos/create"):
            return False
        account = self.account()
        if account is None:
            self._refuse(401, "", "Invalid username or password.")
        elif path == "/api/whoami-v2":
            organizations = [{"name": name} for name in account.organizations]
            auth = {"type": "access_token", "accessToken": {"displayName": "laptop", "role": account.role}}
            self._json({"type": "user", "name": account.name, "orgs": organizations, "auth": auth})
        elif path == "/api/repos/create":
            self._create(account, json.loads(body))
        else:
            assert writes is not None
            self._write(account, writes[1], writes[2] or writes[4] or "lfs", writes[3] or "", body)
        return True

    def _may_write(self, account: Account, owner: str) -> bool:
        return account.role == "write" and owner in (account.name, *account.organizations)

    def _create(self, account: Account, asked: dict[str, Any]) -> None:
        owner = asked.get("organization") or account.name
        name = f"{owner}/{asked['name']}"
        kind = asked.get("type", "model") + "s"
        if not self._may_write(account, owner):
            self._refuse(403, "", f"You don't have the rights to create a model under the namespace {owner!r}")
        elif asked["name"].startswith("reserved"):
            self._refuse(400, "", "Repo name is reserved")
        elif taken := [other for other, known in self.server.repositories if known == name]:
            answer = {"error": f"You already created this {taken[0].removesuffix('s')} repo", "url": self._url(name)}
            self._json(answer, status=409)
        else:
            self.server.add_files(kind, name, {".gitattributes": b"*.safetensors filter=lfs\n"})
            repository = self.server.repositories[kind, name]
            repository.private = asked.get("visibility") == "private" or asked.get("private") is True
            repository.branches["main"] = repository.resolve("main")
            self._json({"url": self._url(name), "name": name})

    def _url(self, name: str) -> str:
        return f"{self.server.url}/{name}"

    def _write(self, account: Account, name: str, what: str, revision: str, body: bytes) -> None:
        repository: Repository | None = self.server.repositories.get(("models", name))
        if repository is None:
            self._refuse(404, "RepoNotFound", "Repository not found")
            return
        if not self._may_write(account, name.split("/")[0]):
            self._refuse(403, "", f"You don't have write access to {name}")
            return
        sha = repository.resolve(revision) if revision else None
        if what == "branch":
            exists = revision in repository.branches or revision in repository.tags
            if not exists:
                repository.branches.setdefault("main", repository.resolve("main") or "")
                repository.branches[revision] = repository.resolve("main") or ""
            self._json({}, status=409 if exists else 200)
        elif what == "refs":
            refs = {"branches": {"main": repository.resolve("main"), **repository.branches}, "tags": repository.tags}
            named = {
                kind: [{"name": name, "ref": f"refs/{name}", "targetCommit": sha} for name, sha in those.items()]
                for kind, those in refs.items()
            }
            self._json(named | {"converts": []})
        elif what == "lfs":
            self._batch(json.loads(body))
        elif sha is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        elif what == "preupload":
            self._json({"files": [self._plan(file, repository.commits[sha]) for file in json.loads(body)["files"]]})
        elif what == "xet-write-token":
            expires = int(time.time()) + 3600
            self._json({"casUrl": self.server.url, "accessToken": "short-lived", "exp": expires})
        elif revision in repository.tags or revision in repository.commits:
            self._refuse(400, "", "You can only commit to a branch")
        else:
            self._commit(repository, revision, sha, [json.loads(line) for line in body.splitlines() if line])

    def _plan(self, file: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        large = file["path"].endswith(LARGE) or file["size"] > 2_000_000
        content = files.get(file["path"])
        digest = (hashlib.sha256(content).hexdigest() if large else git_object(content)) if content else None
        return {
            "path": file["path"],
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
            "oid": digest,
        }

    def _commit(self, repository: Repository, branch: str, parent: str, lines: list[dict[str, Any]]) -> None:
        files = dict(repository.commits[parent])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.server.storage.files:
                    self._refuse(400, "", "LFS pointer pointed to a file that does not exist")
                    return
                files[value["path"]] = self.server.storage.files[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                repository.messages.append(value["summary"])
        sha = self.server.add_commit(repository, branch, files)
        self._json({"commitUrl": f"{self._url(repository.name)}/commit/{sha}", "commitOid": sha})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for wanted in asked["objects"]:
            known = wanted["oid"] in self.server.storage.files
            upload = {} if known else {"actions": {"upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"}}}
            objects.append(wanted | upload)
        self._json({"transfer": "basic", "objects": objects})

    def _storage(self, path: str, body: bytes) -> bool:
        storage: Storage = self.server.storage
        kind, _, name = path.removeprefix("/v1/").partition("/")
        if kind == "xorbs":
            storage.xorbs[name.rsplit("/", 1)[-1]] = list(chunks_of(body))
            self._json({"was_inserted": True})
        elif kind == "shards":
            storage.add_shard(body)
            self._json({"result": 1})
        elif path.startswith("/lfs/"):
            digest = unquote(path.rsplit("/", 1)[-1])
            assert hashlib.sha256(body).hexdigest() == digest
            storage.files[digest] = body
            self._json({})
        else:
            return False
        return True


def git_object(data: bytes) -> str:
    """The number under which git keeps a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
