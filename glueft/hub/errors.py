"""The errors of the hub and its client: one table for checkpoints, data sets and pushes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glueft.errors import HubError
from glueft.text import without_secrets

Kind = Literal["model", "dataset"]
WHAT: dict[Kind, str] = {"model": "checkpoint", "dataset": "data set"}


@dataclass(frozen=True)
class Refusal:
    """The four parts of an error, each a template for `str.format`.

    `{name}` is the repository; the others are what the call of `error` names.
    """

    message: str
    expected: str
    received: str
    fix: str

    def error(self, name: str, **values: object) -> HubError:
        from huggingface_hub import constants

        values |= {"name": name, "endpoint": constants.ENDPOINT}
        parts = (part.format(**values) for part in (self.message, self.expected, self.received, self.fix))
        message, expected, received, fix = parts
        return HubError(message, expected=expected, received=received, fix=fix)


WORKS_OFFLINE = (
    "these work offline: --sample (the task's own sample and an installed encoder), --data-dir DIR (the benchmark's "
    "TSV files), --checkpoint CKPT (a folder, package:module/path, or run:FOLDER)"
)
NOTHING_VISIBLE = "nothing of it is visible on the hub, where the commit is the last step"

# Reading. {what}: "checkpoint" or "data set"; {page}: its address; {answer}: the hub's or the client's words.
BAD_NAME = Refusal(
    '"{name}" is no name of a {what} on the hub',
    "owner/name, such as google-bert/bert-base-uncased",
    '"{name}"',
    "correct the name; a checkpoint may also be an existing folder, package:module/path, or run:FOLDER",
)
GATED = Refusal(
    'the {what} "{name}" is gated: its owners ask for your consent first',
    "an account with access to {page}",
    "{answer}",
    "accept the conditions at {page}, then log in (hf auth login) or set HF_TOKEN",
)
NO_REVISION = Refusal(
    'the {what} "{name}" has no revision "{revision}"',
    "a branch, tag or commit of {page}",
    "{answer}",
    "correct the revision in the recipe, or leave it out for the newest",
)
NOT_FOUND = Refusal(
    'there is no {what} "{name}" on the hub, or it is private',
    "a {what} at {page}",
    "{answer}",
    "check the spelling; for a private one log in (hf auth login) or set HF_TOKEN",
)
NOT_READABLE = Refusal(
    'the hub does not let you read the {what} "{name}"',
    "an account with access to {page}",
    "{answer}",
    "log in again (hf auth login) or correct HF_TOKEN: the token may have expired",
)
UNREADABLE = Refusal(
    'the {what} "{name}" could not be read from the hub',
    "{page}, as the hub serves it",
    "{answer}",
    f"try again later, and check HF_ENDPOINT and your proxy if set; {WORKS_OFFLINE}",
)
NOT_AT_HAND = Refusal(
    'the {what} "{name}"{at} is not at hand: the hub cannot be asked, and its local cache does not hold it',
    "an answer from {endpoint}, or a copy in the local cache",
    "{reason}; {cached}",
    WORKS_OFFLINE,
)

# Pushing. {user}: the account of the token, {owner}: that of the repository.
BAD_REPOSITORY = Refusal(
    '"{name}" is no name of a repository on the hub: it {rule}',
    "USER/NAME, such as alice/mrpc-minilm",
    '"{name}"',
    "correct the name",
)
BAD_BRANCH = Refusal(
    '"{name}" is no name of a branch on the hub: it {rule}', "a branch, such as main", '"{name}"', "correct the name"
)
AWAY = Refusal(
    '"{name}" was not pushed: the hub cannot be asked',
    "an answer from {endpoint}",
    "{answer}",
    "push again when the hub is there: glueft push RUN {name}; {check}",
)
CUT_OFF = Refusal('the upload to "{name}" was interrupted', AWAY.expected, f"{{answer}}; {NOTHING_VISIBLE}", AWAY.fix)
NO_TOKEN = Refusal(
    '"{name}" was not pushed: the hub takes nothing without a token',
    "a token that may write, where the hub's own tools look for it",
    "no token in HF_TOKEN and none of `hf auth login`",
    "log in (hf auth login) or set HF_TOKEN; tokens are made in your settings on the hub",
)
MALFORMED_TOKEN = Refusal(
    '"{name}" was not pushed: {token} is no token',
    "letters, digits, underscores and the like, without spaces",
    "characters that no token has",
    "copy it again from your settings on the hub, without quotes or spaces",
)
WRONG_TOKEN = Refusal(
    '"{name}" was not pushed: the hub does not know the token',
    "a token that is valid and may write",
    "{answer}; the token is {token}",
    "log in again (hf auth login --force) or correct HF_TOKEN, which goes before; the token may have expired",
)
NO_PERMISSION = Refusal(
    'you may not write to "{name}"',
    "a token with the right to write to what belongs to {owner}",
    "{answer}; the token is of {user}",
    "{own}make a token that may write there, in your settings on the hub",
)
NAME_REFUSED = Refusal(
    'the hub refuses the name "{name}"', "a name that the hub allows", "{answer}", "choose another name"
)
ANOTHER_TYPE = Refusal(
    '"{name}" exists on the hub, and is no model repository',
    "a new name, or the name of a model repository",
    "a repository of another type, a data set or a space",
    "choose another name",
)
IS_PUBLIC = Refusal(
    '"{name}" exists already, and is public',
    "a new repository, or one that is private",
    "a public repository, and the wish to push to a private one",
    "make it private in its settings on the hub, choose another name, or push without --private",
)
FOREIGN_FILES = Refusal(
    '"{name}" holds files that glueft has not pushed',
    "a new or empty repository, or one that glueft has pushed to",
    "{files}",
    "choose another name; or replace the model and its card there: glueft push RUN {name} --force",
)
IS_TAG = Refusal(
    '"{branch}" is no branch of "{name}" that can be pushed to',
    "a branch, or a name for a new one",
    "a tag of that name",
    "choose another name for --revision; tags and commits stay as they are",
)
NOT_TAKEN = Refusal(
    'the hub did not take the push to "{name}"',
    "a new commit there",
    f"{{answer}}; {NOTHING_VISIBLE}",
    "try again: glueft push RUN {name}; if it stays so, look at the repository's settings and your quota",
)


def not_at_hand(kind: Kind, name: str, revision: str | None, reason: str, cached: str) -> HubError:
    """Return the error for what neither the hub nor its local cache gives."""
    at = f" at revision {revision}" if revision else ""
    return NOT_AT_HAND.error(name, what=WHAT[kind], at=at, reason=reason, cached=cached)


def read_error(error: BaseException, kind: Kind, name: str, revision: str | None) -> HubError:
    """Return the error for a checkpoint or data set, from what the hub's client raised."""
    from huggingface_hub import constants, errors, get_token

    error = _hub_answer(error)
    status = status_of(error)
    if isinstance(error, errors.HFValidationError):
        refusal = BAD_NAME
    elif isinstance(error, errors.GatedRepoError):
        refusal = GATED
    elif isinstance(error, errors.RevisionNotFoundError):
        refusal = NO_REVISION
    # Without a login the hub does not tell whether there is a private repository.
    elif isinstance(error, errors.RepositoryNotFoundError) or status == 404 or (status == 401 and not get_token()):
        refusal = NOT_FOUND
    elif status in (401, 403):
        refusal = NOT_READABLE
    else:
        refusal = UNREADABLE
    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"
    return refusal.error(name, what=WHAT[kind], page=page, revision=revision, answer=described(error))


