"""One check of a plugin, and the two ways in which it does not pass."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glueft.errors import GlueftError
from glueft.plugin.attribution import misread_name, place, said
from glueft.plugin.build import is_built, told
from glueft.plugin.kinds import KINDS

if TYPE_CHECKING:
    from glueft.testing.subject import Subject


class ContractBrokenError(AssertionError):
    """The plugin does not keep to the contract; the message is one sentence for its author."""


class NotCheckedError(Exception):
    """There is nothing to check, or no way to; the message says why."""


@dataclass(frozen=True)
class Check:
    """One check of one plugin. Its text is its name.

    Attributes:
        name: one word or two, such as "pair order".
        subject: the plugin that is checked.
        work: the check itself: returns what was seen, or raises.
        imports: what the check imports, which is no part of the time that it may take.
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


def require_built(kind: str, built: object) -> None:
    """Raise ContractBrokenError unless the `build` of a plugin of this kind may return this."""
    if not is_built(kind, built):
        raise ContractBrokenError(f"`build` must return a {KINDS[kind].builds}, and returned {told(built)}")


def saved_config(built: Any) -> dict[str, Any]:
    """What the `get_config` of a schedule or optimizer returns, after it has gone through JSON.

    Raises:
        ContractBrokenError: it is missing, or returns what cannot be saved; the message says what it must return.
    """
    try:
        config = built.get_config()
    except NotImplementedError:
        raise ContractBrokenError(
            f"its class {type(built).__name__} has no get_config; {_must_return(built)}"
        ) from None
    if not isinstance(config, dict):
        raise ContractBrokenError(f"its get_config returned {told(config)}; {_must_return(built)}")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(config))
    except TypeError as error:
        raise ContractBrokenError(f"its get_config holds what JSON cannot say: {error}") from error
    return plain


def from_config(built: Any, config: dict[str, Any]) -> Any:
    """A schedule or optimizer made anew from its configuration.

    Raises:
        ContractBrokenError: its class does not take the configuration.
    """
    try:
        return type(built).from_config(config)
    except TypeError as error:
        raise ContractBrokenError(
            f"from_config does not take what get_config returns: {error}; {_must_return(built)}"
        ) from error


def _must_return(built: Any) -> str:
    """`it must return ... : return {"peak": self.peak}`, with the arguments of the constructor."""
    parameters = [*inspect.signature(type(built).__init__).parameters.values()][1:]
    named = [
        parameter.name
        for parameter in parameters
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    example = ", ".join(f'"{name}": self.{name}' for name in named)
    return f"it must return the arguments of its constructor by name: return {{{example}}}"
