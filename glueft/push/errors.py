"""What it means to the user that the hub does not take a push."""

from __future__ import annotations

import os
from pathlib import Path

from glueft.errors import HubError
from glueft.hub.errors import first_line
from glueft.text import without_secrets

NOTHING_VISIBLE = "nothing of it is visible on the hub, where the commit is the last step"


class HubAwayError(HubError):
    """The hub cannot be asked now; later it may."""


def of_client(error: BaseException, name: str, *, user: str = "", begun: bool = False) -> HubError:
    """What a refusal of the hub, or a failure of its client, means to the user.

    Args:
        error: from the client.
        name: the repository.
        user: whose token it is, if the hub has said so already.
        begun: whether files were on their way.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # re-exported for libraries such as this one

    status = status_of(error)
    if status == 401 and not user:
        return wrong_token(name, error)
    if status in (401, 403):
        return no_permission(name, user, described(error))
    if status == 429 or (status or 0) >= 500:
        return away(name, described(error), begun=begun)
    if status:
        return not_taken(name, error)
    if isinstance(error, (httpx.TransportError, OSError, OfflineModeIsEnabled)):
        return away(name, described(error), begun=begun)
    if begun:  # The storage of large files has a client of its own, whose errors have no classes.
        return away(name, described(error), begun=True)
    return away(name, f"an answer that is not the hub's ({described(error)})")


def unusable_name(what: str, given: str, rule: str) -> HubError:
    """The error for a name that no repository or branch can have."""
    return HubError(
        f'"{given}" is no name of a {what} on the hub: it {rule}',
        expected={"repository": "USER/NAME, such as alice/mrpc-minilm", "branch": "a branch, such as main"}[what],
        received=f'"{given}"',
        fix="correct the name",
    )


def away(name: str, reason: str, *, begun: bool = False) -> HubAwayError:
    """The error for a hub that may not be asked or does not answer."""
    from huggingface_hub import constants

    again = "a proxy and HF_ENDPOINT, if set, must be right"
    if reason.partition("=")[0] in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") or "offline mode" in reason:
        again = "unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE"
    return HubAwayError(
        f'the upload to "{name}" was interrupted' if begun else f'"{name}" was not pushed: the hub cannot be asked',
        expected=f"an answer from {constants.ENDPOINT}",
        received=reason + (f"; {NOTHING_VISIBLE}" if begun else ""),
        fix=f"push again when the hub is there: glueft push RUN {name}; {again}",
    )


def no_token(name: str) -> HubError:
    """The error where huggingface_hub's own places hold no token."""
    return HubError(
        f'"{name}" was not pushed: the hub takes nothing without a token',
        expected="a token that may write, where the hub's own tools look for it",
        received="no token in HF_TOKEN and none of `hf auth login`",
        fix="log in (hf auth login) or set HF_TOKEN; tokens are made in your settings on the hub",
    )


def malformed_token(name: str) -> HubError:
    """The error for a token that cannot be sent. It is not shown."""
    return HubError(
        f'"{name}" was not pushed: {_token_source()} is no token',
        expected="letters, digits, underscores and the like, without spaces",
        received="characters that no token has",
        fix="copy it again from your settings on the hub, without quotes or spaces",
    )


def wrong_token(name: str, error: BaseException) -> HubError:
    """The error for a token that the hub does not know."""
    return HubError(
        f'"{name}" was not pushed: the hub does not know the token',
        expected="a token that is valid and may write",
        received=f"{described(error)}; the token is {_token_source()}",
        fix="log in again (hf auth login --force) or correct HF_TOKEN, which goes before; the token may have expired",
    )


def no_permission(name: str, user: str, reason: str) -> HubError:
    """The error for an account or token that may not write there."""
    owner, _, repository = name.partition("/")
    own = f"push to your own account (glueft push RUN {user}/{repository}), or " if user and user != owner else ""
    return HubError(
        f'you may not write to "{name}"',
        expected=f"a token with the right to write to what belongs to {owner}",
        received=f"{reason}; the token is of {user or 'another account'}",
        fix=f"{own}make a token that may write there, in your settings on the hub",
    )


def name_refused(name: str, error: BaseException) -> HubError:
    """The error for a name that the hub does not want."""
    return HubError(
        f'the hub refuses the name "{name}"',
        expected="a name that the hub allows",
        received=described(error),
        fix="choose another name",
    )


def another_type(name: str) -> HubError:
    """The error for a name that a data set or a space has."""
    return HubError(
        f'"{name}" exists on the hub, and is no model repository',
        expected="a new name, or the name of a model repository",
        received="a repository of another type, a data set or a space",
        fix="choose another name",
    )


def is_public(name: str) -> HubError:
    """The error for --private where everybody may read."""
    return HubError(
        f'"{name}" exists already, and is public',
        expected="a new repository, or one that is private",
        received="a public repository, and the wish to push to a private one",
        fix="make it private in its settings on the hub, choose another name, or push without --private",
    )


def foreign_files(name: str, files: list[str]) -> HubError:
    """The error for a repository with somebody's work in it."""
    shown = ", ".join(files[:8]) + (f" and {len(files) - 8} more" if len(files) > 8 else "")
    return HubError(
        f'"{name}" holds files that glueft has not pushed',
        expected="a new or empty repository, or one that glueft has pushed to",
        received=shown,
        fix=f"choose another name; or replace the model and its card there: glueft push RUN {name} --force",
    )


def no_branch(name: str, revision: str, received: str) -> HubError:
    """The error for a revision that nothing can be added to."""
    return HubError(
        f'"{revision}" is no branch of "{name}" that can be pushed to',
        expected="a branch, or a name for a new one",
        received=received,
        fix="choose another name for --revision; tags and commits stay as they are",
    )


def not_taken(name: str, error: BaseException) -> HubError:
    """The error for whatever else the hub answers."""
    return HubError(
        f'the hub did not take the push to "{name}"',
        expected="a new commit there",
        received=f"{described(error)}; {NOTHING_VISIBLE}",
        fix=f"try again: glueft push RUN {name}; if it stays so, look at the repository's settings and your quota",
    )


def described(error: BaseException) -> str:
    """An error of the client in one line, without secrets."""
    status = status_of(error)
    what = f"HTTP {status}" if status else type(error).__name__
    words = getattr(error, "server_message", None)
    return without_secrets(f"{what}: {words.splitlines()[0] if words else first_line(error)}")


def status_of(error: BaseException) -> int | None:
    """The status code of the hub's answer, if there was one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _token_source() -> str:
    """Where the token comes from, in words."""
    from huggingface_hub import constants

    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(variable, "").strip():
            return f"what {variable} is set to"
    return "what `hf auth login` has stored" if Path(constants.HF_TOKEN_PATH).is_file() else "what was found"
