"""What a fresh Python tells of a plugin: what its import imports, or which rows it loads.

python -m glueft.testing.probe '{"ask": "import", "target": {...}}'
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

HEAVY = ("tensorflow", "keras", "jax", "torch", "datasets", "transformers", "evaluate", "pandas", "sklearn", "scipy")


def imports(request: dict[str, Any]) -> dict[str, Any]:
    """Import the plugin's module; return the heavy packages that came with it, and the seconds that it took."""
    from glueft.testing.target import Target

    before = set(sys.modules)
    begin = time.perf_counter()
    Target(**request["target"]).load_module()
    seconds = time.perf_counter() - begin
    return {"heavy": [name for name in HEAVY if name in sys.modules and name not in before], "seconds": seconds}


def fingerprints(request: dict[str, Any]) -> dict[str, str]:
    """Load a task's rows; return the SHA-256 of each split."""
    from glueft.testing.subject import Subject
    from glueft.testing.target import Target

    data_dir = request["data_dir"]
    subject = Subject(Target(**request["target"]).load(), request["given"], Path(data_dir) if data_dir else None)
    return {split: rows.sha256 for split, rows in subject.load().items()}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps({"import": imports, "rows": fingerprints}[asked["ask"]](asked)))
