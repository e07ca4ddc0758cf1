"""Templates: the text keeps its lines, and a name without a value is an error."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from glueft.system.templates import fill


def test_a_template_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package_of_words"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "words.jinja").write_text("{% if name %}\n- {{ name | twice }}\n{% endif %}\n")
    monkeypatch.syspath_prepend(tmp_path)
    filters = {"twice": lambda text: text * 2}
    assert fill("package_of_words", "words.jinja", {"name": "<a>"}, filters) == "- <a><a>\n"
    assert fill("package_of_words", "words.jinja", {"name": "<"}, filters, autoescape=True) == "- &lt;&lt;\n"
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        fill("package_of_words", "words.jinja", {}, filters)
