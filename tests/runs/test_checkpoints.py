"""The names of a run's saved states."""

from __future__ import annotations

from pathlib import Path

from glueft.runs.checkpoints import checkpoint_folder, newest_step, saved_steps


def test_the_newest_is_told_by_its_name(tmp_path: Path) -> None:
    assert saved_steps(tmp_path) == [] and newest_step(tmp_path) is None
    for step in (100, 9, 1000):
        checkpoint_folder(tmp_path, step).mkdir(parents=True)
    for other in ("step-2000.old", "step-07", "step-x", ".step-3000.glueft-new", "last"):
        (tmp_path / "checkpoints" / other).mkdir()
    (tmp_path / "checkpoints" / "step-5000").write_text("no folder")
    assert saved_steps(tmp_path) == [9, 100, 1000] and newest_step(tmp_path) == 1000
