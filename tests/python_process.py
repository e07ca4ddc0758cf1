"""Code in a Python process of its own, where nothing has been imported yet."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from glueft.testing.process import python_environment


def run_python(code: str, **environment: str) -> Any:
    """Run code with this process's environment, but for a choice about oneDNN; return what it prints, read as JSON."""
    clean = {name: value for name, value in python_environment().items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
