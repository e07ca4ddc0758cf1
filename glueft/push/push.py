"""Pushes a run to the hub through the hub's client, as one commit: it is there whole or not at all.

The token comes from where the client looks for it, and goes into the client's requests alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.hub import errors
from glueft.hub.client import in_thread, offline_reason, quiet_client, seconds_to_answer
from glueft.hub.repository_name import check_branch, check_repository_name
from glueft.push.content import OWN_FILES, Content, content_of, is_stale, source_of
from glueft.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from glueft.runs.run import Run

MAIN = "main"


@dataclass(frozen=True)
class Target:
    """Where to push.

    Attributes:
        repository: USER/NAME.
        private: create a new repository as private, and refuse a public one.
        revision: the branch, created if it is new; None for the main one.
        force: replace a model and card that glueft has not pushed.
        license, language: for the model card, as the hub names them; None for those of the recipe's [hub].

    Raises:
        HubError: the repository or the branch cannot have such a name.
    """

    repository: str
    private: bool = False
    revision: str | None = None
    force: bool = False
    license: str | None = None
    language: str | None = None

    def __post_init__(self) -> None:
        for refusal, name, check in (
            (errors.BAD_REPOSITORY, self.repository, check_repository_name),
            (errors.BAD_BRANCH, self.revision, check_branch),
        ):
            try:
                if name is not None:
                    check(name)
            except ValueError as rule:
                raise refusal.error(name or "", rule=rule) from None

    @property
    def branch(self) -> str:
        return self.revision or MAIN


@dataclass(frozen=True)
class Pushed:
    """A push that is done.

    Attributes:
        target: where it went.
        url: of the repository.
        commit: its hash.
        created: whether the repository is new.
        private: whether only its owners may read it.
        files: the bytes of each file.
        removed: files of an earlier checkpoint that the commit removes.
        seconds: the time it took.
    """

    target: Target
    url: str
    commit: str
    created: bool
    private: bool
    files: Mapping[str, int]
    removed: tuple[str, ...]
    seconds: float

    def as_record(self) -> dict[str, Any]:
        """Return it as JSON has it, for `--json` and run.json."""
        return {
            "status": "done",
            "repository": self.target.repository,
            "revision": self.target.branch,
            "url": self.url,
            "commit": self.commit,
            "created": self.created,
            "private": self.private,
            "files": dict(self.files),
            "removed": list(self.removed),
            "bytes": sum(self.files.values()),
            "seconds": round(self.seconds, 3),
        }


class GivenUpError(Exception):
    """The push was given up, before its commit."""


def push_run(run: Run, target: Target) -> Pushed:
    """Push a finished run.

    Raises:
        RunFolderError, CheckpointError: the run folder lacks something, or it is broken.
        HubError: the hub cannot be asked, or refuses.
    """
    content = content_of(
        source_of(run), target.repository, target.revision, license_name=target.license, language=target.language
    )
    with quiet_client():
        return push(content, target)


def push(content: Content, target: Target, given_up: Callable[[], bool] = lambda: False) -> Pushed:
    """Create the repository if there is none, and commit the files to it.

    What the client logs and shows is the caller's concern.

    Args:
        content: the files.
        target: where to.
        given_up: asked before the commit, and before a branch is created.

    Raises:
        HubError: the hub cannot be asked, or refuses; no commit was made then.
        GivenUpError: `given_up` said so; no commit was made.
    """
    begin = time.perf_counter()
    api, name = make_api(), target.repository
    user = log_in(api, target)
    with _client_errors(name, user):
        created = _create_repository(api, target)
        files, private = _prepare_branch(api, target, created, given_up)
    removed = tuple(file for file in files if is_stale(file, content.files))
    with _client_errors(name, user, begun=True):
        commit = _commit(api, target, content, removed, given_up)
    seconds = time.perf_counter() - begin
    return Pushed(target, f"{api.endpoint}/{name}", commit, created, private, content.sizes(), removed, seconds)


def make_api() -> HfApi:
    """Return the hub's client. It finds the token itself."""
    from huggingface_hub import HfApi

    # True, for HF_HUB_DISABLE_IMPLICIT_TOKEN keeps the token from requests that can do without.
    return HfApi(token=True, library_name="glueft", library_version=__version__)


