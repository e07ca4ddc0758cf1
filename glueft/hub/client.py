"""The hub's own client, asked in a way that never keeps a user waiting for a network that is not there.

Left alone, the client waits without limit for a name server or a silent host and repeats what failed for more than a
minute. Here the first question to the hub has a deadline; if it passes, the client is switched to its offline mode for
the rest of the process, and what the local cache holds is used.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from glueft.hub.errors import Kind, first_line, refusal
from glueft.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Answer = TypeVar("Answer")

SECONDS_TO_ANSWER = 5
# How long a signal may go unheard while a download is waited for.
LISTEN_SECONDS = 0.2
# Why this process opens no connection to the hub, once that is settled.
_offline: str | None = None


class HubUnavailableError(Exception):
    """The hub cannot be asked; the text says why. What the local cache holds may still do."""


@dataclass(frozen=True)
class Repository:
    """A repository of the hub at one commit.

    Attributes:
        sha: the commit.
        files: the path of every file.
    """

    sha: str
    files: tuple[str, ...]


def ask(kind: Kind, name: str, revision: str | None) -> Repository:
    """Ask the hub for a repository, and remember in the local cache which commit the revision is.

    Args:
        kind: what the repository holds.
        name: `owner/name`.
        revision: branch, tag or commit; None for the newest.

    Raises:
        HubUnavailableError: offline mode is set, no answer within `seconds_to_answer()`, or a server error.
        HubError: the hub refuses: no such repository or revision, a gated one, a bad token.
    """
    reason = offline_reason(kind)
    if reason:
        raise HubUnavailableError(reason)
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # re-exported for libraries such as this one

    seconds = seconds_to_answer()
    with quiet_client():
        api = HfApi(library_name="glueft", library_version=__version__)
        try:
            return answer_within(seconds, lambda: _repository(api, kind, name, revision, seconds))
        except HubUnavailableError:
            raise
        except Exception as error:
            answer = error
    if isinstance(answer, (TimeoutError, httpx.TransportError)):
        reason = f"{constants.ENDPOINT} is out of reach: {first_line(answer)} (asked once; a new process asks again)"
        _go_offline(reason)
        raise HubUnavailableError(reason) from answer
    status = getattr(getattr(answer, "response", None), "status_code", 0)
    if status >= 500:
        raise HubUnavailableError(f"{constants.ENDPOINT} answered with server error {status}") from answer
    raise refusal(answer, kind, name, revision) from answer


def _repository(api: HfApi, kind: Kind, name: str, revision: str | None, seconds: float) -> Repository:
    info: Any = api.repo_info(name, repo_type=kind, revision=revision, timeout=seconds)
    if _offline:
        raise HubUnavailableError(_offline)  # too late: nobody waits any more
    # Writes the commit into the cache's table of branches and tags, for the day the hub is out of reach.
    sha = api.resolve_revision(name, repo_type=kind, revision=revision).resolved
    return Repository(sha, tuple(file.rfilename for file in info.siblings or ()))


def answer_within(seconds: float, question: Callable[[], Answer]) -> Answer:
    """Return the answer to a question that is asked in a thread, and not waited for beyond this time.

    Nothing else stops a name server's silence.

    Raises:
        TimeoutError: no answer in time.
        Exception: what the question raises.
    """
    return in_thread(question, seconds)


def in_thread(work: Callable[[], Answer], seconds: float | None = None) -> Answer:
    """Return what work in a thread returns: so Ctrl-C is heard at once, where the client would wait for a download.

    Args:
        work: called in the thread. Whoever is interrupted leaves it behind.
        seconds: how long it is waited for; None without limit.

    Raises:
        TimeoutError: it took longer.
        Exception: what the work raises.
    """
    answers: queue.Queue[tuple[Answer, None] | tuple[None, BaseException]] = queue.Queue()

    def do_it() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:  # SystemExit too: else it would be waited for without end
            answers.put((None, error))

    threading.Thread(target=do_it, daemon=True).start()
    end = math.inf if seconds is None else time.monotonic() + seconds
    # In short waits: a signal that comes in the moment before a wait begins does not end it, and is heard after it.
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
    """Why no connection may be opened, or None."""
    from huggingface_hub import constants

    def is_set(variable: str) -> bool:
        return os.environ.get(variable, "").upper() in constants.ENV_VARS_TRUE_VALUES

    if _offline:
        return _offline
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if is_set(variable):
            # Set after the client was imported, it does not know of it yet.
            return _go_offline(f"{variable}={os.environ[variable]} is set: no connection is opened")
    if constants.is_offline_mode():
        return _go_offline("the hub client's offline mode is on: no connection is opened")
    if kind == "dataset" and is_set("HF_DATASETS_OFFLINE"):
        return "HF_DATASETS_OFFLINE is set: no connection is opened"
    return None


def _go_offline(reason: str) -> str:
    """Switch the client to its offline mode, for libraries imported already and for those still to come."""
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


def seconds_to_answer() -> float:
    """How long the hub may take to answer the first question: the hub's own HF_HUB_ETAG_TIMEOUT if set, else 5 s."""
    try:
        return max(0.1, float(os.environ["HF_HUB_ETAG_TIMEOUT"]))
    except (KeyError, ValueError):
        return SECONDS_TO_ANSWER


@contextmanager
def quiet_client() -> Iterator[None]:
    """Without the progress bars, log lines and warnings of the hub's client and of `datasets`, in this block only."""
    with warnings.catch_warnings(), _silent_client():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def quiet_client_in_threads() -> Iterator[None]:
    """The same for threads that are at work while the block runs; other libraries' warnings are left alone."""
    warnings.filterwarnings("ignore", module=r"huggingface_hub(\.|$)")
    added = warnings.filters[0]
    try:
        with _silent_client():
            yield
    finally:
        # Not `catch_warnings`, which would undo what the training has set in the meantime.
        with suppress(ValueError):
            warnings.filters.remove(added)  # type: ignore[attr-defined]


@contextmanager
def _silent_client() -> Iterator[None]:
    import huggingface_hub.utils

    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "datasets")]
    levels = [logger.level for logger in loggers]
    bars = [huggingface_hub.utils]
    if "datasets" in sys.modules:
        bars.append(sys.modules["datasets"])
    shown = [module for module in bars if not module.are_progress_bars_disabled()]
    for module in shown:
        module.disable_progress_bars()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for module in shown:
            module.enable_progress_bars()


def is_sha(revision: str | None) -> bool:
    """Whether a revision is a whole commit number, which never means another commit."""
    return revision is not None and re.fullmatch(r"[0-9a-f]{40}", revision) is not None
