"""What processes say to each other before they compute; tests/processes begins real ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from glueft.processes.place import ProcessesError
from glueft.training import in_processes


def test_processors_that_differ_in_what_auto_is_to_them_are_told_to_name_a_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def engine(precision: str) -> dict[str, Any]:
        return {"engine": {"backend": "jax", "precision": precision}}

    def agree(*precisions: str) -> None:
        team = SimpleNamespace(hosts=["a", "b"], from_all=lambda own: [engine(precision) for precision in precisions])
        in_processes.agree(session, team, pytest.fail)

    monkeypatch.setattr(in_processes, "fingerprints", lambda session: {})
    session: Any = None
    agree("float32", "float32")
    with pytest.raises(ProcessesError, match="about to do different things") as caught:
        agree("mixed_bfloat16", "float32")
    assert caught.value.received == "precision: 'mixed_bfloat16' in process 0, 'float32' in process 1 (b)"
    assert "--set engine.precision=float32" in caught.value.fix
