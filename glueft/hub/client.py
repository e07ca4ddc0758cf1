"""The hub's client with a deadline, and the one way to fetch from the hub or its local cache.

By itself the client waits without limit for a name server or a silent host, and retries for more than a minute. Here
the first request has a deadline. If it passes, the client is in offline mode for the rest of the process, and the local
cache is used.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from glueft.errors import GlueftError
from glueft.hub.errors import Kind, first_line, not_at_hand, read_error, status_of, token_source
from glueft.version import __version__

Answer = TypeVar("Answer")

SECONDS_TO_ANSWER = 5
# How often a wait for a download looks for signals.
LISTEN_SECONDS = 0.2
NO_CLIENT = "its client cannot be imported"
# HTTP 407: a proxy between wants a name and a password.
PROXY_REFUSES = 407
# Why this process opens no connection to the hub, once it is in offline mode.
_offline: str | None = None


class HubUnavailableError(Exception):
    """The hub cannot be asked; the text says why. The local cache may hold what is needed."""


def fetch(
    kind: Kind,
    name: str,
    revision: str | None,
    *,
    cached: Callable[[str | None], Path | str],
    download: Callable[[str, Sequence[str]], Path],
    cache_only: bool = False,
) -> tuple[Path, Literal["hub", "cache"]]:
    """Return the folder of a repository of the hub: downloaded, or from the local cache.

    Args:
        kind: what the repository holds.
        name: `owner/name`.
        revision: branch, tag or commit; None for the newest.
        cached: returns the folder of a revision in the local cache if it is complete, else a text on what is there.
        download: downloads a commit, and returns its folder; it gets the commit and the paths of its files.
        cache_only: do not ask the hub.

    Returns:
        The folder, and whether the hub was asked for it.

    Raises:
        HubError: no such repository or revision, no access, or the hub is out of reach and nothing is cached.
        GlueftError: what `cached` and `download` raise.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # exported, but not by name

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise read_error(error, kind, name, revision) from error
    if is_sha(revision) and isinstance(folder := cached(revision), Path):
        return folder, "cache"  # a commit never changes
    try:
        if cache_only:
            raise HubUnavailableError("only its local cache was to be read")
        commit, files = _ask(kind, name, revision)
    except HubUnavailableError as unavailable:
        found = cached(revision)
        if isinstance(found, Path):
            return found, "cache"
        raise not_at_hand(kind, name, revision, str(unavailable), found) from unavailable
    try:
        with quiet_client():
            return download(commit, files), "hub"
    except GlueftError:
        raise
    except Exception as error:
        raise read_error(error, kind, name, revision) from error


def _ask(kind: Kind, name: str, revision: str | None) -> tuple[str, list[str]]:
    """Ask the hub for the commit of a revision and the paths of its files; note the commit in the local cache.

    Raises:
        HubUnavailableError: offline mode is set, no answer within `seconds_to_answer()`, or a server error.
        HubError: the hub refuses.
    """
    reason = offline_reason(kind)
    if reason:
        raise HubUnavailableError(reason)
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # re-exported for libraries such as this one

    seconds = seconds_to_answer()
    api = HfApi(library_name="glueft", library_version=__version__)

    def question() -> tuple[str, list[str]]:
        info: Any = api.repo_info(name, repo_type=kind, revision=revision, timeout=seconds)
        if _offline:
            raise HubUnavailableError(_offline)  # too late: the wait is over
        # Writes the commit into the cache's table of branches and tags, which serves when the hub is out of reach.
        commit = api.resolve_revision(name, repo_type=kind, revision=revision).resolved
        return commit, [file.rfilename for file in info.siblings or ()]

    with quiet_client():
        try:
            return in_thread(question, seconds)
        except HubUnavailableError:
            raise
        except Exception as error:
            answer = error
    if isinstance(answer, (TimeoutError, httpx.TransportError)):
        reason = f"{constants.ENDPOINT} is out of reach: {first_line(answer)} (asked once; a new process asks again)"
        raise HubUnavailableError(_go_offline(reason)) from answer
    status = status_of(answer) or 0
    if status >= 500:
        raise HubUnavailableError(f"{constants.ENDPOINT} answered with server error {status}") from answer
    raise read_error(answer, kind, name, revision) from answer


