"""Names of repositories on the hub and of their branches, checked before anything is sent."""

from __future__ import annotations

import re

LONGEST = 96
_PART = r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?"
NAME_PATTERN = rf"^{_PART}/{_PART}$"
# What git refuses in the name of a branch (git-check-ref-format), and what would have to be escaped in an address.
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\%#]|\.\.|@\{|//|^[-/.]|[/.]$|\.lock(/|$)|/\.|^@$|^HEAD$")


def check_repository_name(name: str) -> str:
    """Return a repository's name if the hub could have one of that name.

    The rules are those of `huggingface_hub.utils.validate_repo_id`; beside these the name must say whose it is.

    Raises:
        ValueError: it is no such name; the text says what is wrong, and reads well after "hub.push".
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
    """Return the name of a branch if git allows it.

    Raises:
        ValueError: it is no such name, or a commit, to which nothing can be added.
    """
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("must be a branch; a commit stays as it is")
    if not revision or len(revision) > 200 or _NO_BRANCH.search(revision) or not revision.isascii():
        raise ValueError("must be the name of a branch, such as main or trial-2")
    return revision
