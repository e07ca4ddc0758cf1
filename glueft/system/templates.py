"""jinja2 templates, each in a file beside the code that fills it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def fill(
    package: str, name: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]], **options: Any
) -> str:
    """Return the text of a template; a name in it that has no value is an error.

    Args:
        package: the package that holds the template.
        name: of the file, with its folder in the package.
        values: by the names that the template uses.
        filters: likewise.
        options: of `jinja2.Environment`.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= filters
    return environment.get_template(name).render(values)
