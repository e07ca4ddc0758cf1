"""The runs of a study for `glueft list-runs`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from glueft.errors import RunFolderError
from glueft.runs.run_list import ListedRun, list_runs


def list_study_runs(folder: Path) -> list[ListedRun]:
    """Return the runs in the folder of a study, all attempts, named as seen from there."""
    listed = []
    for place in sorted(path for path in folder.glob("runs/[!.]*") if path.is_dir()):
        try:
            attempts = list_runs(place)
        except RunFolderError as error:
            listed.append(ListedRun(f"runs/{place.name}", str(place.absolute()), "broken", error.received))
            continue
        listed += [replace(run, folder=f"runs/{place.name}/{run.folder}") for run in attempts]
    return listed
