"""Studies: the runs of several recipes, settings and seeds from one file, and the table that can be told from them.

`glueft.study` is this package and also a function, as it is called in a notebook: `glueft.study("recipes/glue.toml")`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CalledPackage(ModuleType):
    def __call__(self, study: Any, **options: Any) -> Any:
        from glueft.study.findings import find

        return find(study, **options)


sys.modules[__name__].__class__ = _CalledPackage