def log_in(api: HfApi, target: Target) -> str:
    """Return the account of the token.

    Raises:
        HubError: offline mode, no token or a wrong one, one that may only read, or no answer in time.
    """
    from huggingface_hub import get_token

    reason = offline_reason("model")
    if reason:
        raise errors.away(target.repository, reason)
    with _client_errors(target.repository):
        token = in_thread(get_token, seconds_to_answer())
        if not token:
            raise errors.NO_TOKEN.error(target.repository)
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise errors.MALFORMED_TOKEN.error(target.repository, token=errors.token_source())
        account = in_thread(api.whoami, seconds_to_answer())
        user, auth = str(account["name"]), account.get("auth") or {}
    if (auth.get("accessToken") or {}).get("role") == "read":
        raise errors.no_permission(target.repository, user, "a token that may only read")
    return user


@contextmanager
def _client_errors(name: str, user: str = "", *, begun: bool = False) -> Iterator[None]:
    """Turn what the client raises into a HubError; the arguments are those of `push_error`."""
    try:
        yield
    except (GlueftError, GivenUpError):
        raise
    except Exception as error:
        raise errors.push_error(error, name, user=user, begun=begun) from None


def _create_repository(api: HfApi, target: Target) -> bool:
    """Create the repository; return False if there is one already."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    name = target.repository
    try:
        api.create_repo(name, private=target.private or None, repo_type="model")
    except HfHubHTTPError as refusal:
        status = errors.status_of(refusal)
        if status == 400:
            raise errors.NAME_REFUSED.error(name, answer=errors.described(refusal)) from None
        if status not in (401, 402, 403, 409):
            raise
        # A token may have the right to write to a repository, and not to create one.
        try:
            api.repo_info(name, repo_type="model")
        except RepositoryNotFoundError:
            raise errors.ANOTHER_TYPE.error(name) if status == 409 else refusal from None
        return False
    return True


def _prepare_branch(api: HfApi, target: Target, created: bool, given_up: Callable[[], bool]) -> tuple[list[str], bool]:
    """Create the branch if it is new; return its files, and whether the repository is private."""
    name = target.repository
    refs = api.list_repo_refs(name, repo_type="model") if target.revision else None
    if refs and target.revision in [tag.name for tag in refs.tags]:
        raise errors.IS_TAG.error(name, branch=target.branch)
    is_new = refs is not None and target.revision not in [branch.name for branch in refs.branches]
    # A new branch begins with what the main one holds.
    info = api.model_info(name, revision=None if is_new else target.revision)
    if target.private and not info.private:
        raise errors.IS_PUBLIC.error(name)
    files = [file.rfilename for file in info.siblings or ()]
    foreign = [file for file in files if file != ".gitattributes"]
    if foreign and not created and not target.force and not OWN_FILES.issubset(foreign):
        shown = ", ".join(foreign[:8]) + (f" and {len(foreign) - 8} more" if len(foreign) > 8 else "")
        raise errors.FOREIGN_FILES.error(name, files=shown)
    if given_up():
        raise GivenUpError
    if is_new:
        api.create_branch(name, branch=target.branch, repo_type="model")
    return files, bool(info.private)


def _commit(api: HfApi, target: Target, content: Content, removed: Sequence[str], given_up: Callable[[], bool]) -> str:
    """Upload the files, commit them and remove others; return the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    additions = [CommitOperationAdd(name, file) for name, file in content.files.items()]
    api.preupload_lfs_files(target.repository, additions, revision=target.branch, free_memory=False)
    if given_up():
        raise GivenUpError
    info = api.create_commit(
        target.repository,
        [*additions, *map(CommitOperationDelete, removed)],
        commit_message=content.message,
        revision=target.branch,
    )
    return str(info.oid)
