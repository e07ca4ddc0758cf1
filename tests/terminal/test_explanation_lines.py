"""An explanation in a pipe."""

from __future__ import annotations

import io

from glueft.inference.explanation import Explanation, Word
from glueft.terminal.explanation import print_explanation


def test_lines_in_a_pipe_have_no_spaces_at_their_end() -> None:
    words = [Word("a", 0, 0, 1, -0.5), Word("longer", 0, 2, 8, 0.25)]
    stream = io.StringIO()
    print_explanation(Explanation(("a longer",), "good", 1.0, 1.25, 0.0, 16, [], words, False), ["text"], stream)
    first, _, *table = stream.getvalue().split("\n")
    assert (first, table) == ("text: a longer", ["-0.5000  a", "+0.2500  longer", ""])
