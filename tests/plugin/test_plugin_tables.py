"""The tables in docs/ and the schemas in recipes/ are those of what is installed: `make tables` writes them."""

from __future__ import annotations

import re

import pytest

from documents import CHECKOUT
from plugin_tables import DOCUMENTS, placed, schemas


@pytest.mark.parametrize("document", range(len(DOCUMENTS)), ids=[name for name, *_ in DOCUMENTS])
def test_the_tables_are_up_to_date(document: int) -> None:
    name, marks, content = DOCUMENTS[document]
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    assert placed(text, marks, content()) == text, "run `make tables`"


def test_the_schemas_are_up_to_date() -> None:
    for name, text in schemas().items():
        assert (CHECKOUT / name).read_text(encoding="utf-8") == text, "run `make tables`"


def test_every_shipped_file_names_its_schema_where_editors_look() -> None:
    """In the comments that begin the file, before its first empty line."""
    for path in (CHECKOUT / "recipes").glob("*.toml"):
        head = path.read_text(encoding="utf-8").split("\n\n")[0]
        (schema,) = re.findall(r"^#:schema \./(.*)$", head, flags=re.MULTILINE)
        assert schema == ("study" if "[study]" in path.read_text(encoding="utf-8") else "recipe") + ".schema.json"
