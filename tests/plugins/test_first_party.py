"""First-party plugins come in by the public door, and importing them imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_importing_the_plugins_imports_nothing_heavy() -> None:
    code = (
        "import sys, glueft_tasks, glueft_optimizers, glueft_schedules, glueft_losses, glueft_executors\n"
        "import glueft.recipe\n"
        "import glueft.plugin.registry\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'datasets', 'transformers', 'evaluate', 'numpy'}\n"
        "heavy |= {'ray', 'submitit', 'optuna'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["glueft_tasks", "glueft_optimizers", "glueft_schedules", "glueft_losses"])
def test_first_party_plugins_use_only_the_public_door(name: str) -> None:
    files = sorted((ROOT / "plugins" / name).glob("*.py"))
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "from glueft." not in text and "import glueft." not in text, file
