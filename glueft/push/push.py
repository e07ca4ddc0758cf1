"""Pushes a run to the hub, through the hub's own client: one commit, which is there whole or not at all.

The token comes from the client's own places and goes into the client's requests alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
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
        repository: USER/NAME; checked.
        private: make a new repository private, and refuse a public one.
        revision: the branch, made if it is new; None for the main one.
        force: replace a model and card that glueft has not pushed.

    Raises:
        HubError: the repository or the branch cannot have such a name.
    """

    repository: str
    private: bool = False
    revision: str | None = None
    force: bool = False

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
        """The branch by its name."""
        return self.revision or MAIN


@dataclass(frozen=True)
class Pushed:
    """What has become of a push.

    Attributes:
        target: where it went.
        url: of the repository.
        commit: its number.
        created: whether the repository is new.
        private: whether only its owners may read it.
        files: the bytes of each file.
        removed: files of an earlier checkpoint that are no longer there.
        seconds: that it took.
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
        """Return it as plain values, for `--json` and run.json."""
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
    """Nobody waits for the push any more, and it has left nothing to be seen."""


def push_run(run: Run, target: Target) -> Pushed:
    """Push a finished run.

    Raises:
        RunFolderError, CheckpointError: the run folder lacks something, or it is broken.
        HubError: the hub cannot be asked, or refuses.
    """
    content = content_of(source_of(run), target.repository, target.revision)
    with quiet_client():
        return push(content, target)


def push(content: Content, target: Target, given_up: Callable[[], bool] = lambda: False) -> Pushed:
    """Make the repository if there is none, and commit the files to it.

    What the client logs and shows is the caller's concern.

    Args:
        content: the files.
        target: where to.
        given_up: asked before the commit, and whenever else it can be stopped.

    Raises:
        HubError: the hub cannot be asked, or refuses; no commit was made then.
        GivenUpError: `given_up` said so; no commit was made.
    """
    begin = time.perf_counter()
    api = make_api()
    user = log_in(api, target)
    upload = _Upload(api, target, user, given_up)
    created = upload.make_repository()
    files, private = upload.prepare_branch(created)
    commit, removed = upload.commit(content, files)
    url = f"{api.endpoint}/{target.repository}"
    seconds = time.perf_counter() - begin
    return Pushed(target, url, commit, created, private, content.sizes(), removed, seconds)


def make_api() -> HfApi:
    """Return the hub's client; it takes the token from its own places."""
    from huggingface_hub import HfApi

    # True: also where HF_HUB_DISABLE_IMPLICIT_TOKEN keeps the token from requests that can do without.
    return HfApi(token=True, library_name="glueft", library_version=__version__)


def log_in(api: HfApi, target: Target) -> str:
    """Return whose the token is.

    Raises:
        HubError: offline mode, no token or a wrong one, one that may only read, or no answer in time.
    """
    from huggingface_hub import get_token

    reason = offline_reason("model")
    if reason:
        raise errors.away(target.repository, reason)
    try:
        token = in_thread(get_token, seconds_to_answer())
        if not token:
            raise errors.NO_TOKEN.error(target.repository)
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise errors.MALFORMED_TOKEN.error(target.repository, token=errors.token_source())
        account = in_thread(api.whoami, seconds_to_answer())
        user, auth = str(account["name"]), account.get("auth") or {}
    except GlueftError:
        raise
    except Exception as error:
        raise errors.push_error(error, target.repository) from None
    if (auth.get("accessToken") or {}).get("role") == "read":
        raise errors.no_permission(target.repository, user, "a token that may only read")
    return user


class _Upload:
    """One push, step by step. What the client raises comes out as a HubError, without the client's own traceback."""

    def __init__(self, api: HfApi, target: Target, user: str, given_up: Callable[[], bool]) -> None:
        self.api = api
        self.target = target
        self.name = target.repository
        self.user = user
        self.given_up = given_up

    def make_repository(self) -> bool:
        """Make the repository; return False if there is one already."""
        from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

        try:
            self.api.create_repo(self.name, private=self.target.private or None, repo_type="model")
        except HfHubHTTPError as refusal:
            status = errors.status_of(refusal)
            if status == 400:
                raise errors.NAME_REFUSED.error(self.name, answer=errors.described(refusal)) from None
            if status not in (401, 402, 403, 409):
                raise self._error(refusal) from None
            # A token may be allowed to write to a repository, and not to make one.
            try:
                self.api.repo_info(self.name, repo_type="model")
            except RepositoryNotFoundError:
                if status == 409:
                    raise errors.ANOTHER_TYPE.error(self.name) from None
                raise self._error(refusal) from None
            except Exception as error:
                raise self._error(error) from None
            return False
        except Exception as error:
            raise self._error(error) from None
        return True

    def prepare_branch(self, created: bool) -> tuple[list[str], bool]:
        """Make the branch if it is new; return its files, and whether the repository is private."""
        target = self.target
        try:
            refs = self.api.list_repo_refs(self.name, repo_type="model") if target.revision else None
            if refs and target.revision in [tag.name for tag in refs.tags]:
                raise errors.IS_TAG.error(self.name, branch=target.branch)
            is_new = refs is not None and target.revision not in [branch.name for branch in refs.branches]
            # A new branch begins with what the main one holds.
            info = self.api.model_info(self.name, revision=None if is_new else target.revision)
            files = [file.rfilename for file in info.siblings or ()]
            foreign = [name for name in files if name != ".gitattributes"]
            if target.private and not info.private:
                raise errors.IS_PUBLIC.error(self.name)
            shown = ", ".join(foreign[:8]) + (f" and {len(foreign) - 8} more" if len(foreign) > 8 else "")
            if foreign and not created and not target.force and not OWN_FILES.issubset(foreign):
                raise errors.FOREIGN_FILES.error(self.name, files=shown)
            self._go_on()
            if is_new:
                self.api.create_branch(self.name, branch=target.branch, repo_type="model")
        except (GlueftError, GivenUpError):
            raise
        except Exception as error:
            raise self._error(error) from None
        return files, bool(info.private)

    def commit(self, content: Content, there: list[str]) -> tuple[str, tuple[str, ...]]:
        """Upload the files and commit them; return the commit, and the files that it removes."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        removed = tuple(name for name in there if is_stale(name, content.files))
        try:
            additions = [CommitOperationAdd(name, file) for name, file in content.files.items()]
            self.api.preupload_lfs_files(self.name, additions, revision=self.target.branch, free_memory=False)
            self._go_on()
            info = self.api.create_commit(
                self.name,
                [*additions, *(CommitOperationDelete(name) for name in removed)],
                commit_message=content.message,
                revision=self.target.branch,
            )
        except (GlueftError, GivenUpError):
            raise
        except Exception as error:
            raise self._error(error, begun=True) from None
        return str(info.oid), removed

    def _go_on(self) -> None:
        if self.given_up():
            raise GivenUpError

    def _error(self, error: BaseException, begun: bool = False) -> GlueftError:
        return errors.push_error(error, self.name, user=self.user, begun=begun)
