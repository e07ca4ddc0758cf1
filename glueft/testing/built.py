"""What the checks of optimizers, schedules and callbacks share: the object that `build` returns, and saved states."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glueft.plugin.build import is_built, told
from glueft.plugin.kinds import KINDS
from glueft.testing.check import ContractBrokenError


def require_built(kind: str, built: object) -> None:
    """Raise ContractBrokenError unless the `build` of a plugin of this kind may return this."""
    if not is_built(kind, built):
        raise ContractBrokenError(f"`build` must return a {KINDS[kind].builds}, and returned {told(built)}")


def saved_config(built: Any) -> dict[str, Any]:
    """The `get_config` of a schedule or optimizer, after a round trip through JSON.

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
        raise ContractBrokenError(f"its get_config holds a value that JSON does not have: {error}") from error
    return plain


def from_config(built: Any, config: dict[str, Any]) -> Any:
    """A schedule or optimizer made again from its configuration.

    Raises:
        ContractBrokenError: its class does not accept the configuration.
    """
    try:
        return type(built).from_config(config)
    except TypeError as error:
        raise ContractBrokenError(
            f"from_config does not take what get_config returns: {error}; {_must_return(built)}"
        ) from error


def through_files(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state as a resumed run reads it.

    Raises:
        PluginError: it cannot be saved.
    """
    from glueft.training.state_files import PackedState, read_state

    with tempfile.TemporaryDirectory() as folder:
        PackedState.of(state).write(Path(folder, "state"))
        return read_state(Path(folder, "state"))


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
