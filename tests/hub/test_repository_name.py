"""Names of repositories and branches, beside what the hub's own client takes."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from glueft.hub.repository_name import check_branch, check_repository_name

GOOD = ("alice/mrpc", "a/b", "Alice_2/mrpc-minilm.v1", "org-x/_private_", "a/" + "b" * 94)
BAD = (
    "", "alice", "/alice", "alice/", "a/b/c", "alice/-x", "alice/x-", "-a/x", "alice/.x", "alice/x.", "alice/a--b",
    "alice/a..b", "alice/x.git", "alice/a b", "alice/\u00e9", "alice/x\n", "alice/x?y", "datasets/alice/x",
    "a/" + "b" * 95,
)  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_names_that_the_client_takes_too(name: str) -> None:
    assert check_repository_name(name) == name
    validate_repo_id(name)


@pytest.mark.parametrize("name", BAD)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_repository_name(name)


@pytest.mark.parametrize("name", ["a/b/c", "alice/a--b", "alice/a..b", "alice/x.git", "alice/a b", "alice/x?y"])
def test_the_client_refuses_these_as_well(name: str) -> None:
    with pytest.raises(HFValidationError):
        validate_repo_id(name)


def test_branches() -> None:
    for name in ("main", "trial-2", "trial/2", "v1.0", "refs/pr/3"):
        assert check_branch(name) == name
    for name in ("", "a b", "-x", "/x", "x/", "x.", "a..b", "a~1", "a^", "a:b", "a?", "x.lock", "@", "a\\b", "\u00e9"):
        with pytest.raises(ValueError, match="must be the name of a branch"):
            check_branch(name)
    with pytest.raises(ValueError, match="a commit stays as it is"):
        check_branch("0123456789" * 4)
