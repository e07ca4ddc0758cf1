"""A training in several processes: which backend can do it, what they must agree on, and how their backend starts.

Importing this module imports neither Keras nor a backend.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from glueft.processes.place import HOW_ALONE, ProcessesError
from glueft.system.nvidia import visible_gpus
from glueft.system.standard_output import aside
from glueft.text import short_repr
from glueft.training.backend import import_backend
from glueft.training.fingerprints import differing, fingerprints

if TYPE_CHECKING:
    from collections.abc import Callable

    from glueft.processes.place import Place
    from glueft.processes.team import Together
    from glueft.training.session import Session

_WHY = {
    "tensorflow": "TensorFlow's MultiWorkerMirroredStrategy does not work with Keras 3",
    "torch": "Keras does not share a training out among processes on PyTorch",
}
# So many differences are named.
_MOST_NAMED = 5


def refuse_other_backends(backend: str, place: Place) -> None:
    """Refuse a backend that does not train in several processes.

    Raises:
        ProcessesError: it is another than JAX.
    """
    if backend != "jax":
        raise ProcessesError(
            f"a run in several processes needs JAX: {_WHY.get(backend, 'no other backend can do it')}",
            expected='engine.backend = "jax"',
            received=f'"{backend}", in process {place.process} of {place.processes}, by {place.known_from}',
            fix=f"add --backend jax (pip install 'glueft[jax-cuda]' for NVIDIA GPUs); {HOW_ALONE}",
        )


def agree(session: Session, team: Together, say: Callable[[str], None]) -> None:
    """Compare what the processes are about to do, before the model is loaded.

    Raises:
        ProcessesError: recipe, rows, tokens, checkpoint, versions or engine differ; in each process.
    """
    told = team.from_all(fingerprints(session))
    content: list[str] = []
    machine: list[str] = []
    fix = "start the same command from the same installation for each, with the same data"
    for process, there in enumerate(told[1:], 1):
        for difference in differing(told[0], there):
            values = f"{short_repr(difference.before)} in process 0, {short_repr(difference.now)} in process {process}"
            text = f"{difference.name}: {values} ({team.hosts[process]})"
            (machine if difference.kind == "machine" else content).append(text)
            if (difference.part, difference.what) == ("engine", "precision"):  # what "auto" is to each processor
                fix = "name one precision for all: --set engine.precision=float32"
    if content:
        more = f"; and {len(content) - _MOST_NAMED} more" if len(content) > _MOST_NAMED else ""
        raise ProcessesError(
            "the processes are about to do different things",
            expected="the same recipe, rows, checkpoint and versions in each",
            received="; ".join(content[:_MOST_NAMED]) + more,
            fix=f"{fix}; {HOW_ALONE}",
        )
    for text in machine[:_MOST_NAMED]:
        say(f"warning: {text}: their weights may drift apart in last digits")


def start_backend(team: Together) -> None:
    """Import Keras on JAX, and have the processes compute together; before anything asks JAX for its devices."""
    import_backend()
    gpus = len(visible_gpus(os.environ))
    with aside():  # on CPUs, what carries the numbers prints that it is there
        team.start_jax(team.place.own_gpus(gpus))
