"""An error needs its message alone; what is left out is not shown."""

from __future__ import annotations

import pickle

import pytest

from glueft import errors
from glueft.errors import GlueftError

FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GlueftError)]


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_a_message_is_enough(kind: type[GlueftError]) -> None:
    error = kind("rows.txt, line 3: no label")
    assert str(error) == error.in_one_line == "rows.txt, line 3: no label"
    assert (error.expected, error.received, error.fix) == ("", "", "")
    assert str(pickle.loads(pickle.dumps(error))) == "rows.txt, line 3: no label"


def test_what_is_given_is_shown() -> None:
    error = GlueftError("no label", received="nothing", fix="write one")
    assert str(error) == "no label\n  received: nothing\n  to fix:   write one"
    assert error.in_one_line == "no label (received nothing): write one"
    whole = GlueftError("no label", expected="a label", received="nothing", fix="write one")
    assert str(whole) == "no label\n  expected: a label\n  received: nothing\n  to fix:   write one"
    assert whole.in_one_line == "no label (expected a label; received nothing): write one"


def test_mend_is_the_earlier_name_of_fix() -> None:
    error = GlueftError("no label", mend="write one")
    assert error.fix == error.mend == "write one"
    error.mend = "leave the row out"
    assert str(error) == "no label\n  to fix:   leave the row out"


def test_a_notebook_shows_the_message_alone_unless_there_is_a_cause() -> None:
    error = GlueftError("no label", fix="write one")
    assert error._render_traceback_() == ["GlueftError: no label\n  to fix:   write one"]
    error.__cause__ = ZeroDivisionError()
    with pytest.raises(NotImplementedError):
        error._render_traceback_()