def in_thread(work: Callable[[], Answer], seconds: float | None = None) -> Answer:
    """Return what work in a thread returns. Ctrl-C ends the wait at once, and a name server's silence after `seconds`.

    Args:
        work: called in the thread, which goes on after an interruption.
        seconds: how long it is waited for; None without limit.

    Raises:
        TimeoutError: it took longer.
        Exception: what the work raises.
    """
    answers: queue.Queue[tuple[Answer, None] | tuple[None, BaseException]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # SystemExit too, or the wait would not end
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    end = math.inf if seconds is None else time.monotonic() + seconds
    # In short waits: a signal that comes just before a wait begins does not end it, and is handled after it.
    while True:
        try:
            answer, error = answers.get(timeout=max(0.0, min(LISTEN_SECONDS, end - time.monotonic())))
            break
        except queue.Empty:
            if time.monotonic() >= end:
                raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return cast("Answer", answer)


def offline_reason(kind: Kind) -> str | None:
    """Return why no connection may be opened, or None."""
    from huggingface_hub import constants

    def is_set(variable: str) -> bool:
        return os.environ.get(variable, "").upper() in constants.ENV_VARS_TRUE_VALUES

    if _offline:
        return _offline
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if is_set(variable):
            # The client reads the variable when it is imported, which may have been before it was set.
            return _go_offline(f"{variable}={os.environ[variable]} is set: no connection is opened")
    if constants.is_offline_mode():
        return _go_offline("the hub client's offline mode is on: no connection is opened")
    if kind == "dataset" and is_set("HF_DATASETS_OFFLINE"):
        return "HF_DATASETS_OFFLINE is set: no connection is opened"
    return None


def _go_offline(reason: str) -> str:
    """Switch the client to offline mode, for libraries imported already and later; return the reason."""
    from huggingface_hub import constants

    global _offline
    _offline = reason
    # They read the environment once, when they are imported.
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[variable] = "1"
    constants.HF_HUB_OFFLINE = True
    if "datasets.config" in sys.modules:
        config = sys.modules["datasets.config"]
        config.HF_HUB_OFFLINE = config.HF_DATASETS_OFFLINE = True  # type: ignore[attr-defined]
    return reason


@dataclass(frozen=True)
class Reach:
    """Whether the hub can be asked from here.

    Attributes:
        endpoint: its address.
        is_reachable: None if no connection may be opened.
        answer: what it answers, or why it does not.
        token: where the token comes from that is sent along; None without one.
    """

    endpoint: str
    is_reachable: bool | None
    answer: str
    token: str | None


def reach_hub() -> Reach:
    """Ask the hub for its front page, unless offline mode is set."""
    try:
        from huggingface_hub import constants, get_token
    except Exception as error:  # not installed, or a variable that it cannot read
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        return Reach(endpoint, False, f"{NO_CLIENT}: {type(error).__name__}: {first_line(error)}", None)
    try:
        token = token_source() if get_token() else None
    except OSError:  # HF_HOME is no folder, or not for this user
        token = None
    reason = offline_reason("model")
    if reason:
        return Reach(constants.ENDPOINT, None, reason, token)
    seconds = seconds_to_answer()

    def question() -> int:
        from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # exported, but not by name

        return int(get_session().head(constants.ENDPOINT, timeout=seconds).status_code)

    try:
        with quiet_client():
            status = in_thread(question, seconds)
    except Exception as error:
        return Reach(constants.ENDPOINT, False, f"{type(error).__name__}: {first_line(error)}", token)
    # What a mirror says of its front page does not matter.
    return Reach(constants.ENDPOINT, status < 500 and status != PROXY_REFUSES, f"HTTP {status}", token)


def seconds_to_answer() -> float:
    """Return the deadline of the first request: the client's HF_HUB_ETAG_TIMEOUT if set, else 5 s."""
    try:
        return max(0.1, float(os.environ["HF_HUB_ETAG_TIMEOUT"]))
    except (KeyError, ValueError):
        return SECONDS_TO_ANSWER


@contextmanager
def quiet_client(*, in_threads: bool = False) -> Iterator[None]:
    """Hide the progress bars, log lines and warnings of the hub's client and of `datasets` within the block.

    Args:
        in_threads: other threads use the client, and this one goes on: its own warnings are left alone.
    """
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "datasets")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with without_bars(), _without_warnings_of_the_client() if in_threads else warnings.catch_warnings():
            if not in_threads:
                warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def without_bars() -> Iterator[None]:
    """Hide the progress bars of the hub's client and of `datasets`: glueft shows its own, and the two mix."""
    import huggingface_hub.utils

    bars = [huggingface_hub.utils]
    if "datasets" in sys.modules:
        bars.append(sys.modules["datasets"])
    shown = [module for module in bars if not module.are_progress_bars_disabled()]
    for module in shown:
        module.disable_progress_bars()
    try:
        yield
    finally:
        for module in shown:
            module.enable_progress_bars()


@contextmanager
def _without_warnings_of_the_client() -> Iterator[None]:
    warnings.filterwarnings("ignore", module=r"huggingface_hub(\.|$)")
    added = warnings.filters[0]
    try:
        yield
    finally:
        # Not `catch_warnings`, which would undo what the training sets meanwhile.
        with suppress(ValueError):
            warnings.filters.remove(added)  # type: ignore[attr-defined]


def is_sha(revision: str | None) -> bool:
    """Whether a revision is a whole commit number."""
    return revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision) is not None
