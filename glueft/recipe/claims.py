"""Callbacks of a recipe that claim the same thing, such as one file that both would write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from glueft.plugin.callback import Callback
from glueft.recipe.problems import Locations, Problem
from glueft.text import quoted

# What glueft itself writes into a run folder.
OWN_FILES = (
    "recipe.toml", "run.json", "history.jsonl", "predictions", "model", "report.html", "checkpoints", "heartbeat",
)  # fmt: skip

# In place of the run folder, which has no name yet.
_RUN = os.path.join(os.sep, "the run folder")  # noqa: PTH118


def clashes(
    callbacks: Mapping[int, Callback], claimed: Mapping[int, Sequence[str]], locations: Locations
) -> list[Problem]:
    """Return a problem for each claim of two callbacks, or of a callback and glueft itself.

    Args:
        callbacks: those that can be used, by their index in the recipe.
        claimed: the claims of each, by the same index.
        locations: of the recipe's values.
    """
    owners = {_place(name): (-1, "glueft itself") for name in OWN_FILES}
    problems = []
    for index, callback in callbacks.items():
        mine: set[str] = set()
        for claim in claimed[index]:
            place = _place(claim)
            if place in mine:
                continue
            mine.add(place)
            other, owner = owners.setdefault(place, (index, f'"{callback.name}" in callbacks.{index}'))
            if other == index:
                continue
            problems.append(
                locations.problem(
                    ("callbacks", index),
                    f'callback "{callback.name}" claims {quoted(claim)}, and so does {owner}',
                    expected="a claim of its own for each callback",
                    received=f"{quoted(claim)} twice",
                    fix=f"give it another by its options (glueft describe {callback.name}), or take it out",
                )
            )
    return problems


def claims_of(callback: Callback) -> Sequence[str]:
    """Return a callback's claims; errors of the plugin pass through."""
    claims = callback.claims() or ()  # some authors return None
    return (str(claims),) if isinstance(claims, (str, PurePath)) else [str(claim) for claim in claims]


def _place(claim: str) -> str:
    """One text for all the paths of a file."""
    if "://" in claim:
        return claim
    path = os.path.expanduser(os.path.join(_RUN, claim))  # noqa: PTH111, PTH118
    return os.path.normcase(os.path.realpath(path))
