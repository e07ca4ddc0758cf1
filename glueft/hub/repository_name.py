"""Checks the names of repositories on the hub and of branches, before anything is sent."""

from __future__ import annotations

import re

LONGEST = 96
_PART = r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?"
NAME_PATTERN = rf"^{_PART}/{_PART}$"
# What git refuses in the name of a branch (git-check-ref-format), and what an address would have to escape.
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\%#]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock(/|$)|/\.|^@$|^HEAD$")


def check_repository_name(name: str) -> str:
    """Return a repository's name if it is valid: `huggingface_hub.utils.validate_repo_id`, and with an owner.

    Raises:
        ValueError: it is not; the text follows the name of the key, such as "hub.push".
    """
    if name.count("/") != 1:
        raise ValueError("must be USER/NAME: the account or organization on the hub, a slash, and the repository")
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(
            'must be USER/NAME of letters, digits, "-", "_" and "."; neither part begins or ends with "-" or "."'
        )
    if "--" in name or ".." in name:
        raise ValueError('must not hold "--" or ".."')
    if name.endswith(".git"):
        raise ValueError('must not end with ".git"')
    if len(name) > LONGEST:
        raise ValueError(f"must not be longer than {LONGEST} characters")
    return name


def check_branch(revision: str) -> str:
    """Return the name of a branch if it is valid for git.

    Raises:
        ValueError: it is not, or it is a commit, to which nothing can be added.
    """
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("must be a branch; a commit stays as it is")
    if not revision or len(revision) > 200 or _NO_BRANCH.search(revision) or not revision.isascii():
        raise ValueError("must be the name of a branch, such as main or trial-2")
    return revision
