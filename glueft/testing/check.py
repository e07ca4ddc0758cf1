"""One check of a plugin: the plugin that is checked, the check, and the two ways in which it does not pass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from glueft.errors import DataError, GlueftError
from glueft.plugin.attribution import misread_name, place, said
from glueft.plugin.base import Plugin
from glueft.plugin.task import Task
from glueft.testing.offline import offline

if TYPE_CHECKING:
    from glueft.data.rows import Rows
    from glueft.data.sources import Source


class ContractBrokenError(AssertionError):
    """The plugin breaks the contract; the message is one sentence for its author."""


class NotCheckedError(Exception):
    """There is nothing to check, or no way to check it; the message says why."""


@dataclass
class Subject:
    """The plugin that is checked.

    Attributes:
        cls: its class.
        given: values for its options.
        data_dir: a folder with a task's own files, if it ships no sample.
    """

    cls: type[Plugin]
    given: Mapping[str, Any] = field(default_factory=dict)
    data_dir: Path | None = None

    @cached_property
    def plugin(self) -> Any:
        """The plugin, made with `given` and, for other required options, with an example.

        Raises:
            NotCheckedError: there is no example of a required option.
            ContractBrokenError: the options refuse their own examples.
        """
        if not self.cls.Options.model_fields and not self.given:
            return self.cls()
        guessed = {name: example(self.cls, name) for name in required(self.cls) if name not in self.given}
        try:
            return self.cls(self.cls.Options.model_validate({**guessed, **self.given}, context=self._folder_of))
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join(map(str, first["loc"]))
            reason = f"its options refuse {at} = {first['input']!r}: {first['msg']}" if at else first["msg"]
            whole = not at
        except GlueftError as error:
            reason, whole = error.in_one_line, True
        if whole and guessed and not self.given:
            raise NotCheckedError(f"values for its options cannot be guessed, give them with --set KEY=VALUE: {reason}")
        raise ContractBrokenError(f"{reason}; give the option another default or other `examples`")

    def _folder_of(self, option: str) -> Path:
        """Where a `glueft.LocalPath` starts: a given one at the working folder, an example at the plugin's file."""
        file = getattr(sys.modules.get(self.cls.__module__), "__file__", None)
        return Path(file).parent if file and option not in self.given else Path()

    @property
    def task(self) -> Task:
        task = self.plugin
        assert isinstance(task, Task)
        return task

    def source(self) -> Source:
        """Where a task's rows are read from in a check; never the hub.

        Raises:
            NotCheckedError: the task has rows nowhere else.
        """
        from glueft.data.sources import FolderSource, OwnFiles, SampleSource

        task = self.task
        if task.reads_own_files:
            return OwnFiles()
        if self.data_dir is not None:
            return FolderSource(self.data_dir)
        if task.sample is None and type(task).load is Task.load:
            raise NotCheckedError(
                "it ships no sample, so that there are no rows to check: put some of your own writing beside its "
                "module and set `sample`, or give --data-dir DIR"
            )
        return SampleSource()

    def load(self) -> dict[str, Rows]:
        """Load the rows anew, without a network."""
        from glueft.data.rows import load_rows

        source = self.source()
        attempts: list[str] = []
        try:
            with offline(attempts):
                rows = load_rows(self.task, source)
        except DataError as error:
            if "ships no sample" in error.message:
                raise NotCheckedError("it ships no sample, so that there are no rows to check") from None
            raise
        except Exception:
            if not attempts:
                raise
        if attempts:
            raise ContractBrokenError(
                f"its `load` opened a connection ({', '.join(dict.fromkeys(attempts))}), though its rows were to come "
                "from files; read what `source` says, and nothing else"
            )
        return rows

    @cached_property
    def rows(self) -> dict[str, Rows]:
        """The rows, loaded once for all checks that look at them.

        Raises:
            NotCheckedError: they cannot be loaded, which is the finding of another check.
        """
        try:
            return self.load()
        except NotCheckedError:
            raise
        except Exception:
            raise NotCheckedError("its rows cannot be loaded") from None


def required(cls: type[Plugin]) -> list[str]:
    """The options of a plugin that a recipe must set."""
    return [name for name, option in cls.Options.model_fields.items() if option.is_required()]


def example(cls: type[Plugin], name: str) -> Any:
    """A value for a required option: the first of its examples, or a number within its bounds.

    Raises:
        NotCheckedError: there is none.
    """
    from glueft.recipe.schema import options_schema

    schema = options_schema(cls.Options, "option", {}).get("properties", {}).get(name, {})
    for value in [*schema.get("examples", []), *schema.get("enum", [])]:
        return value
    if schema.get("type") in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None and high is None:
            return 1
        if low is None or high is None:
            return low + 1 if low is not None else high - 1
        return (low + high) / 2 if schema["type"] == "number" else (low + high) // 2
    if schema.get("type") == "boolean":
        return False
    raise NotCheckedError(
        f"its option `{name}` must be given: add examples=[...] to its glueft.Field, or give --set {name}=VALUE"
    )


@dataclass(frozen=True)
class Check:
    """One check of one plugin. Its text is its name.

    Attributes:
        name: one word or two, such as "pair order".
        subject: the plugin that is checked.
        work: the check itself: returns what was seen, or raises.
        imports: the modules that the check imports; the time limit does not include importing them.
        needs_rows: whether it looks at a task's rows.
    """

    name: str
    subject: Subject = field(repr=False)
    work: Callable[[Subject], str] = field(repr=False)
    imports: tuple[str, ...] = ()
    needs_rows: bool = False

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Run the check as a test of pytest.

        Raises:
            ContractBrokenError: the plugin fails it.
        """
        try:
            self.run()
        except NotCheckedError as reason:
            import pytest

            pytest.skip(str(reason))

    def run(self) -> str:
        """Run the check and return, in a few words, what was seen.

        Raises:
            ContractBrokenError: the plugin fails it, or raises what it should not.
            NotCheckedError: there is nothing to check.
        """
        try:
            return self.work(self.subject)
        except (ContractBrokenError, NotCheckedError):
            raise
        except GlueftError as error:
            raise ContractBrokenError(error.in_one_line) from error
        except Exception as error:
            told = f"it raised {said(error)}{place(self.subject.cls, error)}"
            raise ContractBrokenError("; ".join(filter(None, [told, misread_name(self.subject.cls, error)]))) from error
