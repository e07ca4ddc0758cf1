"""Real little distributions, as pip would leave them: a module, and a .dist-info folder with its entry points."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from glueft.plugin.registry import load_registry

GOOD_TASK = '''
import glueft

class Mood(glueft.Task):
    """Glad or sad: short sentences."""
    name = "mood"
    inputs = ("sentence",)
    labels = ("sad", "glad")
    hub = glueft.HubDataset("someone/mood")

    class Options(glueft.Options):
        """One option."""
        words: int = glueft.Field(20, gt=0, description="Leading words to keep.")

@glueft.hookimpl
def glueft_tasks():
    return [Mood]
'''


def install(
    folder: Path,
    package: str,
    source: str,
    version: str = "1.0",
    entry_point: str | None = None,
    group: str = "glueft",
) -> None:
    """Put a distribution into a folder that is, or will be, on `sys.path`.

    Args:
        folder: where to; made if missing.
        package: the distribution's name; its module has `_` for `-`.
        source: of the module.
        version: of the distribution.
        entry_point: the whole line of the entry point; by default the package's own name and its module.
        group: of the entry point.
    """
    module = package.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry_point or f'{module} = {module}'}\n")


def forget(folder: Path) -> None:
    """Forget the registry, and the modules imported from a folder: those of another one may have the same names."""
    load_registry.cache_clear()
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def glueft(*arguments: str, packages: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with more packages on its path if wanted."""
    environment = dict(os.environ)
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    return subprocess.run(
        [sys.executable, "-m", "glueft.cli.main", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