def push_error(error: BaseException, name: str, *, user: str = "", begun: bool = False) -> HubError:
    """Return the error for a push, from what the hub's client raised.

    Args:
        error: from the client.
        name: the repository.
        user: the account of the token, if it is known.
        begun: whether the upload had begun.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # re-exported for libraries such as this one

    status, answer = status_of(error), described(error)
    if status == 401 and not user:
        return WRONG_TOKEN.error(name, answer=answer, token=token_source())
    if status in (401, 403):
        return no_permission(name, user, answer)
    if status and status != 429 and status < 500:
        return NOT_TAKEN.error(name, answer=answer)
    # The storage of large files has a client of its own, whose errors have no classes.
    if status or begun or isinstance(error, (httpx.TransportError, OSError, OfflineModeIsEnabled)):
        return away(name, answer, begun=begun)
    return away(name, f"an answer that is not the hub's ({answer})")


def away(name: str, answer: str, *, begun: bool = False) -> HubError:
    """Return the error for a hub that cannot be asked; `begun` as in `push_error`."""
    offline = answer.partition("=")[0] in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") or "offline mode" in answer
    check = "unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE"
    check = check if offline else "a proxy and HF_ENDPOINT, if set, must be right"
    return (CUT_OFF if begun else AWAY).error(name, answer=answer, check=check)


def no_permission(name: str, user: str, answer: str) -> HubError:
    """Return the error for an account or token without the right to write."""
    owner, _, repository = name.partition("/")
    own = f"push to your own account (glueft push RUN {user}/{repository}), or " if user and user != owner else ""
    return NO_PERMISSION.error(name, owner=owner, answer=answer, user=user or "another account", own=own)


def described(error: BaseException) -> str:
    """Return an error of the client in one line: its status or class, and the hub's message if there is one."""
    status = status_of(error)
    words = getattr(error, "server_message", None)
    return without_secrets(
        f"{f'HTTP {status}' if status else type(error).__name__}: "
        f"{words.splitlines()[0] if words else first_line(error)}"
    )


def status_of(error: BaseException) -> int | None:
    """Return the status code of the hub's answer, if there was one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without the client's request numbers; else its class."""
    lines = [re.sub(r"\s*\(Request ID:.*?\)", "", line).strip() for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)


def token_source() -> str:
    """Return where the token comes from, in words."""
    from huggingface_hub import constants

    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(variable, "").strip():
            return f"what {variable} is set to"
    return "what `hf auth login` has stored" if Path(constants.HF_TOKEN_PATH).is_file() else "what was found"


def _hub_answer(error: BaseException) -> BaseException:
    """Return the hub's answer, which `datasets` and the client's downloads wrap in other errors."""
    from huggingface_hub import errors

    cause: BaseException | None = error
    while cause is not None:
        # Some files may be absent; their absence is not the cause.
        if isinstance(cause, errors.HfHubHTTPError) and not isinstance(cause, errors.EntryNotFoundError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error
