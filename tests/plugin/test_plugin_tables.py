"""The tables of plugins in docs/ are those of what is installed: `make tables` writes them."""

from __future__ import annotations

import pytest

from documents import CHECKOUT
from plugin_tables import DOCUMENTS, placed


@pytest.mark.parametrize("document", range(len(DOCUMENTS)), ids=[name for name, *_ in DOCUMENTS])
def test_the_tables_are_up_to_date(document: int) -> None:
    name, marks, content = DOCUMENTS[document]
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    assert placed(text, marks, content()) == text, "run `make tables`"
