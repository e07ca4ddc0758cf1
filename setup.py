"""The description for package indexes: README.md, whose links lead to the repository. All else is in pyproject.toml."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

CHECKOUT = Path(__file__).parent
SOURCE = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]


def absolute(link: re.Match[str]) -> str:
    """A link or picture whose target is a file of the checkout, with its address."""
    view = "raw" if link["picture"] else "blob"
    return f"{link['picture']}[{link['text']}]({SOURCE}/{view}/main/{link['file']})"


readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
setup(
    long_description=re.sub(r"(?P<picture>!?)\[(?P<text>[^]]*)\]\((?![a-z]+:)(?P<file>[^)]+)\)", absolute, readme),
    long_description_content_type="text/markdown",
)
