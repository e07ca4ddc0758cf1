"""jinja2 templates, each in a file beside the code that fills it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def fill(
    packages: str | Sequence[str],
    name: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]],
    **options: Any,
) -> str:
    """Return the text of a template; a name in it that has no value is an error.

    Args:
        packages: those that hold the template and what it imports; the first that has a file of a name counts.
        name: of the file, with its folder in the package.
        values: by the names that the template uses.
        filters: likewise.
        options: of `jinja2.Environment`.
    """
    environment = _environment((packages,) if isinstance(packages, str) else (*packages,), **options)
    environment.filters |= filters
    return environment.get_template(name).render(values)


@cache
def _environment(packages: tuple[str, ...], **options: Any) -> jinja2.Environment:
    """Return the environment of some packages, which compiles each template once."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, "") for package in packages]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
