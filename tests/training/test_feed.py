"""A thread takes batches ahead of the steps, and ends with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from glueft.training.feed import ahead


def test_items_come_in_order_and_are_there_before_they_are_needed() -> None:
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            if number == 2:
                third.set()
            yield number

    taken = ahead(items(), 2)
    assert next(taken) == 0
    assert third.wait(10)
    assert [*taken] == [1, 2, 3, 4]
    assert not _threads()


def test_an_error_comes_where_the_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second one")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="no second one"):
        next(taken)
    assert not _threads()


def test_the_thread_ends_when_no_more_is_wanted() -> None:
    taken = ahead(iter(range(10**9)))
    assert next(taken) == 0
    taken.close()
    assert not _threads()


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "glueft-feed"]
