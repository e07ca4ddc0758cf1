"""What the hub's refusals and silences mean to the user, and what still works without it."""

from __future__ import annotations

import re
from typing import Literal

from glueft.errors import HubError

Kind = Literal["model", "dataset"]

WORKS_OFFLINE = (
    "these work offline: --sample (the task's own sample and an installed encoder), --data-dir DIR (the benchmark's "
    "TSV files), --checkpoint CKPT (a folder, or package:module/path)"
)


def out_of_reach(kind: Kind, name: str, revision: str | None, reason: str, cached: str) -> HubError:
    """The error for what neither the hub nor its local cache gives.

    Args:
        kind: what is missing.
        name: its name on the hub.
        revision: the revision asked for.
        reason: why the hub was not asked, or did not answer.
        cached: what was found in the local cache.
    """
    from huggingface_hub import constants

    what = {"model": "checkpoint", "dataset": "data set"}[kind]
    at = f" at revision {revision}" if revision else ""
    return HubError(
        f'the {what} "{name}"{at} is not at hand: the hub cannot be asked, and its local cache does not hold it',
        expected=f"an answer from {constants.ENDPOINT}, or a copy in the local cache",
        received=f"{reason}; {cached}",
        fix=WORKS_OFFLINE,
    )


def refusal(error: BaseException, kind: Kind, name: str, revision: str | None) -> HubError:
    """What a refusal of the hub, or a failure of its client, means to the user."""
    from huggingface_hub import constants, errors, get_token

    what = {"model": "checkpoint", "dataset": "data set"}[kind]
    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"
    error = _root(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    received = f"HTTP {status}: {first_line(error)}" if status else f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, errors.HFValidationError):
        return HubError(
            f'"{name}" is no name of a {what} on the hub',
            expected="owner/name, such as google-bert/bert-base-uncased",
            received=f'"{name}"',
            fix="correct the name; a checkpoint may also be an existing folder, or package:module/path",
        )
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f'the {what} "{name}" is gated: its owners ask for your consent first',
            expected=f"an account with access to {page}",
            received=received,
            fix=f"accept the conditions at {page}, then log in (hf auth login) or set HF_TOKEN",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(
            f'the {what} "{name}" has no revision "{revision}"',
            expected=f"a branch, tag or commit of {page}",
            received=received,
            fix="correct the revision in the recipe, or leave it out for the newest",
        )
    # Whether there is a private one, the hub does not tell those who have not logged in.
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404 or (status == 401 and not get_token()):
        return HubError(
            f'there is no {what} "{name}" on the hub, or it is private',
            expected=f"a {what} at {page}",
            received=received,
            fix="check the spelling; for a private one log in (hf auth login) or set HF_TOKEN",
        )
    if status in (401, 403):
        return HubError(
            f'the hub does not let you read the {what} "{name}"',
            expected=f"an account with access to {page}",
            received=received,
            fix="log in again (hf auth login) or correct HF_TOKEN: the token may have expired",
        )
    return HubError(
        f'the {what} "{name}" could not be read from the hub',
        expected=f"{page}, as the hub serves it",
        received=received,
        fix=f"try again later, and check HF_ENDPOINT and your proxy if set; {WORKS_OFFLINE}",
    )


def _root(error: BaseException) -> BaseException:
    """The hub's own answer, where `datasets` and the client's downloads have wrapped it in errors of their own."""
    from huggingface_hub import errors

    cause: BaseException | None = error
    while cause is not None:
        # Files that may be absent are asked for along the way; their absence explains nothing.
        if isinstance(cause, errors.HfHubHTTPError) and not isinstance(cause, errors.EntryNotFoundError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the client's request numbers; its class's name if it has none."""
    lines = [re.sub(r"\s*\(Request ID:.*?\)", "", line).strip() for line in str(error).splitlines()]
    return next((line for line in lines if line), type(error).__name__)
