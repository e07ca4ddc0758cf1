"""The conformance suite for plugins: `glueft plugin check` runs it, and so does a plugin's own test file.

    import pytest
    from glueft import testing
    from glueft_demo import Demo

    @pytest.mark.parametrize("check", testing.checks(Demo), ids=str)
    def test_demo_keeps_to_the_contract(check):
        check()

Every check is one test: it passes, fails with a sentence that says what to fix, or is skipped with the reason why
there is nothing to check. `sample_rows` gives a task's rows for tests of one's own, `make_tiny_bert` a real little
encoder to train.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glueft.testing.check import Check, ContractBrokenError, NotCheckedError, Subject

if TYPE_CHECKING:
    from glueft.data.rows import Rows
    from glueft.plugin.base import Plugin
    from glueft.plugin.task import Task

__all__ = ["Check", "ContractBrokenError", "NotCheckedError", "checks", "make_tiny_bert", "sample_rows"]


def checks(
    plugin: type[Plugin], options: Mapping[str, Any] | None = None, data_dir: str | Path | None = None
) -> list[Check]:
    """Return every check of a plugin, each to be called without arguments.

    Args:
        plugin: the class.
        options: values for its options, as a recipe gives them. Those that must be given and are not here take the
            first of their `examples`, or a number within their bounds.
        data_dir: a folder with the files of a task that ships no sample, as `--data-dir` takes it.

    Raises:
        TypeError: it is not the class of a plugin.
    """
    from glueft.plugin.kinds import KINDS, base_names
    from glueft.testing import every_plugin

    if not isinstance(plugin, type) or not issubclass(plugin, tuple(kind.base for kind in KINDS.values())):
        raise TypeError(f"a class derived from {base_names()} is checked, not {plugin!r}")
    subject = Subject(plugin, options or {}, None if data_dir is None else Path(data_dir))
    # The module of this package that is named as the kind has the checks of that kind.
    of_kind = importlib.import_module(f"glueft.testing.{plugin.kind}")
    return [*every_plugin.checks(subject), *of_kind.checks(subject)]


def sample_rows(task: type[Task], options: Mapping[str, Any] | None = None) -> dict[str, Rows]:
    """Return the checked rows of a task's sample, by split; `rows.texts` are its texts, `rows.labels` its labels.

    Raises:
        DataError: a row is malformed, or the task ships no sample.
    """
    from glueft.data.rows import load_rows
    from glueft.data.sources import SampleSource

    return load_rows(task(None if options is None else task.Options(**options)), SampleSource())


def make_tiny_bert(folder: Path, **settings: Any) -> Path:
    """Write a tiny real BERT checkpoint into a folder; settings are those of `glueft.testing.tiny_bert`."""
    from glueft.testing.tiny_bert import make_tiny_bert

    return make_tiny_bert(folder, **settings)
