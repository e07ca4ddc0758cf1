"""What a callback keeps when a run is saved, and gets back when it is resumed."""

from __future__ import annotations

from typing import Any

import pytest

from glueft.errors import PluginError
from glueft.plugin.callback import Callback, keeps_state


class Plain(Callback):
    """Says nothing of its state."""

    name = "plain"


class Forgetful(Callback):
    """Says what it keeps, and not how to take it back."""

    name = "forgetful"

    def state(self) -> dict[str, Any]:
        return {"best": 0.5, "epoch": 3}


class Titled(Callback):
    """Has something else of that name."""

    name = "titled"

    @property
    def state(self) -> str:  # type: ignore[override]
        return "Ohio"


def test_one_that_says_nothing_keeps_nothing() -> None:
    assert not keeps_state(Plain()) and Plain().state() == {}
    Plain().restore({})
    assert not keeps_state(Titled())


def test_a_state_that_nothing_takes_back_is_an_error() -> None:
    assert keeps_state(Forgetful())
    with pytest.raises(PluginError) as caught:
        Forgetful().restore(Forgetful().state())
    assert caught.value.message == 'the callback "forgetful" cannot be resumed'
    assert caught.value.received == "the keys best, epoch, and no `restore`"
